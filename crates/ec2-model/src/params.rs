//! The parameters of a Query request: `Name=value`, lists numbered as in `SecurityGroupRuleId.1`.
//!
//! EC2 API Reference, "Query requests": "Some actions take lists of parameters. These lists are specified using the
//! param.n notation."

use std::collections::BTreeMap;

use crate::ApiError;

/// Parameters in the order sent, without `Action` and `Version`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(pub(crate) Vec<(String, String)>);

impl Params {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            // EC2 names the parameter with a lower-case first letter.
            let mut letters = name.chars();
            let first = letters.next().map(|c| c.to_ascii_lowercase()).into_iter();
            ApiError::missing(&first.chain(letters).collect::<String>())
        })
    }

    pub(crate) fn int<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.get(name)
            .map(|value| {
                value.parse().map_err(|_| {
                    ApiError::invalid_value(format!("Invalid value '{value}' for {name}. Must be an integer"))
                })
            })
            .transpose()
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// All parameters under `prefix.`, without the prefix.
    pub(crate) fn under(&self, prefix: &str) -> Params {
        Params(
            self.0
                .iter()
                .filter_map(|(n, v)| Some((n.strip_prefix(prefix)?.strip_prefix('.')?.to_owned(), v.clone())))
                .collect(),
        )
    }

    /// The members of a list of structures, `prefix.N.…`, in the order of their numbers.
    pub(crate) fn members(&self, prefix: &str) -> Vec<Params> {
        let mut members = BTreeMap::<u32, Params>::new();
        for (name, value) in self.under(prefix).0 {
            let (number, rest) = name.split_once('.').unwrap_or((&name, ""));
            if let Ok(number) = number.parse() {
                members.entry(number).or_default().0.push((rest.to_owned(), value));
            }
        }
        members.into_values().collect()
    }

    /// The members of a list of plain values, `prefix.N`.
    pub(crate) fn list(&self, prefix: &str) -> Vec<String> {
        self.members(prefix).iter().filter_map(|member| member.text("")).collect()
    }

    pub(crate) fn has(&self, prefix: &str) -> bool {
        self.0.iter().any(|(n, _)| n == prefix || n.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')))
    }

    pub(crate) fn push(&mut self, name: impl Into<String>, value: impl ToString) {
        self.0.push((name.into(), value.to_string()));
    }

    pub(crate) fn push_some(&mut self, name: impl Into<String>, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }
}
