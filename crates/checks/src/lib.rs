//! What must hold for any input at all.
//!
//! Each check takes bytes, panics where something does not hold, and says in a word what became of the input. The fuzz
//! targets look for bytes that break one; `tests/replay.rs` replays every finding and seed, with no fuzzer needed.
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

/// A message to people: there is one, and it fits on a line of a terminal or a notification without harm to it.
fn is_clear(message: &str, most: usize) {
    assert!(!message.trim().is_empty(), "an empty message");
    assert!(!message.contains(char::is_control), "a control character: {message:?}");
    let length = message.chars().count();
    assert!(length <= most, "{length} characters, more than {most}: {message}");
}
