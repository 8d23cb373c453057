//! All mistakes of a policy at once, each where it is in the file, with what was probably meant.
//!
//! The parser stops at the first mistake. What is wrong is taken out of a copy of the text, and the copy parsed again, until
//! nothing is wrong with what is left.

use std::fmt::Write;

use portcullis_domain::policy::Policy;
use portcullis_domain::text::{escaped_up_to, for_people};

/// This many mistakes are named. Whoever has more has taken another file for a policy.
const MOST: usize = 20;

/// A mistake, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Its line, from 1 on.
    pub line: usize,
    /// Its column, from 1 on.
    pub column: usize,
    /// What is wrong, and what was probably meant.
    pub words: String,
}

/// The mistakes of a text that is no policy, one after the other, each with its line. `name` is the file's.
#[must_use]
pub fn explained(name: &str, text: &str) -> String {
    let mut page = String::new();
    for (Mistake { line, column, words }, n) in mistakes(text).iter().zip(0..) {
        // The first one follows the program's name.
        page.push_str(if n == 0 { "" } else { "\nportcullis: " });
        let _ = write!(page, "{name}:{line}:{column}: {words}");
        if let Some(shown) = text.lines().nth(line.saturating_sub(1)).filter(|line| !line.trim().is_empty()) {
            let margin = line.to_string().len();
            let _ = write!(page, "\n  {line} | {}", escaped_up_to(shown, 160));
            if (1..=160).contains(column) {
                let _ = write!(page, "\n  {:margin$} | {:>column$}", "", "^");
            }
        }
    }
    page
}

/// The mistakes of a text that is no policy, in the order in which the parser meets them.
#[must_use]
pub fn mistakes(text: &str) -> Vec<Mistake> {
    let (mut rest, mut mistakes) = (text.to_owned(), Vec::<Mistake>::new());
    for _ in 0..MOST {
        let Err(error) = Policy::parse(&rest) else { break };
        let place = error.place.and_then(|(line, column)| Some((line.try_into().ok()?, column.try_into().ok()?)));
        let (line, column): (usize, usize) = place.unwrap_or((1, 1));
        let words = plain(&without_place(&error.to_string()));
        // What is missing because it was taken out is no mistake of its own.
        let begins = |start: &&str| words.starts_with(start);
        let begins = ["missing", "exempt: names nothing", "scopes: names nothing", "unexpected end"].iter().any(begins)
            || words.contains("list is empty");
        let is_bare = |line: &str| line.trim().is_empty() || line.trim_end().ends_with(':');
        let lacks = words.starts_with("expected ") && rest.lines().nth(line.saturating_sub(1)).is_none_or(is_bare);
        let follows = !mistakes.is_empty() && (begins || lacks);
        if !follows {
            if mistakes.iter().any(|known| (known.line, known.column) == (line, column)) {
                break;
            }
            mistakes.push(Mistake { line, column, words });
        }
        match without(&rest, line, column) {
            Some(less) if less != rest => rest = less,
            _ => break,
        }
    }
    mistakes
}

/// The parser's words without the place, which stands before them.
fn without_place(words: &str) -> String {
    let is_place =
        |end: &str| end.trim_start_matches(|c: char| c.is_ascii_digit() || ", column".contains(c)).is_empty();
    match words.rsplit_once(" at line ") {
        Some((before, end)) if is_place(end) => before.to_owned(),
        _ => words.to_owned(),
    }
}

/// The text without what is wrong at a place, on the same lines: an entry of a list or a mapping in brackets, or else the
/// line with all that is indented below it.
fn without(text: &str, line: usize, column: usize) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (at, column) = (line.checked_sub(1)?, column.saturating_sub(1));
    let wrong = lines.get(at)?.clone();
    if let Some(shorter) = without_entry(&wrong, column) {
        *lines.get_mut(at)? = shorter;
    } else {
        let indent = |line: &str| line.chars().take_while(|c| *c == ' ').count();
        let own = indent(&wrong);
        let below = lines.iter().skip(line).take_while(|next| next.trim().is_empty() || indent(next) > own).count();
        lines.iter_mut().skip(at).take(below + 1).for_each(String::clear);
    }
    Some(lines.join("\n") + "\n")
}

/// A line without the entry at a column, where that is in brackets which open on the line.
fn without_entry(line: &str, column: usize) -> Option<String> {
    let characters: Vec<char> = line.chars().collect();
    let (mut open, mut begins) = (Vec::new(), Vec::new());
    for (n, c) in characters.iter().enumerate().take(column) {
        match c {
            '[' | '{' => {
                open.push(*c);
                begins.push(n + 1);
            }
            ']' | '}' => {
                open.pop();
                begins.pop();
            }
            ',' => *begins.last_mut()? = n + 1,
            _ => {}
        }
    }
    let (_, begin) = (open.last()?, *begins.last()?);
    let mut depth: usize = 0;
    let end = characters.iter().enumerate().skip(column).find_map(|(n, c)| match c {
        '[' | '{' => {
            depth += 1;
            None
        }
        ']' | '}' if depth == 0 => Some(n),
        ']' | '}' => {
            depth -= 1;
            None
        }
        ',' if depth == 0 => Some(n),
        _ => None,
    })?;
    // One of the commas goes with it.
    let (begin, end) = match characters.get(end) {
        Some(',') => (begin, end + 1),
        _ if characters.get(begin.checked_sub(1)?) == Some(&',') => (begin - 1, end),
        _ => (begin, end),
    };
    // What is left stays where it is.
    Some(characters.iter().enumerate().map(|(n, c)| if (begin..end).contains(&n) { ' ' } else { *c }).collect())
}

/// The words of the parser's library as an author of a policy understands them, and what was probably meant.
fn plain(words: &str) -> String {
    if let Some(key) = words.strip_prefix("duplicate mapping key: ").and_then(|rest| rest.split(',').next()) {
        return format!("the key `{}` stands there twice", for_people(key));
    }
    if let Some(value) = words.strip_prefix("The string value [").and_then(|rest| rest.split(']').next()) {
        let value = for_people(value);
        return format!("write \"{value}\" with the quotes: without them YAML takes it for a number");
    }
    let words = match words {
        "expected mapping start" => "expected keys with values here, such as {key: value}",
        "expected sequence start" => "expected a list here, such as [ssh, rdp]",
        other => other,
    };
    let is_address = |value: &str| value.parse::<std::net::IpAddr>().ok();
    match quoted(words) {
        Some(value) if words.contains("is no CIDR block") && is_address(value).is_some() => {
            let length = if is_address(value).is_some_and(|it| it.is_ipv6()) { 128 } else { 32 };
            format!("{words}; one address is {value}/{length}")
        }
        Some(value) => match meant(value, words) {
            Some(word) => format!("{words}; did you mean `{word}`?"),
            None => words.to_owned(),
        },
        None => words.to_owned(),
    }
}

/// The first text between backticks.
fn quoted(words: &str) -> Option<&str> {
    words.split('`').nth(1)
}

/// Of the words that the message says are expected, the one that is nearest to what was written.
fn meant<'a>(written: &str, words: &'a str) -> Option<&'a str> {
    let (_, expected) = words.split_once("one of ")?;
    nearest(written, expected.split([',', ' ']).map(|word| word.trim_matches('`')))
}

/// The word that is nearest to what was written, where one is near.
pub fn nearest<'a>(written: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    let near = words.filter(|word| !word.is_empty()).map(|word| (strsim::damerau_levenshtein(&written, word), word));
    let (distance, word) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= (word.len() / 3).max(1)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        mistakes(text).iter().map(|Mistake { line, column, words }| format!("{line}:{column}: {words}")).collect()
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_what_was_meant() {
        let text = "version: 1\nmode: enforced\ngaurd: [ssh]\nguard: [SSH, postgresql, rdp]\ntrusted: [203.0.113.7]\n\
                    exempt:\n  - {reason: x, until: soon, accounts: [\"111122223333\"]}\n  - reason: y\n    until: never\n    \
                    accounts: [111122223333]\ninternet: /8\n";
        let found = of(text);
        for (start, part) in [
            ("2:7: unknown variant `enforced`", "; did you mean `enforce`?"),
            ("3:1: unknown field `gaurd`", "; did you mean `guard`?"),
            ("4:9: `SSH` is no service that is known", "; did you mean `ssh`?"),
            ("4:14: `postgresql` is no service", "; did you mean `postgres`?"),
            ("5:11: `203.0.113.7` is no CIDR block", "; one address is 203.0.113.7/32"),
            ("7:24: `soon` is no time", "expected a day such as 2026-12-31"),
            ("10:16: write \"111122223333\" with the quotes", "YAML takes it for a number"),
            ("11:11: expected keys with values here", "{key: value}"),
        ] {
            assert!(found.iter().any(|it| it.starts_with(start) && it.contains(part)), "{start}: {found:#?}");
        }
        assert_eq!(found.len(), 8, "{found:#?}");
    }

    #[test]
    fn a_mistake_is_told_once_and_points_to_its_place() {
        assert_eq!(
            explained("policy.yaml", "version: 1\nversion: 1\n"),
            "policy.yaml:2:1: the key `version` stands there twice\n  2 | version: 1\n    | ^"
        );
        assert_eq!(of("version: 1\nexempt:\n  - {reason: x, until: never}\n").len(), 1);
        assert_eq!(of("{").len(), 1);
        assert_eq!(of("").len(), 1);
        assert!(of(&"a: 1\n".repeat(500)).len() <= MOST);
    }

    #[test]
    fn what_is_wrong_is_taken_out_with_one_comma() {
        for (line, column, expected) in [
            ("a: [x, y, z]", 4, Some("a: [   y, z]")),
            ("a: [x, y, z]", 7, Some("a: [x,    z]")),
            ("a: [x, y, z]", 10, Some("a: [x, y   ]")),
            ("a: [x]", 4, Some("a: [ ]")),
            ("- {r: x, u: y, l: [1, 2]}", 12, Some("- {r: x,       l: [1, 2]}")),
            ("- {r: x, l: [1, 2]}", 13, Some("- {r: x, l: [   2]}")),
            ("a: x", 3, None),
        ] {
            assert_eq!(without_entry(line, column).as_deref(), expected, "{line} at {column}");
        }
    }
}
