//! The hunts, asked about made logs.

mod browser;
mod corpus;
mod damage;
mod defects;
mod events;
mod made;
mod program;
mod rules;
mod worlds;
