//! What the command line does apart from the terminal: reads inputs ([`input`]), judges records offline ([`check`]),
//! explains a policy ([`explain`]), reads the evidence of acts ([`acts`]), reports
//! on it ([`report`]), and shows findings ([`show`]).

pub mod acts;
pub mod check;
pub mod explain;
pub mod input;
pub mod operator;
pub mod policy_file;
pub mod progress;
pub mod report;
pub mod show;
pub mod terminal;
pub mod when;
pub mod words;
