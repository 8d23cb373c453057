//! Text from events, made safe for messages: it cannot control a terminal and cannot start a new line.

/// The text for a message that quotes it between backticks: characters that do not print are escaped, a backtick becomes
/// `'`, and the text is cut to 80 characters.
#[must_use]
pub fn escaped(text: &str) -> String {
    escaped_up_to(text, 80).replace('`', "'")
}

/// A message, or a part of one, with what does not print escaped, cut to `most` characters.
#[must_use]
pub fn escaped_up_to(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    for c in text.chars().take(most) {
        if matches!(c, '"' | '\'' | '\\') { escaped.push(c) } else { escaped.extend(c.escape_debug()) }
    }
    if text.chars().nth(most).is_some() { format!("{escaped}…") } else { escaped }
}

/// Text that a person reads, in a mail, a table or a spreadsheet, whole. What does not print becomes a space: it could
/// control a terminal, begin a line, or turn the order of the letters around. A backtick becomes `'`, for it quotes in
/// markdown.
#[must_use]
pub fn for_people(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '`' {
                '\''
            } else if prints(c) {
                c
            } else {
                ' '
            }
        })
        .collect()
}

/// Text between the tags of a page, or in an attribute in quotes: nothing in it is markup, and what does not print, or turns
/// the order of the letters around, is shown as its number.
#[must_use]
pub fn html(text: &str) -> String {
    let mut page = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            '\n' => page.push(c),
            c if prints(c) => page.push(c),
            c => page.extend(c.escape_unicode()),
        }
    }
    page
}

/// Whether a character prints and stays where it is.
fn prints(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().count() == 1 || is_mark(c)
}

/// Marks are escaped where they begin a text. Behind a letter they belong to it.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read_is_whole_and_controls_nothing() {
        let text = "a\u{1b}[31m\u{9b}1m\u{202e}b\u{2066}c\r\n`d`\tü\u{301} \"'\\ ✓";
        assert_eq!(for_people(text), "a [31m 1m b c  'd' ü\u{301} \"'\\ ✓");
        let long = "x".repeat(10_000);
        assert_eq!(for_people(&long), long);
        assert_eq!(escaped("`x`"), "'x'");
    }

    #[test]
    fn nothing_in_the_text_of_a_page_is_markup_or_hides() {
        let text = "</td><b a='1' c=\"2\">&amp;\nü\u{301}\u{1b}\u{200b}\u{202e}\u{feff}";
        let page =
            "&lt;/td&gt;&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;\nü\u{301}\\u{1b}\\u{200b}\\u{202e}\\u{feff}";
        assert_eq!(html(text), page);
    }

    #[test]
    fn a_long_value_is_shortened_in_messages() {
        assert_eq!(escaped(&"x".repeat(81)).chars().count(), 81);
        assert_eq!(escaped(&"x".repeat(80)).chars().count(), 80);
    }
}
