//! Times on the command line: a time, or a day in UTC.

use jiff::{SignedDuration, Timestamp};

const EXPECTED: &str = "expected a day such as 2026-12-31, or a time such as 2026-12-31T12:00:00Z";

/// A time, or the first moment of a day.
///
/// # Errors
/// What is expected.
pub fn beginning(text: &str) -> Result<Timestamp, String> {
    parse(text, "T00:00:00Z")
}

/// A time, or the last second of a day.
///
/// # Errors
/// What is expected.
pub fn end(text: &str) -> Result<Timestamp, String> {
    parse(text, "T23:59:59Z")
}

fn parse(text: &str, of_day: &str) -> Result<Timestamp, String> {
    text.parse().or_else(|_| format!("{text}{of_day}").parse()).map_err(|_| EXPECTED.to_owned())
}

/// A length of time, such as `7d`, `12h` or `30m`.
///
/// # Errors
/// What is expected.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let expected = || "expected days, hours or minutes, such as 7d, 12h or 30m".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(expected)?;
    let minutes = match unit {
        "d" => 24 * 60,
        "h" => 60,
        "m" => 1,
        _ => return Err(expected()),
    };
    let number: i64 = number.parse().ok().filter(|number| *number > 0).ok_or_else(expected)?;
    number.checked_mul(minutes * 60).map(SignedDuration::from_secs).ok_or_else(expected)
}

/// The times between which records are judged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Not after this.
    pub until: Option<Timestamp>,
}

impl Window {
    /// Whether it has this time. What has no time is never left out.
    #[must_use]
    pub fn has(self, time: Option<Timestamp>) -> bool {
        let Some(time) = time else { return true };
        self.since.is_none_or(|since| since <= time) && self.until.is_none_or(|until| time <= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_and_ends_in_utc() {
        let day = "2026-12-31";
        assert_eq!(beginning(day).unwrap().to_string(), "2026-12-31T00:00:00Z");
        assert_eq!(end(day).unwrap().to_string(), "2026-12-31T23:59:59Z");
        assert_eq!(end("2026-12-31T12:00:00+02:00").unwrap().to_string(), "2026-12-31T10:00:00Z");
        assert_eq!(end("tomorrow").unwrap_err(), EXPECTED);
    }

    #[test]
    fn a_length_of_time_has_a_unit() {
        for (text, seconds) in [("7d", 604_800), ("12h", 43_200), ("30m", 1800)] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds);
        }
        for text in ["", "d", "7", "0d", "-1d", "7w", "1.5d", "9999999999999999d", "７d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_window_has_its_ends_and_what_has_no_time() {
        let window = Window { since: beginning("2026-12-30").ok(), until: end("2026-12-30").ok() };
        for (time, inside) in [
            ("2026-12-29T23:59:59Z", false),
            ("2026-12-30T00:00:00Z", true),
            ("2026-12-30T23:59:59Z", true),
            ("2026-12-31T00:00:00Z", false),
        ] {
            assert_eq!(window.has(time.parse().ok()), inside, "{time}");
        }
        assert!(window.has(None) && Window::default().has("1970-01-01T00:00:00Z".parse().ok()));
    }
}
