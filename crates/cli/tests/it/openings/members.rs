//! Openings in an account that is not the stack's, with credentials of the operator's own in both, or with a role.

use ec2_model::Vpc;

use super::stage::TABLE;
use super::*;

const MEMBER: &str = "444455556666";
const OHIO: &str = "us-east-2";
pub(super) const ASKED: [&str; 8] = ["--port", "ssh", "--from", OFFICE, "--for", "2h", "--reason", "INC-123"];

/// How the operator comes into both accounts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// With a profile for each.
    Profiles,
    /// From the hub's account, by a role of theirs in the member's.
    Role,
}

const WAYS: [Way; 2] = [Way::Profiles, Way::Role];

/// The profiles `hub` and `member`.
fn profiles() -> String {
    let kept = folder(&format!("profiles-{}", portcullis::now().as_nanosecond()));
    let profile = |name: &str, account: &str| {
        format!("[{name}]\naws_access_key_id = {account}\naws_secret_access_key = secret\n")
    };
    let file = kept.join("credentials");
    std::fs::write(&file, profile("hub", ACCOUNT) + &profile("member", MEMBER)).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A stack that ends openings in members, and a group of a member in another Region.
pub(super) fn organisation() -> (Stack, String) {
    let stack = Stack::new();
    stack.set("MemberEndRoleName", "portcullis-end");
    stack.set("Accounts", &format!("{ACCOUNT},{MEMBER}"));
    stack.set("Regions", &format!("{REGION},{OHIO}"));
    stack.world.allow_role(MEMBER, "OnCall", Some("oncall-1"));
    let group = stack.world.create_group(MEMBER, OHIO, "theirs", Vpc::Other);
    (stack, group)
}

pub(super) fn run(stack: &Stack, way: Way, arguments: &[&str]) -> Ran {
    let place: &[&str] = match way {
        Way::Profiles => &["--profile", "member", "--hub-profile", "hub"],
        Way::Role => &["--account", MEMBER, "--role", "OnCall", "--external-id", "oncall-1"],
    };
    let place = [place, &["--region", OHIO, "--hub-region", REGION]].concat();
    stack.run_with(&[("AWS_SHARED_CREDENTIALS_FILE", profiles())], &[arguments, &place[..]].concat())
}

fn rules(stack: &Stack, group: &str) -> usize {
    let rules = stack.world.rules(MEMBER, OHIO, group).into_iter();
    rules.filter(|rule| rule.direction == ec2_model::Direction::Ingress).count()
}

fn principal(way: Way) -> &'static str {
    match way {
        Way::Profiles => "arn:aws:iam::444455556666:user/operator",
        Way::Role => "arn:aws:iam::444455556666:role/OnCall",
    }
}

#[test]
fn an_opening_in_a_members_account_is_scheduled_and_remembered_in_the_hubs_and_opened_and_closed_in_its_own() {
    for way in WAYS {
        let (stack, group) = organisation();
        let ran = run(&stack, way, &[&["open", &group, "--yes"], &ASKED[..]].concat());
        let id = stack.waiver(is(&ran, 0));
        assert!(ran.stdout.contains(&format!("in {MEMBER} {OHIO}")), "{way:?}: {}", ran.stdout);
        // The schedule is in the hub's account and Region, invokes the hub's function, and names the member's group.
        let [(name, schedule)] = &stack.schedules()[..] else { panic!("{way:?}: one schedule") };
        let end = json!({"end": {"account": MEMBER, "region": OHIO, "group": group, "waiver": id}});
        let input: Value = serde_json::from_str(schedule["Target"]["Input"].as_str().unwrap()).unwrap();
        assert_eq!((name, input), (&id, end), "{way:?}");
        assert_eq!(schedule["Target"]["Arn"], stage::FUNCTION, "{way:?}");
        // The memory and the evidence too.
        let item = stack.entries(&format!("{MEMBER}/{OHIO}/{group}"));
        let waiver = &portcullis_domain::memory::Memory::read(&item).waivers[&id];
        assert_eq!(waiver.by, principal(way), "{way:?}");
        assert!(stack.entries(&format!("openings#{MEMBER}/{OHIO}")).contains_key(&id), "{way:?}");
        let outcomes: Vec<ActOutcome> = stack.evidence().iter().map(|act| act.outcome).collect();
        assert_eq!(outcomes, [ActOutcome::Intended, ActOutcome::Opened], "{way:?}");
        // What changes the group is called in the member's account, and nothing else is.
        assert_eq!(rules(&stack, &group), 1, "{way:?}");
        for call in stack.world.calls() {
            let expected = if call.service == "ec2" { MEMBER } else { ACCOUNT };
            let is_who = call.action == "GetCallerIdentity";
            assert!(is_who || call.account == expected, "{way:?}: {} in {}", call.action, call.account);
        }
        let list = run(&stack, way, &["open", "--list"]);
        assert!(is(&list, 0).stdout.contains(&id), "{way:?}: {}", list.stdout);
        let closed = run(&stack, way, &["close", &id]);
        assert!(is(&closed, 0).stdout.contains("1 rule revoked"), "{way:?}: {}", closed.stdout);
        assert_eq!((rules(&stack, &group), stack.schedules().len()), (0, 0), "{way:?}");
        let acts = stack.evidence();
        assert_eq!(acts.last().map(|act| (act.kind, act.outcome)), Some((Kind::End, ActOutcome::Reverted)), "{way:?}");
    }
}

/// CloudTrail tells by the session's name who assumed a role that several people have.
#[test]
fn the_session_of_the_role_has_the_operators_name() {
    let (stack, group) = organisation();
    is(&run(&stack, Way::Role, &[&["open", &group, "--yes"], &ASKED[..]].concat()), 0);
    let assumed = stack.world.calls().into_iter().find(|call| call.action == "AssumeRole").unwrap();
    assert_eq!(assumed.param("RoleSessionName"), Some("operator"));
}

#[test]
fn what_is_missing_in_either_account_is_said_and_nothing_is_opened() {
    for way in WAYS {
        let (stack, group) = organisation();
        stack.unset("MemberEndRoleName");
        let ran = run(&stack, way, &[&["open", &group, "--yes"], &ASKED[..]].concat());
        let why = "the stack ends no openings in other accounts: deploy it again with Openings=yes and MemberRole";
        assert!(ran.code == 2 && ran.stderr.contains(why), "{way:?}: {}", ran.stderr);
        // What is open already is closed all the same.
        is(&run(&stack, way, &["close", &group]), 0);

        let (stack, group) = organisation();
        stack.world.deny(MEMBER, "AuthorizeSecurityGroupIngress");
        let ran = run(&stack, way, &[&["open", &group, "--yes"], &ASKED[..]].concat());
        assert!(ran.code == 2 && ran.stderr.contains("nothing was opened"), "{way:?}: {}", ran.stderr);
        assert!(stack.schedules().is_empty() && rules(&stack, &group) == 0, "{way:?}");
        let left = stack.world.items(ACCOUNT, REGION, TABLE);
        assert!(left.values().all(|item| !item.keys().any(|name| name.contains("w-"))), "{way:?}: {left:?}");
    }
    let (stack, group) = organisation();
    let alone = [("AWS_SHARED_CREDENTIALS_FILE", profiles())];
    let ran = stack.run_with(&alone, &[&["open", &group, "--yes", "--region", OHIO], &ASKED[..]].concat());
    let why = format!("{group} is not in account {ACCOUNT}, Region {OHIO}");
    assert!(ran.code == 2 && ran.stderr.contains(&why), "{}", ran.stderr);
    for (odd, part) in [
        (vec!["--account", MEMBER], "--role"),
        (vec!["--role", "OnCall"], "--account"),
        (vec!["--hub-profile", "hub", "--account", MEMBER, "--role", "x"], "cannot be used with"),
    ] {
        let ran = stack.run_with(&alone, &[&["open", &group, "--yes"], &ASKED[..], &odd].concat());
        assert!(ran.code == 2 && ran.stderr.contains(part), "{odd:?}: {}", ran.stderr);
    }
}

/// What the stack would refuse to end, or no sweep would find, is not opened.
#[test]
fn what_the_stack_does_not_cover_is_refused_by_name_and_nothing_is_opened() {
    for (name, value, part) in [
        (
            "Accounts",
            "",
            "Accounts is empty: the stack's own account, 111122223333; deploy it again with \
                          Accounts=111122223333,444455556666",
        ),
        (
            "Accounts",
            "111122223333",
            "may not act in account 444455556666, and would refuse to end the opening: its \
                                      parameter Accounts is 111122223333; deploy",
        ),
        (
            "Regions",
            "",
            "does not guard Region us-east-2, where no sweep would end an opening whose schedule is lost: its \
                         parameter Regions is empty: the stack's own Region, eu-west-1; deploy it again with \
                         Regions=eu-west-1,us-east-2",
        ),
        ("Regions", "eu-west-1,us-east-1", "parameter Regions is eu-west-1,us-east-1; deploy"),
    ] {
        for way in WAYS {
            let (stack, group) = organisation();
            stack.set(name, value);
            let ran = run(&stack, way, &[&["open", &group, "--yes"], &ASKED[..]].concat());
            let is_said = ran.stderr.contains(part) && ran.stderr.contains("nothing was opened");
            assert!(ran.code == 2 && is_said, "{way:?} {name}={value}: {}", ran.stderr);
            assert!(stack.schedules().is_empty() && rules(&stack, &group) == 0, "{way:?} {name}={value}");
            // What is open already is closed all the same.
            is(&run(&stack, way, &["close", &group]), 0);
        }
    }
    for name in ["Accounts", "Regions"] {
        let (stack, group) = organisation();
        stack.set(name, "*");
        is(&run(&stack, Way::Profiles, &[&["open", &group, "--yes"], &ASKED[..]].concat()), 0);
    }
    // The stack's own account, where a list leaves it out.
    let stack = Stack::new();
    stack.set("Accounts", MEMBER);
    let web = stack.group("web");
    let ran = stack.open(&web, &ASKED);
    let part = format!("Accounts is {MEMBER}; deploy it again with Accounts={MEMBER},{ACCOUNT}; nothing was opened");
    assert!(ran.code == 2 && ran.stderr.contains(&part), "{}", ran.stderr);
    assert!(stack.schedules().is_empty() && stack.rules(&web).is_empty());
}

/// One of them would change the group, and the waiver and the evidence would name the other.
#[test]
fn two_credentials_of_one_account_are_refused() {
    let stack = Stack::new();
    stack.world.allow_role(ACCOUNT, "OnCall", None);
    let web = stack.group("web");
    let open = [&["open", &web, "--yes"], &ASKED[..]].concat();
    let file = profiles();
    let dev = format!("[dev]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/OnCall\nsource_profile = hub\n");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + &dev).unwrap();
    let keys = [("AWS_SHARED_CREDENTIALS_FILE", file)];
    let both = stack.run_with(&keys, &[&open[..], &["--profile", "dev", "--hub-profile", "hub"]].concat());
    let why = format!(
        "--profile and --hub-profile are both of account {ACCOUNT}, as arn:aws:sts::{ACCOUNT}:assumed-role/OnCall/"
    );
    assert!(both.code == 2 && both.stderr.contains(&why), "{}", both.stderr);
    let role = stack.run_with(&keys, &[&open[..], &["--account", ACCOUNT, "--role", "OnCall"]].concat());
    let why = format!("your credentials are those of account {ACCOUNT} already");
    assert!(role.code == 2 && role.stderr.contains(&why), "{}", role.stderr);
    assert!(!stack.called("AuthorizeSecurityGroupIngress") && !stack.called("UpdateItem"));
    // The same credentials by two names are one.
    is(&stack.run_with(&keys, &[&open[..], &["--profile", "hub", "--hub-profile", "hub"]].concat()), 0);
}
