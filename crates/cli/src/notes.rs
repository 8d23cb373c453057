//! What there is to say about a file, for machines, and for the page of a pull request.
//!
//! Source: GitHub's documentation, "Workflow commands for GitHub Actions": a line `::warning file=…,line=…::text` on standard
//! output becomes a remark at that line of the pull request.

use portcullis_domain::text::escaped_up_to;
use serde::Serialize;

use crate::explain::Warning;
use crate::policy_errors::Mistake;

/// How grave a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The file can be used.
    Warning,
    /// It cannot.
    Error,
}

/// Something to say about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// How grave it is.
    pub level: Level,
    /// The file, as it was named; none where it is standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, where it belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The column, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// What is to be said.
    pub message: String,
}

impl Note {
    /// What keeps the whole file from being read.
    #[must_use]
    pub fn unreadable(file: Option<String>, message: String) -> Self {
        Self { level: Level::Error, file, line: None, column: None, message }
    }

    /// A mistake.
    #[must_use]
    pub fn mistake(file: Option<String>, mistake: &Mistake) -> Self {
        let number = |n: usize| u64::try_from(n).ok();
        let message = mistake.words.clone();
        Self { level: Level::Error, file, line: number(mistake.line), column: number(mistake.column), message }
    }

    /// A warning.
    #[must_use]
    pub fn warning(file: Option<String>, warning: &Warning) -> Self {
        Self { level: Level::Warning, file, line: warning.line, column: None, message: warning.text.clone() }
    }

    /// As JSON, on one line.
    #[must_use]
    pub fn json(&self) -> String {
        portcullis::sinks::log::printing(serde_json::to_string(self).unwrap_or_default())
    }

    /// As a command for GitHub Actions.
    #[must_use]
    pub fn github(&self) -> String {
        let command = match self.level {
            Level::Warning => "warning",
            Level::Error => "error",
        };
        let places = [
            ("file", self.file.as_deref().map(property)),
            ("line", self.line.map(|line| line.to_string())),
            ("col", self.column.map(|column| column.to_string())),
            ("title", Some("portcullis".to_owned())),
        ];
        let places = places.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        format!("::{command} {}::{}", places.collect::<Vec<_>>().join(","), data(&self.message))
    }
}

/// A line of a note has at most this many characters.
const LONGEST: usize = 2000;

/// The text of a command. What would end the line, and what begins an escape, is escaped.
fn data(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| escaped_up_to(line, LONGEST)).collect();
    lines.join("\n").replace('%', "%25").replace('\n', "%0A")
}

/// The value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_file_begins_a_command_or_ends_a_property() {
        let note = Note {
            level: Level::Warning,
            file: Some("a,line=9::b\r\n::error::c%0A.yaml".to_owned()),
            line: Some(3),
            column: None,
            message: "100 %\n::set-output name=x::y\r\u{1b}[31m".to_owned(),
        };
        let command = note.github();
        assert_eq!(
            command,
            "::warning file=a%2Cline=9%3A%3Ab\\r%0A%3A%3Aerror%3A%3Ac%250A.yaml,line=3,title=portcullis::100 %25%0A\
             ::set-output name=x::y\\r\\u{1b}[31m"
        );
        assert_eq!(command.lines().count(), 1);
        assert!(!note.json().contains('\u{1b}'));
    }
}
