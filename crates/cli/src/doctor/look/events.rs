//! EventBridge: rules with their targets.

use std::collections::BTreeMap;

use aws_sdk_eventbridge::types::RuleState;
use futures_util::{StreamExt, stream};

use super::super::api::{LIST_RULES, LIST_TARGETS};
use super::super::inventory::{Rule, Seen};
use super::ask::Ask;
use crate::aws::Clients;

/// The targets of this many rules are asked for at a time.
const MOST_AT_ONCE: usize = 8;

/// The rules of a bus whose names begin so, with their targets.
pub(super) async fn rules(
    ask: &Ask,
    clients: &Clients,
    bus: Option<&str>,
    prefix: &str,
) -> Seen<BTreeMap<String, Rule>> {
    let (client, mut found, mut next) = (clients.eventbridge(), Vec::new(), None);
    loop {
        let asked = client.list_rules().set_event_bus_name(bus.map(str::to_owned));
        let asked = asked.name_prefix(prefix).set_next_token(next).send();
        let page = ask.call(LIST_RULES, asked).await?;
        found.extend(page.rules().to_vec());
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    let with_targets =
        found.into_iter().filter_map(|rule| Some((rule.name()?.to_owned(), rule))).map(|(name, rule)| {
            let client = &client;
            async move {
                let asked = client.list_targets_by_rule().rule(&name).set_event_bus_name(bus.map(str::to_owned)).send();
                // EventBridge allows five targets to a rule.
                let targets = ask.call(LIST_TARGETS, asked).await;
                let target = |it: &aws_sdk_eventbridge::types::Target| {
                    (it.arn().to_owned(), it.dead_letter_config().and_then(|queue| queue.arn()).map(str::to_owned))
                };
                let found = Rule {
                    enabled: rule.state().is_some_and(|state| *state != RuleState::Disabled),
                    pattern: rule.event_pattern().and_then(|text| serde_json::from_str(text).ok()),
                    schedule: rule.schedule_expression().map(str::to_owned),
                    targets: targets.map(|answer| answer.targets().iter().map(target).collect()),
                };
                (name, found)
            }
        });
    Ok(stream::iter(with_targets).buffer_unordered(MOST_AT_ONCE).collect().await)
}
