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

/// A span of time: `90m`, `36h`, `14d`, `8w`.
///
/// # Errors
/// What is expected.
pub fn span(text: &str) -> Result<SignedDuration, String> {
    let expected = || "expected a number and a unit, such as 90m, 36h, 14d or 8w".to_owned();
    let unit = text.chars().last().ok_or_else(expected)?;
    let hours = |hours: i64| hours.checked_mul(3600);
    let seconds = match unit {
        'm' => Some(60),
        'h' => hours(1),
        'd' => hours(24),
        'w' => hours(7 * 24),
        _ => None,
    };
    let number: i64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(expected)?;
    // A thousand years are longer than anything that is kept.
    let longest = 366 * 1000 * 24 * 3600;
    let seconds = seconds.and_then(|seconds: i64| seconds.checked_mul(number)).filter(|it| (1..=longest).contains(it));
    seconds.map(SignedDuration::from_secs).ok_or_else(expected)
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
    fn a_span_is_a_number_and_a_unit() {
        for (text, hours) in [("90m", 1.5), ("36h", 36.0), ("14d", 336.0), ("8w", 1344.0)] {
            assert_eq!(span(text).unwrap().as_secs_f64() / 3600.0, hours, "{text}");
        }
        for bad in
            ["", "d", "14", "14 d", "-1d", "0h", "1y", "d14", "1.5h", "99999999999999999999d", "9999999999w", "14ä"]
        {
            assert!(span(bad).is_err(), "{bad}");
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
