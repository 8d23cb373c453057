//! AWS identifiers. Each is parsed once at the edge, and a text that is not one is refused.
//!
//! Every identifier in an AWS call, an ARN or a message passes through this module. So text from an event can never
//! smuggle anything into one of them.

use std::fmt;

use crate::text::escaped;

/// Why a text is not the expected identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no {what}: expected {accepted}")]
pub struct IdError {
    /// The expected identifier, in AWS's words.
    pub what: &'static str,
    /// The text, shortened and with control characters escaped.
    pub value: String,
    /// What is accepted.
    pub accepted: &'static str,
}

/// In braces: what the JSON Schema of a policy and of a finding says of such an identifier. A text that it lets pass parses.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $what:literal, $accepted:literal, { $($keyword:literal = $value:expr),+ }, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend($($keyword = $value),+)))]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Parses the text.
            ///
            /// # Errors
            /// [`IdError`], which names the value and what is accepted.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(IdError { what: $what, value: escaped(text), accepted: $accepted })
                }
            }

            /// The identifier's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

/// `prefix` followed by 1 to 40 lower-case letters and digits. AWS writes 8 or 17 hexadecimal digits; local emulators
/// are laxer, and nothing depends on the difference.
fn has_prefix(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (1..=40).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

identifier!(
    /// The id of an AWS account: twelve digits in quotes, such as `"012345678901"`.
    AccountId,
    "account id",
    "twelve digits in quotes, such as \"012345678901\"",
    { "pattern" = r"^[0-9]{12}$" },
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
);
identifier!(
    /// A Region code, such as `eu-west-1`. EC2 decides whether it exists.
    Region,
    "Region",
    "a Region code such as eu-west-1",
    { "pattern" = r"^[a-z][a-z0-9]*-[a-z0-9-]*$", "minLength" = 4, "maxLength" = 32 },
    |text| (4..=32).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.contains('-')
);
identifier!(
    /// A security group's id, such as `sg-0123456789abcdef0`.
    GroupId,
    "security group id",
    "sg- and 8 or 17 hexadecimal digits",
    { "pattern" = r"^sg-[a-z0-9]{1,40}$" },
    |text| has_prefix(text, "sg-")
);
identifier!(
    /// A security group rule's id, such as `sgr-0123456789abcdef0`. Where a record lists no ids, an offline check counts
    /// the rules: `unlisted-1`.
    RuleId,
    "security group rule id",
    "sgr- and 17 hexadecimal digits",
    { "pattern" = r"^(sgr-[a-z0-9]{1,40}|unlisted-[0-9]+)$" },
    |text| has_prefix(text, "sgr-")
);
identifier!(
    /// A managed prefix list's id, such as `pl-0123456789abcdef0`.
    PrefixListId,
    "prefix list id",
    "pl- and 8 or 17 hexadecimal digits",
    { "pattern" = r"^pl-[a-z0-9]{1,40}$" },
    |text| has_prefix(text, "pl-")
);
identifier!(
    /// A VPC's id, such as `vpc-0123456789abcdef0`.
    VpcId,
    "VPC id",
    "vpc- and 8 or 17 hexadecimal digits",
    { "pattern" = r"^vpc-[a-z0-9]{1,40}$" },
    |text| has_prefix(text, "vpc-")
);

impl RuleId {
    /// A placeholder for the `n`th rule of a record without rule ids. Only offline checks use it, because EC2 always
    /// has the ids.
    #[must_use]
    pub fn unlisted(n: usize) -> Self {
        Self(format!("unlisted-{n}"))
    }
}

impl GroupId {
    /// A placeholder for the group of a record that has only the group's name. Only offline checks use it.
    #[must_use]
    pub fn unlisted() -> Self {
        Self("unlisted".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_id_is_twelve_digits() {
        assert!(AccountId::parse("012345678901").is_ok());
        for bad in ["", "12345678901", "1234567890123", "12345678901x", "１２３４５６７８９０１２"] {
            assert!(AccountId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_identifier_with_odd_characters_is_refused_and_shown_escaped() {
        let error = GroupId::parse("sg-0\n\"; rm").unwrap_err().to_string();
        assert_eq!(error, "`sg-0\\n\"; rm` is no security group id: expected sg- and 8 or 17 hexadecimal digits");
        for bad in ["sg-", "SG-0123", "sg-0/../x", "sgr-0123", "pl-1", " sg-1"] {
            assert!(GroupId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_region_of_a_randomised_record_is_still_a_region() {
        for good in ["eu-west-1", "us-gov-east-1", "cn-north-1", "us-northeast-1r"] {
            assert!(Region::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "eu", "eu_west_1", "eu-west-1.evil.example", "-eu-1", "EU-WEST-1"] {
            assert!(Region::parse(bad).is_err(), "{bad}");
        }
    }
}
