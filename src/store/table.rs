//! The memory as a table of DynamoDB: an item for each key, an attribute for each entry.
//!
//! An entry is a text with the entry's JSON, but for numbers, which can be compared and added up.

use std::collections::HashMap;
use std::fmt::Write;

use portcullis_domain::memory::{Entries, LEASE_HOLDER, LEASE_UNTIL};
use serde_json::Value;

use super::{Condition, StoreError, Update};
use crate::aws::{Attribute, Attributes, Aws, ItemUpdate, Updated};

/// The attributes that are no entries.
const KEY: &str = "pk";
const TTL: &str = "ttl";

pub(super) async fn update(aws: &Aws, table: &str, key: &str, update: &Update) -> Result<Entries, StoreError> {
    match aws.update_item(table, key, expressions(update)).await? {
        Updated::Done(item) => Ok(entries(item)),
        Updated::NotMet(item) => Err(StoreError::NotMet(entries(item))),
    }
}

pub(super) async fn read(aws: &Aws, table: &str, key: &str) -> Result<Entries, StoreError> {
    Ok(entries(aws.item(table, key).await?))
}

fn entries(item: Attributes) -> Entries {
    item.into_iter().filter(|(name, _)| name != KEY && name != TTL).filter_map(|(n, v)| Some((n, value(v)?))).collect()
}

/// Nobody writes anything but texts and numbers.
fn value(attribute: Attribute) -> Option<Value> {
    match attribute {
        Attribute::S(text) => Some(serde_json::from_str(&text).unwrap_or(Value::String(text))),
        Attribute::N(digits) => Some(digits.parse::<i64>().ok()?.into()),
    }
}

fn attribute(value: &Value) -> Attribute {
    match value.as_i64() {
        Some(number) => Attribute::N(number.to_string()),
        None => Attribute::S(value.to_string()),
    }
}

/// The expressions of a change, with a placeholder for every name and value: an entry's name may hold any character.
fn expressions(update: &Update) -> ItemUpdate {
    let mut made = Expressions::default();
    let mut set: Vec<String> = Vec::new();
    for (name, value) in &update.set {
        set.push(format!("{} = {}", made.name(name), made.value(attribute(value))));
    }
    for (name, value) in &update.set_if_absent {
        let name = made.name(name);
        set.push(format!("{name} = if_not_exists({name}, {})", made.value(attribute(value))));
    }
    if let Some(ttl) = update.ttl {
        set.push(format!("{} = {}", made.name(TTL), made.value(Attribute::N(ttl.as_second().to_string()))));
    }
    if let Some(ttl) = update.ttl_if_absent.filter(|_| update.ttl.is_none()) {
        let (name, ttl) = (made.name(TTL), made.value(Attribute::N(ttl.as_second().to_string())));
        set.push(format!("{name} = if_not_exists({name}, {ttl})"));
    }
    let remove: Vec<String> = update.remove.iter().map(|name| made.name(name)).collect();
    let add = update.add.iter();
    let add = add.map(|(name, more)| format!("{} {}", made.name(name), made.value(Attribute::N(more.to_string()))));
    let add: Vec<String> = add.collect();
    let mut text = String::new();
    for (clause, actions) in [("SET", set), ("REMOVE", remove), ("ADD", add)] {
        if !actions.is_empty() {
            // Writing to a text does not fail.
            let _ = write!(text, "{clause} {} ", actions.join(", "));
        }
    }
    let condition = update.condition.as_ref().map(|condition| made.condition(condition));
    let Expressions { names, values, .. } = made;
    ItemUpdate { update: text.trim_end().to_owned(), condition, names, values }
}

#[derive(Default)]
struct Expressions {
    names: HashMap<String, String>,
    values: Attributes,
    known: HashMap<String, String>,
}

impl Expressions {
    /// The placeholder of a name, the same each time.
    fn name(&mut self, name: &str) -> String {
        let next = format!("#{}", self.names.len());
        let placeholder = self.known.entry(name.to_owned()).or_insert(next);
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder.clone()
    }

    fn value(&mut self, value: Attribute) -> String {
        let placeholder = format!(":{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::Exists(name) => format!("attribute_exists({})", self.name(name)),
            Condition::LeaseIsFree { holder, now } => {
                let (until, by) = (self.name(LEASE_UNTIL), self.name(LEASE_HOLDER));
                let now = self.value(Attribute::N(now.to_string()));
                let holder = self.value(attribute(&Value::String(holder.clone())));
                format!("attribute_not_exists({until}) OR {until} < {now} OR {by} = {holder}")
            }
            Condition::LeaseIs(holder) => {
                let by = self.name(LEASE_HOLDER);
                format!("{by} = {}", self.value(attribute(&Value::String(holder.clone()))))
            }
        }
    }
}
