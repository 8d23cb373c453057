//! Amazon Resource Names.
//!
//! Source: IAM User Guide, "Identify AWS resources with Amazon Resource Names (ARNs)".

/// The six parts of an ARN, `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`. Only the structure is checked. A Region or
/// an account may be empty, and each user parses the parts that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov` and so on.
    pub partition: &'a str,
    /// The service, such as `iam`.
    pub service: &'a str,
    /// The Region's code. Empty for services without Regions, such as IAM.
    pub region: &'a str,
    /// The account's id. Empty for resources without an account.
    pub account: &'a str,
    /// The service's name for the resource. It may contain colons and slashes.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// The parts of an ARN. `None` if the text is not an ARN.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let is_arn = parts.next() == Some("arn");
        let (partition, service) = (parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let is_partition = partition.starts_with("aws") && !partition.contains('/');
        (is_arn && is_partition).then_some(Self { partition, service, region, account, resource })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_six_parts_and_the_last_may_contain_colons() {
        let function = Arn::parse("arn:aws-cn:lambda:cn-north-1:111122223333:function:p:1").unwrap();
        let expected = Arn {
            partition: "aws-cn",
            service: "lambda",
            region: "cn-north-1",
            account: "111122223333",
            resource: "function:p:1",
        };
        assert_eq!(function, expected);
    }

    #[test]
    fn region_and_account_may_be_empty() {
        let role = Arn::parse("arn:aws:iam::111122223333:role/path/name").unwrap();
        assert_eq!((role.region, role.resource), ("", "role/path/name"));
        let bucket = Arn::parse("arn:aws:s3:::bucket").unwrap();
        assert_eq!((bucket.account, bucket.resource), ("", "bucket"));
    }

    #[test]
    fn other_text_is_no_arn() {
        for odd in ["", "arn", "arn:aws:iam::111122223333", "urn:aws:iam::1:x", "arn:x:iam::1:x", "arn:aws/x:iam::1:x"]
        {
            assert_eq!(Arn::parse(odd), None, "{odd}");
        }
    }
}
