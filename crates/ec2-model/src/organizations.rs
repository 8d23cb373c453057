//! AWS Organizations: ListAccounts.

use crate::{ApiError, caller::Caller, params::Params, state::State, tree::Tree};

/// The one organization of a world.
#[derive(Debug)]
pub(crate) struct Organization {
    pub(crate) management: String,
    /// Id and state of every account, the management account included.
    pub(crate) accounts: Vec<(String, String)>,
}

const ID: &str = "o-exampleorgid";

pub(crate) fn run(
    state: &State,
    caller: &Caller,
    region: &str,
    action: &str,
    params: &Params,
) -> Result<Tree, ApiError> {
    // Organizations has one endpoint per partition, in us-east-1.
    if region != "us-east-1" {
        return Err(ApiError::new("InvalidSignatureException", "Credential should be scoped to a valid region."));
    }
    if action != "ListAccounts" {
        return Err(ApiError::new("UnknownOperationException", format!("The action {action} is not known.")));
    }
    let organization = state
        .organization
        .as_ref()
        .filter(|organization| organization.accounts.iter().any(|(id, _)| *id == caller.account))
        .ok_or_else(|| {
            ApiError::new("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
        })?;
    // "You can only call this operation from the management account or a member account that is a delegated
    // administrator"; there is no such member here.
    if organization.management != caller.account {
        return Err(ApiError::new("AccessDeniedException", "You don't have permissions to access this resource."));
    }
    list_accounts(organization, params)
}

/// Organizations API Reference, ListAccounts: `MaxResults` 1 to 20, `NextToken`.
fn list_accounts(organization: &Organization, params: &Params) -> Result<Tree, ApiError> {
    let invalid = |message: &str| ApiError::new("InvalidInputException", message);
    let size = match params.get("MaxResults").map(str::parse::<usize>) {
        None => 20,
        Some(Ok(size)) if (1..=20).contains(&size) => size,
        Some(_) => return Err(invalid("You specified an invalid value: MaxResults.")),
    };
    let from = match params.get("NextToken") {
        None => 0,
        Some(token) => token
            .strip_prefix("org-page-")
            .and_then(|number| number.parse::<usize>().ok())
            .ok_or_else(|| invalid("You specified an invalid value: NextToken."))?,
    };
    let mut rest = organization.accounts.iter().skip(from);
    let page = rest.by_ref().take(size).map(|(id, state)| account(organization, id, state)).collect();
    let token = rest.next().map(|_| format!("org-page-{}", from.saturating_add(size)).into());
    Ok(Tree::map([("Accounts", Some(Tree::List(page))), ("NextToken", token)]))
}

/// Account. `State` takes the place of `Status` and has more values: "The Status parameter in the Account object will
/// be retired on September 9, 2026". The value of `Status` for the newer states is inferred.
fn account(organization: &Organization, id: &str, state: &str) -> Tree {
    let status = match state {
        "ACTIVE" | "SUSPENDED" | "PENDING_CLOSURE" => Some(state),
        "CLOSED" => Some("SUSPENDED"),
        _ => None,
    };
    Tree::map([
        ("Id", Some(id.into())),
        ("Arn", Some(format!("arn:aws:organizations::{}:account/{ID}/{id}", organization.management).into())),
        ("Email", Some(format!("account-{id}@example.com").into())),
        ("Name", Some(format!("account-{id}").into())),
        ("Status", status.map(Into::into)),
        ("State", Some(state.into())),
        ("JoinedMethod", Some("CREATED".into())),
        ("JoinedTimestamp", Some(Tree::Int(1_704_067_200))),
    ])
}
