//! Organizations: the accounts that a sweep of everything covers.
//!
//! Source: Organizations API Reference, ListAccounts: pages of at most 20 accounts, until an answer has no NextToken.

use std::collections::BTreeSet;

use portcullis_domain::ids::{AccountId, Region};
use serde_json::{Value, json};

use super::json_call::{JsonCall, Protocol, Signer};
use super::{Aws, AwsError};

const LIST_ACCOUNTS: JsonCall = JsonCall {
    service: "Organizations",
    name: "organizations",
    operation: "ListAccounts",
    protocol: Protocol::Json11("AWSOrganizationsV20161128.ListAccounts"),
};

impl Aws {
    /// The organisation's accounts, less those that are suspended, closed or not activated yet: their roles cannot be
    /// assumed.
    ///
    /// # Errors
    /// [`AwsError`]: an incomplete list is an error.
    pub async fn accounts(&self) -> Result<Vec<AccountId>, AwsError> {
        let call = LIST_ACCOUNTS.operation;
        let (region, signer) = (home(&self.region(call)?)?, Signer::of(&self.base, call)?);
        let (mut accounts, mut seen, mut body) = (Vec::new(), BTreeSet::new(), json!({}));
        loop {
            let answer = LIST_ACCOUNTS.send(&self.base, signer.clone(), &region, &body).await?;
            let bad = |why: &str| AwsError::bad_answer(call, &why);
            let (page, next) = page(&answer).map_err(bad)?;
            accounts.extend(page);
            let Some(next) = next else { return Ok(accounts) };
            body = json!({ "NextToken": next });
            if !seen.insert(next) {
                return Err(bad("a page comes again"));
            }
        }
    }
}

/// The usable accounts of a page, and the token of the next one. What is not of this form may hide accounts.
fn page(answer: &Value) -> Result<(Vec<AccountId>, Option<String>), &'static str> {
    let mut accounts = Vec::new();
    for account in answer.get("Accounts").and_then(Value::as_array).ok_or("it has no list of accounts")? {
        let text = |key: &str| account.get(key).and_then(Value::as_str);
        if is_usable(text("State")) {
            accounts.push(AccountId::parse(text("Id").unwrap_or_default()).map_err(|_| "an account has no id")?);
        }
    }
    match answer.get("NextToken") {
        None | Some(Value::Null) => Ok((accounts, None)),
        Some(Value::String(next)) => Ok((accounts, Some(next.clone()).filter(|next| !next.is_empty()))),
        Some(_) => Err("the token of the next page is no text"),
    }
}

/// Whether the roles of an account in this state can be assumed.
#[must_use]
pub fn is_usable(state: Option<&str>) -> bool {
    // In any other state an account may still run something.
    !matches!(state, Some("SUSPENDED" | "CLOSED" | "PENDING_ACTIVATION"))
}

/// Where a Region's partition has its one endpoint (AWS General Reference, "AWS Organizations endpoints and quotas", and
/// the endpoint tests of aws-sdk-organizations).
fn home(region: &Region) -> Result<Region, AwsError> {
    let homes = [
        ("cn-", "cn-northwest-1"),
        ("eusc-", "eusc-de-east-1"),
        ("us-gov-", "us-gov-west-1"),
        ("us-iso-", "us-iso-east-1"),
        ("us-isob-", "us-isob-east-1"),
        ("eu-isoe-", "eu-isoe-west-1"),
        ("us-isof-", "us-isof-south-1"),
    ];
    let home = homes.into_iter().find(|(prefix, _)| region.as_str().starts_with(prefix));
    let home = Region::parse(home.map_or("us-east-1", |(_, home)| home));
    home.map_err(|error| AwsError::not_sent(LIST_ACCOUNTS.operation, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_one_endpoint() {
        for (region, expected) in [
            ("eu-west-1", "us-east-1"),
            ("us-west-2", "us-east-1"),
            ("il-central-1", "us-east-1"),
            ("cn-north-1", "cn-northwest-1"),
            ("us-gov-east-1", "us-gov-west-1"),
            ("us-iso-west-1", "us-iso-east-1"),
            ("us-isob-east-1", "us-isob-east-1"),
            ("eu-isoe-west-1", "eu-isoe-west-1"),
            ("us-isof-east-1", "us-isof-south-1"),
            ("eusc-de-east-1", "eusc-de-east-1"),
        ] {
            assert_eq!(home(&Region::parse(region).unwrap()).unwrap().as_str(), expected, "{region}");
        }
    }

    #[test]
    fn a_page_that_may_hide_accounts_is_refused() {
        let ids = |answer: Value| page(&answer).map(|(accounts, next)| (accounts.len(), next));
        let account = json!({"Id": "111122223333", "State": "ACTIVE"});
        assert_eq!(ids(json!({"Accounts": [account], "NextToken": "n"})), Ok((1, Some("n".to_owned()))));
        for end in [
            json!({"Accounts": []}),
            json!({"Accounts": [], "NextToken": null}),
            json!({"Accounts": [], "NextToken": ""}),
        ] {
            assert_eq!(ids(end), Ok((0, None)));
        }
        for wrong in [
            json!({}),
            json!({"Accounts": {}}),
            json!({"Accounts": [], "NextToken": 7}),
            json!({"Accounts": [{"State": "ACTIVE"}]}),
            json!({"Accounts": ["111122223333"]}),
        ] {
            assert!(page(&wrong).is_err(), "{wrong}");
        }
    }

    /// Organizations API Reference, Account, `State`.
    #[test]
    fn an_account_is_left_out_only_where_its_roles_cannot_be_assumed() {
        for state in [None, Some("ACTIVE"), Some("PENDING_CLOSURE"), Some("SOMETHING_NEW")] {
            assert!(is_usable(state), "{state:?}");
        }
        for state in ["SUSPENDED", "CLOSED", "PENDING_ACTIVATION"] {
            assert!(!is_usable(Some(state)), "{state}");
        }
    }
}
