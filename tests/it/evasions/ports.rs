//! Which ports and protocols the rule names.

use super::*;

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
    reported(&watch, &first, Safe, None, &left).await;
    let second = watch.open(&[rule("tcp", (22, 25), &["8.128.0.0/9"])]);
    let finding = reported(&watch, &second, Exposed, Reverted, &left).await;
    assert_eq!((finding.exposures[0].port, finding.exposures[0].to_port), (22, Option::None));
}
