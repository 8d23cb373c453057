//! How the call is written.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_flat_form_beside_an_empty_list() {
    let watch = enforcing().await;
    watch.world.authorize_flat(ACCOUNT, REGION, &watch.group, &tcp(22, EVERYONE)).unwrap();
    let event = watch.event();
    assert_eq!(event.pointer("/detail/requestParameters/ipPermissions"), Some(&json!({})));
    reported(&watch, &event, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn the_flat_form_alone() {
    let watch = enforcing().await;
    watch.world.authorize_flat(ACCOUNT, REGION, &watch.group, &tcp(22, EVERYONE)).unwrap();
    let mut event = watch.event();
    event["detail"]["requestParameters"].as_object_mut().unwrap().remove("ipPermissions");
    event["detail"]["responseElements"] = json!({"_return": true});
    reported(&watch, &event, Exposed, Reverted, &[]).await;
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
    reported(&watch, &event, Exposed, Reverted, &[]).await;
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
    reported(&watch, &watch.event(), Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_rule_widened() {
    let watch = enforcing().await;
    let old = old_rule(&watch, tcp(22, "10.0.0.0/8"));
    let event = modify(&watch, &[(&old, tcp(22, EVERYONE))]);
    reported(&watch, &event, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_rule_moved_to_a_guarded_port() {
    let watch = enforcing().await;
    let old = old_rule(&watch, tcp(443, EVERYONE));
    let event = modify(&watch, &[(&old, tcp(22, EVERYONE))]);
    reported(&watch, &event, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn one_of_several_modified_rules_ingress_and_egress() {
    let watch = enforcing().await;
    let egress =
        watch.world.authorize_egress(ACCOUNT, REGION, &watch.group, &[tcp(22, "10.0.0.0/8")]).unwrap().remove(0);
    let one = old_rule(&watch, tcp(22, "10.0.0.0/8"));
    let other = old_rule(&watch, tcp(443, "10.0.0.0/8"));
    let event =
        modify(&watch, &[(&egress, tcp(22, EVERYONE)), (&other, tcp(443, EVERYONE)), (&one, tcp(22, EVERYONE))]);
    reported(&watch, &event, Exposed, Reverted, &["tcp 443-443 0.0.0.0/0"]).await;
    assert!(watch.world.rules(ACCOUNT, REGION, &watch.group).iter().any(|rule| rule.id == egress));
}

#[tokio::test(start_paused = true)]
async fn a_new_description_for_an_open_rule() {
    let watch = remembering().start().await;
    let old = old_rule(&watch, tcp(22, EVERYONE));
    swept(&watch).await;
    watch.world.set_now(watch.world.now() + 900_000);
    let event = modify(&watch, &[(&old, tcp(22, EVERYONE).described("reviewed"))]);
    let finding = reported(&watch, &event, Exposed, None, &["tcp 22-22 0.0.0.0/0"]).await;
    assert!(finding.reason.ends_with("the call changed the description only"), "{}", finding.reason);
}

/// One call opens, the next rewords before anybody looks: neither is the other's excuse, in either order.
#[tokio::test(start_paused = true)]
async fn a_new_description_for_what_a_call_has_just_opened() {
    for is_reversed in [false, true] {
        for second in [tcp(22, EVERYONE).described("reviewed"), rule("tcp", (20, 25), &[EVERYONE])] {
            let mut watch = remembering().start().await;
            let old = old_rule(&watch, tcp(443, EVERYONE));
            swept(&watch).await;
            watch.world.set_now(watch.world.now() + 900_000);
            let first = modify(&watch, &[(&old, tcp(22, EVERYONE))]);
            watch.world.set_now(watch.world.now() + 2_000);
            let mut events = vec![first, modify(&watch, &[(&old, second)])];
            if is_reversed {
                events.reverse();
            }
            let mut judged = Vec::new();
            for event in &events {
                watch.start_anew(remembering()).await;
                let finding = watch.finding(event).await;
                judged.push((finding.verdict, finding.outcome));
            }
            assert_eq!(watch.ingress(), Vec::<String>::new(), "{is_reversed}");
            assert!(judged.contains(&(Exposed, Reverted)), "{judged:?}");
        }
    }
}

/// Without a memory nobody knows whether somebody closed it since the sweep.
#[tokio::test(start_paused = true)]
async fn a_new_description_for_an_open_rule_without_a_memory() {
    let watch = enforcing().await;
    let old = old_rule(&watch, tcp(22, EVERYONE));
    swept(&watch).await;
    watch.world.set_now(watch.world.now() + 900_000);
    let event = modify(&watch, &[(&old, tcp(22, EVERYONE).described("reviewed"))]);
    reported(&watch, &event, Exposed, Reverted, &[]).await;
}

/// A rule that was given back keeps its id, so it can be opened again under it.
#[tokio::test(start_paused = true)]
async fn a_rule_that_was_given_back_is_opened_again() {
    let mut watch = Setup { restores: true, ..remembering() }.start().await;
    let old = old_rule(&watch, tcp(443, EVERYONE));
    swept(&watch).await;
    watch.world.set_now(watch.world.now() + 900_000);
    for _ in 0..3 {
        let event = modify(&watch, &[(&old, tcp(22, EVERYONE))]);
        watch.start_anew(Setup { restores: true, ..remembering() }).await;
        reported(&watch, &event, Exposed, Reverted, &["tcp 443-443 0.0.0.0/0"]).await;
        watch.world.set_now(watch.world.now() + 30_000);
    }
}

#[tokio::test(start_paused = true)]
async fn by_a_service() {
    let watch = enforcing().await;
    watch.world.set_actor(Actor::Service("cloudformation.amazonaws.com".into()));
    let event = watch.open(&[tcp(22, EVERYONE)]);
    let finding = reported(&watch, &event, Exposed, Reverted, &[]).await;
    assert_eq!(finding.actor.as_deref(), Some("cloudformation.amazonaws.com"));
}
