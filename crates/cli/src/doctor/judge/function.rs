//! The function: whether it runs, with which variables and policy, and whether it reaches its stores.

use portcullis::config::Config;
use portcullis_domain::policy::Mode;

use super::super::inventory::{Configuration, Policy, Store};
use super::super::mend::word;
use super::{Lines, Scene};

pub(super) fn judge(scene: &Scene<'_>, lines: &mut Lines) {
    let name = scene.inventory.stack_name.as_str();
    if let Some(configuration) = lines.seen("function", &scene.hub.function.configuration) {
        match configuration {
            None => lines.wrong("function", Some(name), "there is no such function", Some(scene.revert())),
            Some(configuration) => {
                runs(scene, configuration, lines);
                variables(scene, configuration, lines);
            }
        }
    }
    policy(scene, lines);
    for (what, variable, store) in
        [("memory", "PORTCULLIS_MEMORY", &scene.hub.memory), ("evidence", "PORTCULLIS_EVIDENCE", &scene.hub.evidence)]
    {
        let Some((place, store)) = store else { continue };
        match store {
            Store::There => lines.right(what, format!("{place} answers")),
            Store::Missing => {
                lines.wrong(
                    what,
                    Some(place),
                    format!("{variable} names it, and it is not there"),
                    Some(scene.revert()),
                );
            }
            Store::Unusable(state) => lines.wrong(what, Some(place), format!("it is {state}"), Some(scene.revert())),
            Store::Unseen => {
                let why = format!("{variable} names a folder of the function's own, which nobody can see from here");
                lines.unknown(what, Some(place), why, None);
            }
            Store::Unreadable(error) => lines.failed(what, Some(place), error),
        }
    }
}

/// Whether it can be invoked.
fn runs(scene: &Scene<'_>, configuration: &Configuration, lines: &mut Lines) {
    let (name, region) = (scene.inventory.stack_name.as_str(), scene.region());
    let Configuration { state, reason, update, .. } = configuration;
    let log = format!("aws logs tail --region {region} {}", word(scene.output("LogGroupName")));
    if state == "Pending" {
        lines.unknown("function", Some(name), format!("it is being changed: {reason}"), None);
    } else if !state.is_empty() && state != "Active" {
        lines.wrong("function", Some(name), format!("it is {state}: {reason}"), Some(log));
    } else if update == "Failed" {
        lines.wrong("function", Some(name), "its last update failed", Some(log));
    } else if let Some(concurrency) = lines.seen("function", &scene.hub.function.concurrency) {
        match concurrency {
            Some(0) => {
                let mend =
                    format!("aws lambda delete-function-concurrency --region {region} --function-name {}", word(name));
                lines.wrong("function", Some(name), "it is switched off: its reserved concurrency is 0", Some(mend));
            }
            Some(_) | None => lines.right("function", format!("{name} is active")),
        }
    }
}

/// Its variables, read as it reads them.
fn variables(scene: &Scene<'_>, configuration: &Configuration, lines: &mut Lines) {
    let name = scene.inventory.stack_name.as_str();
    let of = |variable: &str| configuration.environment.get(variable).cloned();
    let config = match Config::read(of) {
        Ok(config) => config,
        Err(error) => {
            lines.wrong("variables", Some(name), format!("it stops when it starts: {error}"), Some(scene.revert()));
            return;
        }
    };
    let wanted = scene.stack.parameter("Mode").unwrap_or("alert");
    if config.mode.as_str() != wanted {
        let why = format!("the stack's Mode is {wanted}, and the function's variable says {}", config.mode.as_str());
        lines.wrong("mode", Some(name), why, Some(scene.revert()));
    } else {
        let of_policy = match &scene.hub.policy {
            Some(Policy::Read { mode, .. }) => Some(*mode),
            _ => None,
        };
        lines.right("mode", mode(config.mode, of_policy));
    }
    let topic = scene.output("TopicArn");
    if config.topic.as_deref() != Some(topic) {
        let goes = config.topic.as_deref().unwrap_or("nowhere");
        let why = format!("findings go to {goes}, and the stack's topic is {topic}");
        lines.wrong("variables", Some(name), why, Some(scene.revert()));
    }
}

/// What both modes come to.
fn mode(function: Mode, policy: Option<Mode>) -> String {
    match (function, policy) {
        (Mode::Alert, _) => "alert: it reports, and revokes nothing".to_owned(),
        (Mode::Enforce, Some(Mode::Alert)) => {
            "the function says enforce and the policy alert: it revokes only where a scope says enforce".to_owned()
        }
        (Mode::Enforce, Some(Mode::Enforce)) => "enforce: it revokes".to_owned(),
        (Mode::Enforce, None) => "enforce, where the policy says so too".to_owned(),
    }
}

fn policy(scene: &Scene<'_>, lines: &mut Lines) {
    let Some(policy) = &scene.hub.policy else { return };
    let check = |place: &str| Some(format!("portcullis policy check {}", word(place)));
    match policy {
        Policy::Read { place, mode, guards } => {
            lines.right("policy", format!("{place} parses: {guards} guarded ports, mode {}", mode.as_str()));
        }
        Policy::Bad(place, why) => lines.wrong("policy", Some(place), why.clone(), check(place)),
        Policy::Missing(place) => {
            let why = "the object is not there: the function does not start";
            lines.wrong("policy", Some(place), why, Some(format!("aws s3 cp policy.yaml {}", word(place))));
        }
        Policy::Unseen(place) => {
            lines.unknown("policy", Some(place), "it is a file in the function's package, which is not read", None);
        }
        Policy::Unreadable(place, error) => lines.failed("policy", Some(place), error),
    }
}
