//! Whether the function may act in an account.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
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

/// Of a refused account people hear once in this time.
const QUIET: Duration = Duration::from_secs(3600);

/// This many refused accounts are remembered. Whoever may send events could fill the memory otherwise.
const MOST_REFUSED: usize = 1000;

/// The accounts whose events were refused, and when people last heard of each. Any account of an organisation can send
/// events, and nothing changes by trying again: a message for each event would be a way to fill a mailbox.
#[derive(Debug, Default)]
pub(super) struct RefusedAccounts(Mutex<BTreeMap<AccountId, Timestamp>>);

impl RefusedAccounts {
    /// Whether a refusal of this account is news. If so, it is none for the next hour.
    pub(super) fn is_news(&self, account: &AccountId, now: Timestamp) -> bool {
        let Ok(mut told) = self.0.lock() else { return true };
        told.retain(|_, time| now.duration_since(*time).unsigned_abs() < QUIET);
        if told.contains_key(account) || told.len() >= MOST_REFUSED {
            return false;
        }
        told.insert(account.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_account_is_news_once_an_hour() {
        let refused = RefusedAccounts::default();
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let [one, other] = ["111122223333", "444455556666"].map(|id| AccountId::parse(id).unwrap());
        assert!(refused.is_news(&one, at("2026-11-21T10:00:00Z")));
        assert!(!refused.is_news(&one, at("2026-11-21T10:59:59Z")));
        assert!(refused.is_news(&other, at("2026-11-21T10:59:59Z")));
        assert!(refused.is_news(&one, at("2026-11-21T11:00:00Z")));
        let many = (0..2000)
            .filter(|n| refused.is_news(&AccountId::parse(&format!("{n:012}")).unwrap(), at("2026-11-21T11:00:01Z")));
        assert_eq!(many.count(), MOST_REFUSED - 2);
    }
}
