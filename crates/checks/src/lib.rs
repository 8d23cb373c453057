//! Checks that must hold for any input.
//!
//! Each check takes bytes, panics if a property does not hold, and returns the input's class as a word. The fuzz
//! targets search for bytes that break a check. `tests/replay.rs` replays every finding and seed without a fuzzer.
#![expect(clippy::panic, reason = "a check that fails panics: that is what the fuzzer looks for")]

mod cidr;
mod delivery;
mod json;
mod logfile;
mod policy;
mod record;

pub use cidr::cidr;
pub use delivery::delivery;
pub use json::json;
pub use logfile::logfile;
pub use policy::policy;
pub use record::record;

/// Checks a message for people: it is not empty, it fits on one line of a terminal or a notification, and it cannot
/// harm the terminal.
fn is_clear(message: &str, most: usize) {
    assert!(!message.trim().is_empty(), "an empty message");
    assert!(!message.contains(char::is_control), "a control character: {message:?}");
    let length = message.chars().count();
    assert!(length <= most, "{length} characters, more than {most}: {message}");
}
