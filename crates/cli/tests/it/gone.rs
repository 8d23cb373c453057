//! Undo of an act whose rules were gone before it could revoke them: the real command line against the model.

use std::path::{Path, PathBuf};

use ec2_model::Permission;
use portcullis_domain::evidence::{ActOutcome, Evidence};
use portcullis_domain::finding::Action;
use portcullis_domain::ids::RuleId;

use crate::cli::folder;
use crate::operator::{DUBLIN, HUB, Stage, stage};

/// The evidence of what a sweep from the terminal revoked.
fn revoked(stage: &Stage, place: &Path) -> Evidence {
    let kept = ["--evidence", place.to_str().unwrap()];
    let ran = stage.run(&[&["sweep", "--region", DUBLIN, "--enforce", "--yes"][..], &kept].concat(), "");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let act = stage.run(&[&["evidence", "list", "--format", "json"][..], &kept].concat(), "").findings();
    let act = act[0]["act"].as_str().unwrap().to_owned();
    let date = format!("{}-{}-{}", &act[..4], &act[4..6], &act[6..8]);
    let path = place.join(format!("evidence/v1/account={HUB}/region={DUBLIN}/date={date}/{act}.json"));
    Evidence::read(&std::fs::read_to_string(path).unwrap()).unwrap().0
}

fn written(place: &Path, name: &str, evidence: &Evidence) -> PathBuf {
    let path = place.join(name);
    std::fs::write(&path, evidence.document().unwrap()).unwrap();
    path
}

/// Somebody gave the rule back what it was before the function came to revoke it. An undo that added the open value again
/// would open the port that they closed, under a policy that lets it be.
#[test]
fn what_was_gone_before_the_act_is_not_put_back_and_what_the_group_has_of_it_is_shown() {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[Permission::tcp(22, "0.0.0.0/0"), Permission::tcp(443, "0.0.0.0/0")]);
    let place = folder("gone-undo");
    let mut evidence = revoked(&stage, &place);
    let left = stage.world().rules(HUB, DUBLIN, &web);
    let itself = left.iter().find(|rule| rule.from_port == 443).unwrap().id.clone();
    let policy = place.join("open.yaml");
    std::fs::write(&policy, "version: 1\nexempt: [{reason: lab, until: never, regions: [eu-west-1]}]").unwrap();
    let undo = |path: &Path, more: &[&str]| {
        let (path, policy) = (path.to_str().unwrap(), policy.to_str().unwrap());
        let place = place.to_str().unwrap();
        stage.run(&[&["undo", path, "--yes", "--policy", policy, "--evidence", place][..], more].concat(), "")
    };
    evidence.outcome = ActOutcome::AlreadyGone;
    evidence.rules[0].action = Action::AlreadyGone;
    let nothing = written(&place, "nothing.json", &evidence);
    // The rule itself is there, with the value of before.
    evidence.rules[0].rule.id = RuleId::parse(&itself).unwrap();
    let changed = written(&place, "changed.json", &evidence);
    for (path, now) in [
        (&nothing, "the group has no such rule. It is not put back".to_owned()),
        (&changed, format!("it is now {itself} tcp 443 from 0.0.0.0/0. It is not put back")),
    ] {
        for more in [&[][..], &["--dry-run"], &["--former"]] {
            let ran = undo(path, more);
            assert_eq!(ran.code, 2, "{more:?}: {}{}", ran.stdout, ran.stderr);
            for part in ["whose doing that was is not known", &now, "there is nothing to undo: it took no rule away"] {
                assert!(ran.stderr.contains(part), "{more:?} {part}: {}", ran.stderr);
            }
        }
        let page = stage.run(&["evidence", "show", path.to_str().unwrap()], "");
        assert!(page.code == 0 && !page.stdout.contains("portcullis undo"), "{}", page.stdout);
    }
    assert_eq!(stage.world().rules(HUB, DUBLIN, &web), left);
    assert!(!stage.actions().contains("AuthorizeSecurityGroupIngress"), "nothing is opened");
    // What the act did revoke comes back all the same.
    let mut other = evidence.rules[0].clone();
    (other.rule.id, other.action) = (RuleId::parse("sgr-0000000000000beef").unwrap(), Action::Revoked);
    other.rule.permission.source = portcullis_domain::rule::Source::Cidr("9.9.9.9/32".parse().unwrap());
    evidence.rules.push(other);
    let ran = undo(&written(&place, "both.json", &evidence), &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("It is not put back"), "{}", ran.stderr);
    let now = stage.world().rules(HUB, DUBLIN, &web);
    assert_eq!(now.len(), left.len() + 1);
    assert!(now.iter().any(|rule| rule.from_port == 22 && rule.source.text() == "9.9.9.9/32"), "{now:?}");
}
