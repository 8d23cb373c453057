//! A modified rule is given back what it was.

use super::*;

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
