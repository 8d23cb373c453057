//! Phrases, numbers, and lines of 80 columns.

use std::fmt::{Display, Write};

use jiff::Timestamp;
use portcullis_domain::policy::{Exemption, Selector};
use portcullis_domain::text::escaped_up_to;

const WIDTH: usize = 80;

/// A page of headings and wrapped text.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn heading(&mut self, heading: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(heading);
        self.0.push('\n');
    }

    /// Text that begins with `first` and goes on below where that ended. A word is never broken: it may be copied.
    pub(super) fn text(&mut self, first: &str, text: &str) {
        let indent = first.chars().count();
        self.0.push_str(first);
        let mut column = indent;
        for word in text.split_whitespace() {
            let length = word.chars().count();
            let begins = column == indent;
            if !begins && column + 1 + length > WIDTH {
                let _ = write!(self.0, "\n{:indent$}", "");
                column = indent;
            } else if !begins {
                self.0.push(' ');
                column += 1;
            }
            self.0.push_str(word);
            column += length;
        }
        self.0.push('\n');
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>, last: &str) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match (items.pop(), items.is_empty()) {
        (None, _) => String::new(),
        (Some(only), true) => only,
        (Some(end), false) => format!("{} {last} {end}", items.join(", ")),
    }
}

/// Where something holds: `in account 111122223333 or 222233334444, in eu-west-1`.
pub(super) fn place(place: &Selector) -> String {
    fn phrase<T: Display>(what: &str, values: Option<&Vec<T>>) -> Option<String> {
        values.map(|values| format!("in {what}{}", list(values, "or")))
    }
    let phrases = [
        phrase("group ", place.groups.as_ref()),
        phrase("VPC ", place.vpcs.as_ref()),
        phrase("account ", place.accounts.as_ref()),
        phrase("", place.regions.as_ref()),
    ];
    let phrases: Vec<String> = phrases.into_iter().flatten().collect();
    if phrases.is_empty() { "everywhere".to_owned() } else { phrases.join(", ") }
}

/// The reason, as it may stand in a message.
pub(super) fn reason(exemption: &Exemption, most: usize) -> String {
    escaped_up_to(exemption.reason.trim(), most)
}

/// `16,777,216`; beyond what can be read, `7.9e28`.
pub(super) fn number(number: u128) -> String {
    let digits = number.to_string();
    if digits.len() > 15 {
        return format!("{:.1e}", number as f64);
    }
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `221`, `3.7 billion`.
pub(super) fn rough(amount: u128) -> String {
    let of = |unit: u128, word: &str| format!("{:.1} {word}", amount as f64 / unit as f64);
    match amount {
        0..1_000_000 => number(amount),
        1_000_000..1_000_000_000 => of(1_000_000, "million"),
        1_000_000_000..1_000_000_000_000 => of(1_000_000_000, "billion"),
        _ => number(amount),
    }
}

/// `in 39 days`, `5 days ago`.
pub(super) fn ends(until: Timestamp, now: Timestamp) -> String {
    let hours = until.duration_since(now).as_hours();
    let days = match hours.abs() / 24 {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    if until > now { format!("in {days}") } else { format!("{days} ago") }
}
