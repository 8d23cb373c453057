//! Text of events as it may stand in a message: nothing in it plays tricks on a terminal or breaks out of a line.

/// The text as it may stand in a message: what does not print is escaped, at most 80 characters.
#[must_use]
pub fn escaped(text: &str) -> String {
    escaped_up_to(text, 80)
}

/// The same with at most so many characters.
#[must_use]
pub fn escaped_up_to(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    for c in text.chars().take(most) {
        if matches!(c, '"' | '\'' | '\\') { escaped.push(c) } else { escaped.extend(c.escape_debug()) }
    }
    if text.chars().nth(most).is_some() { format!("{escaped}…") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_shortened_in_messages() {
        assert_eq!(escaped(&"x".repeat(81)).chars().count(), 81);
        assert_eq!(escaped(&"x".repeat(80)).chars().count(), 80);
    }
}
