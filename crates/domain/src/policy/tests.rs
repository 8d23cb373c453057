use super::exemption::arn_like;
use super::*;
use crate::ids::{AccountId, GroupId, Region, RuleId, VpcId};

fn error(yaml: &str) -> String {
    Policy::parse(yaml).unwrap_err().to_string()
}

fn policy(yaml: &str) -> Policy {
    Policy::parse(yaml).unwrap()
}

/// A location and a candidate to test against exemptions and scopes.
struct Case {
    account: AccountId,
    region: Region,
    group: GroupId,
    vpc: Option<VpcId>,
    sources: PerFamily<AddressSet>,
}

impl Case {
    fn new() -> Self {
        let cidrs = ["198.51.100.0/24".parse().unwrap()];
        Self {
            account: AccountId::parse("111122223333").unwrap(),
            region: Region::parse("eu-west-1").unwrap(),
            group: GroupId::parse("sg-0123456789abcdef0").unwrap(),
            vpc: Some(VpcId::parse("vpc-1").unwrap()),
            sources: PerFamily::each(|family| AddressSet::from_cidrs(family, &cidrs)),
        }
    }

    fn at(&self) -> GroupLocation {
        let (account, region) = (self.account.clone(), self.region.clone());
        GroupLocation { account, region, group: self.group.clone(), vpc: self.vpc.clone() }
    }

    fn exempt(&self, keys: &str, makers: &[Vec<&str>], now: &str) -> bool {
        let owned = |names: &Vec<&str>| names.iter().map(|name| (*name).to_owned()).collect();
        let makers: &[Vec<String>] = &makers.iter().map(owned).collect::<Vec<_>>();
        let policy = policy(&format!("version: 1\nexempt:\n  - {{reason: SEC-1, {keys}}}"));
        let rule = RuleId::parse("sgr-1").unwrap();
        let candidate =
            Candidate { at: &self.at(), rule: &rule, waiver: None, guard: "ssh", sources: Some(&self.sources), makers };
        policy.exemption(candidate, now.parse().unwrap()).is_some()
    }
}

const NOW: &str = "2026-11-21T10:00:00Z";

#[test]
fn what_the_sweep_does_is_the_policys_word_or_the_operators() {
    let sweep = SweepPolicy { mode: Mode::Enforce, max_revocations: 3 };
    let written = policy("version: 1\nsweep: {mode: enforce, max_revocations: 3}");
    assert_eq!(written.sweep(), sweep);
    assert_eq!(Policy::built_in().with_sweep(sweep), written);
    assert_eq!([Mode::Alert, Mode::Enforce].map(Mode::as_str), ["alert", "enforce"]);
}

#[test]
fn how_long_a_waiver_may_last_and_what_events_may_take_is_the_policys_word() {
    use jiff::SignedDuration;
    let built_in = Policy::built_in();
    assert_eq!((built_in.waivers().most(), built_in.waivers().by()), (SignedDuration::from_hours(24), &[][..]));
    assert_eq!((built_in.budget().old_rules(), built_in.budget().per()), (25, SignedDuration::from_hours(1)));
    assert!(built_in.waivers().allow("arn:aws:iam::111122223333:role/anyone"));
    let written = policy("version: 1\nwaivers: {most: 90m, by: ['arn:aws:iam::*:role/OnCall']}\nbudget: {per: 7d}");
    assert_eq!(written.waivers().most(), SignedDuration::from_mins(90));
    assert!(written.waivers().allow("arn:aws:iam::111122223333:role/OnCall"));
    assert!(!written.waivers().allow("arn:aws:iam::111122223333:role/anyone"));
    assert_eq!((written.budget().old_rules(), written.budget().per()), (25, SignedDuration::from_hours(7 * 24)));
    assert_ne!(written, built_in);
    for (time, words) in [("0", "0"), ("60m", "1h"), ("48h", "2d"), ("25h", "25h"), ("61m", "61m"), ("366d", "366d")] {
        let most = policy(&format!("version: 1\nwaivers: {{most: {time}}}")).waivers().most();
        assert_eq!(time_in_words(most), words);
    }
    for (wrong, why) in [
        ("waivers: {most: 367d}", "`367d` is no time: expected minutes, hours or days, such as 30m, 2h or 7d"),
        ("waivers: {most: 99999999999999999999d}", "is no time"),
        ("budget: {per: 0}", "`0` is no time in which rules go: expected at least 1m"),
        ("budget: {per: 0h}", "`0` is no time in which rules go: expected at least 1m"),
        ("waivers: {by: [x]}", "`x` is no principal: expected an ARN such as arn:aws:iam::111122223333:role/OnCall"),
    ] {
        let said = error(&format!("version: 1\n{wrong}"));
        assert!(said.contains(why) && said.contains("line 2"), "{said}");
    }
}

#[test]
fn a_policy_is_known_by_the_hash_of_its_text() {
    // `printf 'version: 1\n' | sha256sum`
    let expected = "09bfcc6a14b83e2192b8673677725c84883ee9cd0c70e45c9ec09daa8f2b2847";
    assert_eq!((Policy::built_in().hash(), policy(BUILT_IN).hash()), (expected, expected));
    let other = policy("version: 1\n# SEC-1\n");
    assert_eq!(other, Policy::built_in(), "they say the same");
    assert_ne!(other.hash(), expected, "and are other texts");
    assert_ne!(policy("version: 1\nmode: alert"), Policy::built_in());
}

#[test]
fn only_an_exemption_by_vpc_makes_what_is_lawful_depend_on_it() {
    let exempt = |keys: &str| policy(&format!("version: 1\nexempt:\n  - {{reason: x, until: never, {keys}}}"));
    assert!(exempt("vpcs: [vpc-1]").exempts_by_vpc() && exempt("vpcs: [vpc-1]").needs_vpc());
    assert!(!exempt("groups: [sg-1]").exempts_by_vpc() && !exempt("groups: [sg-1]").needs_vpc());
    let scope = policy("version: 1\nscopes: [{vpcs: [vpc-1], mode: alert}]");
    assert!(!scope.exempts_by_vpc() && scope.needs_vpc());
}

#[test]
fn the_built_in_policy_guards_four_services_against_a_slash_8() {
    let policy = Policy::built_in();
    let guards: Vec<String> =
        policy.guards().iter().map(|g| format!("{} {} {}", g.name, g.transport, g.ports)).collect();
    assert_eq!(guards, ["ssh tcp 22", "rdp tcp 3389", "rdp udp 3389", "mysql tcp 3306", "mssql tcp 1433"]);
    assert_eq!(policy.limit(Family::V4), 1 << 24);
    assert_eq!(policy.limit(Family::V6), 1 << 96);
    assert_eq!(policy.mode(&Case::new().at(), Mode::Enforce), Mode::Enforce);
    assert_eq!(policy.sweep(), SweepPolicy { mode: Mode::Alert, max_revocations: 25 });
    assert!(!policy.needs_vpc());
    assert_eq!(Policy::parse("version: 1").unwrap(), policy, "every default is the built-in one");
    let readme = include_str!("../../../../README.md");
    let documented = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(Policy::parse(documented).unwrap(), policy, "and the README shows it");
    let fuller = readme.split("```yaml\n").nth(2).unwrap().split("```").next().unwrap();
    assert!(Policy::parse(fuller).is_ok());
}

#[test]
fn an_exemption_that_ends_on_a_day_holds_to_the_end_of_it() {
    let policy = policy("version: 1\nexempt:\n- {reason: x, until: 2026-12-31, guard: [ssh]}");
    assert_eq!(policy.exemptions()[0].until, "2026-12-31T23:59:59Z".parse().ok());
}

#[test]
fn an_error_names_the_value_what_is_accepted_and_the_line() {
    for (yaml, message) in [
        ("version: 2", "version 2 is not known, expected 1 at line 1, column 10"),
        (
            "version: 1\nmode: enforced",
            "unknown variant `enforced`, expected one of alert, enforce at line 2, column 7",
        ),
        (
            "version: 1\nguards: []",
            "unknown field `guards`, expected one of version, mode, guard, internet, trusted, exempt, scopes, sweep, waivers, budget at line 2, column 1",
        ),
        (
            "version: 1\nversion: 1",
            "duplicate mapping key: version, set DuplicateKeyPolicy in Options if acceptable at line 2, column 1",
        ),
        (
            "version: 1\ntrusted: [10.0.0.0/33]",
            "`10.0.0.0/33` is no CIDR block: expected an address and a prefix length, such as 203.0.113.0/24 or 2001:db8::/32 at line 2, column 11",
        ),
        ("version: 1\ninternet: {ipv4: /33}", "`/33` is no prefix length: expected /0 to /32 at line 2, column 18"),
        (
            "version: 1\nguard: []",
            "guard: the list is empty, expected at least one service: nothing would be guarded at line 2",
        ),
        ("version: 1\nguard:\n- ssh\n- rdp\n- ssh", "guard: `ssh` stands there twice at line 5"),
        (
            "version: 1\nguard: [{name: \"a\\e[31m\", protocol: tcp, ports: [1]}]",
            "`a\\u{1b}[31m` is no guard's name: expected at most 64 characters, all of which print at line 2, column 9",
        ),
        (
            "version: 1\ntrusted: [0.0.0.0/1, 128.0.0.0/1]",
            "trusted: covers all of IPv4, expected some internet to be left to guard against at line 2",
        ),
        (
            "version: 1\nguard: [true]",
            "invalid type: boolean `true`, expected a service's name, or {name, protocol, ports} at line 2, column 9",
        ),
        (
            "version: 1\nguard: [{name: k, protocol: tcp, ports: [[1]]}]",
            "invalid type: sequence, expected a port from 0 to 65535, or a range such as 9094-9098 at line 2, column 42",
        ),
        (
            "version: 1\nexempt:\n- {reason: x, until: never, principals: ['arn:aws:iam']}",
            "exempt: `arn:aws:iam` is no principal: expected an ARN such as arn:aws:iam::111122223333:role/BreakGlass at line 3",
        ),
        (
            "version: 1\nexempt:\n- {reason: x, until: never, principals: ['urn:aws:iam::1:role/x']}",
            "exempt: `urn:aws:iam::1:role/x` is no principal: expected an ARN such as arn:aws:iam::111122223333:role/BreakGlass at line 3",
        ),
        (
            "version: 1\nguard: [{name: k, protocol: sctp, ports: [1]}]",
            "unknown variant `sctp`, expected one of tcp, udp at line 2, column 29",
        ),
        (
            "version: 1\nguard: [{name: k, protocol: tcp, ports: [9-8]}]",
            "`9-8` is no port: expected a port from 0 to 65535, or a range such as 9094-9098 at line 2, column 42",
        ),
        (
            "version: 1\nguard: [{name: k, protocol: tcp, ports: [65536]}]",
            "`65536` is no port: expected a port from 0 to 65535, or a range such as 9094-9098 at line 2, column 42",
        ),
        (
            "version: 1\nguard: [{name: k, protocol: tcp, ports: []}]",
            "a guard needs a name and at least one port at line 2, column 9",
        ),
        (
            "version: 1\nexempt:\n- {reason: x, until: never}",
            "exempt: names nothing, expected at least one key beside reason and until at line 3",
        ),
        (
            "version: 1\nexempt:\n- {reason: ' ', until: never, guard: [ssh]}",
            "exempt: the reason is empty, expected why these rules are lawful at line 3",
        ),
        (
            "version: 1\nexempt:\n- {reason: x, until: soon, guard: [ssh]}",
            "`soon` is no time: expected a day such as 2026-12-31, a time such as 2026-12-31T23:59:59Z, or never at line 3, column 22",
        ),
        ("version: 1\nexempt:\n- {until: never, guard: [ssh]}", "missing field `reason` at line 3, column 18"),
        ("version: 1\nexempt:\n- {reason: x, guard: [ssh]}", "missing field `until` at line 3, column 15"),
        (
            "version: 1\nexempt:\n- {reason: x, until: never, guard: [rpd]}",
            "exempt: `rpd` is not guarded, expected one of ssh, rdp, mysql, mssql at line 3",
        ),
        (
            "version: 1\nexempt:\n- {reason: x, until: never, groups: []}",
            "exempt: a list is empty and so matches nothing, expected an entry, or the key left out at line 3",
        ),
        (
            "version: 1\nexempt:\n- reason: x\n  until: never\n  guard: [ssh]\n  accounts:",
            "expected sequence start at line 6, column 11",
        ),
        (
            "version: 1\nexempt:\n- {reason: x, until: never, principals: []}",
            "exempt: a list is empty and so matches nothing, expected an entry, or the key left out at line 3",
        ),
        (
            "version: 1\nexempt:\n- {reason: x, until: never, principals: ['*']}",
            "exempt: `*` is no principal: expected an ARN such as arn:aws:iam::111122223333:role/BreakGlass at line 3",
        ),
        (
            "version: 1\nscopes:\n- {mode: alert}",
            "scopes: names nothing, expected accounts, regions, groups or vpcs at line 3",
        ),
        (
            "version: 1\nscopes:\n- {mode: alert, regions: []}",
            "scopes: a list is empty and so matches nothing, expected an entry at line 3",
        ),
        (
            "version: 1\nscopes:\n- mode: enforce\n  regions: [eu-central-1]\n  accounts: ~",
            "expected sequence start at line 5, column 13",
        ),
        (
            "version: 1\nsweep: {max: 1}",
            "unknown field `max`, expected one of mode, max_revocations at line 2, column 9",
        ),
    ] {
        assert_eq!(error(yaml), message, "{yaml}");
    }
    assert!(
        error("version: 1\nguard: [shh]")
            .starts_with("`shh` is no service that is known: expected {name, protocol, ports} or one of ssh, ")
    );
    assert!(error("").contains("line 1"));
    assert!(Policy::parse("version: 1\nmode: off").unwrap_err().snippet.contains("2 | mode: off"));
}

#[test]
fn an_unquoted_account_id_is_an_error_not_a_number() {
    for id in ["012345678901", "112345678901"] {
        let yaml = format!("version: 1\nscopes:\n- {{mode: alert, accounts: [{id}]}}");
        assert_eq!(error(&yaml), format!("The string value [{id}] must be quoted at line 3, column 28"));
    }
}

#[test]
fn json_is_yaml() {
    let json =
        r#"{"version": 1, "guard": ["ssh", {"name": "kafka", "protocol": "tcp", "ports": [9092, "9094-9098"]}]}"#;
    let policy = policy(json);
    assert_eq!(policy.guards().len(), 3);
    assert_eq!(policy.guards()[2].ports, PortRange::new(9094, 9098).unwrap());
}

#[test]
fn every_known_service_can_be_named_alone() {
    for (name, ..) in super::services::SERVICES {
        let rows = super::services::SERVICES.iter().filter(|row| row.0 == *name).count();
        assert_eq!(policy(&format!("version: 1\nguard: [{name}]")).guards().len(), rows, "{name}");
    }
}

#[test]
fn slash_zero_means_all_that_counts_and_trusted_cannot_make_the_limit_unreachable() {
    let all = policy("version: 1\ninternet: {ipv4: /0, ipv6: /0}");
    assert_eq!(all.limit(Family::V4), 3_702_258_432);
    assert_eq!(all.limit(Family::V6), public_addresses(Family::V6).count());
    let trusting = policy("version: 1\ninternet: {ipv4: /1}\ntrusted: [0.0.0.0/1]");
    assert_eq!(trusting.limit(Family::V4), trusting.counted(Family::V4).count());
    assert_eq!(policy("version: 1\ninternet: {ipv4: /32}").limit(Family::V4), 1);
}

#[test]
fn the_meeker_of_function_and_policy_wins_and_the_first_scope_that_matches() {
    let case = Case::new();
    let enforcing = policy(
        "version: 1\nmode: alert\nscopes:\n- {mode: alert, regions: [us-east-1]}\n- {mode: enforce, accounts: ['111122223333']}\n- {mode: alert, groups: [sg-0123456789abcdef0]}",
    );
    assert_eq!(enforcing.mode(&case.at(), Mode::Enforce), Mode::Enforce);
    assert_eq!(enforcing.mode(&case.at(), Mode::Alert), Mode::Alert);
    let elsewhere = Case { account: AccountId::parse("999999999999").unwrap(), ..Case::new() };
    assert_eq!(enforcing.mode(&elsewhere.at(), Mode::Enforce), Mode::Alert);
    assert_eq!(policy("version: 1\nmode: alert").mode(&case.at(), Mode::Enforce), Mode::Alert);
}

#[test]
fn an_exemption_holds_where_every_key_matches_and_until_its_time() {
    let case = Case::new();
    for (keys, holds) in [
        ("until: never, groups: [sg-0123456789abcdef0]", true),
        ("until: never, groups: [sg-1, sg-0123456789abcdef0]", true),
        ("until: never, groups: [sg-1]", false),
        ("until: never, accounts: ['111122223333'], regions: [eu-west-1], vpcs: [vpc-1], guard: [ssh]", true),
        ("until: never, accounts: ['111122223334'], regions: [eu-west-1]", false),
        ("until: never, regions: [eu-west-2]", false),
        ("until: never, vpcs: [vpc-2]", false),
        ("until: never, guard: [rdp]", false),
        ("until: 2026-11-21T10:00:01Z, guard: [ssh]", true),
        ("until: 2026-11-21T10:00:00Z, guard: [ssh]", false),
        ("until: never, sources: [198.51.0.0/16]", true),
        ("until: never, sources: [198.51.100.0/25, 198.51.100.128/25]", true),
        ("until: never, sources: [198.51.100.0/25]", false),
        ("until: never, sources: ['::/0']", false),
    ] {
        assert_eq!(case.exempt(keys, &[], NOW), holds, "{keys}");
    }
    assert!(
        !Case { vpc: None, ..Case::new() }.exempt("until: never, vpcs: [vpc-1]", &[], NOW),
        "an unknown VPC is none"
    );
    assert!(policy("version: 1\nexempt: [{reason: x, until: never, vpcs: [vpc-1]}]").needs_vpc());
    assert!(policy("version: 1\nscopes: [{mode: alert, vpcs: [vpc-1]}]").needs_vpc());
}

#[test]
fn an_exemption_by_source_does_not_hold_for_sources_that_could_not_be_looked_up() {
    let case = Case::new();
    let policy = policy("version: 1\nexempt: [{reason: x, until: never, sources: [0.0.0.0/0, '::/0']}]");
    let rule = RuleId::parse("sgr-1").unwrap();
    let candidate = Candidate { at: &case.at(), rule: &rule, waiver: None, guard: "ssh", sources: None, makers: &[] };
    assert!(policy.exemption(candidate, NOW.parse().unwrap()).is_none());
}

#[test]
fn an_exemption_by_principal_covers_what_only_such_principals_made() {
    let case = Case::new();
    let keys = "until: never, principals: ['arn:aws:iam::*:role/BreakGlass']";
    let role =
        vec!["arn:aws:sts::111122223333:assumed-role/BreakGlass/jo", "arn:aws:iam::111122223333:role/BreakGlass"];
    let other = vec!["arn:aws:iam::111122223333:user/mallory"];
    assert!(case.exempt(keys, std::slice::from_ref(&role), NOW));
    assert!(!case.exempt(keys, std::slice::from_ref(&other), NOW));
    assert!(!case.exempt(keys, &[role, other], NOW), "a rule that another has changed since is not exempt");
    assert!(!case.exempt(keys, &[], NOW), "and a standing rule has no maker at hand");
}

#[test]
fn an_arn_pattern_matches_part_by_part() {
    for (pattern, arn, matches) in [
        ("arn:aws:iam::*:role/BreakGlass", "arn:aws:iam::111122223333:role/BreakGlass", true),
        ("arn:aws:iam::*:role/BreakGlass", "arn:aws:iam::111122223333:role/BreakGlassX", false),
        ("arn:aws:iam::*:role/*", "arn:aws:iam::111122223333:user/x:role/y", false),
        ("arn:aws:iam::*:role/Break?lass*", "arn:aws:iam::1:role/BreakGlass/a/b", true),
        ("arn:*:role/BreakGlass", "arn:aws:iam::111122223333:role/BreakGlass", false),
        ("*", "arn:aws:iam::111122223333:role/BreakGlass", false),
        ("arn:aws:sts::*:assumed-role/*/jo", "arn:aws:sts::1:assumed-role/Admin/ann", false),
        ("", "", true),
    ] {
        assert_eq!(arn_like(pattern, arn), matches, "{pattern} ~ {arn}");
    }
}

#[test]
fn whatever_is_in_a_file_its_error_is_one_short_line_that_ends_with_the_place() {
    let many: String = (0..2000).map(|n| format!("- {{name: service-{n}, protocol: tcp, ports: [1]}}\n")).collect();
    let unguarded = format!("version: 1\nguard:\n{many}exempt:\n- {{reason: x, until: never, guard: [rpd]}}");
    for (yaml, place) in [
        (unguarded, "at line 2004"),
        (format!("version: 1\n{}: 1", "x".repeat(60_000)), "at line 2, column 1"),
        ("version: 1\n\"\\e[31m\\n\": 1".to_owned(), "at line 2, column 1"),
    ] {
        let error = Policy::parse(&yaml).unwrap_err();
        let line = error.to_string();
        assert!(line.ends_with(place) && line.chars().count() <= 1000 && !line.contains(char::is_control), "{line}");
        assert!(!error.snippet.contains(|c: char| c.is_control() && c != '\n'), "{}", error.snippet);
    }
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut yaml = "version: 1\ntrusted:\n- &a0 [10.0.0.0/8]\n".to_owned();
    for n in 1..30 {
        yaml.push_str(&format!("- &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")));
    }
    assert!(error(&yaml).contains(" line "), "{}", error(&yaml));
}

#[test]
fn what_a_policy_says_can_be_told() {
    let policy = policy(
        "version: 1\nmode: alert\ninternet: {ipv4: /12}\ntrusted: [1.2.3.4/24, '2001:4860::/32']\nexempt:\n- {reason: x, until: never, sources: [8.8.8.8/32, 8.8.8.9/32]}\n\nscopes:\n- mode: enforce\n  regions: [eu-west-1]",
    );
    assert_eq!(policy.mode_elsewhere(), Mode::Alert);
    assert_eq!(Family::BOTH.map(|family| policy.internet(family)), [12, 32]);
    let texts = |blocks: &[Cidr]| blocks.iter().map(Cidr::to_string).collect::<Vec<_>>();
    assert_eq!(texts(policy.trusted()), ["1.2.3.0/24", "2001:4860::/32"]);
    let [exemption] = policy.exemptions() else { panic!("one exemption") };
    assert_eq!(texts(exemption.sources().unwrap()), ["8.8.8.8/32", "8.8.8.9/32"]);
    assert_eq!((exemption.line, &exemption.place), (6, &Selector::default()));
    let [scope] = policy.scopes() else { panic!("one scope") };
    assert_eq!((scope.line, scope.mode), (9, Mode::Enforce));
    assert_eq!(scope.place.regions.as_ref().unwrap()[0].as_str(), "eu-west-1");
}

#[test]
fn a_place_is_within_others_where_they_leave_nothing_of_it() {
    let place = |keys: &str| policy(&format!("version: 1\nscopes: [{{mode: alert, {keys}}}]")).scopes[0].place.clone();
    for (inner, outer, within) in [
        ("groups: [sg-1]", vec!["groups: [sg-1]"], true),
        ("groups: [sg-1], regions: [eu-west-1]", vec!["groups: [sg-1]"], true),
        ("groups: [sg-1]", vec!["groups: [sg-1], regions: [eu-west-1]"], false),
        ("groups: [sg-1]", vec!["groups: [sg-2, sg-1]"], true),
        ("groups: [sg-1, sg-2]", vec!["groups: [sg-1]"], false),
        ("groups: [sg-1, sg-2]", vec!["groups: [sg-1]", "groups: [sg-2]"], true),
        ("groups: [sg-1, sg-2], vpcs: [vpc-1]", vec!["groups: [sg-1]", "vpcs: [vpc-1], groups: [sg-2]"], true),
        (
            "regions: [eu-west-1, eu-west-2], accounts: ['111122223333', '222233334444']",
            vec!["regions: [eu-west-1]", "regions: [eu-west-2], accounts: ['111122223333']"],
            false,
        ),
        ("regions: [eu-west-1]", vec!["accounts: ['111122223333']"], false),
        ("regions: [eu-west-1]", vec![], false),
    ] {
        let outer: Vec<Selector> = outer.into_iter().map(place).collect();
        assert_eq!(place(inner).is_within(&outer.iter().collect::<Vec<_>>()), within, "{inner} in {outer:?}");
    }
}

#[test]
fn a_guards_name_has_64_characters_at_the_most() {
    let named = |length| format!("version: 1\nguard: [{{name: {}, protocol: tcp, ports: [1]}}]", "é".repeat(length));
    for length in [1, 64] {
        assert!(Policy::parse(&named(length)).is_ok(), "{length}");
    }
    assert!(error(&named(65)).contains("expected at most 64 characters"));
}
