//! Text from events, made safe for messages: it cannot control a terminal and cannot start a new line.

/// The text for a message: characters that do not print are escaped, and the text is cut to 80 characters.
#[must_use]
pub fn escaped(text: &str) -> String {
    escaped_up_to(text, 80)
}

/// The same, cut to `most` characters.
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
