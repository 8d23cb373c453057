//! What the command line does apart from the terminal: records judged offline ([`check`]), a policy told in words
//! ([`explain`]).

pub mod check;
pub mod explain;
