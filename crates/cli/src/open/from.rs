//! From where a port is opened: blocks, single addresses, or the operator's own address.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use portcullis::aws::{AwsError, http_get};
use portcullis::domain::net::{AddressSet, Cidr, CidrError, public_addresses};

use crate::words;

/// AWS's own service that says from which address it is asked. It answers with the address alone.
pub const ADDRESS_SERVICE: &str = "https://checkip.amazonaws.com";

/// A source as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// A block.
    Block(Cidr),
    /// The public address of this machine.
    Me,
}

impl FromStr for From {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "me" {
            return Ok(Self::Me);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Block(of_address(address)?));
        }
        let block: Cidr = text.parse().map_err(|_| {
            format!("`{}`: expected a block such as 203.0.113.0/24, an address, or me", words::text(text))
        })?;
        // EC2 would open the whole block: wider than what is written.
        let (address, _) = text.split_once('/').unwrap_or((text, ""));
        let written = address.parse::<IpAddr>().ok();
        let first = block.to_string().split_once('/').and_then(|(first, _)| first.parse::<IpAddr>().ok());
        if written != first {
            let one = written.map(of_address).transpose()?.map_or_else(String::new, |one| one.to_string());
            return Err(format!(
                "`{}` has host bits: write {one} for the address, or {block} for the block",
                words::text(text)
            ));
        }
        Ok(Self::Block(block))
    }
}

/// The block of one address.
fn of_address(address: IpAddr) -> Result<Cidr, String> {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    format!("{address}/{bits}").parse().map_err(|error: CidrError| error.to_string())
}

/// Why the operator's own address is not known.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The service did not answer.
    #[error("{service} did not say from which address you come: {why}. Give the address: --from 203.0.113.7")]
    NoAnswer {
        /// The service.
        service: String,
        /// Why.
        why: AwsError,
    },
    /// The answer is no public address.
    #[error("{service} answered `{answer}`, which is no public address. Give the address: --from 203.0.113.7")]
    Odd {
        /// The service.
        service: String,
        /// Its answer.
        answer: String,
    },
}

/// Nobody waits longer for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The public address of this machine, IPv4 or IPv6, as a service sees it.
///
/// # Errors
/// [`AddressError`].
pub async fn address(service: &str) -> Result<Cidr, AddressError> {
    let answer = http_get(service, PATIENCE).await;
    let answer = answer.map_err(|why| AddressError::NoAnswer { service: service.to_owned(), why })?;
    let text = answer.trim();
    let odd = || AddressError::Odd { service: service.to_owned(), answer: words::text(text) };
    let address: IpAddr = text.parse().map_err(|_| odd())?;
    let block = of_address(address).map_err(|_| odd())?;
    // Behind a proxy or in a lab the answer may be an address that nobody has on the internet.
    let is_public = AddressSet::from_cidrs(block.family(), &[block]).is_within(public_addresses(block.family()));
    if is_public { Ok(block) } else { Err(odd()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_block_an_address_or_me_and_never_wider_than_it_is_written() {
        let block = |text: &str| From::Block(text.parse().unwrap());
        assert_eq!("me".parse(), Ok(From::Me));
        assert_eq!("203.0.113.7".parse(), Ok(block("203.0.113.7/32")));
        assert_eq!("203.0.113.0/24".parse(), Ok(block("203.0.113.0/24")));
        assert_eq!("2001:db8::7".parse(), Ok(block("2001:db8::7/128")));
        assert_eq!("2001:DB8::/32".parse(), Ok(block("2001:db8::/32")));
        assert_eq!("0.0.0.0/0".parse(), Ok(block("0.0.0.0/0")));
        let why = "203.0.113.7/24".parse::<From>().unwrap_err();
        assert!(why.ends_with("write 203.0.113.7/32 for the address, or 203.0.113.0/24 for the block"), "{why}");
        for odd in ["", "Me", "home", "203.0.113.0/33", "010.0.0.1/8", "sg-1", "pl-1"] {
            assert!(odd.parse::<From>().is_err(), "{odd}");
        }
    }
}
