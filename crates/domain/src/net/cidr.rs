//! CIDR blocks. A block is canonical from construction on: `1.2.3.4/0` *is* `0.0.0.0/0`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::Family;
use crate::text::escaped;

/// A CIDR block in canonical form, host bits cleared as EC2 stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr(IpNet);

/// Why a text is no CIDR block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no CIDR block: expected an address and a prefix length, such as 203.0.113.0/24 or 2001:db8::/32")]
pub struct CidrError(String);

impl Cidr {
    /// The family. An IPv4-mapped IPv6 block (`::ffff:0:0/96`) is IPv6, as in EC2.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self.0 {
            IpNet::V4(_) => Family::V4,
            IpNet::V6(_) => Family::V6,
        }
    }

    /// First and last address of the block, as numbers.
    #[must_use]
    pub fn range(&self) -> (u128, u128) {
        match self.0 {
            IpNet::V4(net) => (u32::from(net.network()).into(), u32::from(net.broadcast()).into()),
            IpNet::V6(net) => (net.network().into(), net.broadcast().into()),
        }
    }

    /// Whether every address of `self` is in `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        other.0.contains(&self.0)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;
    fn from_str(text: &str) -> Result<Self, CidrError> {
        // std's address parser, not ipnet's. Some programs read `010.0.0.0` as 10.0.0.0 and others as 8.0.0.0, so std
        // refuses it.
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let digits = prefix.bytes().all(|b| b.is_ascii_digit());
            let prefix: u8 = prefix.parse().ok().filter(|_| digits)?;
            IpNet::new(address, prefix).ok()
        };
        parse().map(|net| Self(net.trunc())).ok_or_else(|| CidrError(escaped(text)))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl serde::Serialize for Cidr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Cidr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn a_block_is_within_itself_and_wider_ones_of_its_family() {
        for (inner, outer, is_within) in [
            ("10.1.0.0/16", "10.0.0.0/8", true),
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.0.0.0/8", "10.1.0.0/16", false),
            ("11.0.0.0/16", "10.0.0.0/8", false),
            ("2001:db8::/48", "2001:db8::/32", true),
            ("10.0.0.0/8", "::/0", false),
        ] {
            assert_eq!(cidr(inner).is_within(&cidr(outer)), is_within, "{inner} {outer}");
        }
    }

    #[test]
    fn a_cidr_is_canonical_whatever_its_host_bits_and_spelling() {
        for (text, canonical) in [
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("208.236.235.254/0", "0.0.0.0/0"),
            ("100.68.0.18/18", "100.68.0.0/18"),
            ("2001:DB8:0::1/0", "::/0"),
            ("0:0:0:0:0:0:0:0/0", "::/0"),
        ] {
            assert_eq!(cidr(text).to_string(), canonical);
        }
    }

    #[test]
    fn what_is_no_cidr_is_refused_by_name() {
        for bad in [
            "",
            "0.0.0.0",
            "0.0.0.0/33",
            "::/129",
            "1.2.3/8",
            "0.0.0.0/-1",
            "all",
            "010.0.0.0/8",
            "1.2.3.4/0 ",
            "1.2.3.4/+0",
        ] {
            let error = bad.parse::<Cidr>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{bad}` is no CIDR block: expected")), "{error}");
        }
    }
}
