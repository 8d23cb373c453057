//! A hunt as Athena is to read it: the values of its parameters as literals, its tables bounded in time.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::engine::Value;
use crate::hunts::Hunt;
use crate::lives;
use crate::trail::Wanted;

/// The tables that `--ddl` makes views for. All others follow rules over time, which no statement does.
pub const VIEWS: [&str; 4] = ["events", "console_logins", "key_pairs", "flow_logs"];

/// A place in a text: line and column, from 1.
pub type Place = (u64, u64);

/// A text for Athena.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The text.
    pub text: String,
    /// Where words of the hunt's own text are in it: here and there, in order.
    places: Vec<(Place, Place)>,
}

impl Query {
    /// A hunt, over the views of a database, with records of a window only.
    ///
    /// # Errors
    /// Why it cannot be asked on Athena.
    pub fn new(hunt: &Hunt, values: &BTreeMap<String, Value>, database: &str, window: &Wanted) -> Result<Self, String> {
        let parsed = Parser::parse_sql(&GenericDialect {}, &hunt.sql).map_err(|error| error.to_string())?;
        // The engine here refuses to write; Athena would do it.
        if !matches!(parsed.as_slice(), [Statement::Query(_)]) {
            return Err("expected one query that only reads".to_owned());
        }
        let tokens = Tokenizer::new(&GenericDialect {}, &hunt.sql).tokenize_with_location();
        let tokens = tokens.map_err(|error| error.to_string())?;
        let (mut before, mut bounded) = (String::new(), Vec::new());
        for token in &tokens {
            let Some(word) = word(&token.token) else { continue };
            if (before == "from" || before == "join") && is_followed(&word) {
                return Err(format!(
                    "{} asks {word}: what follows rules and interfaces over time has no statement for Athena; ask it here, \
                     with PATHs",
                    hunt.name
                ));
            }
            if VIEWS.contains(&word.as_str()) && !bounded.contains(&word) {
                bounded.push(word.clone());
            }
            before = word;
        }
        let mut query = Self { text: String::new(), places: Vec::new() };
        let mut bounds = Some(bounds(&bounded, database, window)).filter(|bounds| !bounds.is_empty());
        let mut at = (1, 1);
        for token in &tokens {
            let own = (token.span.start.line, token.span.start.column);
            let is_space = matches!(token.token, Token::Whitespace(_));
            let is_with = matches!(word(&token.token).as_deref(), Some("with" | "recursive"));
            if let Some(bounds) = bounds.take_if(|_| !is_space && !is_with) {
                let begins = query.text.trim_end().to_ascii_lowercase();
                let goes_on = begins.ends_with("with") || begins.ends_with("recursive");
                query.add(&if goes_on { format!("{bounds}, ") } else { format!("WITH {bounds} ") }, None, &mut at);
            }
            let text = match &token.token {
                Token::Placeholder(name) => {
                    let value = values.get(name.trim_start_matches('$'));
                    literal(value.ok_or_else(|| format!("`{name}` is no parameter: -- param: declares one"))?)
                }
                other => other.to_string(),
            };
            query.add(&text, (!is_space).then_some(own), &mut at);
        }
        Ok(query)
    }

    fn add(&mut self, text: &str, own: Option<Place>, at: &mut Place) {
        self.places.extend(own.map(|own| (*at, own)));
        self.text.push_str(text);
        for letter in text.chars() {
            *at = if letter == '\n' { (at.0 + 1, 1) } else { (at.0, at.1 + 1) };
        }
    }

    /// The place in the hunt's own text of a place in the text that was sent.
    #[must_use]
    pub fn own(&self, sent: Place) -> Option<Place> {
        self.places.iter().rev().find(|(place, _)| *place <= sent).map(|(_, own)| *own)
    }
}

fn word(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_lowercase()),
        _ => None,
    }
}

fn is_followed(name: &str) -> bool {
    name == "rule_flows" || lives::ALL.iter().any(|lives| lives.name == name)
}

/// A value as a literal of Trino's: a quote in a text is doubled, and nothing else means anything in it.
fn literal(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Number(number @ ..0) => format!("({number})"),
        Value::Number(number) => number.to_string(),
    }
}

/// Common table expressions in the names of the views, so that the query reads a window of them. A record is in the folder of
/// the day on which it was delivered, which may be the next one.
fn bounds(views: &[String], database: &str, window: &Wanted) -> String {
    let time = |seconds: i64| Timestamp::from_second(seconds).unwrap_or_default().to_zoned(TimeZone::UTC);
    let day = |seconds: i64| time(seconds).strftime("%Y/%m/%d").to_string();
    let literal = |seconds: i64| time(seconds).strftime("TIMESTAMP '%Y-%m-%d %H:%M:%S'").to_string();
    let bound = |view: &String| {
        let (first, last) = if view == "flow_logs" { ("end_time", "start_time") } else { ("event_time", "event_time") };
        let from = window.from.map(|from| format!("day >= '{}' AND {first} >= {}", day(from), literal(from)));
        // Whole seconds: what is of the last second is in it.
        let to = window.to.map(|to| {
            format!("day <= '{}' AND {last} < {}", day(to.saturating_add(24 * 3600)), literal(to.saturating_add(1)))
        });
        let all: Vec<String> = from.into_iter().chain(to).collect();
        (!all.is_empty())
            .then(|| format!("{view} AS (SELECT * FROM \"{database}\".{view} WHERE {})", all.join(" AND ")))
    };
    views.iter().filter_map(bound).collect::<Vec<_>>().join(", ")
}

/// The place in a message of Athena's: `line 3:8: …`.
#[must_use]
pub(super) fn place_in(message: &str) -> Option<Place> {
    let (_, behind) = message.split_once("line ")?;
    let (line, rest) = behind.split_once(':')?;
    let column = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunts::shipped;

    fn query(sql: &str, given: &[(&str, &str)], window: &Wanted) -> Result<Query, String> {
        let hunt = Hunt::parse("own", sql);
        let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Query::new(&hunt, &hunt.values(&given).unwrap(), "logs", window)
    }

    /// 2026-11-20T00:00:00Z to 2026-11-21T23:59:59Z.
    fn window() -> Wanted {
        Wanted { from: Some(1_795_132_800), to: Some(1_795_132_800 + 2 * 86_400 - 1), ..Wanted::default() }
    }

    #[test]
    fn what_is_given_is_a_literal_and_never_sql() {
        let sql = "-- param: name = ''; a name\n-- param: port = 22; a port\nSELECT * FROM events WHERE a = $name AND b = $port -- $name";
        let sent = query(sql, &[("name", "x' OR '1'='1' --\n\\"), ("port", "-5")], &Wanted::default()).unwrap();
        assert!(sent.text.ends_with("a = 'x'' OR ''1''=''1'' --\n\\' AND b = (-5) -- $name"), "{}", sent.text);
        assert!(query("SELECT $nothing", &[], &Wanted::default()).unwrap_err().contains("`$nothing` is no parameter"));
    }

    #[test]
    fn tables_are_bounded_by_day_and_by_time() {
        let sent = query("SELECT 1 FROM flow_logs", &[], &window()).unwrap();
        assert_eq!(
            sent.text,
            "WITH flow_logs AS (SELECT * FROM \"logs\".flow_logs WHERE day >= '2026/11/20' AND end_time >= TIMESTAMP '2026-11-20 \
             00:00:00' AND day <= '2026/11/22' AND start_time < TIMESTAMP '2026-11-22 00:00:00') SELECT 1 FROM flow_logs"
        );
        for (sql, begin) in [
            ("WITH x AS (SELECT * FROM events) SELECT * FROM x", "WITH events AS ("),
            ("with recursive x as (SELECT 1 FROM events) SELECT * FROM x", "with recursive events AS ("),
            ("-- question: Why?\nSELECT * FROM Events", "-- question: Why?\nWITH events AS ("),
        ] {
            assert!(query(sql, &[], &window()).unwrap().text.starts_with(begin), "{sql}");
        }
    }

    #[test]
    fn an_error_is_told_at_its_place_in_the_hunt() {
        let sql = "-- param: name = ''; a name\nSELECT nonsense\nFROM events WHERE a = $name AND b = 1";
        let sent = query(sql, &[("name", "something long")], &window()).unwrap();
        let place = |word: &str| {
            let (line, text) = sent.text.lines().enumerate().find(|(_, line)| line.contains(word)).unwrap();
            (line as u64 + 1, text.find(word).unwrap() as u64 + 1)
        };
        assert_eq!(sent.own(place("nonsense")), Some((2, 8)));
        assert_eq!(sent.own(place("b = 1")), Some((3, 33)));
        assert_eq!(place_in("SYNTAX_ERROR: line 3:18: Column 'x' cannot be resolved"), Some((3, 18)));
        assert_eq!(place_in("Insufficient permissions: a line of words"), None);
    }

    #[test]
    fn only_one_query_that_reads_is_sent() {
        for sql in ["DROP TABLE events", "SELECT 1; SELECT 2", "INSERT INTO t SELECT 1", "CREATE TABLE t AS SELECT 1"] {
            assert!(query(sql, &[], &window()).unwrap_err().contains("one query"), "{sql}");
        }
    }

    #[test]
    fn hunts_are_sent_word_for_word_or_refused_with_the_reason() {
        let mut sent = Vec::new();
        for hunt in shipped() {
            match Query::new(&hunt, &hunt.values(&[]).unwrap(), "logs", &Wanted::default()) {
                Ok(query) if hunt.parameters.is_empty() => {
                    assert_eq!(query.text, hunt.sql);
                    sent.push(hunt.name);
                }
                Ok(query) => {
                    assert!(!query.text.lines().any(|line| !line.starts_with("--") && line.contains('$')));
                    sent.push(hunt.name);
                }
                Err(why) => assert!(why.contains("has no statement for Athena"), "{why}"),
            }
        }
        assert_eq!(sent, ["activity", "console-logins", "denied", "errors", "key-pairs", "logins-without-mfa"]);
    }
}
