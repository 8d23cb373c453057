//! The hunts: questions in SQL, each with what it asks, what it needs and what can be set.

use std::collections::BTreeMap;

use crate::engine::Value;

/// A parameter of a hunt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; in the query `$name`.
    pub name: String,
    /// What it is without `--where`. Its kind is the parameter's kind.
    pub default: Value,
    /// What it does.
    pub text: String,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunt {
    /// Its name on the command line.
    pub name: String,
    /// What it asks.
    pub question: String,
    /// What must be read for an answer.
    pub needs: String,
    /// What the answer does not tell.
    pub note: Option<String>,
    /// Whether a row is something to act on: then the exit status is 1.
    pub is_finding: bool,
    /// What can be set.
    pub parameters: Vec<Parameter>,
    /// The columns by which a page shows bars: the words and the number.
    pub bars: Option<(String, String)>,
    /// The columns by which a page shows a line of time: from and to.
    pub timeline: Option<(String, String)>,
    /// The query.
    pub sql: String,
}

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        const SHIPPED: &[(&str, &str)] = &[$(($name, include_str!(concat!("../sql/", $name, ".sql")))),+];
    };
}

shipped!(
    "activity",
    "console-logins",
    "coverage",
    "dangerous-rules",
    "denied",
    "errors",
    "exposure",
    "groups-attached",
    "key-pairs",
    "logins-without-mfa",
    "rules-changed",
    "ssh-attempts",
    "unexplained",
    "unused-groups",
    "unused-rules",
);

/// All hunts that come with the program, in order of name.
#[must_use]
pub fn shipped() -> Vec<Hunt> {
    SHIPPED.iter().map(|(name, text)| Hunt::parse(name, text)).collect()
}

impl Hunt {
    /// A hunt in a text: comments of the form `-- key: value` before the query say what it is. All of them may be missing.
    #[must_use]
    pub fn parse(name: &str, text: &str) -> Self {
        let mut hunt = Self {
            name: name.to_owned(),
            question: String::new(),
            needs: String::new(),
            note: None,
            is_finding: false,
            parameters: Vec::new(),
            bars: None,
            timeline: None,
            sql: text.to_owned(),
        };
        for line in text.lines().map_while(|line| line.strip_prefix("--")) {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            let two = || value.split_once(',').map(|(one, two)| (one.trim().to_owned(), two.trim().to_owned()));
            match key.trim() {
                "question" => value.clone_into(&mut hunt.question),
                "needs" => value.clone_into(&mut hunt.needs),
                "note" => hunt.note = Some(value.to_owned()),
                "finding" => hunt.is_finding = value == "true",
                "bars" => hunt.bars = two(),
                "timeline" => hunt.timeline = two(),
                "param" => hunt.parameters.extend(parameter(value)),
                _ => {}
            }
        }
        hunt
    }

    /// The values of its parameters, with what was given.
    ///
    /// # Errors
    /// What was given that it does not have, or of another kind.
    pub fn values(&self, given: &[(String, String)]) -> Result<BTreeMap<String, Value>, String> {
        let mut values: BTreeMap<String, Value> =
            self.parameters.iter().map(|one| (one.name.clone(), one.default.clone())).collect();
        for (name, text) in given {
            let value = match values.get(name) {
                Some(Value::Text(_)) => Value::Text(text.clone()),
                Some(Value::Number(_)) => {
                    let number = text.parse().map_err(|_| format!("--where {name}={text}: expected a whole number"))?;
                    Value::Number(number)
                }
                None => {
                    let known: Vec<&str> = self.parameters.iter().map(|one| one.name.as_str()).collect();
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    return Err(format!("--where {name}: {} has no such parameter; it has: {known}", self.name));
                }
            };
            values.insert(name.clone(), value);
        }
        Ok(values)
    }
}

/// `name = default; what it does`.
fn parameter(text: &str) -> Option<Parameter> {
    let (name, rest) = text.split_once('=')?;
    let (default, text) = rest.split_once(';').unwrap_or((rest, ""));
    let default = default.trim();
    let default = match default.parse() {
        Ok(number) => Value::Number(number),
        Err(_) => Value::Text(default.trim_matches('\'').to_owned()),
    };
    Some(Parameter { name: name.trim().to_owned(), default, text: text.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hunt_says_what_it_asks_and_what_it_needs() {
        for hunt in shipped() {
            assert!(hunt.question.ends_with('?'), "{}", hunt.name);
            assert!(!hunt.needs.is_empty(), "{}", hunt.name);
            for parameter in &hunt.parameters {
                assert!(hunt.sql.contains(&format!("${}", parameter.name)), "{} {}", hunt.name, parameter.name);
            }
        }
    }

    #[test]
    fn a_parameter_that_the_hunt_does_not_have_is_refused_by_name() {
        let hunt = Hunt::parse("x", "-- param: port = 22; the port\n-- param: name = ''; a name\nSELECT $port, $name");
        let given = |name: &str, value: &str| hunt.values(&[(name.to_owned(), value.to_owned())]);
        assert_eq!(given("port", "3389").unwrap()["port"], Value::Number(3389));
        assert_eq!(given("name", "a' OR 1=1").unwrap()["name"], Value::Text("a' OR 1=1".to_owned()));
        assert!(given("port", "ssh").unwrap_err().contains("whole number"));
        assert!(given("user", "x").unwrap_err().contains("it has: port, name"));
    }
}
