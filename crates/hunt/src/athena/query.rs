//! A hunt as Athena is to read it: the values of its parameters as literals, its tables bounded in time.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::ddl::{COVERAGE, FlowFolders};
use crate::engine::Value;
use crate::hunts::Hunt;
use crate::lives;
use crate::trail::Wanted;

/// The tables that `--ddl` makes views for. All others need the guard's judgement, or which rule admitted which traffic.
pub const VIEWS: [&str; 11] = [
    "events",
    "console_logins",
    "key_pairs",
    "flow_logs",
    "rule_changes",
    "sg_rules",
    "security_groups",
    "interface_groups",
    "group_changes",
    "instance_interfaces",
    "coverage",
];

/// Whether a view follows rules or interfaces from the beginning of the records, and so reads all of them.
fn is_of_all_records(view: &str) -> bool {
    !matches!(view, "events" | "console_logins" | "key_pairs" | "flow_logs")
}

/// A place in a text: line and column, from 1.
pub type Place = (u64, u64);

/// A text for Athena.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The text.
    pub text: String,
    /// Whether it reads all of CloudTrail, whatever the window.
    pub reads_all: bool,
    /// Where words of the hunt's own text are in it: here and there, in order.
    places: Vec<(Place, Place)>,
}

impl Query {
    /// A hunt, over the views of a database, with records of a window only.
    ///
    /// # Errors
    /// Why it cannot be asked on Athena.
    pub fn new(
        hunt: &Hunt,
        values: &BTreeMap<String, Value>,
        (database, folders): (&str, FlowFolders),
        window: &Wanted,
    ) -> Result<Self, String> {
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
                    "{} asks {word}, which has no statement for Athena: what the guard judges, which rule admitted which \
                     traffic, and what interfaces and instances are, is no SQL; ask it here, with PATHs",
                    hunt.name
                ));
            }
            if VIEWS.contains(&word.as_str()) && !bounded.contains(&word) {
                bounded.push(word.clone());
            }
            before = word;
        }
        let reads_all = bounded.iter().any(|view| is_of_all_records(view));
        // It has a copy of its own, over flow logs that are bounded too.
        if bounded.iter().any(|view| view == "coverage") && !bounded.iter().any(|view| view == "flow_logs") {
            bounded.insert(0, "flow_logs".to_owned());
        }
        bounded.sort_by_key(|view| view == "coverage");
        let mut query = Self { text: String::new(), reads_all, places: Vec::new() };
        let mut bounds = Some(bounds(&bounded, (database, folders), window)).filter(|bounds| !bounds.is_empty());
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
    !VIEWS.contains(&name) && (name == "rule_flows" || lives::ALL.iter().any(|lives| lives.name == name))
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
fn bounds(views: &[String], (database, folders): (&str, FlowFolders), window: &Wanted) -> String {
    let time = |seconds: i64| Timestamp::from_second(seconds).unwrap_or_default().to_zoned(TimeZone::UTC);
    let day = |seconds: i64| time(seconds).strftime("%Y/%m/%d").to_string();
    let literal = |seconds: i64| time(seconds).strftime("TIMESTAMP '%Y-%m-%d %H:%M:%S'").to_string();
    let last_day = window.to.map(|to| to.saturating_add(24 * 3600));
    let bound = |view: &String| {
        let (first, last, has_days, has_null) = match view.as_str() {
            "flow_logs" => ("end_time", "start_time", true, false),
            "events" | "console_logins" | "key_pairs" => ("event_time", "event_time", true, false),
            "rule_changes" | "group_changes" => ("event_time", "event_time", false, false),
            "sg_rules" => ("closed_at", "opened_at", false, true),
            "coverage" => return (window.from.or(window.to)).map(|_| format!("coverage AS ({})", COVERAGE.trim_end())),
            _ => return None,
        };
        let or_never = |condition: String, column: &str| match has_null {
            true => format!("({column} IS NULL OR {condition})"),
            false => condition,
        };
        let mut all = Vec::new();
        if let Some(from) = window.from {
            all.extend(has_days.then(|| format!("day >= '{}'", day(from))));
            all.push(or_never(format!("{first} >= {}", literal(from)), first));
        }
        if let (Some(to), Some(last_day)) = (window.to, last_day) {
            all.extend(has_days.then(|| format!("day <= '{}'", day(last_day))));
            // Whole seconds: what is of the last second is in it.
            all.push(or_never(format!("{last} < {}", literal(to.saturating_add(1))), last));
        }
        if view == "flow_logs" && folders.hive {
            all.extend(of_keys(window.from.map(time), last_day.map(time)));
        }
        (!all.is_empty())
            .then(|| format!("{view} AS (SELECT * FROM \"{database}\".{view} WHERE {})", all.join(" AND ")))
    };
    views.iter().filter_map(bound).collect::<Vec<_>>().join(", ")
}

/// Bounds on the year, and within one year on the month, and within one month on the day: Athena passes over folders by their
/// keys, and the day that the view makes of them is none.
fn of_keys(from: Option<Zoned>, to: Option<Zoned>) -> Vec<String> {
    let (Some(from), Some(to)) = (&from, &to) else {
        let from = from.map(|from| format!("year >= '{}'", from.strftime("%Y")));
        return from.into_iter().chain(to.map(|to| format!("year <= '{}'", to.strftime("%Y")))).collect();
    };
    let mut all = Vec::new();
    for (key, directive) in [("year", "%Y"), ("month", "%m"), ("date_of_month", "%d")] {
        let [first, last] = [from, to].map(|time| time.strftime(directive).to_string());
        all.push(format!("{key} BETWEEN '{first}' AND '{last}'"));
        if first != last {
            break;
        }
    }
    all
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
        Query::new(&hunt, &hunt.values(&given).unwrap(), ("logs", FlowFolders::default()), window)
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
            match Query::new(&hunt, &hunt.values(&[]).unwrap(), ("logs", FlowFolders::default()), &Wanted::default()) {
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
        let refused = ["dangerous-rules", "exposure", "unexplained", "unused-rules"];
        let expected = shipped().into_iter().map(|hunt| hunt.name).filter(|name| !refused.contains(&name.as_str()));
        assert_eq!(sent, expected.collect::<Vec<_>>());
        assert_eq!(sent.len(), 11);
    }

    #[test]
    fn what_follows_rules_is_bounded_by_what_it_says_and_reads_everything() {
        let sent = query("SELECT 1 FROM rule_changes", &[], &window()).unwrap();
        assert!(sent.reads_all && sent.text.starts_with(
            "WITH rule_changes AS (SELECT * FROM \"logs\".rule_changes WHERE event_time >= TIMESTAMP '2026-11-20 00:00:00' AND \
             event_time < TIMESTAMP '2026-11-22 00:00:00') "
        ), "{}", sent.text);
        let sent = query("SELECT 1 FROM sg_rules", &[], &window()).unwrap();
        assert!(sent.text.contains(
            "WHERE (closed_at IS NULL OR closed_at >= TIMESTAMP '2026-11-20 00:00:00') AND (opened_at IS NULL OR opened_at < \
             TIMESTAMP '2026-11-22 00:00:00')"
        ), "{}", sent.text);
        let sent = query("SELECT 1 FROM security_groups", &[], &window()).unwrap();
        assert_eq!((sent.text.as_str(), sent.reads_all), ("SELECT 1 FROM security_groups", true));
        assert!(!query("SELECT 1 FROM events", &[], &window()).unwrap().reads_all);
    }

    #[test]
    fn coverage_is_of_flow_logs_that_are_bounded() {
        for sql in ["SELECT 1 FROM coverage", "SELECT 1 FROM coverage c JOIN flow_logs f ON TRUE"] {
            let sent = query(sql, &[], &window()).unwrap().text;
            let (flows, coverage) =
                (sent.find("flow_logs AS (SELECT * FROM \"logs\".flow_logs WHERE day"), sent.find("coverage AS (WITH"));
            assert!(flows.unwrap() < coverage.unwrap(), "{sent}");
        }
        assert_eq!(query("SELECT 1 FROM coverage", &[], &Wanted::default()).unwrap().text, "SELECT 1 FROM coverage");
    }

    #[test]
    fn hive_folders_are_bounded_by_their_keys() {
        let folders = FlowFolders { hive: true, hours: false };
        let hunt = Hunt::parse("own", "SELECT 1 FROM flow_logs");
        let keys = |from: i64, to: Option<i64>| {
            let window = Wanted { from: Some(from), to, ..Wanted::default() };
            Query::new(&hunt, &hunt.values(&[]).unwrap(), ("logs", folders), &window).unwrap().text
        };
        let begin = 1_795_132_800;
        for (text, expected) in [
            (
                keys(begin, Some(begin + 3600)),
                "year BETWEEN '2026' AND '2026' AND month BETWEEN '11' AND '11' AND date_of_month BETWEEN '20' AND '21')",
            ),
            (keys(begin, Some(begin + 20 * 86_400)), "year BETWEEN '2026' AND '2026' AND month BETWEEN '11' AND '12')"),
            (keys(begin, Some(begin + 60 * 86_400)), "year BETWEEN '2026' AND '2027')"),
            (keys(begin, None), "year >= '2026')"),
        ] {
            assert!(text.contains(expected) && text.contains("day >= '2026/11/20'"), "{text}");
        }
    }
}
