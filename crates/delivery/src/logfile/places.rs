//! Where in a text the records are that can be wanted, found without looking at the others.
//!
//! A key or a name that JSON can write in one way only is searched for as text. JSON may write any letter as `\u00…`: CloudTrail
//! writes `<`, `>` and `&` so, and no letter. A text that has a letter in that form is not searched.

use std::collections::BTreeSet;

use memchr::{memchr_iter, memmem};

/// How many bytes are searched for one thing, before they are for the next: they stay in the processor's near memory meanwhile.
const SEARCHED: usize = 64 << 10;
/// The key of a record's call.
const NAME: &[u8] = b"\"eventName\"";

/// Offsets in a text, in order. A wanted record has at least one of them; others may have too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places(Vec<usize>);

impl Places {
    /// Where a record can name one of these calls as its own. `None`: anywhere.
    #[must_use]
    pub fn of_calls(names: &BTreeSet<String>, text: &[u8]) -> Option<Self> {
        let names: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
        if !names.iter().all(|name| name.iter().copied().all(is_plain)) {
            return None;
        }
        // There is a value for each record, and of most the first letter is another one.
        let begins_with = |value: &[u8], name: &[u8]| {
            value.first() == name.first() && value.starts_with(name) && value.get(name.len()) == Some(&b'"')
        };
        search(NAME, text, |behind| match value(behind) {
            Some(value) => names.iter().any(|name| begins_with(value, name)),
            // It is no text.
            None => true,
        })
    }

    /// Where a key of letters and digits stands. `None`: anywhere.
    #[must_use]
    pub fn of_key(key: &str, text: &[u8]) -> Option<Self> {
        if !key.bytes().all(is_plain) {
            return None;
        }
        search(format!("\"{key}\"").as_bytes(), text, |_| true)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The offsets.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().copied()
    }
}

/// Whether JSON writes this byte as itself, or as `\u00…`, and in no third way.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// What is behind the quote of the text that follows a key, if it is a text.
fn value(behind_key: &[u8]) -> Option<&[u8]> {
    match behind_key {
        [b':', b'"', value @ ..] => Some(value),
        other => other.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\""),
    }
}

/// Where the word stands, and what is behind it may be wanted. `None`: a letter is written in another way somewhere.
fn search(word: &[u8], text: &[u8], may_be_wanted: impl Fn(&[u8]) -> bool) -> Option<Places> {
    let finder = memmem::Finder::new(word);
    let mut places = Vec::new();
    for base in (0..text.len()).step_by(SEARCHED) {
        let piece = |length: usize| text.get(base..(base + SEARCHED + length - 1).min(text.len())).unwrap_or_default();
        // One byte is found in half the time that a word takes.
        if memchr_iter(b'\\', piece(1)).any(|at| is_escaped_letter(text.get(base + at..).unwrap_or_default())) {
            return None;
        }
        let found = finder.find_iter(piece(word.len())).map(|at| base + at);
        places.extend(found.filter(|at| may_be_wanted(text.get(at + word.len()..).unwrap_or_default())));
    }
    Some(Places(places))
}

/// Whether a text begins with a letter that is written as `\u00…`.
fn is_escaped_letter(text: &[u8]) -> bool {
    let Some(digits) = text.strip_prefix(b"\\u00").and_then(|rest| rest.get(..2)) else { return false };
    std::str::from_utf8(digits).is_ok_and(|digits| u8::from_str_radix(digits, 16).is_ok_and(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(names: &[&str], text: &str) -> Option<Vec<usize>> {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Places::of_calls(&names, text.as_bytes()).map(|places| places.0)
    }

    #[test]
    fn a_call_is_where_a_record_may_name_it_as_its_own() {
        let text = r#"{"eventName":"A","a":"B"},{"eventName" :
            "B"},{"eventName":"C"},{"x":"\"eventName\":\"B\""},{"eventName":"B\n"},{"eventName":7},{"eventName":"BB"}"#;
        let at = |what: &str| text.find(what).unwrap();
        let unsure = [at("\"eventName\":7")];
        assert_eq!(calls(&["B", "D"], text).unwrap(), [&[at("\"eventName\" :")][..], &unsure].concat());
        assert_eq!(calls(&["A", "C"], text).unwrap(), [&[1, at("\"eventName\":\"C")][..], &unsure].concat());
        assert_eq!(calls(&[], text).unwrap(), unsure);
    }

    #[test]
    fn what_json_can_write_in_several_ways_is_not_searched_for() {
        for name in ["a\"b", "a\\b", "a/b", "a<b", "a b", "\u{e9}", "a\nb"] {
            assert_eq!(calls(&["A", name], r#"{"eventName":"B"}"#), None, "{name}");
        }
        assert_eq!(Places::of_key("a/b", b"\"a/b\""), None);
    }

    #[test]
    fn a_word_is_found_once_wherever_the_pieces_of_the_search_end() {
        for at in (SEARCHED - NAME.len() - 6..SEARCHED + 2).chain([0, 2 * SEARCHED - 3]) {
            let mut text = ".".repeat(at) + r#""eventName":"A""#;
            text += &".".repeat(3 * SEARCHED - text.len());
            assert_eq!(calls(&["A"], &text), Some(vec![at]), "at {at}");
            assert_eq!(calls(&["B"], &text), Some(vec![]), "at {at}");
            assert_eq!(Places::of_key("eventName", text.as_bytes()), Some(Places(vec![at])), "at {at}");
        }
        for (escape, is_letter) in [
            ("\\u0041", true),
            ("\\u007a", true),
            ("\\u0030", true),
            ("\\u005F", true),
            ("\\u003c", false),
            ("\\u00e9", false),
        ] {
            for at in SEARCHED - 8..SEARCHED + 2 {
                let text = ".".repeat(at) + escape + &".".repeat(SEARCHED);
                assert_eq!(calls(&["x"], &text).is_none(), is_letter, "{escape} at {at}");
            }
        }
    }
}
