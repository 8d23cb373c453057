//! EventBridge: the rules that wake the function, and those that tell of calls against it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::inventory::{CallError, Resource, Rule};
use super::super::mend::{self, word};
use super::super::pattern;
use super::super::template::Template;
use super::{Lines, Scene};

/// What a rule has to be.
pub(super) struct Expected<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its bus, where that is not the default one.
    pub(super) bus: Option<&'a str>,
    /// Its Region.
    pub(super) region: &'a str,
    /// Its pattern in the template; none for a schedule.
    pub(super) pattern: Option<&'a Value>,
    /// One of its targets.
    pub(super) target: &'a str,
    /// What puts it back.
    pub(super) revert: String,
}

/// What is wrong with a rule.
pub(super) enum Fault {
    /// And the command that mends it.
    Wrong(String, String),
    /// A call failed.
    Unseen(CallError),
}

/// What is wrong with a rule of these; nothing where it is as it should be.
pub(super) fn fault(rules: &BTreeMap<String, Rule>, expected: &Expected<'_>) -> Option<Fault> {
    let wrong = |why: String| Some(Fault::Wrong(why, expected.revert.clone()));
    let Some(rule) = rules.get(expected.name) else { return wrong("the rule is not there".to_owned()) };
    if !rule.enabled {
        let mend = mend::enable_rule(expected.name, expected.bus, expected.region);
        return Some(Fault::Wrong("the rule is disabled".to_owned(), mend));
    }
    if let Some(template) = expected.pattern {
        let narrower = pattern::narrower(template, rule.pattern.as_ref().unwrap_or(&Value::Null));
        if let Some(why) = narrower {
            return wrong(format!("its pattern lets less through than the template's: {why}"));
        }
    }
    let targets = match &rule.targets {
        Ok(targets) => targets,
        Err(error) => return Some(Fault::Unseen(error.clone())),
    };
    match targets.iter().find(|(arn, _)| arn == expected.target) {
        None => {
            let others: Vec<&str> = targets.iter().map(|(arn, _)| arn.as_str()).collect();
            let has = if others.is_empty() {
                "no target".to_owned()
            } else {
                format!("another target: {}", others.join(", "))
            };
            wrong(format!("it does not reach {}: it has {has}", expected.target))
        }
        Some((_, None)) => wrong("its target has no dead-letter queue: what cannot be delivered is lost".to_owned()),
        Some((_, Some(_))) => None,
    }
}

/// A line for a fault.
pub(super) fn tell(what: &'static str, name: &str, fault: Fault, lines: &mut Lines) {
    match fault {
        Fault::Wrong(why, mend) => lines.wrong(what, Some(name), why, Some(mend)),
        Fault::Unseen(error) => lines.failed(what, Some(name), &error),
    }
}

/// The rules that wake the function, and its permission for them.
pub(super) fn judge(scene: &Scene<'_>, resources: &BTreeMap<String, Resource>, lines: &mut Lines) {
    let Some(rules) = lines.seen("rule", &scene.hub.rules) else { return };
    let template = Template::hub();
    let invokers = lines.seen("permission", &scene.hub.function.invokers);
    for (id, does) in [
        ("Rule", "hands the calls to the function"),
        ("BusRule", "hands the members' calls to the function"),
        ("SweepRule", "starts the sweep"),
    ] {
        let Some(name) = resources.get(id).map(|resource| name_of(&resource.id)) else { continue };
        let bus = (id == "BusRule").then_some(scene.inventory.stack_name.as_str());
        let pattern = template.pattern_for(id, scene.stack.parameter("Accounts"));
        let expected = Expected {
            name,
            bus,
            region: scene.region(),
            pattern: pattern.as_ref(),
            target: scene.output("FunctionArn"),
            revert: scene.revert(),
        };
        match fault(rules, &expected) {
            Some(fault) => tell("rule", name, fault, lines),
            None => lines.right("rule", format!("{name} is enabled and {does}")),
        }
        let arn = rule_arn(scene, bus, name);
        if invokers.is_some_and(|invokers| !invokers.contains(&arn)) {
            let why = format!("Lambda does not let the rule {name} invoke the function");
            let mend = format!(
                "aws lambda add-permission --region {} --function-name {} --statement-id {id}MayInvoke --action \
                 lambda:InvokeFunction --principal events.amazonaws.com --source-arn {}",
                scene.region(),
                word(&scene.inventory.stack_name),
                word(&arn)
            );
            lines.wrong("permission", Some(name), why, Some(mend));
        }
    }
    bus_policy(scene, lines);
}

/// Whether the members may put events on the stack's bus.
fn bus_policy(scene: &Scene<'_>, lines: &mut Lines) {
    let Some(bus) = &scene.hub.bus else { return };
    let Some(policy) = lines.seen("bus", bus) else { return };
    let organization = scene.stack.parameter("OrganizationId").unwrap_or_default();
    match policy.contains(organization) && !organization.is_empty() {
        true => lines.right("bus", format!("accounts of {organization} may put events on it")),
        false => {
            let why = format!("its policy does not let the accounts of {organization} put events on it");
            lines.wrong("bus", Some(&scene.inventory.stack_name), why, Some(scene.revert()));
        }
    }
}

/// The rules that tell of calls against the guard.
pub(super) fn tamper(scene: &Scene<'_>, resources: &BTreeMap<String, Resource>, lines: &mut Lines) {
    let template = Template::hub();
    if let Ok(rules) = &scene.hub.rules {
        let ours = resources.iter().filter(|(id, of)| id.starts_with("Tamper") && of.kind == "AWS::Events::Rule");
        let mut armed = 0;
        for (id, resource) in ours {
            let name = name_of(&resource.id);
            let bus = (id == "TamperMembersRule").then_some(scene.inventory.stack_name.as_str());
            let (pattern, target) =
                (template.pattern_for(id, scene.stack.parameter("Accounts")), scene.output("TopicArn"));
            let pattern = pattern.as_ref();
            let expected = Expected { name, bus, region: scene.region(), pattern, target, revert: scene.revert() };
            match fault(rules, &expected) {
                Some(fault) => tell("tamper rule", name, fault, lines),
                None => armed += 1,
            }
        }
        if armed > 0 {
            lines.right("tamper rule", format!("{armed} rules tell the topic of calls against the guard"));
        }
    }
    abroad(scene, lines);
}

/// The rule in the Region in which IAM tells of its calls.
fn abroad(scene: &Scene<'_>, lines: &mut Lines) {
    let Some((region, rules)) = &scene.hub.abroad else { return };
    let (account, home) = (scene.who.account.as_str(), scene.region());
    lines.place(account, region.as_str());
    let name = format!("{}-tamper-us-east-1", scene.inventory.stack_name);
    let role = scene.output("FunctionRoleArn").rsplit('/').next().unwrap_or_default();
    let deploy = format!(
        "aws cloudformation deploy --region {region} --stack-name {name} --template-file tamper-us-east-1.yaml \
         --capabilities CAPABILITY_NAMED_IAM --parameter-overrides HubStack={} HubRegion={home} FunctionRoleName={role}",
        scene.inventory.stack_name
    );
    let target = format!("arn:{}:events:{home}:{account}:event-bus/default", scene.who.partition);
    if let Some(rules) = lines.seen("tamper rule", rules) {
        let template = Template::abroad();
        let pattern = template.patterns().get("TamperRule").copied();
        let expected =
            Expected { name: &name, bus: None, region: region.as_str(), pattern, target: &target, revert: deploy };
        match fault(rules, &expected) {
            Some(fault) => tell("tamper rule", &name, fault, lines),
            None => lines.right("tamper rule", format!("{name} forwards IAM's events to {home}")),
        }
    }
    lines.place(account, home);
}

/// A rule's name: CloudFormation writes `BUS|NAME` for one on a bus of its own.
pub(super) fn name_of(id: &str) -> &str {
    id.rsplit('|').next().unwrap_or(id)
}

fn rule_arn(scene: &Scene<'_>, bus: Option<&str>, name: &str) -> String {
    let on = bus.map_or_else(String::new, |bus| format!("{bus}/"));
    let super::super::inventory::Who { partition, region, account, .. } = scene.who;
    format!("arn:{partition}:events:{region}:{account}:rule/{on}{name}")
}
