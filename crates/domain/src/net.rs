//! Addresses, as EC2 means them.

mod address_set;
mod cidr;
mod coverage;
mod public;

use std::fmt;

pub use address_set::AddressSet;
pub use cidr::{Cidr, CidrError};
pub(crate) use coverage::Coverage;
pub use public::public_addresses;

/// An address family. Exposure is counted for each family separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, in the order in which findings list them.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The longest prefix: 32 or 128 bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// One value for each address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerFamily<T> {
    /// IPv4's.
    pub v4: T,
    /// IPv6's.
    pub v6: T,
}

impl<T> PerFamily<T> {
    /// The value for one family.
    pub const fn get(&self, family: Family) -> &T {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// Makes both values.
    pub fn each(mut make: impl FnMut(Family) -> T) -> Self {
        Self { v4: make(Family::V4), v6: make(Family::V6) }
    }
}
