//! The log: one line on standard output for each finding.

use std::fmt::Write;

use portcullis_domain::finding::Finding;
use serde_json::json;

/// A finding as its log line: one JSON object without line breaks. What does not print is escaped, so that no text in it can
/// control the terminal that shows it.
#[must_use]
pub fn line(finding: &Finding) -> String {
    let line = serde_json::to_string(finding);
    printing(line.unwrap_or_else(|error| json!({"schema": 1, "error": error.to_string()}).to_string()))
}

/// JSON with the same value, whose texts have no character that does not print. serde_json escapes those below U+0020.
#[must_use]
pub fn printing(json: String) -> String {
    let is_hidden = |c: char| c == '\u{7f}' || !c.is_ascii() && c.escape_debug().count() > 1;
    if !json.chars().any(is_hidden) {
        return json;
    }
    let mut printing = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(printing, "\\u{unit:04x}");
            }
        } else {
            printing.push(c);
        }
    }
    printing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_print_is_escaped_and_the_value_stays_the_same() {
        let value = json!({"actor": "a\u{9b}31m\u{202e}b\u{e0001}\u{7f}ü✓"});
        let line = printing(value.to_string());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
        assert!(line.contains("a\\u009b31m\\u202eb\\udb40\\udc01") && line.contains("ü✓"), "{line}");
    }
}
