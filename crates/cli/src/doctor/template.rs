//! The templates of this version, as far as the doctor compares what is deployed with them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

const HUB: &str = include_str!("../../../../template.yaml");
const MEMBER: &str = include_str!("../../../../member.yaml");
const ABROAD: &str = include_str!("../../../../tamper-us-east-1.yaml");

/// The patterns of the template name no more accounts than this: its condition `FitsIntoPattern`.
const MOST_ACCOUNTS: usize = 110;

/// A template.
#[derive(Debug)]
pub(super) struct Template(Value);

impl Template {
    /// `template.yaml`.
    pub(super) fn hub() -> &'static Self {
        static READ: LazyLock<Template> = LazyLock::new(|| Template::parse(HUB));
        &READ
    }

    /// `member.yaml`.
    pub(super) fn member() -> &'static Self {
        static READ: LazyLock<Template> = LazyLock::new(|| Template::parse(MEMBER));
        &READ
    }

    /// `tamper-us-east-1.yaml`.
    pub(super) fn abroad() -> &'static Self {
        static READ: LazyLock<Template> = LazyLock::new(|| Template::parse(ABROAD));
        &READ
    }

    /// As plain data: the tags (`!Sub`, `!Ref` and others) are dropped, and their arguments kept. A test reads all three.
    fn parse(yaml: &str) -> Self {
        let options = serde_saphyr::options! { no_schema: true };
        Self(serde_saphyr::from_str_with_options(yaml, options).unwrap_or_default())
    }

    /// The names of its parameters.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.section("Parameters").map(|(name, _)| name)
    }

    /// The logical ids and types of the resources that a stack always has.
    pub(super) fn always(&self) -> impl Iterator<Item = (&str, &str)> {
        let always = self.section("Resources").filter(|(_, resource)| resource.get("Condition").is_none());
        always.filter_map(|(id, resource)| Some((id, resource.get("Type")?.as_str()?)))
    }

    /// The patterns of its rules, by logical id.
    pub(super) fn patterns(&self) -> BTreeMap<&str, &Value> {
        let of = |resource: &'_ Value| resource.pointer("/Properties/EventPattern").is_some();
        let rules = self.section("Resources").filter(|(_, resource)| of(resource));
        rules.filter_map(|(id, resource)| Some((id, resource.pointer("/Properties/EventPattern")?))).collect()
    }

    /// The pattern of a rule on the stack's bus, with the accounts that the parameter `Accounts` names.
    pub(super) fn pattern_for(&self, id: &str, accounts: Option<&str>) -> Option<Value> {
        let mut pattern = (*self.patterns().get(id)?).clone();
        if let Some(account) = pattern.get_mut("account") {
            // Where there is a function of CloudFormation's.
            *account =
                match accounts.filter(|accounts| *accounts != "*").map(|list| list.split(',').collect::<Vec<_>>()) {
                    Some(list) if list.len() <= MOST_ACCOUNTS => list.into(),
                    Some(_) | None => Value::Null,
                };
        }
        if let Some(keys) = pattern.as_object_mut().filter(|keys| keys.get("account") == Some(&Value::Null)) {
            keys.remove("account");
        }
        Some(pattern)
    }

    /// The logical ids and types of all resources.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<(String, String)> {
        let typed = self.section("Resources").filter_map(|(id, resource)| Some((id, resource.get("Type")?.as_str()?)));
        typed.map(|(id, kind)| (id.to_owned(), kind.to_owned())).collect()
    }

    fn section(&self, name: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.0.get(name).and_then(Value::as_object).into_iter().flatten().map(|(key, value)| (key.as_str(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_read() {
        let hub = Template::hub();
        assert!(hub.parameters().any(|name| name == "SweepSchedule"));
        assert!(hub.always().any(|pair| pair == ("Rule", "AWS::Events::Rule")));
        assert!(!hub.always().any(|(id, _)| id == "Bus"), "it has a condition");
        assert_eq!(hub.patterns()["Rule"]["source"], serde_json::json!(["aws.ec2"]));
        assert_eq!(hub.0["Outputs"]["Version"]["Value"], env!("CARGO_PKG_VERSION"), "a deployment says its version");
        let accounts = |named: Option<&str>| hub.pattern_for("BusRule", named).unwrap().get("account").cloned();
        let many = |n: usize| vec!["111122223333"; n].join(",");
        assert_eq!(
            accounts(Some("111122223333,444455556666")),
            Some(serde_json::json!(["111122223333", "444455556666"]))
        );
        assert_eq!((accounts(Some("*")), accounts(None), accounts(Some(&many(111)))), (None, None, None));
        // The condition counts commas, and the longest pattern is one that EventBridge takes.
        let condition = &hub.0["Conditions"]["FitsIntoPattern"];
        assert_eq!(condition[1][0], MOST_ACCOUNTS);
        assert_eq!(condition[1][1][1].as_str().unwrap().matches(',').count(), MOST_ACCOUNTS);
        for id in ["BusRule", "TamperMembersRule"] {
            let longest = hub.pattern_for(id, Some(&many(MOST_ACCOUNTS))).unwrap();
            assert_eq!(longest["account"].as_array().map(Vec::len), Some(MOST_ACCOUNTS), "{id}");
            assert!(longest.to_string().len() <= 2048, "{id}: {}", longest.to_string().len());
        }
        assert!(Template::member().patterns().contains_key("TamperRule"));
        assert!(Template::abroad().patterns().contains_key("TamperRule"));
    }
}
