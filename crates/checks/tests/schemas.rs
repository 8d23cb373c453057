//! Holds `schema/` to the types that it is made from, and to what is really written: the policies of the pages, and the
//! findings of every event.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use portcullis_domain::change::{Change, ChangedRules, Resource};
use portcullis_domain::cloudtrail::{EnvelopeOrigin, Reading, read};
use portcullis_domain::evidence::{Account, Evidence, Guard, Look};
use portcullis_domain::facts::{Facts, GroupLocation};
use portcullis_domain::finding::{Action, Done, Finding, Outcome, SweepFinding, Verdict};
use portcullis_domain::ids::{GroupId, RuleId};
use portcullis_domain::json;
use portcullis_domain::judge::judge;
use portcullis_domain::plan::plan;
use portcullis_domain::policy::{Mode, Policy};
use portcullis_domain::rule::{Rule, Transport};
use portcullis_domain::state::Remediation;
use serde_json::{Value, json};

const README: &str = include_str!("../../../README.md");
const POLICY_PAGE: &str = include_str!("../../../docs/POLICY.md");
const SEMANTICS: &str = include_str!("../../../docs/SEMANTICS.md");
const TEMPLATE: &str = include_str!("../../cli/src/policy_template.yaml");
const GOLDEN: [&str; 2] = [
    include_str!("../../cli/tests/it/golden/check/all.trycmd"),
    include_str!("../../cli/tests/it/golden/check/found.trycmd"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// A schema, ready to be asked.
struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    fn of(schema: Value) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", schema).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap_or_else(|error| unreachable!("{error:#}"));
        Self { schemas, index }
    }

    fn policy() -> Self {
        Self::of(Policy::json_schema().into())
    }

    fn finding() -> Self {
        Self::of(Finding::json_schema().into())
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        self.schemas.validate(value, self.index).map_err(|error| format!("{error:#}\n{value:#}"))
    }
}

/// A policy as an editor reads it.
fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| unreachable!("{error}\n{text}"))
}

#[test]
fn the_files_are_as_they_are_made_from_the_types() {
    #[expect(clippy::disallowed_methods, reason = "what is written anew is for whoever runs the test to say")]
    let overwrite = std::env::var_os("PORTCULLIS_TEST_SCHEMAS").is_some_and(|word| word == "overwrite");
    let schemas =
        [("policy", Policy::json_schema()), ("finding", Finding::json_schema()), ("evidence", Evidence::json_schema())];
    for (name, schema) in schemas {
        let file = root().join(format!("schema/{name}.schema.json"));
        let made = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if overwrite {
            std::fs::write(&file, &made).unwrap();
        }
        let is_so = std::fs::read_to_string(&file).is_ok_and(|text| text == made);
        assert!(is_so, "schema/{name}.schema.json differs; PORTCULLIS_TEST_SCHEMAS=overwrite writes it anew");
    }
}

/// The words that a schema allows for a type.
fn words(schema: &Value, of: &str) -> Vec<String> {
    let variants = schema["definitions"][of]["oneOf"].as_array().unwrap();
    variants.iter().map(|one| one["const"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_word_of_a_finding_is_that_of_its_as_str_and_none_is_left_out() {
    let schema: Value = Finding::json_schema().into();
    let verdicts = [Verdict::Exposed, Verdict::Exempt, Verdict::Safe, Verdict::Irrelevant, Verdict::Undecided];
    assert_eq!(words(&schema, "Verdict"), verdicts.map(Verdict::as_str));
    assert_eq!(json!(verdicts), json!(verdicts.map(Verdict::as_str)));
    let outcomes = [Outcome::Reverted, Outcome::WouldRevert, Outcome::AlreadyGone, Outcome::None, Outcome::Failed];
    assert_eq!(words(&schema, "Outcome"), outcomes.map(Outcome::as_str));
    assert_eq!(json!(outcomes), json!(outcomes.map(Outcome::as_str)));
    let modes = [Mode::Alert, Mode::Enforce];
    assert_eq!(words(&schema, "Mode"), modes.map(Mode::as_str));
    assert_eq!(json!(modes), json!(modes.map(Mode::as_str)));

    let variants = schema["definitions"]["Rule"]["oneOf"].as_array().unwrap();
    let variants: Vec<&Value> = variants.iter().map(|one| &one["properties"]["action"]["const"]).collect();
    let actions = actions();
    assert_eq!(variants, actions.iter().map(Action::as_str).collect::<Vec<_>>());
    for action in &actions {
        assert_eq!(serde_json::to_value(action).unwrap()["action"], action.as_str());
    }

    let schema: Value = Policy::json_schema().into();
    assert_eq!(words(&schema, "Mode"), modes.map(Mode::as_str));
    assert_eq!(words(&schema, "Transport"), [Transport::Tcp, Transport::Udp].map(|it| it.to_string()));
}

fn actions() -> [Action; 7] {
    [
        Action::Revoked,
        Action::WouldRevoke,
        Action::Restored,
        Action::WouldRestore,
        Action::Kept,
        Action::AlreadyGone,
        Action::Failed { error: "UnauthorizedOperation".to_owned() },
    ]
}

#[test]
fn the_defaults_that_the_schema_shows_are_the_built_in_policy() {
    let schema: Value = Policy::json_schema().into();
    let mut shown = json!({"version": 1});
    for (key, property) in schema["properties"].as_object().unwrap() {
        if key != "version" {
            let default = property.get("default").unwrap_or_else(|| unreachable!("{key} has no default"));
            shown[key] = default.clone();
        }
    }
    Validator::policy().check(&shown).unwrap();
    assert_eq!(Policy::parse(&shown.to_string()).unwrap(), Policy::built_in(), "{shown}");
}

#[test]
fn every_policy_that_is_shown_or_tested_keeps_to_the_schema() {
    let validator = Validator::policy();
    let samples = |page: &str| -> Vec<String> {
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
    };
    let (readme, page) = (samples(README), samples(POLICY_PAGE));
    assert!(readme.len() >= 2 && page.len() >= 4, "{} and {} samples", readme.len(), page.len());
    let own = files("crates/cli/tests/it/policies").into_iter();
    let seeds = files("fuzz/findings/policy").into_iter();
    let seeds = seeds.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("taken-"));
    let files: Vec<String> = own.chain(seeds).map(|file| std::fs::read_to_string(file).unwrap()).collect();
    assert!(files.len() >= 6, "{} files", files.len());
    for text in [TEMPLATE.to_owned()].into_iter().chain(readme).chain(page).chain(files) {
        Policy::parse(&text).unwrap();
        validator.check(&yaml(&text)).unwrap_or_else(|error| unreachable!("{error}\n{text}"));
    }
}

/// What stands beside `version: 1`.
const RIGHT: [&str; 16] = [
    "guard: [vnc, {name: kafka, protocol: tcp, ports: [0, 65535, 9092, 9094-9098, '22', 9092 - 9093]}]",
    "internet: {ipv4: /0, ipv6: /128}",
    "internet: {ipv4: /32}",
    "trusted: [0.0.0.0/2, '2001:db8::/32', '::/3', 255.249.199.9/32, '::ffff:1.2.3.4/128']",
    "exempt: [{reason: r, until: never, accounts: ['012345678901']}]",
    "exempt: [{reason: r, until: 2026-12-31T23:59:59Z, regions: [us-gov-east-1, us-northeast-1r]}]",
    "exempt: [{reason: r, until: 2026-12-31T23:59:59+02:00, vpcs: [vpc-01234567]}]",
    "exempt: [{reason: r, until: never, principals: ['arn:aws:iam::*:role/BreakGlass', 'arn:*:sts:*:1:a:b']}]",
    "exempt: [{reason: r, until: never, guard: [ssh, rdp], sources: [8.8.8.8/32]}]",
    "scopes: [{mode: alert, groups: [sg-0123456789abcdef0]}, {mode: enforce, regions: [eu-west-1]}]",
    "sweep: {mode: enforce, max_revocations: 4294967295}",
    "waivers: {most: 0}",
    "waivers: {most: '0', by: []}",
    "waivers: {most: 90m, by: ['arn:aws:iam::111122223333:role/OnCall']}",
    "budget: {old_rules: 0, per: 7d}",
    "mode: alert",
];

const WRONG: [&str; 56] = [
    "gaurd: [ssh]",
    "mode: report",
    "mode: Enforce",
    "mode:",
    "guard: []",
    "guard:",
    "guard: ssh",
    "guard: [shh]",
    "guard: [22]",
    "guard: [ssh, ssh]",
    "guard: [{name: kafka, ports: [9092]}]",
    "guard: [{name: kafka, protocol: icmp, ports: [9092]}]",
    "guard: [{name: kafka, protocol: tcp, ports: []}]",
    "guard: [{name: kafka, protocol: tcp, ports: [65536]}]",
    "guard: [{name: kafka, protocol: tcp, ports: [-1]}]",
    "guard: [{name: kafka, protocol: tcp, ports: [1-65536]}]",
    "guard: [{name: kafka, protocol: tcp, ports: [https]}]",
    "guard: [{name: '  ', protocol: tcp, ports: [1]}]",
    "guard: [{name: kafka, protocol: tcp, ports: [1], port: 1}]",
    "guard: [{name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, protocol: tcp, ports: [1]}]",
    "internet: {ipv4: 8}",
    "internet: {ipv4: /33}",
    "internet: {ipv6: /129}",
    "internet: {ipv5: /8}",
    "trusted:",
    "trusted: [1.2.3.4]",
    "trusted: [1.2.3.4/33]",
    "trusted: [010.0.0.0/8]",
    "trusted: ['::/129']",
    "exempt: [{until: never, groups: [sg-01234567]}]",
    "exempt: [{reason: r, groups: [sg-01234567]}]",
    "exempt: [{reason: ' ', until: never, groups: [sg-01234567]}]",
    "exempt: [{reason: r, until: soon, groups: [sg-01234567]}]",
    "exempt: [{reason: r, until: never}]",
    "exempt: [{reason: r, until: never, groups: []}]",
    "exempt: [{reason: r, until: never, group: [sg-01234567]}]",
    "exempt: [{reason: r, until: never, groups: [sgr-01234567]}]",
    "exempt: [{reason: r, until: never, accounts: [012345678901]}]",
    "exempt: [{reason: r, until: never, accounts: ['12345']}]",
    "exempt: [{reason: r, until: never, regions: [Frankfurt]}]",
    "exempt: [{reason: r, until: never, principals: [BreakGlass]}]",
    "exempt: [{reason: r, until: never, principals: ['arn:aws:iam::role']}]",
    "scopes: [{mode: alert}]",
    "scopes: [{accounts: ['111122223333']}]",
    "sweep: {max_revocations: -1}",
    "waivers: {most: 24}",
    "waivers: {most: 1.5h}",
    "waivers: {most: h}",
    "waivers: {most: 90s}",
    "waivers: {most: -1h}",
    "waivers: {by: [OnCall]}",
    "waivers: {until: 24h}",
    "waivers:",
    "budget: {old_rules: -1}",
    "budget: {per: 1w}",
    "budget: {rules: 25}",
];

#[test]
fn the_schema_and_the_parser_take_and_refuse_the_same() {
    let validator = Validator::policy();
    let cases = RIGHT.iter().map(|text| (text, true)).chain(WRONG.iter().map(|text| (text, false)));
    for (text, is_right) in cases {
        let text = format!("version: 1\n{text}\n");
        let parsed = Policy::parse(&text);
        assert_eq!(parsed.is_ok(), is_right, "{text}{parsed:?}");
        let checked = validator.check(&yaml(&text));
        assert_eq!(checked.is_ok(), is_right, "{text}{checked:?}");
    }
    for text in ["{}", "version: 2", "version:", "[1]", "version: 1.5"] {
        assert!(Policy::parse(text).is_err(), "{text}");
        assert!(validator.check(&yaml(text)).is_err(), "{text}");
    }
}

/// The findings of an event: from the record alone, or judged on the rules that the record lists, for each thing that can
/// become of a rule.
fn findings(event: &[u8], policy: &Policy) -> Vec<Finding> {
    let value = json::parse(event).unwrap();
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let change = match read(value.get("detail").unwrap(), &EnvelopeOrigin::default()) {
        Reading::Irrelevant { event, why } => {
            return vec![Finding::plain(&event, Verdict::Irrelevant, Outcome::None, Mode::Alert, why)];
        }
        Reading::Undecided { event, why } => {
            return vec![Finding::plain(&event, Verdict::Undecided, Outcome::None, Mode::Alert, why)];
        }
        Reading::Change(change) => Change { changed_rules: ChangedRules::Any, ..*change },
    };
    let group = match &change.resource {
        Resource::Group(id) => id.clone(),
        Resource::GroupName(_) | Resource::PrefixList(_) | Resource::Region => GroupId::unlisted(),
    };
    let location = GroupLocation { account: change.account.clone(), region: change.region.clone(), group, vpc: None };
    let recorded = change.recorded_rules.iter().flatten().zip(1..);
    let mut rules: Vec<Rule> = recorded
        .map(|((id, permission), n)| Rule::new(id.clone().unwrap_or_else(|| RuleId::unlisted(n)), permission.clone()))
        .collect();
    for rule in &mut rules {
        rule.description = Some("vpn".to_owned());
        rule.tags.insert("team".to_owned(), "web".to_owned());
    }
    let judgement = judge(&[&change], &Facts::of_rules(location, rules, now), policy, now);
    let planned = plan(&judgement, Mode::Enforce, usize::MAX).rules();
    let became = actions().into_iter().map(|action| planned.iter().map(|id| (id.clone(), action.clone())).collect());
    let judged = became.map(|done: Done| {
        let (judgement, past, open) = (judgement.clone(), Vec::new(), Vec::new());
        let remediation = Remediation { judgement, own: 1, past, open, done, mode: Mode::Enforce, done_at: Some(now) };
        Finding::judged(&change, 0, &remediation)
    });
    judged.collect()
}

#[test]
fn every_piece_of_evidence_keeps_to_the_schema() {
    let validator = Validator::of(Evidence::json_schema().into());
    let (mut kinds, mut seen) = (Vec::new(), 0);
    let policy = Policy::built_in();
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    for file in files("events") {
        let event = std::fs::read(&file).unwrap();
        let value = json::parse(&event).unwrap();
        let Reading::Change(change) = read(value.get("detail").unwrap(), &EnvelopeOrigin::default()) else { continue };
        let Resource::Group(group) = change.resource.clone() else { continue };
        let (account, region) = (change.account.clone(), change.region.clone());
        let location = GroupLocation { account: account.clone(), region: region.clone(), group, vpc: None };
        let recorded = change.recorded_rules.iter().flatten();
        let rules = recorded.filter_map(|(id, permission)| Some(Rule::new(id.clone()?, permission.clone()))).collect();
        let facts = Facts::of_rules(location, rules, now);
        let judgement = judge(&[&change], &facts, &policy, now);
        let planned = plan(&judgement, Mode::Enforce, usize::MAX);
        let looks = [Look::new(&facts, now, planned.clone())];
        let observed = facts.rules.iter().map(|rule| (rule.id.clone(), rule.clone())).collect();
        let (account, region, version) = (Some(account), Some(region), "0".to_owned());
        let guard =
            Guard { version, account, region, mode: Mode::Enforce, policy: policy.hash().to_owned(), restores: false };
        let (changes, memory) = ([&*change], "none".to_owned());
        let account = Account {
            guard,
            location: &facts.location,
            changes: &changes,
            own: 1,
            memory,
            waivers: Default::default(),
            looks: &looks,
            looks_left_out: 0,
            observed: &observed,
        };
        for action in actions() {
            let done: Done = planned.rules().into_iter().map(|id| (id, action.clone())).collect();
            let (judgement, past, open) = (judgement.clone(), Vec::new(), Vec::new());
            let remediation =
                Remediation { judgement, own: 1, past, open, done, mode: Mode::Enforce, done_at: Some(now) };
            let record: Value = serde_json::from_slice::<Value>(&event).unwrap()["detail"].clone();
            let finding = Finding::judged(&change, 0, &remediation);
            let Some(evidence) = account.of(&finding, 0, Some(record)) else { continue };
            let written = serde_json::from_str(&evidence.document().unwrap()).unwrap();
            validator.check(&written).unwrap_or_else(|error| unreachable!("{}: {error}", file.display()));
            kinds.push(evidence.outcome.as_str());
            seen += 1;
        }
    }
    assert!(seen >= 30, "{seen}");
    for outcome in ["reverted", "would_revert", "already_gone", "failed"] {
        assert!(kinds.contains(&outcome), "no evidence with {outcome}");
    }
}

#[test]
fn every_finding_keeps_to_the_schema() {
    let validator = Validator::finding();
    let (mut outcomes, mut seen) = (Vec::new(), 0);
    let wide = "{version: 1, guard: [{name: all, protocol: tcp, ports: [0-65535]}], internet: {ipv4: /32, ipv6: /128}}";
    for file in files("events") {
        for policy in [Policy::built_in(), Policy::parse(wide).unwrap()] {
            for finding in findings(&std::fs::read(&file).unwrap(), &policy) {
                let written = serde_json::to_value(&finding).unwrap();
                validator.check(&written).unwrap_or_else(|error| unreachable!("{}: {error}", file.display()));
                outcomes.push(finding.outcome.as_str());
                seen += 1;
            }
        }
    }
    assert!(seen >= 150, "{seen} findings");
    for outcome in ["reverted", "would_revert", "already_gone", "none", "failed"] {
        assert!(outcomes.contains(&outcome), "no finding with {outcome}");
    }
    let summary = SweepFinding { groups: 3, exposed: 1, open: vec!["x".to_owned()], ..SweepFinding::default() };
    let summary = Finding::swept("2026-11-21T10:00:00Z".parse().unwrap(), summary, Mode::Alert);
    let hashed = Finding { policy: Some("0123456789abcdef".repeat(4)), open_seconds: Some(1), ..summary.clone() };
    for finding in [summary, hashed] {
        validator.check(&serde_json::to_value(finding).unwrap()).unwrap();
    }
}

/// The findings in what the program is tested to write, and on the page.
#[test]
fn every_finding_that_is_shown_keeps_to_the_schema() {
    let validator = Validator::finding();
    let lines = GOLDEN.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with(r#"{"schema":1"#));
    let page = SEMANTICS.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let page: Vec<&str> = page.filter(|sample| sample.starts_with(r#"{"schema":1"#)).collect();
    assert_eq!(page.len(), 1);
    let mut seen = 0;
    for text in lines.chain(page) {
        validator.check(&serde_json::from_str(text).unwrap()).unwrap();
        seen += 1;
    }
    assert!(seen >= 3, "{seen} findings");
}

#[test]
fn what_is_no_finding_is_refused_and_a_key_may_be_added() {
    let validator = Validator::finding();
    let right = &findings(&std::fs::read(root().join("events/ssh-open.json")).unwrap(), &Policy::built_in())[0];
    let right = serde_json::to_value(right).unwrap();
    validator.check(&right).unwrap();
    for (pointer, wrong) in [
        ("/schema", json!(2)),
        ("/time", json!("yesterday")),
        ("/verdict", json!("open")),
        ("/outcome", json!("revoked")),
        ("/mode", Value::Null),
        ("/reason", Value::Null),
        ("/exposures/0/port", json!(65536)),
        ("/exposures/0/protocol", json!("icmp")),
        ("/exposures/0/public_addresses", json!(3_702_258_432_u64)),
        ("/rules/0/id", json!("sg-0123456789abcdef0")),
        ("/rules/0/action", json!("reverted")),
        ("/rules/0/action", json!("failed")),
        ("/rules/0/tags", json!({"team": 1})),
    ] {
        let mut finding = right.clone();
        *finding.pointer_mut(pointer).unwrap() = wrong;
        assert!(validator.check(&finding).is_err(), "{pointer}: {finding:#}");
    }
    for key in right.as_object().unwrap().keys().filter(|key| *key != "open_seconds") {
        let mut finding = right.clone();
        finding.as_object_mut().unwrap().remove(key);
        assert!(validator.check(&finding).is_err(), "without {key}");
    }
    let mut finding = right.clone();
    finding["added_later"] = json!(true);
    validator.check(&finding).unwrap();
}
