//! From the inventory to the checks.

mod alarms;
mod events;
mod function;
mod lines;
mod log_files;
mod members;
mod openings;
mod queues;
mod stack;
mod sweep;
mod topics;
mod trails;

use super::check::Check;
use super::inventory::Inventory;
use lines::Lines;

pub(super) use sweep::limit as sweep_limit;

/// The checks of an inventory.
#[must_use]
pub fn judge(inventory: &Inventory) -> Vec<Check> {
    let mut lines = Lines::default();
    let who = match &inventory.caller {
        Ok(who) => who,
        Err(why) => {
            lines.wrong("credentials", None, why.clone(), Some("aws sts get-caller-identity".to_owned()));
            return lines.checks;
        }
    };
    lines.place(who.account.as_str(), who.region.as_str());
    lines.right("credentials", format!("{} in {}", who.arn, who.region));
    let Some((deployed, hub)) = stack::judge(inventory, &mut lines) else { return lines.checks };
    let scene = Scene { inventory, who, stack: deployed, hub };
    trails::judge(who.account.as_str(), &inventory.regions, &mut lines);
    lines.place(who.account.as_str(), who.region.as_str());
    if let Some(resources) = lines.seen("resources", &hub.resources) {
        stack::resources(&scene, resources, &mut lines);
        events::judge(&scene, resources, &mut lines);
        function::judge(&scene, &mut lines);
        topics::judge(&scene, &mut lines);
        queues::judge(&scene, resources, &mut lines);
        sweep::judge(&scene, resources, &mut lines);
        log_files::judge(&scene, resources, &mut lines);
        openings::judge(&scene, resources, &mut lines);
        events::tamper(&scene, resources, &mut lines);
        alarms::judge(&scene, resources, &mut lines);
    }
    if let Some(members) = &inventory.members {
        members::judge(&scene, members, &mut lines);
    }
    lines.checks
}

/// What every part looks at.
#[derive(Clone, Copy)]
struct Scene<'a> {
    inventory: &'a Inventory,
    who: &'a super::inventory::Who,
    stack: &'a super::inventory::Stack,
    hub: &'a super::inventory::Hub,
}

impl Scene<'_> {
    fn region(&self) -> &str {
        self.who.region.as_str()
    }

    fn output(&self, name: &str) -> &str {
        self.stack.outputs.get(name).map_or("", String::as_str)
    }

    /// The command that puts back what somebody changed.
    fn revert(&self) -> String {
        super::mend::revert(&self.inventory.stack_name, self.region())
    }

    /// The ARN of a queue whose URL ends in `/ACCOUNT/NAME`.
    fn queue_arn(&self, url: &str) -> String {
        let mut parts = url.rsplit('/');
        let (name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("arn:{}:sqs:{}:{account}:{name}", self.who.partition, self.region())
    }
}
