//! The stack: whether it is there, whole, and of this version.

use std::collections::BTreeMap;

use super::super::inventory::{Hub, Inventory, Resource, Stack};
use super::super::mend;
use super::super::template::Template;
use super::{Lines, Scene};

/// The stack with what belongs to it, where it is there.
pub(super) fn judge<'a>(inventory: &'a Inventory, lines: &mut Lines) -> Option<(&'a Stack, &'a Hub)> {
    let name = inventory.stack_name.as_str();
    let Some(stack) = lines.seen("stack", &inventory.stack)?.as_ref() else {
        let why = format!("no stack `{name}` here: is it in another Region (--region), or of another name (--stack)?");
        lines.wrong("stack", Some(name), why, Some(mend::deploy(name)));
        return None;
    };
    let region = inventory.caller.as_ref().map_or("", |who| who.region.as_str());
    let events =
        format!("aws cloudformation describe-stack-events --region {region} --stack-name {}", mend::word(name));
    match stack.status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => {
            lines.right("stack", format!("`{name}` is {}", stack.status));
        }
        "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => {
            let why = "the last update failed and was taken back: the stack is as it was before";
            lines.wrong("stack", Some(name), why, Some(events));
        }
        status if status.ends_with("_IN_PROGRESS") => {
            lines.unknown(
                "stack",
                Some(name),
                format!("it is being changed ({status}): look again when it is done"),
                None,
            );
        }
        status => lines.wrong("stack", Some(name), format!("it is {status}"), Some(events)),
    }
    version(inventory, stack, lines);
    Some((stack, inventory.hub.as_ref()?))
}

fn version(inventory: &Inventory, stack: &Stack, lines: &mut Lines) {
    let (name, own) = (inventory.stack_name.as_str(), inventory.version.as_str());
    let deploy = || Some(mend::deploy(name));
    match stack.outputs.get("Version") {
        None => lines.wrong(
            "version",
            Some(name),
            format!("the stack is older than {own}: it has no output `Version`"),
            deploy(),
        ),
        Some(version) if version != own => {
            let why = format!("the stack is of version {version}, and this program of {own}");
            lines.wrong("version", Some(name), why, deploy());
        }
        Some(version) => {
            let template = Template::hub();
            let missing: Vec<&str> =
                template.parameters().filter(|name| !stack.parameters.contains_key(*name)).collect();
            match missing.as_slice() {
                [] => lines.right("version", format!("{version}, as this program")),
                missing => {
                    let why = format!(
                        "the stack is of an older state of version {version}: it has no parameter {}",
                        missing.join(", ")
                    );
                    lines.wrong("version", Some(name), why, deploy());
                }
            }
        }
    }
}

/// Whether the stack has every resource that it always has.
pub(super) fn resources(scene: &Scene<'_>, resources: &BTreeMap<String, Resource>, lines: &mut Lines) {
    // A stack of another version is told of already.
    if scene.stack.outputs.get("Version") != Some(&scene.inventory.version) {
        return;
    }
    let template = Template::hub();
    // SAM makes other types of its own. What is there to be looked at the guard does not need.
    let beside = ["AWS::CloudWatch::Dashboard", "AWS::Logs::QueryDefinition", "AWS::Serverless::Function"];
    let always = template.always().filter(|(_, kind)| !beside.contains(kind));
    let missing: Vec<&str> = always.map(|(id, _)| id).filter(|id| !resources.contains_key(*id)).collect();
    if !missing.is_empty() {
        let why = format!("the stack has no {}", missing.join(", "));
        lines.wrong("resources", None, why, Some(mend::deploy(&scene.inventory.stack_name)));
    }
}
