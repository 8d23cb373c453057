//! The policy, read from the place that the command line names.

use std::io::{self, Read};
use std::path::Path;

use portcullis_domain::policy::Policy;

use crate::words;

/// How messages call a policy's place.
#[must_use]
pub fn name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { words::path(path) }
}

/// Whether it is standard input.
#[must_use]
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads a policy.
///
/// # Errors
/// Why it could not be read, or the policy's own with the lines around it.
pub fn read(path: &Path) -> io::Result<Policy> {
    let named = |why: String| io::Error::other(format!("{}: {why}", name(path)));
    let mut yaml = String::new();
    let text = match is_stdin(path) {
        true => io::stdin().read_to_string(&mut yaml).map(|_| yaml),
        false => std::fs::read_to_string(path),
    };
    Policy::parse(&text.map_err(|error| named(error.to_string()))?).map_err(|error| named(error.snippet))
}

/// The policy at a place, or the built-in one where none is named.
///
/// # Errors
/// Those of [`read`].
pub fn read_or_built_in(path: Option<&Path>) -> io::Result<Policy> {
    path.map_or_else(|| Ok(Policy::built_in()), read)
}
