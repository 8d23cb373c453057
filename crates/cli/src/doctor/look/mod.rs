//! Asks AWS. Every call only reads.

mod ask;
mod events;
mod function;
mod hub;
mod members;
mod openings;
mod stack;
mod trails;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis::config::MemberRole;
use portcullis_domain::ids::Region;

use super::inventory::{CallError, Hub, Inventory, Seen, Stack, Who};
use crate::aws::{Clients, advice};
use crate::operator::Operator;
use ask::Ask;

/// What to look at.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The stack's name.
    pub stack: String,
    /// A role in the members that the operator may assume.
    pub role: Option<MemberRole>,
    /// The operator.
    pub operator: Operator,
    /// The program's version.
    pub version: String,
    /// The time.
    pub now: Timestamp,
}

/// Looks at everything. The number of calls that it took comes with it.
///
/// # Errors
/// Why the profile cannot be used.
pub async fn look(wanted: &Wanted) -> Result<(Inventory, usize), String> {
    let clients = Clients::of(&wanted.operator).await?;
    let ask = Ask::default();
    ask.count(1);
    let caller = clients.caller().await.map_err(|error| advice::on_caller(&error, "doctor"));
    let caller = caller.map(|caller| Who {
        arn: caller.arn,
        account: caller.identity.account,
        partition: caller.identity.partition,
        region: caller.identity.region,
    });
    let mut inventory = Inventory {
        now: wanted.now,
        version: wanted.version.clone(),
        stack_name: wanted.stack.clone(),
        caller,
        stack: Ok(None),
        hub: None,
        regions: BTreeMap::new(),
        members: None,
    };
    let Ok(who) = inventory.caller.clone() else { return Ok((inventory, ask.counted())) };
    inventory.stack = stack::stack(&ask, &clients, &wanted.stack).await;
    if let Ok(Some(stack)) = inventory.stack.clone() {
        let scene = Scene { ask: &ask, clients: &clients, who: &who, stack: &stack, wanted };
        let enabled = scene.enabled().await;
        let (hub, regions): (Hub, _) = tokio::join!(hub::hub(&scene), trails::regions(&scene, &enabled));
        inventory.members = members::members(&scene, &enabled, &regions).await;
        inventory.hub = Some(hub);
        inventory.regions = regions;
        let openings = openings::openings(&scene, &inventory).await;
        inventory.hub.iter_mut().for_each(|hub| hub.openings.clone_from(&openings));
    }
    Ok((inventory, ask.counted()))
}

/// Where is looked, and through what.
#[derive(Clone, Copy)]
struct Scene<'a> {
    ask: &'a Ask,
    clients: &'a Clients,
    who: &'a Who,
    stack: &'a Stack,
    wanted: &'a Wanted,
}

impl Scene<'_> {
    fn output(&self, name: &str) -> &str {
        self.stack.outputs.get(name).map_or("", String::as_str)
    }

    /// The Regions that are enabled in the stack's own account. They are asked for only where it matters.
    async fn enabled(&self) -> Seen<BTreeSet<Region>> {
        match self.stack.parameter("Regions") {
            None => Ok(BTreeSet::from([self.who.region.clone()])),
            Some(_) => ask::regions(self.ask, self.clients).await,
        }
    }

    /// The guarded Regions of an account in which these are enabled. What is not enabled is left out.
    fn guarded(&self, enabled: &BTreeSet<Region>) -> BTreeSet<Region> {
        match self.stack.parameter("Regions") {
            None => BTreeSet::from([self.who.region.clone()]),
            Some("*") => enabled.clone(),
            Some(list) => {
                let named = list.split(',').filter_map(|code| Region::parse(code).ok());
                named.filter(|region| enabled.contains(region)).collect()
            }
        }
    }
}

/// Nothing, where the call says that there is no such thing.
fn optional<T>(seen: Seen<T>, codes: &[&str]) -> Seen<Option<T>> {
    match seen {
        Ok(seen) => Ok(Some(seen)),
        Err(CallError { code, .. }) if codes.contains(&code.as_str()) => Ok(None),
        Err(error) => Err(error),
    }
}
