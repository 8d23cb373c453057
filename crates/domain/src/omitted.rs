//! What documents leave out because it says nothing.

/// Whether a count is zero, in the form that serde asks for.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
pub(crate) fn is_zero(number: &usize) -> bool {
    *number == 0
}
