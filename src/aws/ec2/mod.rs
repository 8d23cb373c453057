//! EC2: what the function reads there, and the one call that it writes with.

pub(super) mod describe;
pub(super) mod whole;
