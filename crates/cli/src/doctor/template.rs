//! The templates of this version, as far as the doctor compares what is deployed with them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

const HUB: &str = include_str!("../../../../template.yaml");
const MEMBER: &str = include_str!("../../../../member.yaml");
const ABROAD: &str = include_str!("../../../../tamper-us-east-1.yaml");

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
        assert!(Template::member().patterns().contains_key("TamperRule"));
        assert!(Template::abroad().patterns().contains_key("TamperRule"));
    }
}
