//! Ways to open a guarded port past a guardrail, each from the attacker's call to the rules that are left and the finding
//! that is told. docs/EVASIONS.md has a row for every test here; the last test holds the two together.

use ec2_model::{Actor, Fault, FaultKind, Lag, Permission, RuleChange, Vpc};
use portcullis::domain::finding::Finding;
use portcullis::domain::finding::Outcome::{self, AlreadyGone, Failed, None, Reverted, WouldRevert};
use portcullis::domain::finding::Verdict::{self, Exempt, Exposed, Irrelevant, Safe, Undecided};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Setup, Watch, enforcing, sqs};

const EVERYONE: &str = "0.0.0.0/0";

/// A policy under which the role BreakGlass of any account may do anything.
const BREAK_GLASS: &str =
    "version: 1\nexempt: [{reason: SEC-1, until: never, principals: [\"arn:aws:iam::*:role/BreakGlass\"]}]";

fn tcp(port: i32, source: &str) -> Permission {
    Permission::tcp(port, source)
}

fn rule(protocol: &str, ports: (i32, i32), sources: &[&str]) -> Permission {
    Permission::new(protocol, ports.0, ports.1, sources)
}

async fn with_policy(policy: &'static str) -> Watch {
    Setup { policy, ..Setup::default() }.start().await
}

/// Delivers the event: what must be told of it, and the ingress rules that must be left in the group.
async fn told(watch: &Watch, event: &Value, verdict: Verdict, outcome: Outcome, left: &[&str]) -> Finding {
    let finding = watch.finding(event).await;
    assert_eq!((finding.verdict, finding.outcome), (verdict, outcome), "{finding:#?}");
    assert_eq!(watch.ingress(), left, "{}", finding.reason);
    finding
}

/// What a sweep finds: the verdict and outcome of each group that it tells of.
async fn swept(watch: &Watch) -> Vec<(Verdict, Outcome)> {
    let mut answer = watch.deliver(&json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}})).await;
    answer.findings.pop();
    answer.findings.iter().map(|finding| (finding.verdict, finding.outcome)).collect()
}

/// The group's last ingress rule.
fn last_rule(watch: &Watch) -> String {
    watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap().id
}

/// Modifies the rules of these ids; the event.
fn modify(watch: &Watch, changes: &[(&String, Permission)]) -> Value {
    let change = |(rule, permission): &(&String, Permission)| RuleChange {
        rule: (*rule).clone(),
        permission: permission.clone(),
    };
    let changes: Vec<RuleChange> = changes.iter().map(change).collect();
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &changes).unwrap();
    watch.event()
}

/// A rule of long ago, whose event nobody has any more.
fn of_old(watch: &Watch, permission: Permission) -> String {
    watch.open(&[permission]);
    watch.world.set_now(watch.world.now() + 86_400_000);
    last_rule(watch)
}

/// So many blocks of this length, one after the other from 8.0.0.0 on.
fn blocks(count: u32, length: u32) -> Vec<String> {
    let first = |n: u32| std::net::Ipv4Addr::from(0x0800_0000 + (n << (32 - length)));
    (0..count).map(|n| format!("{}/{length}", first(n))).collect()
}

/// One block of each length from /9 to /32, from 8.0.0.0 on: one address less than a /8.
fn just_under_the_limit() -> Vec<Permission> {
    let mut next: u32 = 0x0800_0000;
    let block = |length: u32| {
        let block = format!("{}/{length}", std::net::Ipv4Addr::from(next));
        next += 1 << (32 - length);
        tcp(22, &block)
    };
    (9..=32).map(block).collect()
}

fn omitted() -> Value {
    json!({"reason": "requestParameters too large", "omitted": true, "originalSize": 131_072})
}

/// What one AuthorizeSecurityGroupIngress asks for, what is told of it, and what is left in the group: by its record, by
/// an older one, which lists no rules, and by one of which CloudTrail leaves out what was asked or what was answered.
macro_rules! one_call {
    ($($name:ident: [$($permission:expr),+ $(,)?] => $verdict:ident, $outcome:ident, [$($left:expr),*];)+) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            for (part, stands) in [
                ("eventName", json!("AuthorizeSecurityGroupIngress")),
                ("responseElements", json!({"_return": true})),
                ("responseElements", omitted()),
                ("requestParameters", omitted()),
            ] {
                let watch = enforcing().await;
                let mut event = watch.open(&[$($permission),+]);
                event["detail"][part] = stands;
                told(&watch, &event, $verdict, $outcome, &[$($left),*]).await;
            }
        }
    )+};
}

// Sources.
one_call! {
    host_bits: [tcp(22, "1.2.3.4/0")] => Exposed, Reverted, [];
    two_halves_in_one_call: [rule("tcp", (22, 22), &["0.0.0.0/1", "128.0.0.0/1"])] => Exposed, Reverted, [];
    a_wide_block: [tcp(22, "8.0.0.0/6")] => Exposed, Reverted, [];
    the_narrowest_wide_block: [tcp(22, "9.0.0.0/8"), tcp(22, "11.0.0.0/9")] => Exposed, Reverted, ["tcp 22-22 11.0.0.0/9"];
    everything_but_a_private_block: [
        rule("tcp", (22, 22), &["0.0.0.0/5", "8.0.0.0/7", "11.0.0.0/8", "12.0.0.0/6"]),
        rule("tcp", (22, 22), &["16.0.0.0/4", "32.0.0.0/3", "64.0.0.0/2", "128.0.0.0/1"]),
    ] => Exposed, Reverted, [];
    the_whole_of_ipv6: [tcp(22, "::/0")] => Exposed, Reverted, [];
    all_of_ipv6_that_is_in_use: [tcp(22, "2000::/3")] => Exposed, Reverted, [];
    ipv6_in_halves: [rule("tcp", (22, 22), &["::/1", "8000::/1"])] => Exposed, Reverted, [];
    ipv4_mapped_ipv6: [tcp(22, "::ffff:0:0/96")] => Safe, None, ["tcp 22-22 ::ffff:0.0.0.0/96"];
}

#[tokio::test(start_paused = true)]
async fn the_whole_of_ipv6_in_other_spellings() {
    for everyone in ["0::/0", "0:0:0:0:0:0:0:0/0", "0000::0/0", "2001:DB8::1/0", "::1/0", "::255.255.255.255/0"] {
        let watch = enforcing().await;
        let event = watch.open(&[tcp(22, everyone)]);
        told(&watch, &event, Exposed, Reverted, &[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_halves_in_two_calls() {
    let watch = enforcing().await;
    let first = watch.open(&[tcp(22, "0.0.0.0/1")]);
    told(&watch, &first, Exposed, Reverted, &[]).await;
    let second = watch.open(&[tcp(22, "128.0.0.0/1")]);
    told(&watch, &second, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn two_halves_of_the_limit_in_two_calls() {
    let watch = enforcing().await;
    let first = watch.open(&[tcp(22, "8.0.0.0/9")]);
    told(&watch, &first, Safe, None, &["tcp 22-22 8.0.0.0/9"]).await;
    let second = watch.open(&[tcp(22, "8.128.0.0/9")]);
    told(&watch, &second, Exposed, Reverted, &["tcp 22-22 8.0.0.0/9"]).await;
}

#[tokio::test(start_paused = true)]
async fn four_quarters_told_in_reverse_order() {
    let watch = enforcing().await;
    let events = blocks(4, 10).into_iter().map(|block| watch.open(&[tcp(22, &block)]));
    let events: Vec<Value> = events.collect();
    let left = ["tcp 22-22 8.0.0.0/10", "tcp 22-22 8.64.0.0/10", "tcp 22-22 8.128.0.0/10"];
    told(&watch, &events[3], Exposed, Reverted, &left).await;
    for event in events[..3].iter().rev() {
        told(&watch, event, Safe, None, &left).await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_small_blocks_in_one_call() {
    let watch = enforcing().await;
    let blocks = blocks(60, 13);
    let event = watch.open(&blocks.iter().map(|block| tcp(22, block)).collect::<Vec<_>>());
    let finding = watch.finding(&event).await;
    assert_eq!((finding.verdict, finding.outcome), (Exposed, Reverted), "{}", finding.reason);
    assert_eq!(watch.ingress().len(), 31, "one less than make a /8");
}

#[tokio::test(start_paused = true)]
async fn many_small_blocks_in_several_calls() {
    let watch = enforcing().await;
    let blocks = blocks(18, 12);
    let mut outcomes = Vec::new();
    for six in blocks.chunks(6) {
        let event = watch.open(&six.iter().map(|block| tcp(22, block)).collect::<Vec<_>>());
        let finding = watch.finding(&event).await;
        outcomes.push((finding.verdict, finding.outcome));
    }
    assert_eq!(outcomes, [(Safe, None), (Safe, None), (Exposed, Reverted)]);
    let left = watch.ingress();
    assert_eq!(left.len(), 15, "one less than make a /8");
    let of_others = blocks[..12].iter().map(|block| format!("tcp 22-22 {block}"));
    assert_eq!(left[..12], of_others.collect::<Vec<_>>(), "the earlier calls' rules were lawful when they were made");
}

#[tokio::test(start_paused = true)]
async fn just_under_the_limit_and_then_one_address_more() {
    let watch = enforcing().await;
    let event = watch.open(&just_under_the_limit());
    let finding = watch.finding(&event).await;
    assert_eq!((finding.verdict, finding.outcome, watch.ingress().len()), (Safe, None, 24));
    let event = watch.open(&[tcp(22, "9.9.9.9/32")]);
    let finding = watch.finding(&event).await;
    assert_eq!((finding.verdict, finding.outcome), (Exposed, None), "{}", finding.reason);
    assert_eq!(watch.ingress().len(), 25, "the last comer's rule is not taken for what others filled");
    // And what comes after the last address is not free for it.
    let event = watch.open(&[tcp(22, "11.0.0.0/9")]);
    let finding = watch.finding(&event).await;
    assert_eq!((finding.verdict, finding.outcome), (Exposed, Reverted), "{}", finding.reason);
    assert!(!watch.ingress().contains(&"tcp 22-22 11.0.0.0/9".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn just_under_the_limit_in_several_groups() {
    let watch = enforcing().await;
    for n in 0..3 {
        let group = watch.world.create_group(ACCOUNT, REGION, &format!("g{n}"), Vpc::Other);
        watch.world.authorize(ACCOUNT, REGION, &group, &just_under_the_limit()).unwrap();
        told(&watch, &watch.event(), Safe, None, &[]).await;
    }
    assert_eq!(swept(&watch).await, [], "each group is judged by itself");
}

#[tokio::test(start_paused = true)]
async fn halves_by_an_exempt_principal_and_another() {
    let watch = with_policy(BREAK_GLASS).await;
    let (exempt, other) = (Actor::Role { role: "BreakGlass".into(), session: "jo".into() }, Actor::default());
    watch.world.set_actor(exempt);
    let first = watch.open(&[tcp(22, "8.0.0.0/9")]);
    told(&watch, &first, Safe, None, &["tcp 22-22 8.0.0.0/9"]).await;
    watch.world.set_actor(other);
    let second = watch.open(&[tcp(22, "8.128.0.0/9")]);
    told(&watch, &second, Exposed, Reverted, &["tcp 22-22 8.0.0.0/9"]).await;
}

#[tokio::test(start_paused = true)]
async fn halves_by_an_exempt_principal_and_another_told_in_one_batch() {
    let watch = with_policy(BREAK_GLASS).await;
    watch.world.set_actor(Actor::Role { role: "BreakGlass".into(), session: "jo".into() });
    let first = watch.open(&[tcp(22, "8.0.0.0/9")]).to_string();
    watch.world.set_actor(Actor::default());
    let second = watch.open(&[tcp(22, "8.128.0.0/9")]).to_string();
    let findings = watch.deliver(&sqs(&[first, second])).await.findings;
    let outcomes: Vec<_> = findings.iter().map(|finding| (finding.verdict, finding.outcome)).collect();
    assert_eq!(outcomes, [(Exempt, None), (Safe, None)], "the exempt half is known to be exempt, and left out");
    assert_eq!(swept(&watch).await, [(Exposed, WouldRevert)]);
}

#[tokio::test(start_paused = true)]
async fn halves_by_another_and_an_exempt_principal() {
    let watch = with_policy(BREAK_GLASS).await;
    let first = watch.open(&[tcp(22, "8.0.0.0/9")]);
    told(&watch, &first, Safe, None, &["tcp 22-22 8.0.0.0/9"]).await;
    watch.world.set_actor(Actor::Role { role: "BreakGlass".into(), session: "jo".into() });
    let second = watch.open(&[tcp(22, "8.128.0.0/9")]);
    told(&watch, &second, Exempt, None, &["tcp 22-22 8.0.0.0/9", "tcp 22-22 8.128.0.0/9"]).await;
    assert_eq!(swept(&watch).await, [(Exposed, WouldRevert)], "a sweep does not know who made a rule");
}

#[tokio::test(start_paused = true)]
async fn a_trusted_range_widened_by_one_bit() {
    for policy in [
        "version: 1\ntrusted: [8.0.0.0/8]",
        "version: 1\nexempt: [{reason: partner, until: never, sources: [8.0.0.0/8]}]",
    ] {
        let watch = with_policy(policy).await;
        let lawful = watch.open(&[tcp(22, "8.0.0.0/8")]);
        assert!(matches!(watch.finding(&lawful).await.verdict, Safe | Exempt));
        let event = watch.open(&[tcp(22, "8.0.0.0/7")]);
        told(&watch, &event, Exposed, Reverted, &["tcp 22-22 8.0.0.0/8"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_as_source_that_is_itself_open() {
    let watch = enforcing().await;
    let proxy = watch.world.create_group(ACCOUNT, REGION, "proxy", Vpc::Other);
    watch.world.authorize(ACCOUNT, REGION, &proxy, &[tcp(443, EVERYONE)]).unwrap();
    let event = watch.open(&[tcp(22, &proxy)]);
    told(&watch, &event, Safe, None, &[&format!("tcp 22-22 {proxy}")]).await;
}

// Ports and protocols.
one_call! {
    every_port: [rule("tcp", (0, 65535), &[EVERYONE])] => Exposed, Reverted, [];
    a_range_around_the_port: [rule("tcp", (20, 25), &[EVERYONE])] => Exposed, Reverted, [];
    the_protocol_as_a_number: [rule("6", (22, 22), &[EVERYONE])] => Exposed, Reverted, [];
    the_protocol_in_upper_case: [rule("TCP", (22, 22), &[EVERYONE])] => Exposed, Reverted, [];
    all_protocols: [Permission::all(EVERYONE)] => Exposed, Reverted, [];
    all_protocols_by_name: [rule("ALL", (443, 443), &[EVERYONE])] => Exposed, Reverted, [];
    all_protocols_with_ports_0_to_0: [rule("-1", (0, 0), &[EVERYONE])] => Exposed, Reverted, [];
    all_protocols_with_a_guarded_port: [rule("-1", (22, 22), &["::/0"])] => Exposed, Reverted, [];
    all_protocols_with_a_lawful_port: [rule("-1", (443, 443), &[EVERYONE])] => Exposed, Reverted, [];
    rdp_over_udp: [rule("udp", (3389, 3389), &[EVERYONE])] => Exposed, Reverted, [];
    ssh_over_udp: [rule("udp", (22, 22), &[EVERYONE])] => Safe, None, ["udp 22-22 0.0.0.0/0"];
    gre_with_a_port: [rule("47", (22, 22), &[EVERYONE])] => Safe, None, ["47 -1--1 0.0.0.0/0"];
    ping_with_numbers_like_ports: [rule("icmp", (3, 22), &[EVERYONE]), rule("icmp", (22, 22), &[EVERYONE])]
        => Safe, None, ["icmp 3-22 0.0.0.0/0", "icmp 22-22 0.0.0.0/0"];
    a_service_on_another_port: [tcp(2222, EVERYONE)] => Safe, None, ["tcp 2222-2222 0.0.0.0/0"];
}

#[tokio::test(start_paused = true)]
async fn port_ranges_that_meet_at_the_port() {
    let watch = enforcing().await;
    let first = watch.open(&[rule("tcp", (20, 22), &["8.0.0.0/9"]), rule("tcp", (23, 25), &["8.128.0.0/9"])]);
    let left = ["tcp 20-22 8.0.0.0/9", "tcp 23-25 8.128.0.0/9"];
    told(&watch, &first, Safe, None, &left).await;
    let second = watch.open(&[rule("tcp", (22, 25), &["8.128.0.0/9"])]);
    let finding = told(&watch, &second, Exposed, Reverted, &left).await;
    assert_eq!((finding.exposures[0].port, finding.exposures[0].to_port), (22, Option::None));
}

// How the call is written.
#[tokio::test(start_paused = true)]
async fn the_flat_form_beside_an_empty_list() {
    let watch = enforcing().await;
    watch.world.authorize_flat(ACCOUNT, REGION, &watch.group, &tcp(22, EVERYONE)).unwrap();
    let event = watch.event();
    assert_eq!(event.pointer("/detail/requestParameters/ipPermissions"), Some(&json!({})));
    told(&watch, &event, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn the_flat_form_alone() {
    let watch = enforcing().await;
    watch.world.authorize_flat(ACCOUNT, REGION, &watch.group, &tcp(22, EVERYONE)).unwrap();
    let mut event = watch.event();
    event["detail"]["requestParameters"].as_object_mut().unwrap().remove("ipPermissions");
    event["detail"]["responseElements"] = json!({"_return": true});
    told(&watch, &event, Exposed, Reverted, &[]).await;
}

one_call! {
    one_bad_permission_among_lawful_ones: [
        tcp(443, EVERYONE), tcp(22, "9.9.9.9/32"), tcp(3306, EVERYONE), rule("icmp", (8, -1), &[EVERYONE]),
    ] => Exposed, Reverted, ["tcp 443-443 0.0.0.0/0", "tcp 22-22 9.9.9.9/32", "icmp 8--1 0.0.0.0/0"];
    one_bad_source_among_lawful_ones: [rule("tcp", (22, 22), &["9.9.9.9/32", EVERYONE, "10.0.0.0/8", "2001:db8::/32"])]
        => Exposed, Reverted, ["tcp 22-22 9.9.9.9/32", "tcp 22-22 10.0.0.0/8", "tcp 22-22 2001:db8::/32"];
    ipv6_behind_a_lawful_ipv4_source: [rule("tcp", (22, 22), &["10.0.0.0/8", "::/0"])]
        => Exposed, Reverted, ["tcp 22-22 10.0.0.0/8"];
}

#[tokio::test(start_paused = true)]
async fn by_name_in_the_default_vpc() {
    let watch = Setup { vpc: Vpc::Default, ..Setup::default() }.start().await;
    watch.world.authorize(ACCOUNT, REGION, "web", &[tcp(22, EVERYONE)]).unwrap();
    let mut event = watch.event();
    assert!(event.pointer("/detail/requestParameters/groupId").is_none());
    event["detail"]["responseElements"] = json!({"_return": true});
    told(&watch, &event, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn tags_and_a_description_that_sound_approved() {
    let watch = enforcing().await;
    let call = [
        ("GroupId", watch.group.as_str()),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "22"),
        ("IpPermissions.1.ToPort", "22"),
        ("IpPermissions.1.IpRanges.1.CidrIp", EVERYONE),
        ("IpPermissions.1.IpRanges.1.Description", "approved by security, exempt, keep: 10.0.0.0/8"),
        ("TagSpecification.1.ResourceType", "security-group-rule"),
        ("TagSpecification.1.Tag.1.Key", "portcullis:exempt"),
        ("TagSpecification.1.Tag.1.Value", "true"),
    ];
    watch.world.user_call(ACCOUNT, REGION, "AuthorizeSecurityGroupIngress", &call).unwrap();
    assert_eq!(watch.world.rules(ACCOUNT, REGION, &watch.group).pop().unwrap().tags.len(), 1);
    told(&watch, &watch.event(), Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_rule_widened() {
    let watch = enforcing().await;
    let old = of_old(&watch, tcp(22, "10.0.0.0/8"));
    let event = modify(&watch, &[(&old, tcp(22, EVERYONE))]);
    told(&watch, &event, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_rule_moved_to_a_guarded_port() {
    let watch = enforcing().await;
    let old = of_old(&watch, tcp(443, EVERYONE));
    let event = modify(&watch, &[(&old, tcp(22, EVERYONE))]);
    told(&watch, &event, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn one_of_several_modified_rules_ingress_and_egress() {
    let watch = enforcing().await;
    let egress =
        watch.world.authorize_egress(ACCOUNT, REGION, &watch.group, &[tcp(22, "10.0.0.0/8")]).unwrap().remove(0);
    let one = of_old(&watch, tcp(22, "10.0.0.0/8"));
    let other = of_old(&watch, tcp(443, "10.0.0.0/8"));
    let event =
        modify(&watch, &[(&egress, tcp(22, EVERYONE)), (&other, tcp(443, EVERYONE)), (&one, tcp(22, EVERYONE))]);
    told(&watch, &event, Exposed, Reverted, &["tcp 443-443 0.0.0.0/0"]).await;
    assert!(watch.world.rules(ACCOUNT, REGION, &watch.group).iter().any(|rule| rule.id == egress));
}

#[tokio::test(start_paused = true)]
async fn a_new_description_for_an_open_rule() {
    let watch = enforcing().await;
    let old = of_old(&watch, tcp(22, EVERYONE));
    let event = modify(&watch, &[(&old, tcp(22, EVERYONE).described("reviewed"))]);
    told(&watch, &event, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn by_a_service() {
    let watch = enforcing().await;
    watch.world.set_actor(Actor::Service("cloudformation.amazonaws.com".into()));
    let event = watch.open(&[tcp(22, EVERYONE)]);
    let finding = told(&watch, &event, Exposed, Reverted, &[]).await;
    assert_eq!(finding.actor.as_deref(), Some("cloudformation.amazonaws.com"));
}

// Time and order.
#[tokio::test(start_paused = true)]
async fn opened_and_closed_before_the_event() {
    let watch = enforcing().await;
    let event = watch.open(&[tcp(22, EVERYONE)]);
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&last_rule(&watch)]).unwrap();
    told(&watch, &event, Safe, AlreadyGone, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn opened_again_after_the_revert() {
    let watch = enforcing().await;
    for _ in 0..3 {
        let event = watch.open(&[tcp(22, EVERYONE)]);
        told(&watch, &event, Exposed, Reverted, &[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn changed_back_before_the_look() {
    let watch = enforcing().await;
    let event = watch.open(&[tcp(22, EVERYONE)]);
    let back = modify(&watch, &[(&last_rule(&watch), tcp(22, "10.0.0.0/8"))]);
    told(&watch, &event, Safe, AlreadyGone, &["tcp 22-22 10.0.0.0/8"]).await;
    told(&watch, &back, Safe, None, &["tcp 22-22 10.0.0.0/8"]).await;
}

#[tokio::test(start_paused = true)]
async fn made_again_with_a_new_id_before_the_look() {
    let watch = enforcing().await;
    let first = watch.open(&[tcp(22, EVERYONE)]);
    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&last_rule(&watch)]).unwrap();
    let second = watch.open(&[tcp(22, EVERYONE)]);
    let finding = told(&watch, &first, Exposed, Failed, &["tcp 22-22 0.0.0.0/0"]).await;
    assert!(finding.reason.contains("through rules that this event did not make"), "{}", finding.reason);
    told(&watch, &second, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn events_in_reverse_order() {
    let watch = enforcing().await;
    let first = watch.open(&[tcp(22, "9.9.9.0/24")]);
    let second = modify(&watch, &[(&last_rule(&watch), tcp(22, EVERYONE))]);
    told(&watch, &second, Exposed, Reverted, &[]).await;
    told(&watch, &first, Safe, AlreadyGone, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_modify_before_a_late_authorize() {
    let watch = with_policy("version: 1\nsweep: {mode: enforce}").await;
    let late = watch.open(&[tcp(22, "9.9.9.0/24")]);
    modify(&watch, &[(&last_rule(&watch), tcp(22, EVERYONE))]);
    watch.world.set_now(watch.world.now() + 600_000);
    told(&watch, &late, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_modify_after_a_harmless_authorize() {
    let watch = enforcing().await;
    let event = watch.open(&[tcp(443, EVERYONE)]);
    modify(&watch, &[(&last_rule(&watch), tcp(22, EVERYONE))]);
    told(&watch, &event, Safe, None, &["tcp 22-22 0.0.0.0/0"]).await;
    assert!(watch.world.calls().is_empty(), "what is harmless by its record costs no look");
    assert_eq!(swept(&watch).await, [(Exposed, WouldRevert)]);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_not_visible_yet() {
    let mut watch = enforcing().await;
    watch.world.set_visibility_lag(Lag::Calls(5), Lag::None);
    watch.group = watch.world.create_group(ACCOUNT, REGION, "new", Vpc::Other);
    let event = watch.open(&[tcp(22, EVERYONE)]);
    told(&watch, &event, Exposed, Reverted, &[]).await;
    assert!(watch.ec2_calls().len() > 5, "{:?}", watch.ec2_calls());
}

#[tokio::test(start_paused = true)]
async fn a_second_hole_beside_a_standing_one() {
    let watch = enforcing().await;
    of_old(&watch, tcp(22, EVERYONE));
    let event = watch.open(&[tcp(22, "9.0.0.0/8")]);
    let finding = told(&watch, &event, Exposed, Reverted, &["tcp 22-22 0.0.0.0/0"]).await;
    assert!(finding.reason.contains("even without this change"), "{}", finding.reason);
}

#[tokio::test(start_paused = true)]
async fn one_gap_closed_by_two_calls_before_the_first_look() {
    let twice = |watch: &Watch| {
        of_old(watch, tcp(22, "8.0.0.0/9"));
        [tcp(22, "8.128.0.0/9"), rule("tcp", (22, 23), &["8.128.0.0/9"])].map(|half| watch.open(&[half]))
    };
    let watch = with_policy("version: 1\nsweep: {mode: enforce}").await;
    let all = ["tcp 22-22 8.0.0.0/9", "tcp 22-22 8.128.0.0/9", "tcp 22-23 8.128.0.0/9"];
    let [first, second] = twice(&watch);
    let finding = told(&watch, &first, Exposed, None, &all).await;
    assert!(finding.exposures.iter().all(|exposure| exposure.standing), "{finding:#?}");
    // The instance that saw the first one judges both together.
    told(&watch, &second, Exposed, Reverted, &["tcp 22-22 8.0.0.0/9"]).await;

    // What is delivered together is judged together.
    let watch = enforcing().await;
    let answer = watch.deliver(&sqs(&twice(&watch).map(|event| event.to_string()))).await;
    let told: Vec<_> = answer.findings.iter().map(|finding| (finding.verdict, finding.outcome)).collect();
    assert_eq!((told, watch.ingress()), (vec![(Exposed, Reverted); 2], vec!["tcp 22-22 8.0.0.0/9".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn while_revokes_are_throttled() {
    let watch = enforcing().await;
    let event = watch.open(&[tcp(22, EVERYONE)]);
    for _ in 0..4 {
        watch.world.inject(Fault::next("RevokeSecurityGroupIngress", FaultKind::Throttle));
    }
    told(&watch, &event, Exposed, Reverted, &[]).await;
}

// Names and places.
/// What comes of it when this caller opens SSH.
async fn opened_by(policy: &'static str, actor: Actor) -> (Verdict, Outcome, usize) {
    let watch = with_policy(policy).await;
    watch.world.set_actor(actor);
    let finding = watch.finding(&watch.open(&[tcp(22, EVERYONE)])).await;
    (finding.verdict, finding.outcome, watch.ingress().len())
}

fn session(role: &str, session: &str) -> Actor {
    Actor::Role { role: role.into(), session: session.into() }
}

#[tokio::test(start_paused = true)]
async fn a_role_whose_name_begins_or_ends_like_the_exempt_one() {
    for role in ["BreakGlassX", "NotBreakGlass", "breakglass", "team/BreakGlass", "BreakGlass/x"] {
        assert_eq!(opened_by(BREAK_GLASS, session(role, "jo")).await, (Exposed, Reverted, 0), "{role}");
    }
    assert_eq!(opened_by(BREAK_GLASS, session("BreakGlass", "jo")).await, (Exempt, None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_user_or_a_session_named_like_the_exempt_role() {
    for actor in [Actor::User("BreakGlass".into()), Actor::User("role/BreakGlass".into()), session("Dev", "BreakGlass")]
    {
        assert_eq!(opened_by(BREAK_GLASS, actor.clone()).await, (Exposed, Reverted, 0), "{actor:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_of_the_exempt_name_in_another_account() {
    let policy = "version: 1\nexempt: [{reason: SEC-1, until: never, principals: [\"arn:aws:iam::111122223333:role/BreakGlass\"]}]";
    let identity = json!({
        "type": "AssumedRole", "accountId": "999988887777",
        "arn": "arn:aws:sts::999988887777:assumed-role/BreakGlass/111122223333",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::999988887777:role/BreakGlass"}},
    });
    assert_eq!(opened_by(policy, Actor::Custom(identity)).await, (Exposed, Reverted, 0));
    assert_eq!(opened_by(policy, session("BreakGlass", "jo")).await, (Exempt, None, 1));
}

#[tokio::test(start_paused = true)]
async fn another_region() {
    let watch = enforcing().await;
    let region = "us-east-1";
    let group = watch.world.create_group(ACCOUNT, region, "web", Vpc::Other);
    let ids = watch.world.authorize(ACCOUNT, region, &group, &[tcp(22, EVERYONE)]).unwrap();
    told(&watch, &watch.event(), Exposed, Reverted, &[]).await;
    assert!(!watch.world.rules(ACCOUNT, region, &group).iter().any(|rule| ids.contains(&rule.id)));
}

#[tokio::test(start_paused = true)]
async fn an_envelope_of_another_account() {
    let watch = enforcing().await;
    let mut event = watch.open(&[tcp(22, EVERYONE)]);
    event["account"] = json!("999988887777");
    told(&watch, &event, Undecided, None, &["tcp 22-22 0.0.0.0/0"]).await;
    assert!(watch.world.calls().is_empty());
}

// Prefix lists.
/// A group that admits SSH from a list of these entries; made long ago.
async fn with_list(entries: &[&str]) -> (Watch, String) {
    let watch = enforcing().await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "offices", 20, entries).unwrap();
    of_old(&watch, tcp(22, &list));
    (watch, list)
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_with_everyone_in_it() {
    for entries in [&["0.0.0.0/0"][..], &["0.0.0.0/1", "128.0.0.0/1"], &["::/0"]] {
        let watch = enforcing().await;
        let list = watch.world.create_prefix_list(ACCOUNT, REGION, "offices", 20, entries).unwrap();
        let event = watch.open(&[tcp(22, &list), tcp(443, &list)]);
        told(&watch, &event, Exposed, Reverted, &[&format!("tcp 443-443 {list}")]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_opened_under_an_old_rule() {
    let (watch, list) = with_list(&["9.9.9.0/24"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
    told(&watch, &watch.event(), Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_filled_bit_by_bit() {
    let (watch, list) = with_list(&["9.9.9.0/24"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["8.0.0.0/9"], &[]).unwrap();
    told(&watch, &watch.event(), Safe, None, &[&format!("tcp 22-22 {list}")]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["8.128.0.0/9"], &[]).unwrap();
    told(&watch, &watch.event(), Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_and_a_block_that_add_up() {
    let (watch, list) = with_list(&["8.0.0.0/9"]).await;
    let event = watch.open(&[tcp(22, "8.128.0.0/9")]);
    told(&watch, &event, Exposed, Reverted, &[&format!("tcp 22-22 {list}")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_of_exempt_sources_widened() {
    let watch = with_policy("version: 1\nexempt: [{reason: partner, until: never, sources: [8.0.0.0/8]}]").await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "partner", 20, &["8.0.0.0/8"]).unwrap();
    let event = watch.open(&[tcp(22, &list)]);
    told(&watch, &event, Exempt, None, &[&format!("tcp 22-22 {list}")]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["16.0.0.0/4", "128.0.0.0/2"], &[]).unwrap();
    told(&watch, &watch.event(), Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_from_which_a_decoy_is_taken_before_the_look() {
    let (watch, list) = with_list(&["9.9.9.0/24"]).await;
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0", "7.7.7.7/32"], &[]).unwrap();
    let event = watch.event();
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &[], &["7.7.7.7/32"]).unwrap();
    let started = tokio::time::Instant::now();
    told(&watch, &event, Exposed, Reverted, &[]).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(1), "what the list shows is enough to act on");
}

#[tokio::test(start_paused = true)]
async fn a_prefix_list_closed_between_look_and_revoke_and_opened_after() {
    let watch = enforcing().await;
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "offices", 20, &["9.9.9.0/24", "0.0.0.0/0"]).unwrap();
    let event = watch.open(&[tcp(22, &list)]);
    watch.world.inject(Fault::next("RevokeSecurityGroupIngress", FaultKind::Throttle));
    let swap = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &[], &["0.0.0.0/0"]).unwrap();
    };
    let left = format!("tcp 22-22 {list}");
    let left = [left.as_str()];
    let (finding, ()) = tokio::join!(told(&watch, &event, Exposed, AlreadyGone, &left), swap);
    assert!(!finding.reason.contains("is open"), "{}", finding.reason);
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/0"], &[]).unwrap();
    told(&watch, &watch.event(), Exposed, Reverted, &[]).await;
}

// Size.
/// A call of 400 harmless rules and a bad one, and the event that CloudTrail makes of it.
async fn oversized(description: &str) -> (Watch, Value) {
    let watch = enforcing().await;
    watch.world.set_rules_per_group(1000);
    let harmless = (0..400).map(|n| tcp(10_000 + n, "9.9.9.9/32").described(description));
    let event = watch.open(&harmless.chain([tcp(22, EVERYONE)]).collect::<Vec<_>>());
    (watch, event)
}

/// What is told of it, and the harmless rules that are left when the bad one is gone.
async fn all_but_the_bad_one(watch: &Watch, event: &Value) -> (Verdict, Outcome, usize) {
    let finding = watch.finding(event).await;
    assert!(!watch.ingress().contains(&"tcp 22-22 0.0.0.0/0".to_owned()), "{}", finding.reason);
    (finding.verdict, finding.outcome, watch.ingress().len())
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_answer_is_left_out() {
    let (watch, event) = oversized("").await;
    assert_eq!(event.pointer("/detail/responseElements/omitted"), Some(&json!(true)));
    assert!(event.pointer("/detail/requestParameters/omitted").is_none());
    assert_eq!(all_but_the_bad_one(&watch, &event).await, (Exposed, Reverted, 400));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_request_is_left_out() {
    let watch = enforcing().await;
    let mut event = watch.open(&[tcp(22, EVERYONE), tcp(443, EVERYONE)]);
    event["detail"]["requestParameters"] = omitted();
    told(&watch, &event, Exposed, Reverted, &["tcp 443-443 0.0.0.0/0"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_of_which_all_is_left_out() {
    let (watch, event) = oversized(&"x".repeat(255)).await;
    for part in ["requestParameters", "responseElements"] {
        assert_eq!(event["detail"][part]["omitted"], json!(true), "{part}");
    }
    assert_eq!(all_but_the_bad_one(&watch, &event).await, (Exposed, Reverted, 400));
}

#[tokio::test(start_paused = true)]
async fn a_record_without_parameters_in_a_region_of_small_groups() {
    let watch = enforcing().await;
    let mut event = watch.open(&[tcp(22, EVERYONE)]);
    for part in ["requestParameters", "responseElements"] {
        event["detail"][part] = omitted();
    }
    told(&watch, &event, Exposed, Reverted, &[]).await;
}

// What a guardrail must not fall for.
#[tokio::test(start_paused = true)]
async fn a_harmless_oversized_call_to_have_standing_exposures_taken() {
    for (lawful, judged) in [(0, (Exposed, Reverted)), (59, (Exposed, Reverted))] {
        let watch = enforcing().await;
        watch.world.set_rules_per_group(1000);
        let bystander = watch.world.create_group(ACCOUNT, REGION, "bystander", Vpc::Other);
        let old = (0..lawful).map(|n| tcp(10_000 + n, "9.9.9.9/32")).chain([tcp(22, EVERYONE)]);
        watch.world.authorize(ACCOUNT, REGION, &bystander, &old.collect::<Vec<_>>()).unwrap();
        watch.world.set_now(watch.world.now() + 86_400_000);
        let harmless = (0..400).map(|n| tcp(10_000 + n, "9.9.9.9/32").described(&"x".repeat(255)));
        let event = watch.open(&harmless.collect::<Vec<_>>());
        assert_eq!(event.pointer("/detail/responseElements/omitted"), Some(&json!(true)));
        let finding = watch.finding(&event).await;
        assert_eq!((finding.verdict, finding.outcome), judged, "{lawful}: {}", finding.reason);
        assert_eq!(finding.group.as_ref(), Some(&bystander));
        let left = watch.world.rules(ACCOUNT, REGION, &bystander);
        assert!(left.iter().all(|rule| rule.from_port != 22), "it was lawful for nobody, and is bounded by the cap");
        assert_eq!(left.iter().filter(|rule| rule.from_port >= 10_000).count(), usize::try_from(lawful).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn delivered_twice() {
    let watch = enforcing().await;
    let event = watch.open(&[tcp(22, EVERYONE), tcp(443, EVERYONE)]);
    let twice = [event.to_string(), event.to_string()];
    let findings = watch.deliver(&sqs(&twice)).await.findings;
    assert!(findings.iter().all(|finding| (finding.verdict, finding.outcome) == (Exposed, Reverted)), "{findings:#?}");
    told(&watch, &event, Safe, None, &["tcp 443-443 0.0.0.0/0"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_dry_run() {
    let watch = enforcing().await;
    let call = [
        ("GroupId", watch.group.as_str()),
        ("IpPermissions.1.IpProtocol", "-1"),
        ("IpPermissions.1.IpRanges.1.CidrIp", EVERYONE),
        ("DryRun", "true"),
    ];
    watch.world.user_call(ACCOUNT, REGION, "AuthorizeSecurityGroupIngress", &call).unwrap_err();
    let event = watch.event();
    assert_eq!(event["detail"]["errorCode"], "Client.DryRunOperation");
    told(&watch, &event, Irrelevant, None, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_failed() {
    let watch = enforcing().await;
    let old = of_old(&watch, tcp(443, EVERYONE));
    for calls in [[tcp(22, EVERYONE), tcp(443, EVERYONE)], [tcp(22, EVERYONE), tcp(22, "1.2.3.4/0")]] {
        watch.world.authorize(ACCOUNT, REGION, &watch.group, &calls).unwrap_err();
        told(&watch, &watch.event(), Irrelevant, None, &["tcp 443-443 0.0.0.0/0"]).await;
    }
    assert_eq!(last_rule(&watch), old);
}

/// The event of an old call, with another time and another caller, as one makes it who may invoke the function.
fn forged(mut event: Value, watch: &Watch) -> Value {
    let now = jiff::Timestamp::from_millisecond(watch.world.now()).unwrap();
    event["detail"]["eventTime"] = json!(now.to_string());
    event["detail"]["eventID"] = json!("00000000-0000-4000-8000-000000000000");
    event["detail"]["userIdentity"] = json!({"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/mallory"});
    event
}

#[tokio::test(start_paused = true)]
async fn a_forged_event_about_a_lawful_rule() {
    let watch = enforcing().await;
    let lawful = watch.open(&[tcp(443, EVERYONE)]);
    let said = lawful.to_string().replace("\"fromPort\":443,", "\"fromPort\":22,");
    assert_eq!(said.matches("\"fromPort\":22,").count(), 2, "in the request and in the answer");
    let event = forged(serde_json::from_str(&said).unwrap(), &watch);
    // Ports 22 to 443 in the record, and 443 in EC2.
    told(&watch, &event, Safe, AlreadyGone, &["tcp 443-443 0.0.0.0/0"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_forged_event_about_an_old_exposed_rule() {
    let watch = enforcing().await;
    let old = watch.open(&[tcp(22, EVERYONE)]);
    watch.world.set_now(watch.world.now() + 86_400_000);
    told(&watch, &forged(old, &watch), Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_forged_event_about_an_exempt_rule() {
    let watch = with_policy(BREAK_GLASS).await;
    watch.world.set_actor(session("BreakGlass", "jo"));
    let exempt = watch.open(&[tcp(22, EVERYONE)]);
    told(&watch, &exempt, Exempt, None, &["tcp 22-22 0.0.0.0/0"]).await;
    told(&watch, &forged(exempt, &watch), Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_forged_event_that_names_an_exempt_caller() {
    for together in [true, false] {
        let watch = with_policy(BREAK_GLASS).await;
        let real = watch.open(&[tcp(22, EVERYONE)]);
        let mut forged = forged(real.clone(), &watch);
        forged["detail"]["userIdentity"]["arn"] = json!("arn:aws:iam::111122223333:role/BreakGlass");
        if together {
            watch.deliver(&sqs(&[forged.to_string(), real.to_string()])).await;
            assert!(watch.ingress().is_empty(), "who else made it is not exempt");
            continue;
        }
        told(&watch, &forged, Exempt, None, &["tcp 22-22 0.0.0.0/0"]).await;
        told(&watch, &real, Exposed, Reverted, &[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_stands_twice() {
    let watch = enforcing().await;
    let event = watch.open(&[tcp(22, EVERYONE)]).to_string();
    let twice = event.replace(r#""cidrIp":"0.0.0.0/0""#, r#""cidrIp":"0.0.0.0/0","cidrIp":"10.0.0.0/8""#);
    assert_ne!(event, twice);
    // As the function's runtime reads it.
    let event = portcullis::domain::json::parse(twice.as_bytes()).unwrap();
    let event = serde_json::to_value(event).unwrap();
    let finding = told(&watch, &event, Undecided, None, &["tcp 22-22 0.0.0.0/0"]).await;
    assert!(finding.needs_retry(), "it ends in the dead-letter queue");
}

/// The page, and the sources of the tests that it names.
const PAGE: &str = include_str!("../../docs/EVASIONS.md");
const SOURCES: [(&str, &str); 8] = [
    ("evasions", include_str!("evasions.rs")),
    ("prefix_lists", include_str!("prefix_lists.rs")),
    ("remediation", include_str!("remediation.rs")),
    ("remediation::eventual_consistency", include_str!("remediation/eventual_consistency.rs")),
    ("remediation::facts", include_str!("remediation/facts.rs")),
    ("remediation::failures", include_str!("remediation/failures.rs")),
    ("remediation::member_accounts", include_str!("remediation/member_accounts.rs")),
    ("remediation::reporting", include_str!("remediation/reporting.rs")),
];

/// The names and bodies of a source's tests: functions, and lines of the table.
fn tests(source: &'static str) -> Vec<(&'static str, &'static str)> {
    let functions = source.split("\n#[tokio::test(start_paused = true)]\nasync fn ").skip(1);
    let function = |rest: &'static str| Some((rest.split_once("()")?.0, rest.split_once("\n}\n")?.0));
    let tables = source.split("\none_call! {\n").skip(1).filter_map(|rest| Some(rest.split_once("\n}\n")?.0));
    let lines = tables.flat_map(|table| table.split(';')).filter_map(|line| line.trim().split_once(": ["));
    functions.filter_map(function).chain(lines).collect()
}

/// The verdicts with their outcomes that a text speaks of, written like this.
fn judgements(text: &str, write: impl Fn(&str, &str) -> String) -> Vec<(&'static str, &'static str)> {
    let verdicts = ["Exposed", "Exempt", "Safe", "Irrelevant", "Undecided"];
    let outcomes = ["Reverted", "WouldRevert", "AlreadyGone", "None", "Failed"];
    let all = verdicts.into_iter().flat_map(|verdict| outcomes.map(|outcome| (verdict, outcome)));
    all.filter(|(verdict, outcome)| text.contains(&write(verdict, outcome))).collect()
}

#[test]
fn the_page_has_a_row_for_every_test_and_says_what_it_shows() {
    let snake = |word: &str| word.replace("dG", "d_g").replace("dR", "d_r").replace("yG", "y_g").to_lowercase();
    let mut told = Vec::new();
    for row in PAGE.lines().filter(|line| line.starts_with("| ") && line.contains("::")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, outcome, _, test] = cells[..] else { panic!("{row}") };
        let (module, name) = test.trim_matches('`').rsplit_once("::").unwrap();
        let source = SOURCES.iter().find(|(known, _)| *known == module).unwrap_or_else(|| panic!("{row}")).1;
        let body = tests(source).into_iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{row}")).1;
        told.push((module, name));
        if module != "evasions" {
            continue;
        }
        let said = judgements(outcome, |verdict, outcome| format!("`{}`, `{}`", snake(verdict), snake(outcome)));
        let shown = judgements(&body.split_whitespace().collect::<Vec<_>>().join(" "), |v, o| format!("{v}, {o}"));
        assert!(!said.is_empty() && said.iter().all(|one| shown.contains(one)), "{said:?}, {shown:?}: {row}");
    }
    assert!(told.len() >= 30, "{}", told.len());
    let own: Vec<&str> = told.iter().filter(|(module, _)| *module == "evasions").map(|(_, name)| *name).collect();
    for (name, _) in tests(SOURCES[0].1) {
        assert_eq!(own.iter().filter(|own| **own == name).count(), 1, "rows for {name}");
    }
    assert_eq!(own.len(), tests(SOURCES[0].1).len());
}
