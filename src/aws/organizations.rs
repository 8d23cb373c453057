//! Organizations: the accounts that a sweep of everything covers.

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::{Account, AccountState};
use portcullis_domain::ids::AccountId;

use super::{Aws, AwsError};

const LIST_ACCOUNTS: &str = "ListAccounts";

impl Aws {
    /// The organisation's accounts, less those that are suspended, closed or not activated yet: their roles cannot be
    /// assumed.
    ///
    /// # Errors
    /// [`AwsError`]: an incomplete list is an error.
    pub async fn accounts(&self) -> Result<Vec<AccountId>, AwsError> {
        let mut pages = Client::new(&self.base).list_accounts().into_paginator().send();
        let mut accounts = Vec::new();
        while let Some(page) = pages.next().await {
            for account in page.map_err(|error| AwsError::from_sdk(LIST_ACCOUNTS, &error))?.accounts() {
                if is_usable(account) {
                    let id = AccountId::parse(account.id().unwrap_or_default());
                    accounts.push(id.map_err(|error| AwsError::bad_answer(LIST_ACCOUNTS, &error))?);
                }
            }
        }
        Ok(accounts)
    }
}

/// Whether the roles of an account can be assumed.
#[must_use]
pub fn is_usable(account: &Account) -> bool {
    // In any other state an account may still run something.
    let unusable = [AccountState::Suspended, AccountState::Closed, AccountState::PendingActivation];
    account.state().is_none_or(|state| !unusable.contains(state))
}
