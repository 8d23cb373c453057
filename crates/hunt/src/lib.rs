//! Questions to CloudTrail and VPC flow logs.
//!
//! Three layers: [`read`] and the readers of `portcullis-delivery` turn files into rows; [`know`] and [`flows`] follow what
//! rules, groups and interfaces were at any time and which rule may have let which traffic pass; [`hunts`] are SQL over the
//! tables of both ([`engine`]). Only [`read`] fetches objects of S3, and [`athena`] has queries answered there.

pub mod athena;
pub mod aws;
pub mod check;
pub mod ddl;
pub mod engine;
pub mod flows;
pub mod hunts;
pub mod know;
pub mod lives;
pub mod read;
pub mod rows;
mod scan;
pub mod show;
pub mod trail;
pub mod world;
