//! `Filter.N.Name` and `Filter.N.Value.M`.
//!
//! EC2 API Reference, "Query requests", filters: several values of one filter are joined by OR, several filters by AND;
//! `*` stands for zero or more characters, `?` for exactly one; values are case-sensitive. Amazon EC2 User Guide,
//! "Filter your resources": up to 50 filters; 200 values, which EC2 counts over the whole call.

use crate::{ApiError, params::Params};

pub(super) struct Filter {
    pub(super) name: String,
    values: Vec<String>,
}

impl Filter {
    /// The filters of a request. A name that `known` refuses is an error.
    pub(super) fn all(params: &Params, known: impl Fn(&str) -> bool) -> Result<Vec<Self>, ApiError> {
        let filters = params.members("Filter");
        if filters.len() > 50 {
            return Err(too_many("The maximum number of filters specified on a single call is 50"));
        }
        if filters.iter().map(|filter| filter.list("Value").len()).sum::<usize>() > 200 {
            return Err(too_many("The maximum number of filter values specified on a single call is 200"));
        }
        filters
            .iter()
            .map(|filter| {
                let name = filter.required("Name")?.to_owned();
                if !known(&name) {
                    return Err(ApiError::invalid_value(format!("The filter '{name}' is invalid")));
                }
                Ok(Self { name, values: filter.list("Value") })
            })
            .collect()
    }

    /// Whether one of the values matches one of `candidates`.
    pub(super) fn fits<'a>(&self, candidates: impl IntoIterator<Item = &'a str>) -> bool {
        candidates.into_iter().any(|text| {
            let text = text.chars().collect::<Vec<_>>();
            self.values.iter().any(|value| glob(&value.chars().collect::<Vec<_>>(), &text))
        })
    }

    /// The filters `tag:KEY` and `tag-key`; `None` for any other.
    pub(super) fn fits_tags(&self, tags: &[(String, String)]) -> Option<bool> {
        if self.name == "tag-key" {
            return Some(self.fits(tags.iter().map(|(key, _)| key.as_str())));
        }
        let key = self.name.strip_prefix("tag:")?;
        Some(self.fits(tags.iter().filter(|(k, _)| k == key).map(|(_, value)| value.as_str())))
    }
}

/// EC2 API Reference, error codes, FilterLimitExceeded. The message is the one that callers report.
fn too_many(message: &str) -> ApiError {
    ApiError::new("FilterLimitExceeded", message)
}

/// Whether `pattern`, with `*` and `?`, matches all of `text`.
pub(crate) fn glob(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=text.len()).any(|at| text.get(at..).is_some_and(|tail| glob(rest, tail))),
        (['?', rest @ ..], [_, tail @ ..]) => glob(rest, tail),
        ([p, rest @ ..], [t, tail @ ..]) => p == t && glob(rest, tail),
        ([], [_, ..]) | ([_, ..], []) => false,
    }
}
