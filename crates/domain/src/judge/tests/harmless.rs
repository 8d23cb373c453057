//! Changes that need no look.

use super::*;

/// A change whose record says that it opened this and nothing else.
fn saying(permissions: &[&str]) -> Change {
    let recorded_rules = permissions.iter().map(|text| (None, permission(text))).collect();
    Change { recorded_rules: Some(recorded_rules), ..change(ChangedRules::Any) }
}

#[test]
fn a_change_that_reaches_no_guarded_port_is_harmless() {
    for text in [
        "tcp 443 0.0.0.0/0",
        "icmp 3-22 0.0.0.0/0",
        "47 - 0.0.0.0/0",
        "udp 22 ::/0",
        "tcp 443 pl-1",
        "tcp 443 ?",
        "icmp 8-0 sg-1",
    ] {
        assert_eq!(harmless(&saying(&[text]), &Policy::built_in()), Some("reaches no guarded port"), "{text}");
    }
}

#[test]
fn a_change_that_admits_no_address_that_counts_is_harmless() {
    let policy = Policy::parse("version: 1\ntrusted: [8.8.8.0/24]").unwrap();
    for text in ["tcp 22 10.0.0.0/8", "-1 - fc00::/7", "tcp 22 sg-1", "tcp 22 8.8.8.8/32", "sctp 22 10.0.0.0/8"] {
        let found = harmless(&saying(&["tcp 443 0.0.0.0/0", text, "tcp 443 ::/0"]), &policy);
        assert_eq!(found, Some("admits no public address to a guarded port"), "{text}");
    }
}

#[test]
fn what_may_expose_is_looked_at() {
    for text in ["tcp 22 8.8.8.8/32", "-1 - ::/0", "tcp 20-25 pl-1", "tcp 22 ?", "sctp 1 8.8.8.8/32", "tcp 25-20 ::/0"]
    {
        let change = saying(&["tcp 443 0.0.0.0/0", text, "tcp 22 10.0.0.0/8"]);
        assert_eq!(harmless(&change, &Policy::built_in()), None, "{text}");
    }
    assert_eq!(harmless(&change(ChangedRules::Any), &Policy::built_in()), None, "a record that does not say all");
}

#[test]
fn a_prefix_list_matters_where_its_rule_may_reach_a_guard() {
    for (text, matters) in [
        ("tcp 22 pl-1", true),
        ("-1 - pl-1", true),
        ("sctp 1 pl-1", true),
        ("tcp 443 pl-1", false),
        ("udp 22 pl-1", false),
        ("icmp 8-0 pl-1", false),
    ] {
        assert_eq!(needs_prefix_list(&permission(text), &Policy::built_in()), matters, "{text}");
    }
}
