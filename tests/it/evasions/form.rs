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
    let watch = enforcing().await;
    let old = old_rule(&watch, tcp(22, EVERYONE));
    let event = modify(&watch, &[(&old, tcp(22, EVERYONE).described("reviewed"))]);
    reported(&watch, &event, Exposed, Reverted, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn by_a_service() {
    let watch = enforcing().await;
    watch.world.set_actor(Actor::Service("cloudformation.amazonaws.com".into()));
    let event = watch.open(&[tcp(22, EVERYONE)]);
    let finding = reported(&watch, &event, Exposed, Reverted, &[]).await;
    assert_eq!(finding.actor.as_deref(), Some("cloudformation.amazonaws.com"));
}
