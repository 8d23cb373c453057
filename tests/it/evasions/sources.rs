//! Where the traffic may come from: blocks, halves, prefixes, groups.

use super::*;

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
        reported(&watch, &event, Exposed, Reverted, &[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_halves_in_two_calls() {
    let watch = enforcing().await;
    let first = watch.open(&[tcp(22, "0.0.0.0/1")]);
    reported(&watch, &first, Exposed, Reverted, &[]).await;
    let second = watch.open(&[tcp(22, "128.0.0.0/1")]);
    reported(&watch, &second, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn two_halves_of_the_limit_in_two_calls() {
    let watch = enforcing().await;
    let first = watch.open(&[tcp(22, "8.0.0.0/9")]);
    reported(&watch, &first, Safe, None, &["tcp 22-22 8.0.0.0/9"]).await;
    let second = watch.open(&[tcp(22, "8.128.0.0/9")]);
    reported(&watch, &second, Exposed, Reverted, &["tcp 22-22 8.0.0.0/9"]).await;
}

#[tokio::test(start_paused = true)]
async fn four_quarters_reported_in_reverse_order() {
    let watch = enforcing().await;
    let events = blocks(4, 10).into_iter().map(|block| watch.open(&[tcp(22, &block)]));
    let events: Vec<Value> = events.collect();
    let left = ["tcp 22-22 8.0.0.0/10", "tcp 22-22 8.64.0.0/10", "tcp 22-22 8.128.0.0/10"];
    reported(&watch, &events[3], Exposed, Reverted, &left).await;
    for event in events[..3].iter().rev() {
        reported(&watch, event, Safe, None, &left).await;
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
    // The address range does not wrap around after the highest address.
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
        reported(&watch, &watch.event(), Safe, None, &[]).await;
    }
    assert_eq!(swept(&watch).await, [], "each group is judged by itself");
}

#[tokio::test(start_paused = true)]
async fn halves_by_an_exempt_principal_and_another() {
    let watch = with_policy(BREAK_GLASS).await;
    let (exempt, other) = (Actor::Role { role: "BreakGlass".into(), session: "jo".into() }, Actor::default());
    watch.world.set_actor(exempt);
    let first = watch.open(&[tcp(22, "8.0.0.0/9")]);
    reported(&watch, &first, Safe, None, &["tcp 22-22 8.0.0.0/9"]).await;
    watch.world.set_actor(other);
    let second = watch.open(&[tcp(22, "8.128.0.0/9")]);
    reported(&watch, &second, Exposed, Reverted, &["tcp 22-22 8.0.0.0/9"]).await;
}

#[tokio::test(start_paused = true)]
async fn halves_by_an_exempt_principal_and_another_reported_in_one_batch() {
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
    reported(&watch, &first, Safe, None, &["tcp 22-22 8.0.0.0/9"]).await;
    watch.world.set_actor(Actor::Role { role: "BreakGlass".into(), session: "jo".into() });
    let second = watch.open(&[tcp(22, "8.128.0.0/9")]);
    reported(&watch, &second, Exempt, None, &["tcp 22-22 8.0.0.0/9", "tcp 22-22 8.128.0.0/9"]).await;
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
        reported(&watch, &event, Exposed, Reverted, &["tcp 22-22 8.0.0.0/8"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_as_source_that_is_itself_open() {
    let watch = enforcing().await;
    let proxy = watch.world.create_group(ACCOUNT, REGION, "proxy", Vpc::Other);
    watch.world.authorize(ACCOUNT, REGION, &proxy, &[tcp(443, EVERYONE)]).unwrap();
    let event = watch.open(&[tcp(22, &proxy)]);
    reported(&watch, &event, Safe, None, &[&format!("tcp 22-22 {proxy}")]).await;
}
