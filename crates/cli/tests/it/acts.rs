//! Evidence, undo and report: the real command line against the model over loopback.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ec2_model::{Direction, Fault, FaultKind, Permission, Rule, RuleChange};
use portcullis_domain::change::Call;
use portcullis_domain::evidence::{ActOutcome, Evidence, Kind, Taken};
use portcullis_domain::finding::Action;
use portcullis_domain::former::{Former, Was};
use portcullis_domain::policy::Mode;
use portcullis_domain::rule::{Source, Traffic};
use serde_json::Value;

use crate::cli::{folder, on_a_terminal_while};
use crate::operator::{DUBLIN, HUB, Ran, Stage, stage};

/// A sweep from the terminal that revokes everything that is open, with its evidence in a folder.
fn swept(stage: &Stage, name: &str) -> PathBuf {
    let kept = folder(name).join("evidence");
    let place = kept.to_str().unwrap().to_owned();
    let ran = stage.run(&["sweep", "--region", DUBLIN, "--enforce", "--yes", "--evidence", &place], "");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    kept
}

fn kept(place: &Path) -> Vec<&str> {
    vec!["--evidence", place.to_str().unwrap()]
}

/// The acts that `evidence list` shows, as JSON.
fn acts(stage: &Stage, place: &Path) -> Vec<Value> {
    let ran = stage.run(&[&["evidence", "list", "--format", "json"], &kept(place)[..]].concat(), "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.findings()
}

fn id(act: &Value) -> String {
    act["act"].as_str().unwrap().to_owned()
}

/// The file of an act.
fn file(place: &Path, act: &str) -> PathBuf {
    let date = format!("{}-{}-{}", &act[..4], &act[4..6], &act[6..8]);
    place.join(format!("evidence/v1/account={HUB}/region={DUBLIN}/date={date}/{act}.json"))
}

fn undo(stage: &Stage, place: &Path, act: &str, more: &[&str]) -> Ran {
    stage.run(&[&["undo", act, "--yes"], more, &kept(place)[..]].concat(), "")
}

/// A rule apart from its id.
type Shape = (String, i32, i32, String, String, BTreeMap<String, String>);

fn rules(stage: &Stage, group: &str) -> Vec<Shape> {
    let ingress =
        stage.world().rules(HUB, DUBLIN, group).into_iter().filter(|rule| rule.direction == Direction::Ingress);
    let shape = |rule: Rule| {
        let (tags, description) = (rule.tags.into_iter().collect(), rule.description.unwrap_or_default());
        (rule.protocol, rule.from_port, rule.to_port, rule.source.text().to_owned(), description, tags)
    };
    let mut rules: Vec<Shape> = ingress.map(shape).collect();
    rules.sort();
    rules
}

const OPEN: &str = "version: 1\nexempt: [{reason: lab, until: never, regions: [eu-west-1]}]";

fn open_policy(name: &str) -> String {
    let path = folder(&format!("{name}-policy")).join("open.yaml");
    std::fs::write(&path, OPEN).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_sweep_from_a_terminal_leaves_evidence_that_is_listed_told_and_judged_again() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(443, "0.0.0.0/0")]);
    let place = swept(&stage, "acts-sweep");
    let all = acts(&stage, &place);
    assert_eq!(all.len(), 1, "{all:?}");
    let act = &all[0];
    assert_eq!(
        (&act["group"], &act["outcome"], &act["kind"]),
        (&web.clone().into(), &"reverted".into(), &"close".into())
    );
    assert_eq!(act["ports"], serde_json::json!(["tcp 22 (ssh)"]));
    let act = id(act);
    let table = stage.run(&[&["evidence", "list"], &kept(&place)[..]].concat(), "");
    for part in ["tcp 22 (ssh)", web.as_str(), "reverted", act.as_str()] {
        assert!(table.stdout.contains(part), "{part}: {}", table.stdout);
    }
    let page = stage.run(&[&["evidence", "show", &act], &kept(&place)[..]].concat(), "");
    assert_eq!(page.code, 0, "{}", page.stderr);
    for part in [
        "Portcullis closed a port that was open to the internet",
        web.as_str(),
        "a sweep of Portcullis found it",
        "tcp 22 (ssh) to 3702258432 public addresses, from 0.0.0.0/0",
        "1 rule revoked: EC2's answer confirms it.",
        "1 other rule of the group stayed as they were.",
        &format!("portcullis undo {act}"),
    ] {
        assert!(page.stdout.contains(part), "{part}: {}", page.stdout);
    }
    let verified = stage.run(&[&["evidence", "verify"], &kept(&place)[..]].concat(), "");
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    assert!(verified.stdout.contains(": the same plan, in enforce mode: 1 rule to go"), "{}", verified.stdout);
    // A file, standard input, and a line of the log say the same as the id.
    let document = std::fs::read_to_string(file(&place, &act)).unwrap();
    let path = file(&place, &act);
    for (argument, stdin) in [(path.to_str().unwrap(), ""), ("-", document.as_str())] {
        let again = stage.run(&["evidence", "show", argument], stdin);
        assert_eq!((again.code, again.stdout.as_str()), (0, page.stdout.as_str()), "{}", again.stderr);
    }
    let line = format!("{{\"schema\":1,\"verdict\":\"exposed\",\"act\":\"{act}\"}}");
    let again = stage.run(&[&["evidence", "show", "-"], &kept(&place)[..]].concat(), &line);
    assert_eq!((again.code, again.stdout), (0, page.stdout));
}

#[test]
fn evidence_that_was_altered_cut_or_is_of_a_newer_version_is_named_with_status_2() {
    let stage = stage();
    stage.group(HUB, DUBLIN, "web", &[Permission::tcp(22, "0.0.0.0/0")]);
    stage.group(HUB, DUBLIN, "db", &[Permission::tcp(3306, "0.0.0.0/0")]);
    let place = swept(&stage, "acts-altered");
    let all = acts(&stage, &place);
    let (act, path) = (id(&all[0]), file(&place, &id(&all[0])));
    let document = std::fs::read_to_string(&path).unwrap();
    for (text, expected) in [
        (document.replacen("\"cap\":25", "\"cap\":24", 1), "the evidence was altered or cut"),
        (document.replacen("0.0.0.0/0", "10.0.0.0/8", 1), "looks[0].plan: the evidence says"),
        (document[..document.len() / 2].to_owned(), "the evidence is cut: it ends at line 1, column"),
        (document.replacen("\"schema\":1", "\"schema\":2", 1), "schema: 2 is newer than this portcullis knows (1)"),
        ("nothing".to_owned(), "this is no evidence of an act"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let verified = stage.run(&[&["evidence", "verify"], &kept(&place)[..]].concat(), "");
        assert_eq!(verified.code, 2, "{expected}: {}", verified.stdout);
        assert!(
            verified.stdout.contains(&format!("{act}: NOT THE SAME: ")) && verified.stdout.contains(expected),
            "{expected}: {}",
            verified.stdout
        );
        assert!(verified.stderr.contains("2 acts judged again: 1 the same, 1 not"), "{}", verified.stderr);
        for command in [&["evidence", "show"][..], &["undo", "--yes"]] {
            let ran = stage.run(&[command, &[&act], &kept(&place)[..]].concat(), "");
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{command:?} {expected}");
            assert!(ran.stderr.contains(&act), "{}", ran.stderr);
        }
        // The rest is listed all the same.
        let listed = stage.run(&[&["evidence", "list", "--format", "json"], &kept(&place)[..]].concat(), "");
        assert_eq!((listed.code, listed.findings().len()), (2, 1), "{}", listed.stderr);
    }
    assert!(!stage.actions().contains("AuthorizeSecurityGroupIngress"), "nothing is opened on bad evidence");
    // Kept under another's name.
    let other = file(&place, &id(&all[1]));
    std::fs::copy(other, &path).unwrap();
    let verified = stage.run(&[&["evidence", "verify", &act], &kept(&place)[..]].concat(), "");
    assert!(verified.code == 2 && verified.stdout.contains("id: it is kept as"), "{}", verified.stdout);
}

#[test]
fn what_does_not_exist_says_so_and_names_the_place() {
    let stage = stage();
    let place = folder("acts-none");
    let act = "20261125T180002Z-111122223333-eu-west-1-sg-0a1b-9f3c1e77a2b0";
    for command in [&["evidence", "show"][..], &["undo", "--yes"]] {
        let ran = stage.run(&[command, &[act], &kept(&place)[..]].concat(), "");
        assert!(ran.code == 2 && ran.stderr.contains("there is no such evidence in "), "{}", ran.stderr);
        let ran = stage.run(&[command, &[act]].concat(), "");
        assert!(ran.code == 2 && ran.stderr.contains("name where the evidence is with --evidence"), "{}", ran.stderr);
        let ran = stage.run(&[command, &["nonsense"]].concat(), "");
        assert!(ran.code == 2 && ran.stderr.contains("neither an act's id"), "{}", ran.stderr);
    }
    let ran = stage.run(&["evidence", "list", "--evidence", "/nonexistent/evidence"], "");
    assert!(ran.code == 2 && ran.stderr.contains("/nonexistent/evidence"), "{}", ran.stderr);
    let ran = stage.run(&["evidence", "list", "--evidence", "s3://none"], "");
    assert!(ran.code == 2 && ran.stderr.contains("NoSuchBucket"), "{}", ran.stderr);
    let ran = stage.run(&["evidence", "list", "--evidence", "ftp://x"], "");
    assert!(ran.code == 2 && ran.stderr.contains("s3://bucket"), "{}", ran.stderr);
}

/// Rules of every kind, each as the model makes it: with and without a description, with no tags and with fifty.
fn every_kind(stage: &Stage, group: &str) {
    let list = stage.world().create_prefix_list(HUB, DUBLIN, "all", 10, &["0.0.0.0/1", "128.0.0.0/1"]).unwrap();
    let mut kinds = vec![
        Permission::tcp(22, "0.0.0.0/0"),
        Permission::tcp(22, "::/0").described("six"),
        Permission::tcp(22, &list).described("a list"),
        Permission::new("-1", -1, -1, &["0.0.0.0/1"]).described("everything; 'quotes' & more"),
        Permission::new("udp", 3389, 3389, &["0.0.0.0/0"]),
    ];
    kinds.extend((0..55).map(|n| Permission::tcp(3306, &format!("{}.0.0.0/8", n + 20))));
    stage.world().authorize(HUB, DUBLIN, group, &kinds).unwrap();
    let all = stage.world().rules(HUB, DUBLIN, group).into_iter().filter(|rule| rule.direction == Direction::Ingress);
    for (n, rule) in all.enumerate() {
        let tags: Vec<_> =
            (0..[0, 1, 50][n % 3]).map(|tag| (format!("key{tag}"), format!("value {tag} \u{e4}"))).collect();
        stage.world().tag_rule(HUB, DUBLIN, &rule.id, &tags);
    }
}

#[test]
fn undo_puts_every_kind_of_rule_back_equal_but_for_the_id_and_twice_is_once() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[Permission::tcp(443, "0.0.0.0/0")]);
    stage.world().set_rules_per_group(200);
    every_kind(&stage, &web);
    let before = rules(&stage, &web);
    let place = folder("acts-undo").join("evidence");
    let enforce = ["sweep", "--region", DUBLIN, "--enforce", "--yes", "--max-revocations", "1000"];
    let ran = stage.run(&[&enforce[..], &kept(&place)[..]].concat(), "");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let left = rules(&stage, &web);
    assert!(left.len() + 59 <= before.len(), "{} of {} left", left.len(), before.len());
    let all = acts(&stage, &place);
    let act = id(&all[0]);

    // The policy forbids it, and it says what.
    let refused = undo(&stage, &place, &act, &[]);
    assert_eq!(refused.code, 1, "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stdout.contains("Forbidden: tcp 22 (ssh) would be open to "), "{}", refused.stdout);
    assert!(refused.stdout.contains("Nothing was done."), "{}", refused.stdout);
    let open = open_policy("acts-undo");
    let dry = undo(&stage, &place, &act, &["--policy", &open, "--dry-run"]);
    assert!(dry.code == 0 && dry.stdout.contains("Nothing was done: --dry-run."), "{}{}", dry.stdout, dry.stderr);
    assert_eq!(rules(&stage, &web), left);
    assert!(!stage.actions().contains("AuthorizeSecurityGroupIngress"));

    let done = undo(&stage, &place, &act, &["--policy", &open]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!(rules(&stage, &web), before);
    assert!(done.stdout.contains("terraform import aws_vpc_security_group_ingress_rule.NAME sgr-"), "{}", done.stdout);
    let calls = stage.world().call_counts()["AuthorizeSecurityGroupIngress"];
    assert_eq!(calls, 3, "one for each set of tags");
    let again = undo(&stage, &place, &act, &["--policy", &open]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(again.stdout.contains("Nothing to do: every rule of the act is there."), "{}", again.stdout);
    assert_eq!(stage.world().call_counts()["AuthorizeSecurityGroupIngress"], calls);
    assert_eq!(rules(&stage, &web), before);

    // Its evidence: what it was about to do, and what it did, with the old ids and the new.
    let outcomes: Vec<Value> = acts(&stage, &place).into_iter().map(|act| act["outcome"].clone()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "intended").count(), 1, "{outcomes:?}");
    let put_back = acts(&stage, &place).into_iter().find(|act| act["outcome"] == "put_back").unwrap();
    let document: Value =
        serde_json::from_str(&std::fs::read_to_string(file(&place, &id(&put_back))).unwrap()).unwrap();
    assert_eq!(document["undo"]["act"], act.as_str());
    let pairs = document["undo"]["rules"].as_array().unwrap();
    assert!(pairs.len() == before.len() - left.len() && pairs.iter().all(|pair| pair["was"] != pair["is"]));
    let verified = stage.run(&[&["evidence", "verify"], &kept(&place)[..]].concat(), "");
    assert_eq!(verified.code, 0, "{}", verified.stdout);
}

/// No sweep takes these: they open nothing to the internet. An act that did take them is undone all the same.
#[test]
fn undo_puts_icmp_and_the_rules_of_groups_back_too() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[Permission::tcp(22, "0.0.0.0/0")]);
    let peer = stage.world().create_group(HUB, DUBLIN, "peer", ec2_model::Vpc::Other);
    let place = swept(&stage, "acts-kinds");
    let others = [
        Permission::new("icmp", 8, -1, &["0.0.0.0/0"]).described("ping"),
        Permission::new("icmpv6", -1, -1, &["::/0"]),
        Permission::new("47", -1, -1, &["9.9.9.9/32"]),
        Permission::tcp(5432, &peer).described("from the peer"),
    ];
    stage.world().authorize(HUB, DUBLIN, &web, &others).unwrap();
    let before = rules(&stage, &web);
    let path = file(&place, &id(&acts(&stage, &place)[0]));
    let (mut evidence, _) = Evidence::read(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let described =
        stage.world().rules(HUB, DUBLIN, &web).into_iter().filter(|rule| rule.direction == Direction::Ingress);
    evidence.rules = described
        .map(|rule| {
            stage.world().revoke(HUB, DUBLIN, &web, &[&rule.id]).unwrap();
            let ports = |port: i32| Some(i64::from(port));
            let source = match rule.source.text() {
                text if text.starts_with("sg-") => Source::Group(text.to_owned()),
                text => Source::Cidr(text.parse().unwrap()),
            };
            let traffic = Traffic::new(rule.protocol.as_str().into(), ports(rule.from_port), ports(rule.to_port));
            let permission = portcullis_domain::rule::Permission { traffic, source };
            let id = rule.id.parse().unwrap();
            let rule =
                portcullis_domain::rule::Rule { id, permission, description: rule.description, tags: BTreeMap::new() };
            Taken { rule, action: Action::Revoked }
        })
        .collect();
    assert!(rules(&stage, &web).is_empty());
    let other = folder("acts-kinds-file").join("act.json");
    std::fs::write(&other, evidence.document().unwrap()).unwrap();
    let done = undo(&stage, &place, other.to_str().unwrap(), &[]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!(rules(&stage, &web), before);
}

#[test]
fn undo_with_a_waiver_writes_it_first_and_refuses_one_that_is_longer_than_the_policy_allows() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[Permission::tcp(22, "9.0.0.0/8")]);
    let place = swept(&stage, "acts-waive");
    let act = id(&acts(&stage, &place)[0]);
    let memory = folder("acts-waive-memory");
    let memory = memory.to_str().unwrap();
    let long = undo(&stage, &place, &act, &["--waive", "25h", "--reason", "SEC-1", "--memory", memory]);
    assert_eq!(long.code, 2, "{}", long.stdout);
    assert!(long.stderr.contains("the policy's `waivers.most` is "), "{}", long.stderr);
    let nowhere = undo(&stage, &place, &act, &["--waive", "8h", "--reason", "SEC-1"]);
    assert!(nowhere.code == 2 && nowhere.stderr.contains("name it with --memory"), "{}", nowhere.stderr);
    let without = undo(&stage, &place, &act, &["--waive", "8h"]);
    assert!(without.code == 2 && without.stderr.contains("--reason"), "{}", without.stderr);
    assert!(!stage.actions().contains("AuthorizeSecurityGroupIngress"));
    let done = undo(&stage, &place, &act, &["--waive", "8h", "--reason", "SEC-1", "--memory", memory]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("waiver w-") && done.stdout.contains(": SEC-1"), "{}", done.stdout);
    assert_eq!(rules(&stage, &web).len(), 1);
    let mut files = Vec::new();
    walk(Path::new(memory), &mut files);
    let item = files
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .find(|text| text.contains("waiver#w-"))
        .unwrap();
    assert!(item.contains("\"9.0.0.0/8\"") && item.contains("\"ssh\"") && item.contains("SEC-1"), "{item}");
    let verified = stage.run(&[&["evidence", "verify"], &kept(&place)[..]].concat(), "");
    assert_eq!(verified.code, 0, "{}", verified.stdout);
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

#[test]
fn nothing_is_opened_without_evidence_or_a_yes_and_a_refused_call_is_told() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[Permission::tcp(22, "0.0.0.0/0")]);
    stage.world().create_bucket("kept");
    let place = Path::new("s3://kept/prefix");
    let enforce = ["sweep", "--region", DUBLIN, "--enforce", "--yes"];
    assert_eq!(stage.run(&[&enforce[..], &kept(place)[..]].concat(), "").code, 1);
    let act = id(&acts(&stage, place)[0]);
    let open = open_policy("acts-nothing");
    let asked = stage.run(&[&["undo", &act, "--policy", &open], &kept(place)[..]].concat(), "yes\n");
    assert!(asked.code == 2 && asked.stderr.contains("no terminal to ask on: give --yes"), "{}", asked.stderr);
    stage.world().inject(Fault::next("PutObject", FaultKind::Denied));
    let unkept = undo(&stage, place, &act, &["--policy", &open]);
    assert!(unkept.code == 2 && unkept.stderr.contains("nothing was opened"), "{}", unkept.stderr);
    assert!(!stage.actions().contains("AuthorizeSecurityGroupIngress") && rules(&stage, &web).is_empty());
    stage.world().deny(HUB, "AuthorizeSecurityGroupIngress");
    let denied = undo(&stage, place, &act, &["--policy", &open]);
    assert!(denied.code == 2 && denied.stderr.contains("UnauthorizedOperation"), "{}", denied.stderr);
    assert!(rules(&stage, &web).is_empty());
    let failed = acts(&stage, place).into_iter().filter(|act| act["outcome"] == "failed").count();
    assert_eq!(failed, 1, "the attempt has its evidence");
    let former = undo(&stage, place, &act, &["--former"]);
    assert!(former.code == 2 && former.stderr.contains("no ModifySecurityGroupRules opened it"), "{}", former.stderr);
}

#[test]
fn a_report_comes_as_a_page_for_the_terminal_json_csv_and_html() {
    let stage = stage();
    for name in ["web", "db"] {
        stage.group(HUB, DUBLIN, name, &[Permission::tcp(22, "0.0.0.0/0")]);
    }
    let place = swept(&stage, "acts-report");
    let report = |format: &str| stage.run(&[&["report", "--format", format], &kept(&place)[..]].concat(), "");
    let text = report("table");
    assert_eq!(text.code, 0, "{}", text.stderr);
    assert!(text.stdout.contains("2 acts closed ports that were open to the internet."), "{}", text.stdout);
    let json: Value = serde_json::from_str(&report("json").stdout).unwrap();
    assert_eq!((&json["total"]["reverted"], &json["total"]["rules"]), (&2.into(), &2.into()), "{json}");
    assert!(report("csv").stdout.starts_with("by,name,acts,reverted,would_revert"));
    assert!(report("html").stdout.starts_with("<!doctype html>"));
    let none = stage.run(&[&["report", "--until", "2020-01-01"], &kept(&place)[..]].concat(), "");
    assert!(none.stdout.contains("Nothing was, or would have been, closed"), "{}", none.stdout);
}

/// The evidence of what a Modify opened and the function revoked, as a file: what the rule was before is in it.
fn modified(place: &Path, act: &str, former: Former) -> PathBuf {
    let text = std::fs::read_to_string(file(place, act)).unwrap();
    let (mut evidence, _) = Evidence::read(&text).unwrap();
    let rule = evidence.rules[0].rule.id.clone();
    let change = &mut evidence.knew.changes[0];
    (change.call, change.former) = (Call::Modify, [(rule, former)].into());
    let path = place.join(format!("{}.json", former_name(&evidence)));
    std::fs::write(&path, evidence.document().unwrap()).unwrap();
    path
}

fn former_name(evidence: &Evidence) -> &'static str {
    let is_known = evidence.knew.changes[0].former.values().any(|former| matches!(former, Former::Was(_)));
    if is_known { "known" } else { "unknown" }
}

/// What a rule was, as a sweep saw it.
fn was(port: i64, source: &str) -> Former {
    let traffic = Traffic::new("tcp".into(), Some(port), Some(port));
    Former::Was(Was {
        permission: portcullis_domain::rule::Permission { traffic, source: Source::Cidr(source.parse().unwrap()) },
        description: Some("shop".to_owned()),
        from: portcullis_domain::former::Source::Sweep,
        as_of: "2026-11-21T09:00:00Z".parse().unwrap(),
        exposes: false,
        doubt: Some("no memory".to_owned()),
        before: None,
    })
}

#[test]
fn undo_former_puts_back_what_the_rule_was_before_it_was_opened_judged_first() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[Permission::tcp(22, "0.0.0.0/0").described("mine")]);
    let place = swept(&stage, "acts-former");
    let act = id(&acts(&stage, &place)[0]);
    let unknown = modified(&place, &act, Former::Unknown("no sweep has looked yet".to_owned()));
    let refused = undo(&stage, &place, unknown.to_str().unwrap(), &["--former"]);
    assert!(refused.code == 2 && refused.stderr.contains("no sweep has looked yet"), "{}", refused.stderr);
    // What was open before is as forbidden as what is open now.
    let open = modified(&place, &act, was(3389, "0.0.0.0/0"));
    let forbidden = undo(&stage, &place, open.to_str().unwrap(), &["--former"]);
    assert!(forbidden.code == 1 && forbidden.stdout.contains("Forbidden: tcp 3389 (rdp)"), "{}", forbidden.stdout);
    assert!(rules(&stage, &web).is_empty());
    let known = modified(&place, &act, was(443, "0.0.0.0/0"));
    let done = undo(&stage, &place, known.to_str().unwrap(), &["--former"]);
    assert_eq!(done.code, 0, "{} {}", done.stdout, done.stderr);
    let there: Vec<_> =
        rules(&stage, &web).into_iter().map(|(_, from, _, source, text, _)| (from, source, text)).collect();
    assert_eq!(there, [(443, "0.0.0.0/0".to_owned(), "shop".to_owned())]);
    let again = undo(&stage, &place, known.to_str().unwrap(), &["--former"]);
    assert!(again.code == 0 && again.stdout.contains("Nothing to do"), "{}", again.stdout);
}

/// The evidence of what a Modify made of this rule and alert mode left, as a file.
fn would_have_closed(place: &Path, act: &str, rule: &str, former: Former) -> PathBuf {
    let path = modified(place, act, former);
    let text = std::fs::read_to_string(&path).unwrap();
    let was = Evidence::read(&text).unwrap().0.rules[0].rule.id.to_string();
    let (mut evidence, _) = Evidence::read(&text.replace(&was, rule)).unwrap();
    (evidence.kind, evidence.outcome) = (Kind::WouldClose, ActOutcome::WouldRevert);
    evidence.rules.iter_mut().for_each(|taken| taken.action = Action::WouldRevoke);
    evidence.looks.iter_mut().for_each(|look| (look.plan.mode, look.call) = (Mode::Alert, None));
    std::fs::write(&path, evidence.document().unwrap()).unwrap();
    path
}

/// Nothing was taken: the rule itself is set back and keeps its id, and only while it is what the act saw.
#[test]
fn undo_former_of_an_act_in_alert_mode_sets_the_rule_itself_back_while_nobody_has_changed_it() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[Permission::tcp(22, "0.0.0.0/0").described("mine")]);
    let place = swept(&stage, "acts-former-alert");
    let act = id(&acts(&stage, &place)[0]);
    // The sweep has closed it. What follows is about one that is there still, as alert mode leaves it.
    let open = |port: i32| Permission::tcp(port, "0.0.0.0/0").described("mine");
    let rule = stage.world().authorize(HUB, DUBLIN, &web, &[open(22)]).unwrap().remove(0);
    let becomes = |port: i32| {
        let change = RuleChange { rule: rule.clone(), permission: open(port) };
        stage.world().modify_rules(HUB, DUBLIN, &web, &[change]).unwrap();
    };
    let shown = || {
        let ingress =
            stage.world().rules(HUB, DUBLIN, &web).into_iter().filter(|it| it.direction == Direction::Ingress);
        ingress.map(|it| (it.id, it.from_port, it.description.unwrap_or_default())).collect::<Vec<_>>()
    };
    let known = would_have_closed(&place, &act, &rule, was(443, "0.0.0.0/0"));
    let known = known.to_str().unwrap();
    let plain = undo(&stage, &place, known, &[]);
    assert!(plain.code == 2 && plain.stderr.contains("--former sets a modified rule back"), "{}", plain.stderr);
    let dry = undo(&stage, &place, known, &["--former", "--dry-run"]);
    assert!(dry.code == 0 && dry.stdout.contains("set back: "), "{}{}", dry.stdout, dry.stderr);
    let done = undo(&stage, &place, known, &["--former"]);
    assert_eq!(done.code, 0, "{} {}", done.stdout, done.stderr);
    assert!(done.stdout.contains(&format!("{rule} is what it was again")), "{}", done.stdout);
    assert_eq!(shown(), [(rule.clone(), 443, "shop".to_owned())]);
    let again = undo(&stage, &place, known, &["--former"]);
    assert!(again.code == 0 && again.stdout.contains("Nothing to do"), "{}{}", again.stdout, again.stderr);
    // Its evidence is judged again as any other's.
    let all = acts(&stage, &place);
    let undone = all.iter().find(|act| act["kind"] == "undo" && act["outcome"] == "put_back").unwrap();
    let verified = stage.run(&[&["evidence", "verify", &id(undone)], &kept(&place)[..]].concat(), "");
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    // Somebody has changed it since, or what it was is as forbidden as what it is, or nobody knows it.
    for (former, port, code, part) in [
        (was(443, "0.0.0.0/0"), 3389, 2, "somebody has changed it since the act"),
        (was(3389, "0.0.0.0/0"), 22, 1, "Forbidden: tcp 3389 (rdp)"),
        (Former::Unknown("no sweep has looked yet".to_owned()), 22, 2, "no sweep has looked yet"),
    ] {
        becomes(port);
        let path = would_have_closed(&place, &act, &rule, former);
        let ran = undo(&stage, &place, path.to_str().unwrap(), &["--former"]);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.code == code && said.contains(part), "{part}: {} {said}", ran.code);
        assert_eq!(shown().iter().map(|it| it.1).collect::<Vec<_>>(), [port], "{part}");
    }
    let path = would_have_closed(&place, &act, &rule, was(443, "0.0.0.0/0"));
    stage.world().deny(HUB, "ModifySecurityGroupRules");
    let denied = undo(&stage, &place, path.to_str().unwrap(), &["--former"]);
    assert!(denied.code == 2 && denied.stderr.contains("UnauthorizedOperation"), "{}", denied.stderr);
    stage.world().revoke(HUB, DUBLIN, &web, &[rule.as_str()]).unwrap();
    let gone = undo(&stage, &place, path.to_str().unwrap(), &["--former"]);
    assert!(gone.code == 2 && gone.stderr.contains("it is no longer there"), "{}", gone.stderr);
}

/// Whoever is asked may take their time: what was judged before the question may not hold after it.
#[test]
fn undo_former_looks_and_judges_again_when_the_answer_is_yes() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[Permission::tcp(22, "0.0.0.0/0").described("mine")]);
    let place = swept(&stage, "acts-former-asked");
    let act = id(&acts(&stage, &place)[0]);
    let open = |port: i32, source: &str| Permission::tcp(port, source).described("mine");
    let rule = stage.world().authorize(HUB, DUBLIN, &web, &[open(22, "0.0.0.0/0")]).unwrap().remove(0);
    // A part of the internet, and with the other half of the block too much of it.
    let path = would_have_closed(&place, &act, &rule, was(22, "8.0.0.0/9"));
    let asked = |meanwhile: &dyn Fn()| {
        let mut command = stage.command(&[]);
        command.args(["undo", path.to_str().unwrap(), "--former"]).args(kept(&place));
        let (screen, out, code) = on_a_terminal_while(command, "yes\n", meanwhile);
        (format!("{screen}{out}"), code)
    };
    let ports = || {
        let ingress = rules(&stage, &web).into_iter().map(|(_, from, _, source, ..)| (from, source));
        ingress.collect::<Vec<_>>()
    };
    let (said, code) = asked(&|| {
        stage.world().authorize(HUB, DUBLIN, &web, &[open(22, "8.128.0.0/9")]).unwrap();
    });
    assert!(code == 1 && said.contains("Forbidden: tcp 22 (ssh) would be open"), "{code} {said}");
    assert_eq!(ports(), [(22, "0.0.0.0/0".to_owned()), (22, "8.128.0.0/9".to_owned())]);
    let other =
        stage.world().rules(HUB, DUBLIN, &web).into_iter().find(|it| it.source.text() == "8.128.0.0/9").unwrap();
    stage.world().revoke(HUB, DUBLIN, &web, &[other.id.as_str()]).unwrap();
    let (said, code) = asked(&|| {
        let change = RuleChange { rule: rule.clone(), permission: open(5432, "10.0.0.0/8") };
        stage.world().modify_rules(HUB, DUBLIN, &web, &[change]).unwrap();
    });
    assert!(code == 2 && said.contains("somebody has changed it since you were asked"), "{code} {said}");
    assert_eq!(ports(), [(5432, "10.0.0.0/8".to_owned())]);
}
