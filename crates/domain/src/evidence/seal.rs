//! The seal: a document ends with the SHA-256 of what comes before it.
//!
//! The seal shows an accident and a careless hand. Whoever can write the document anew can seal it anew: that the store
//! writes once and deletes nothing is what keeps it.

use sha2::{Digest, Sha256};

const BEFORE: &str = ",\"sha256\":\"";
const AFTER: &str = "\"}";
const DIGITS: usize = 64;

/// The object with its seal as the last key. `json` is an object with at least one key, on one line.
pub(super) fn sealed(json: &str) -> String {
    let body = json.strip_suffix('}').unwrap_or(json);
    format!("{body}{BEFORE}{}{AFTER}\n", hash(body))
}

/// What the text says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seal {
    /// The seal is that of the text.
    Whole,
    /// The text has no seal at its end.
    Missing,
    /// The text is not what was sealed.
    Broken,
}

/// Looks at the seal.
pub(super) fn seal(text: &str) -> Seal {
    let parts = || {
        let body = text.trim_end().strip_suffix(AFTER)?;
        let (body, digits) = body.split_at_checked(body.len().checked_sub(DIGITS)?)?;
        Some((body.strip_suffix(BEFORE)?, digits))
    };
    match parts() {
        None => Seal::Missing,
        Some((body, digits)) if hash(body) == digits => Seal::Whole,
        Some(_) => Seal::Broken,
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
