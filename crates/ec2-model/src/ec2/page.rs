//! `MaxResults` and `NextToken`.

use std::ops::RangeInclusive;

use crate::{ApiError, params::Params};

/// The allowed values of `MaxResults`, and its value when absent.
pub(super) struct Limits {
    pub(super) allowed: RangeInclusive<usize>,
    pub(super) default: usize,
}

/// The describe calls of security groups: "This value can be between 5 and 1000." The reference says that all items are
/// returned when it is absent. The model then pages at 1000, so that a caller that does not page is noticed.
pub(super) const DESCRIBE: Limits = Limits { allowed: 5..=1000, default: 1000 };

/// GetManagedPrefixListEntries: 1 to 100.
pub(super) const ENTRIES: Limits = Limits { allowed: 1..=100, default: 100 };

/// One page of `items`, which are in ascending order of `cursor`. The token names the cursor after which the next page
/// begins, so a deletion between two pages never makes a page skip an item.
pub(super) fn page<T>(
    items: Vec<T>,
    cursor: impl Fn(&T) -> u64,
    limits: &Limits,
    params: &Params,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = match params.int::<usize>("MaxResults")? {
        None => limits.default,
        Some(size) if limits.allowed.contains(&size) => size,
        Some(size) => {
            let (least, most) = (limits.allowed.start(), limits.allowed.end());
            let bound = if size < *least { format!("greater than {least}") } else { format!("less than {most}") };
            return Err(ApiError::invalid_value(format!(
                "Value ( {size} ) for parameter maxResults is invalid. Expecting a value {bound}."
            )));
        }
    };
    let after = match params.get("NextToken") {
        None => 0,
        Some(token) => {
            parse(token).ok_or_else(|| ApiError::invalid_value(format!("Invalid value '{token}' for nextToken.")))?
        }
    };
    let mut rest = items.into_iter().filter(|item| cursor(item) > after);
    let page = rest.by_ref().take(size).collect::<Vec<_>>();
    let token = match (page.last(), rest.next()) {
        (Some(last), Some(_)) => Some(render(cursor(last))),
        _ => None,
    };
    Ok((page, token))
}

/// Makes the token opaque to callers. It is not a number, so that nobody calculates with it.
const MARK: u64 = 0x7061_6765_746f_6b65;

fn render(cursor: u64) -> String {
    format!("tok-{:016x}", cursor.rotate_left(17) ^ MARK)
}

fn parse(token: &str) -> Option<u64> {
    let digits = token.strip_prefix("tok-").filter(|digits| digits.len() == 16)?;
    Some((u64::from_str_radix(digits, 16).ok()? ^ MARK).rotate_right(17))
}
