//! Organizations: the accounts that a sweep of everything covers.

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::AccountState;
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
                // In any other state an account may still run something.
                let is_unusable = matches!(
                    account.state(),
                    Some(AccountState::Suspended | AccountState::Closed | AccountState::PendingActivation)
                );
                if !is_unusable {
                    let id = AccountId::parse(account.id().unwrap_or_default());
                    accounts.push(id.map_err(|error| AwsError::bad_answer(LIST_ACCOUNTS, &error))?);
                }
            }
        }
        Ok(accounts)
    }
}
