//! Whether the function may act in an account.

use portcullis_domain::ids::AccountId;

use super::context::Context;
use crate::aws::{FunctionIdentity, Session};
use crate::config::Accounts;

/// The session, where the function knows who it is.
///
/// # Errors
/// Without its own account the function cannot tell whose groups its own credentials show.
pub(super) fn known<'a>(session: Option<Session<'a>>) -> Result<Session<'a>, String> {
    session.ok_or_else(|| "the function's own account is not known: its ARN names none".to_owned())
}

/// Passes where the function may act in the account.
///
/// # Errors
/// Why it may not.
pub(super) fn check(context: &Context, identity: &FunctionIdentity, account: &AccountId) -> Result<(), String> {
    let own = &identity.account;
    let is_allowed = match &context.settings.accounts {
        Accounts::Own => own == account,
        Accounts::Any => true,
        Accounts::Listed(listed) => listed.contains(account),
    };
    let why = || format!("account {account} is not one that this function of account {own} may act in: refused");
    is_allowed.then_some(()).ok_or_else(why)
}
