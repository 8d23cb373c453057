//! The two accounts of an opening: that of the group, whose rules are changed, and that of the stack, which holds the
//! memory, the evidence and the schedules. Mostly they are one.
//!
//! Nothing lets one account into the other but the operator's own credentials: either they have some in both
//! (`--hub-profile`), or those of the stack's account may assume a role of theirs in the other (`--account`, `--role`).

use std::io;

use portcullis::aws::{Aws, Caller, FunctionIdentity};
use portcullis::config::MemberRole;
use portcullis::domain::ids::{AccountId, Region};
use portcullis::domain::policy::Mode;
use portcullis_cli::aws::{Clients, advice};
use portcullis_cli::operator::{Operator, session_name};

use crate::arguments;

/// Where the group is in another account than the stack.
#[derive(clap::Args)]
pub(crate) struct AccountArgs {
    /// The stack's Region [default: the group's]
    #[arg(long, value_name = "CODE", value_parser = arguments::region)]
    hub_region: Option<Region>,
    /// The profile with credentials for the stack's account, where those of --profile are the group's account's
    #[arg(long, value_name = "NAME", conflicts_with_all = ["account", "role"])]
    hub_profile: Option<String>,
    /// The account of the group, where your credentials are those of the stack's
    #[arg(long, value_name = "ID", requires = "role", value_parser = arguments::account)]
    account: Option<AccountId>,
    /// Your role in that account
    #[arg(long, value_name = "NAME", requires = "account", value_parser = arguments::role)]
    role: Option<String>,
    /// The external id that this role asks for
    #[arg(long, value_name = "ID", requires = "role", value_parser = arguments::external_id)]
    external_id: Option<String>,
}

/// Credentials for both accounts.
pub(super) struct Sides {
    /// Clients in the stack's account and Region.
    pub(super) hub: Clients,
    /// The operator there.
    pub(super) operator: Operator,
    /// Who that is.
    pub(super) identity: FunctionIdentity,
    /// Clients in the group's account and Region.
    pub(super) group: Clients,
    /// Who changes the group's rules.
    pub(super) caller: Caller,
}

impl AccountArgs {
    /// Finds out who is who. `operator` is the one of `--profile` and `--region`.
    pub(super) async fn sides(&self, operator: &Operator, command: &str) -> io::Result<Sides> {
        let own = Clients::of(operator).await.map_err(io::Error::other)?;
        let who = async |clients: &Clients| {
            clients.caller().await.map_err(|error| io::Error::other(advice::on_caller(&error, command)))
        };
        let first = who(&own).await?;
        let region = self.hub_region.clone().unwrap_or_else(|| first.identity.region.clone());
        let there = Operator {
            profile: self.hub_profile.clone().or_else(|| operator.profile.clone()),
            region: Some(region.clone()),
            ..operator.clone()
        };
        if self.hub_profile.is_some() {
            let hub = Clients::of(&there).await.map_err(io::Error::other)?;
            let Caller { identity, arn, .. } = who(&hub).await?;
            if identity.account == first.identity.account && arn != first.arn {
                // One of them would change the group, and the waiver and the evidence would name the other.
                return Err(io::Error::other(format!(
                    "--profile and --hub-profile are both of account {}, as {} and as {arn}: where the group and the stack are \
                     in one account, give --profile alone; nothing was done",
                    identity.account, first.arn
                )));
            }
            return Ok(Sides { hub, operator: there, identity, group: own, caller: first });
        }
        let (hub, identity) = (own.in_region(&region), first.identity.clone());
        let (group, caller) = match (&self.account, &self.role) {
            (Some(account), Some(_)) if *account == identity.account => {
                return Err(io::Error::other(format!(
                    "your credentials are those of account {account} already: leave out --account and --role, or give the \
                     role's own credentials with --profile; nothing was done"
                )));
            }
            (Some(account), Some(name)) => {
                let role = MemberRole { name: name.clone(), external_id: self.external_id.clone() };
                let session = session_name(&first.arn);
                let group = own.assuming_as(&identity.partition, (account, &role), &session).await;
                let caller = who(&group).await?;
                (group, caller)
            }
            _ => (own, first),
        };
        Ok(Sides { hub, operator: there, identity, group, caller })
    }
}

impl Sides {
    /// The function's clients: the stack's account and Region, and the group's account with its own credentials.
    pub(super) async fn aws(&self) -> io::Result<Aws> {
        let aws = self.operator.clients(None, Mode::Enforce).await.map_err(io::Error::other)?;
        let account = &self.caller.identity.account;
        if *account == self.identity.account {
            return Ok(aws);
        }
        let none = || io::Error::other("nothing provides credentials for the group's account");
        Ok(aws.with_account(account.clone(), self.group.credentials().ok_or_else(none)?))
    }
}
