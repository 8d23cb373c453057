//! A finding in the AWS Security Finding Format: one document for each guard of the group, which lives on.
//!
//! Sources: Security Hub API Reference, BatchImportFindings and AwsSecurityFinding (required members, lengths); Security Hub
//! User Guide, "Using BatchImportFindings to create and update findings" (what a provider may write, and that `Workflow` is
//! the customer's).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::object::object;
use super::{ExposureFinding, Finding, Outcome};
use crate::ids::{AccountId, GroupId, Region};
use crate::text::for_people;

/// What Security Hub is told about one guard of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct SecurityHubFinding {
    /// The account that the group is in, and that the finding belongs to.
    pub account: AccountId,
    /// The Region of both.
    pub region: Region,
    /// `portcullis/ACCOUNT/REGION/GROUP/GUARD`.
    pub id: String,
    /// Whether the internet reaches the port.
    pub is_open: bool,
    /// The document, as BatchImportFindings takes it.
    pub document: Value,
}

/// The lengths of a title, a description and a product field's value.
const LONGEST_TITLE: usize = 256;
const LONGEST_DESCRIPTION: usize = 1024;
const LONGEST_FIELD: usize = 1024;

/// Where and when a document is made.
struct Scene<'a> {
    finding: &'a Finding,
    account: AccountId,
    region: Region,
    group: GroupId,
    partition: &'a str,
    now: Timestamp,
}

/// The documents of a finding, at most one for each guard. There is none where it is not known which group it is about, nor
/// where nothing is or was exposed.
#[must_use]
pub fn of(finding: &Finding, partition: &str, now: Timestamp) -> Vec<SecurityHubFinding> {
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    let account = AccountId::parse(&known(&finding.account));
    let (Ok(account), Ok(region), Ok(group)) =
        (account, Region::parse(&known(&finding.region)), GroupId::parse(&known(&finding.group)))
    else {
        return Vec::new();
    };
    let scene = Scene { finding, account, region, group, partition, now };
    let mut guards: BTreeMap<&str, Vec<&ExposureFinding>> = BTreeMap::new();
    for exposure in &finding.exposures {
        guards.entry(&exposure.guard).or_default().push(exposure);
    }
    guards.into_iter().map(|(guard, exposures)| scene.document(guard, &exposures)).collect()
}

/// One finding for each id: of several in one delivery, what is open counts.
#[must_use]
pub fn merged(findings: Vec<SecurityHubFinding>) -> Vec<SecurityHubFinding> {
    let mut merged: BTreeMap<String, SecurityHubFinding> = BTreeMap::new();
    for finding in findings {
        match merged.get(&finding.id) {
            Some(known) if known.is_open && !finding.is_open => {}
            _ => {
                merged.insert(finding.id.clone(), finding);
            }
        }
    }
    merged.into_values().collect()
}

impl Scene<'_> {
    fn document(&self, guard: &str, exposures: &[&ExposureFinding]) -> SecurityHubFinding {
        let Self { finding, account, region, group, partition, now } = self;
        let is_open = exposures.iter().any(|exposure| finding.leaves_open(exposure));
        let id = format!("portcullis/{account}/{region}/{group}/{guard}");
        // A call's time is CloudTrail's: its clock may be ahead of ours.
        let created = finding.time.unwrap_or(*now).min(*now);
        let document = json!({
            "SchemaVersion": "2018-10-08",
            "Id": id,
            "ProductArn": format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default"),
            "ProductName": "Portcullis",
            "CompanyName": "Portcullis",
            "GeneratorId": format!("portcullis/{guard}"),
            "AwsAccountId": account.to_string(),
            "CreatedAt": to_millis(created),
            "UpdatedAt": to_millis(*now),
            "Title": cut(&self.title(guard, is_open), LONGEST_TITLE),
            "Description": cut(&self.description(exposures, is_open), LONGEST_DESCRIPTION),
            // Severity and Types themselves are the customer's, once they have changed them.
            "FindingProviderFields": {
                "Severity": {"Label": self.severity(is_open)},
                "Types": ["Software and Configuration Checks/AWS Security Best Practices/Network Reachability"],
            },
            "Resources": [self.resource()],
            "Compliance": {"Status": if is_open { "FAILED" } else { "PASSED" }},
            "RecordState": if is_open { "ACTIVE" } else { "ARCHIVED" },
            "ProductFields": self.product_fields(),
        });
        SecurityHubFinding { account: account.clone(), region: region.clone(), id, is_open, document }
    }

    fn title(&self, guard: &str, is_open: bool) -> String {
        let state = if is_open { "is open" } else { "is no longer open" };
        for_people(&format!("{guard} {state} to the internet in security group {}", self.group))
    }

    /// What is or was open: which ports, to whom.
    fn description(&self, exposures: &[&ExposureFinding], is_open: bool) -> String {
        let told = exposures.iter().filter(|exposure| !is_open || self.finding.leaves_open(exposure));
        let verb = if is_open { "is" } else { "was" };
        let sentence = |exposure: &&ExposureFinding| {
            let ExposureFinding { protocol, port, public_addresses, sources, .. } = *exposure;
            let ports = exposure.to_port.map_or_else(String::new, |to| format!("-{to}"));
            let addresses = super::words::few_digits(public_addresses);
            let through = sources.join(", ");
            format!("{protocol} {port}{ports} {verb} open to {addresses} public addresses ({through}).")
        };
        for_people(&told.map(sentence).collect::<Vec<_>>().join(" "))
    }

    fn severity(&self, is_open: bool) -> &'static str {
        let Finding { outcome, fight, .. } = self.finding;
        match is_open {
            // As Security Hub's own controls do once they pass.
            false => "INFORMATIONAL",
            true if *outcome == Outcome::Failed || fight.is_some() => "CRITICAL",
            true => "HIGH",
        }
    }

    fn resource(&self) -> Value {
        let Self { finding, account, region, group, partition, .. } = self;
        let details = object([
            ("GroupId", Some(group.to_string().into())),
            ("GroupName", finding.group_name.as_deref().and_then(said).map(Value::from)),
        ]);
        object([
            ("Type", Some("AwsEc2SecurityGroup".into())),
            ("Id", Some(format!("arn:{partition}:ec2:{region}:{account}:security-group/{group}").into())),
            // The format does not know the newer ones.
            ("Partition", ["aws", "aws-cn", "aws-us-gov"].contains(partition).then(|| (*partition).into())),
            ("Region", Some(region.to_string().into())),
            ("Details", Some(json!({"AwsEc2SecurityGroup": details}))),
        ])
    }

    fn product_fields(&self) -> Map<String, Value> {
        let finding = self.finding;
        let fields = [
            ("Outcome", Some(finding.outcome.as_str().to_owned())),
            ("Mode", Some(finding.mode.as_str().to_owned())),
            ("Evidence", finding.act.as_ref().map(ToString::to_string)),
            ("Event", finding.id.clone()),
            ("Call", finding.call.clone()),
            ("Actor", finding.actor.clone()),
            ("Waiver", finding.waiver.clone()),
            ("FightCount", finding.fight.as_ref().map(|fight| fight.count.to_string())),
        ];
        let field = |(name, value): (&str, Option<String>)| Some((format!("portcullis/{name}"), said(&value?)?.into()));
        fields.into_iter().filter_map(field).collect()
    }
}

impl Finding {
    /// Whether a port is open at the end: its exposure stands without the change, or the change's rules did not go.
    #[must_use]
    pub fn leaves_open(&self, exposure: &ExposureFinding) -> bool {
        exposure.standing || !matches!(self.outcome, Outcome::Reverted | Outcome::AlreadyGone)
    }
}

/// The text for a field; nothing where it says nothing, for a field may not be empty.
fn said(text: &str) -> Option<String> {
    let text = cut(&for_people(text), LONGEST_FIELD);
    (!text.trim().is_empty()).then_some(text)
}

fn cut(text: &str, most: usize) -> String {
    match text.chars().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// A time in milliseconds: the format takes no more digits. There are always three, so that the order of two texts is that of
/// their times.
fn to_millis(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
