//! What an act took away is put back.

use super::*;

const OPEN: &str = "version: 1\nexempt: [{reason: lab, until: never, regions: [eu-west-1]}]";

fn open_policy(name: &str) -> String {
    let path = folder(&format!("{name}-policy")).join("open.yaml");
    std::fs::write(&path, OPEN).unwrap();
    path.to_str().unwrap().to_owned()
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
