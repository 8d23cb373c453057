//! Which write events a trail logs, as its selectors say (CloudTrail API Reference, EventSelector, AdvancedEventSelector).

use aws_sdk_cloudtrail::types::{AdvancedEventSelector, AdvancedFieldSelector, EventSelector, ReadWriteType};

/// Whether a trail logs the calls that write in EC2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Logged {
    /// No.
    No,
    /// Some of them, by a condition that only CloudTrail can judge.
    Partly,
    /// All of them.
    Yes,
}

/// The write events that a trail logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteEvents {
    /// Whether those of EC2 are among them.
    pub logged: Logged,
    /// What its selectors leave out.
    pub leaves_out: Vec<String>,
}

/// Where the calls that open a group are made.
const EC2: &str = "ec2.amazonaws.com";

impl WriteEvents {
    /// What the selectors say. A trail without any logs all management events.
    #[must_use]
    pub fn of(basic: &[EventSelector], advanced: &[AdvancedEventSelector]) -> Self {
        let said: Vec<Self> = basic.iter().map(of_basic).chain(advanced.iter().filter_map(of_advanced)).collect();
        if basic.is_empty() && advanced.is_empty() {
            return Self { logged: Logged::Yes, leaves_out: Vec::new() };
        }
        let logged = said.iter().map(|events| events.logged).max().unwrap_or(Logged::No);
        // One selector gives what another leaves out.
        let best = said.into_iter().filter(|events| events.logged == logged).min_by_key(|each| each.leaves_out.len());
        best.unwrap_or_else(|| Self { logged, leaves_out: vec!["all management events".to_owned()] })
    }
}

fn of_basic(selector: &EventSelector) -> WriteEvents {
    let none = |what: &str| WriteEvents { logged: Logged::No, leaves_out: vec![what.to_owned()] };
    match selector.read_write_type() {
        _ if selector.include_management_events() == Some(false) => none("all management events"),
        Some(ReadWriteType::ReadOnly) => none("write events"),
        Some(_) | None => {
            WriteEvents { logged: Logged::Yes, leaves_out: selector.exclude_management_event_sources().to_vec() }
        }
    }
}

/// `None` for selectors of other events than management events.
fn of_advanced(selector: &AdvancedEventSelector) -> Option<WriteEvents> {
    let fields = selector.field_selectors();
    let category = fields.iter().find(|field| field.field() == "eventCategory")?;
    if !category.equals().iter().any(|value| value == "Management") {
        return None;
    }
    let mut events = WriteEvents { logged: Logged::Yes, leaves_out: Vec::new() };
    for field in fields {
        let logged = match field.field() {
            "eventCategory" => continue,
            "readOnly" if field.equals().iter().any(|value| value == "false") => continue,
            "readOnly" => Logged::No,
            "eventSource" if admits(field, EC2) => Logged::Yes,
            "eventSource" => Logged::No,
            _ => Logged::Partly,
        };
        events.logged = events.logged.min(logged);
        events.leaves_out.push(words(field));
    }
    Some(events)
}

/// Whether a field selector lets a value through: the conditions of one field are joined by AND, the values of one condition
/// by OR, and those of a negative one by AND.
fn admits(field: &AdvancedFieldSelector, value: &str) -> bool {
    let one = |values: &[String], holds: fn(&str, &str) -> bool| {
        values.is_empty() || values.iter().any(|each| holds(value, each))
    };
    let none = |values: &[String], holds: fn(&str, &str) -> bool| !values.iter().any(|each| holds(value, each));
    let same = |value: &str, each: &str| value == each;
    let (starts, ends) = (|v: &str, each: &str| v.starts_with(each), |v: &str, each: &str| v.ends_with(each));
    one(field.equals(), same)
        && one(field.starts_with(), starts)
        && one(field.ends_with(), ends)
        && none(field.not_equals(), same)
        && none(field.not_starts_with(), starts)
        && none(field.not_ends_with(), ends)
}

/// What a field selector leaves out, in its own words.
fn words(field: &AdvancedFieldSelector) -> String {
    let parts = [
        ("other than", field.equals()),
        ("not beginning with", field.starts_with()),
        ("not ending with", field.ends_with()),
        ("", field.not_equals()),
        ("beginning with", field.not_starts_with()),
        ("ending with", field.not_ends_with()),
    ];
    let parts = parts.into_iter().filter(|(_, values)| !values.is_empty());
    let parts = parts.map(|(how, values)| format!("{how} {}", values.join(", ")).trim().to_owned());
    format!("{} {}", field.field(), parts.collect::<Vec<_>>().join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str) -> aws_sdk_cloudtrail::types::builders::AdvancedFieldSelectorBuilder {
        AdvancedFieldSelector::builder().field(name)
    }

    fn management(
        more: Vec<aws_sdk_cloudtrail::types::builders::AdvancedFieldSelectorBuilder>,
    ) -> AdvancedEventSelector {
        let all = [field("eventCategory").equals("Management")].into_iter().chain(more);
        AdvancedEventSelector::builder()
            .set_field_selectors(Some(all.map(|each| each.build().unwrap()).collect()))
            .build()
            .unwrap()
    }

    #[test]
    fn basic_selectors_log_write_events_unless_they_say_otherwise() {
        let selector = |kind: ReadWriteType, management: bool| {
            EventSelector::builder().read_write_type(kind).include_management_events(management).build()
        };
        for (selectors, logged) in [
            (vec![], Logged::Yes),
            (vec![selector(ReadWriteType::All, true)], Logged::Yes),
            (vec![selector(ReadWriteType::WriteOnly, true)], Logged::Yes),
            (vec![selector(ReadWriteType::ReadOnly, true)], Logged::No),
            (vec![selector(ReadWriteType::All, false)], Logged::No),
            (vec![selector(ReadWriteType::ReadOnly, true), selector(ReadWriteType::WriteOnly, true)], Logged::Yes),
        ] {
            assert_eq!(WriteEvents::of(&selectors, &[]).logged, logged, "{selectors:?}");
        }
        let left = selector(ReadWriteType::All, true);
        let left = EventSelector::builder()
            .read_write_type(left.read_write_type().unwrap().clone())
            .include_management_events(true)
            .exclude_management_event_sources("kms.amazonaws.com")
            .build();
        let events = WriteEvents::of(&[left], &[]);
        assert_eq!((events.logged, events.leaves_out), (Logged::Yes, vec!["kms.amazonaws.com".to_owned()]));
    }

    #[test]
    fn advanced_selectors_are_read_field_by_field() {
        for (fields, logged, leaves_out) in [
            (vec![], Logged::Yes, ""),
            (vec![field("readOnly").equals("false")], Logged::Yes, ""),
            (vec![field("readOnly").equals("true")], Logged::No, "readOnly other than true"),
            (vec![field("eventSource").not_equals("kms.amazonaws.com")], Logged::Yes, "eventSource kms.amazonaws.com"),
            (vec![field("eventSource").not_equals(EC2)], Logged::No, "eventSource ec2.amazonaws.com"),
            (
                vec![field("eventSource").equals("iam.amazonaws.com")],
                Logged::No,
                "eventSource other than iam.amazonaws.com",
            ),
            (vec![field("eventSource").not_starts_with("ec2")], Logged::No, "eventSource beginning with ec2"),
            (vec![field("userIdentity.arn").not_equals("arn:x")], Logged::Partly, "userIdentity.arn arn:x"),
        ] {
            let events = WriteEvents::of(&[], &[management(fields)]);
            assert_eq!((events.logged, events.leaves_out.join("; ").as_str()), (logged, leaves_out));
        }
        let data = AdvancedEventSelector::builder()
            .field_selectors(field("eventCategory").equals("Data").build().unwrap())
            .build()
            .unwrap();
        let events = WriteEvents::of(&[], &[data]);
        assert_eq!((events.logged, events.leaves_out), (Logged::No, vec!["all management events".to_owned()]));
    }
}
