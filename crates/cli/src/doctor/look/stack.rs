//! CloudFormation: the stack and its resources.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::api::{DESCRIBE_STACKS, LIST_STACK_RESOURCES};
use super::super::inventory::{Resource, Seen, Stack};
use super::ask::Ask;
use crate::aws::Clients;

pub(super) async fn stack(ask: &Ask, clients: &Clients, name: &str) -> Seen<Option<Stack>> {
    let asked = clients.cloudformation().describe_stacks().stack_name(name).send();
    let answer = match ask.call(DESCRIBE_STACKS, asked).await {
        Ok(answer) => answer,
        // CloudFormation has no code of its own for it.
        Err(error) if error.code == "ValidationError" && error.message.contains("does not exist") => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(stack) = answer.stacks().first() else { return Ok(None) };
    let status = stack.stack_status().map_or_else(String::new, |status| status.as_str().to_owned());
    if status == "DELETE_COMPLETE" {
        return Ok(None);
    }
    let pair = |key: Option<&str>, value: Option<&str>| Some((key?.to_owned(), value.unwrap_or_default().to_owned()));
    let since = stack.last_updated_time().or(stack.creation_time());
    Ok(Some(Stack {
        status,
        parameters: stack.parameters().iter().filter_map(|it| pair(it.parameter_key(), it.parameter_value())).collect(),
        outputs: stack.outputs().iter().filter_map(|it| pair(it.output_key(), it.output_value())).collect(),
        since: since.and_then(|time| Timestamp::from_second(time.secs()).ok()),
    }))
}

pub(super) async fn resources(ask: &Ask, clients: &Clients, name: &str) -> Seen<BTreeMap<String, Resource>> {
    let (client, mut found, mut next) = (clients.cloudformation(), BTreeMap::new(), None);
    loop {
        let asked = client.list_stack_resources().stack_name(name).set_next_token(next).send();
        let page = ask.call(LIST_STACK_RESOURCES, asked).await?;
        found.extend(page.stack_resource_summaries().iter().filter_map(|it| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let resource =
                Resource { kind: text(it.resource_type())?, id: text(it.physical_resource_id()).unwrap_or_default() };
            Some((it.logical_resource_id()?.to_owned(), resource))
        }));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}
