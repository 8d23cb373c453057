//! From a text to the evidence in it.

use serde_json::Value;

use super::seal::{Seal, seal, sealed};
use super::{Evidence, SCHEMA};
use crate::text::{escaped, escaped_up_to};

/// Why a text is not the evidence of an act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The text ends too early.
    #[error("the evidence is cut: it ends at line {line}, column {column}, before the end of its JSON object")]
    Cut {
        /// The line where it ends.
        line: usize,
        /// The column.
        column: usize,
    },
    /// The text is no JSON, or not the JSON of evidence.
    #[error("this is no evidence of an act: {0}")]
    Wrong(String),
    /// A later version wrote it.
    #[error("schema: {0} is newer than this portcullis knows ({SCHEMA}): use a newer one")]
    Newer(u64),
}

impl Evidence {
    /// The document: one line of JSON, sealed.
    ///
    /// # Errors
    /// The text of what cannot be written as JSON.
    pub fn document(&self) -> Result<String, String> {
        serde_json::to_string(self).map(|json| sealed(&json)).map_err(|error| error.to_string())
    }

    /// Reads a document, or a line of the log that contains one. Returns the evidence, and whether its seal is whole: one
    /// that is not must not be believed, and is returned so that [`Evidence::replay`] can say where it differs.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(text: &str) -> Result<(Self, bool), ReadError> {
        // A log puts its own time before a line.
        let start = text.find('{').unwrap_or_default();
        let document = text.get(start..).unwrap_or_default();
        let value: Value = serde_json::from_str(document).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            match error.is_eof() {
                true => ReadError::Cut { line, column },
                false => ReadError::Wrong(escaped_up_to(&error.to_string(), 200)),
            }
        })?;
        match value.get("schema") {
            Some(Value::Number(schema)) if schema.as_u64() == Some(SCHEMA.into()) => {}
            Some(Value::Number(schema)) if schema.as_u64().is_some_and(|it| it > SCHEMA.into()) => {
                return Err(ReadError::Newer(schema.as_u64().unwrap_or_default()));
            }
            Some(other) => {
                return Err(ReadError::Wrong(format!(
                    "schema is `{}`, expected {SCHEMA}",
                    escaped(&other.to_string())
                )));
            }
            None => return Err(ReadError::Wrong(format!("schema is missing, expected {SCHEMA}"))),
        }
        if value.get("looks").is_none() && value.get("verdict").is_some() {
            return Err(ReadError::Wrong("it is a finding: its `act` is the id of its evidence".to_owned()));
        }
        let wrong = |error: serde_json::Error| ReadError::Wrong(escaped_up_to(&error.to_string(), 200));
        Ok((serde_json::from_value(value).map_err(wrong)?, seal(document) == Seal::Whole))
    }
}
