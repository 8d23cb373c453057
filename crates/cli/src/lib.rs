//! What the command line does apart from the terminal: reads inputs ([`input`]), judges records offline ([`check`]),
//! explains a policy ([`explain`], [`notes`]), reads the evidence of acts ([`acts`]), reports
//! on it ([`report`]), and shows findings ([`show`]).

pub mod acts;
pub mod aws;
pub mod check;
pub mod doctor;
pub mod drill;
pub mod explain;
pub mod input;
pub mod interrupt;
pub mod notes;
pub mod open;
pub mod operator;
pub mod policy_errors;
pub mod policy_file;
pub mod progress;
pub mod report;
pub mod show;
pub mod terminal;
pub mod trail;
pub mod when;
pub mod words;
