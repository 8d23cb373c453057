//! Who the function is, and where it works.

use portcullis_domain::arn::Arn;
use portcullis_domain::ids::{AccountId, Region};

/// Who the function is: the account whose groups its own credentials show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionIdentity {
    /// Its account.
    pub account: AccountId,
    /// `aws`, `aws-cn`, `aws-us-gov` and so on. Member roles are in the same partition.
    pub partition: String,
    /// The Region that it runs in.
    pub region: Region,
}

impl FunctionIdentity {
    /// From the function's ARN, `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME`.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Self> {
        let arn = Arn::parse(arn)?;
        let (account, region) = (AccountId::parse(arn.account).ok()?, Region::parse(arn.region).ok()?);
        Some(Self { account, partition: arn.partition.to_owned(), region })
    }
}

/// An account and a Region: a client works in one of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountRegion {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_arn_tells_account_and_partition() {
        let identity =
            |arn| FunctionIdentity::of_arn(arn).map(|it| format!("{} {} {}", it.partition, it.account, it.region));
        for (arn, expected) in [
            ("arn:aws:lambda:eu-west-1:111122223333:function:p", "aws 111122223333 eu-west-1"),
            ("arn:aws-cn:lambda:cn-north-1:111122223333:function:p:1", "aws-cn 111122223333 cn-north-1"),
        ] {
            assert_eq!(identity(arn).as_deref(), Some(expected));
        }
        for odd in ["", "function-arn", "arn:aws:lambda:eu-west-1:1:function:p", "arn:x:lambda:e:111122223333:f:p"] {
            assert_eq!(identity(odd), None, "{odd}");
        }
    }
}
