//! What is opened, and what else happens to the group.

use ec2_model::{Lag, RuleChange};
use serde_json::json;

use super::super::*;
use super::sweep;

/// A way to open something, and what is special about it.
pub(in crate::memory) struct Case {
    pub(in crate::memory) name: &'static str,
    pub(in crate::memory) setup: fn() -> Setup,
    /// What is there and lawful when a sweep looks, a quarter of an hour before.
    pub(in crate::memory) lawful: Option<fn(&Watch)>,
    pub(in crate::memory) open: fn(&Watch) -> Value,
    /// What somebody does to the group before the record comes again.
    pub(in crate::memory) meanwhile: fn(&Watch),
    /// Whether a sweep looks before the record comes again.
    pub(in crate::memory) is_swept_meanwhile: bool,
    /// Whether the rules take more room than a claim has.
    pub(in crate::memory) is_large: bool,
}

impl Case {
    const fn of(name: &'static str, open: fn(&Watch) -> Value) -> Self {
        Self { name, setup, lawful: None, open, meanwhile: |_| {}, is_swept_meanwhile: false, is_large: false }
    }

    const fn moving(name: &'static str, lawful: fn(&Watch), open: fn(&Watch) -> Value) -> Self {
        Self { lawful: Some(lawful), ..Self::of(name, open) }
    }
}

fn setup() -> Setup {
    Setup { topic: true, ..remembering() }
}

/// Opens the group, with descriptions and tags.
fn described(watch: &Watch, permissions: &[Permission]) -> Value {
    let permissions: Vec<Permission> = permissions.iter().map(|it| it.clone().described("to be put back")).collect();
    let event = watch.open(&permissions);
    let tags = [("owner".to_owned(), "web".to_owned())];
    for rule in watch.world.rules(ACCOUNT, REGION, &watch.group) {
        watch.world.tag_rule(ACCOUNT, REGION, &rule.id, &tags);
    }
    event
}

/// The rule of the group that admits this port.
fn at_port(watch: &Watch, port: i32) -> String {
    let mut rules = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter();
    rules.find(|rule| rule.from_port == port).unwrap().id
}

fn modify(watch: &Watch, changes: &[(&str, Permission)]) -> Value {
    let changes = changes
        .iter()
        .map(|(rule, permission)| RuleChange { rule: (*rule).to_owned(), permission: permission.clone() });
    watch.world.modify_rules(ACCOUNT, REGION, &watch.group, &changes.collect::<Vec<_>>()).unwrap();
    watch.event()
}

/// A shop, which a sweep has seen.
fn shop(watch: &Watch) {
    described(watch, &[Permission::tcp(443, EVERYONE)]);
}

/// The shop's rule is moved to SSH.
fn shop_is_moved(watch: &Watch) -> Value {
    modify(watch, &[(&at_port(watch, 443), Permission::tcp(22, EVERYONE).described("nothing to see"))])
}

/// The same record without the ids of the rules.
fn without_ids(mut event: Value) -> Value {
    event["detail"]["responseElements"] = json!({"_return": true});
    event
}

fn omitted() -> Value {
    json!({"reason": "too large", "omitted": true, "originalSize": 131_072})
}

fn both(watch: &Watch) -> Value {
    described(watch, &[Permission::tcp(22, EVERYONE), Permission::tcp(443, EVERYONE)])
}

fn list_is_opened(watch: &Watch) -> Value {
    let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &["10.0.0.0/8"]).unwrap();
    let other = watch.world.create_group(ACCOUNT, REGION, "other", Vpc::Other);
    for group in [&watch.group, &other] {
        watch.world.authorize(ACCOUNT, REGION, group, &[Permission::tcp(22, &list).described("by list")]).unwrap();
    }
    watch.world.modify_prefix_list(ACCOUNT, REGION, &list, &["0.0.0.0/1"], &[]).unwrap();
    watch.event()
}

pub(in crate::memory) fn cases() -> Vec<Case> {
    let sweeping = || Setup { policy: "version: 1\nsweep: {mode: enforce, max_revocations: 1000}", ..setup() };
    vec![
        Case::of("the record lists the rules", both),
        Case::of("the answer lists no rules", |watch| without_ids(both(watch))),
        Case::of("EC2 does not show the rule at once, and the answer lists no rules", |watch| {
            watch.world.set_visibility_lag(Lag::Millis(300), Lag::None);
            without_ids(both(watch))
        }),
        Case::of("any rule of the group", |watch| {
            let mut event = both(watch);
            event["detail"]["responseElements"] = omitted();
            event["detail"]["requestParameters"]["ipPermissions"]["items"][0]["newKind"] = json!({"items": [{}]});
            event
        }),
        Case {
            setup: || Setup { vpc: Vpc::Default, ..setup() },
            ..Case::of("a group by its name", |watch| {
                watch.world.authorize(ACCOUNT, REGION, "web", &[Permission::tcp(22, EVERYONE)]).unwrap();
                without_ids(watch.event())
            })
        },
        Case::of("two halves", |watch| {
            without_ids(described(watch, &[Permission::tcp(22, "8.0.0.0/9"), Permission::tcp(22, "8.128.0.0/9")]))
        }),
        Case::of("a modified rule", |watch| {
            described(watch, &[Permission::tcp(22, "10.0.0.0/8")]);
            let rule = watch.world.rules(ACCOUNT, REGION, &watch.group).into_iter().find(|rule| rule.from_port == 22);
            modify(watch, &[(&rule.unwrap().id, Permission::tcp(22, EVERYONE))])
        }),
        Case::of("a prefix list as the source", |watch| {
            let entries = ["0.0.0.0/1", "128.0.0.0/1"];
            let list = watch.world.create_prefix_list(ACCOUNT, REGION, "list", 10, &entries).unwrap();
            without_ids(described(watch, &[Permission::tcp(22, &list)]))
        }),
        Case {
            meanwhile: |watch| {
                let list = watch.world.create_prefix_list(ACCOUNT, REGION, "none", 10, &[]).unwrap();
                watch.world.authorize(ACCOUNT, REGION, &watch.group, &[Permission::tcp(22, &list)]).unwrap();
            },
            ..Case::of("a prefix list is opened, in two groups", list_is_opened)
        },
        Case {
            setup: sweeping,
            ..Case::of("a record that does not name the group", |watch| {
                let mut event = both(watch);
                event["detail"]["requestParameters"] = omitted();
                event["detail"]["responseElements"] = omitted();
                event
            })
        },
        Case {
            setup: sweeping,
            ..Case::of("a sweep", |watch| {
                both(watch);
                sweep()
            })
        },
        Case {
            meanwhile: |watch| {
                if watch.ingress().iter().all(|rule| rule.contains("443")) {
                    watch.world.delete_group(ACCOUNT, REGION, &watch.group).unwrap();
                }
            },
            ..Case::of("the group is deleted meanwhile", |watch| without_ids(both(watch)))
        },
        Case {
            is_large: true,
            ..Case::of("sixty rules with long tags", |watch| {
                let blocks: Vec<Permission> = (11..71).map(|n| Permission::tcp(22, &format!("{n}.0.0.0/9"))).collect();
                let event = without_ids(described(watch, &blocks));
                let tags: Vec<(String, String)> = (0..4).map(|n| (format!("tag-{n}"), "x".repeat(200))).collect();
                for rule in watch.world.rules(ACCOUNT, REGION, &watch.group) {
                    watch.world.tag_rule(ACCOUNT, REGION, &rule.id, &tags);
                }
                event
            })
        },
    ]
}

/// Rules that were something else before, which a sweep has seen.
pub(in crate::memory) fn moved() -> Vec<Case> {
    vec![
        Case::moving("a rule that was moved", shop, shop_is_moved),
        Case::moving(
            "a rule that was widened",
            |watch| _ = described(watch, &[Permission::tcp(22, "203.0.113.7/32")]),
            |watch| modify(watch, &[(&at_port(watch, 22), Permission::tcp(22, EVERYONE))]),
        ),
        Case::moving(
            "a rule without a description",
            |watch| _ = watch.open(&[Permission::tcp(443, EVERYONE)]),
            shop_is_moved,
        ),
        Case::moving(
            "two rules of one call",
            |watch| _ = described(watch, &[Permission::tcp(443, EVERYONE), Permission::tcp(8443, "::/0")]),
            |watch| {
                let (one, other) = (at_port(watch, 443), at_port(watch, 8443));
                modify(watch, &[(&one, Permission::tcp(22, EVERYONE)), (&other, Permission::tcp(22, "::/0"))])
            },
        ),
        Case::moving("a rule that is known, and one that is not", shop, |watch| {
            let web = at_port(watch, 443);
            watch.open(&[Permission::tcp(8443, EVERYONE).described("made since")]);
            later(watch, Duration::from_secs(60));
            let new = at_port(watch, 8443);
            modify(watch, &[(&web, Permission::tcp(22, EVERYONE)), (&new, Permission::tcp(22, "0.0.0.0/1"))])
        }),
        Case::moving(
            "a rule with a prefix list",
            |watch| {
                let list = watch.world.create_prefix_list(ACCOUNT, REGION, "all", 5, &["0.0.0.0/1"]).unwrap();
                described(watch, &[Permission::tcp(443, &list)]);
            },
            |watch| {
                let rules = watch.world.rules(ACCOUNT, REGION, &watch.group);
                let web = rules.iter().find(|rule| rule.from_port == 443).unwrap();
                modify(watch, &[(&web.id, Permission::tcp(22, web.source.text()))])
            },
        ),
        Case::moving("EC2 shows the move late", shop, |watch| {
            watch.world.set_visibility_lag(Lag::Millis(300), Lag::Millis(300));
            shop_is_moved(watch)
        }),
        Case { is_swept_meanwhile: true, ..Case::moving("a sweep looks meanwhile", shop, shop_is_moved) },
        Case {
            meanwhile: |watch| {
                let rules = watch.world.rules(ACCOUNT, REGION, &watch.group);
                if let Some(web) = rules.iter().find(|rule| rule.from_port == 443) {
                    modify(watch, &[(&web.id, Permission::tcp(8080, EVERYONE))]);
                }
            },
            ..Case::moving("it is moved on to a lawful port meanwhile", shop, shop_is_moved)
        },
        Case {
            meanwhile: |watch| {
                let rules = watch.world.rules(ACCOUNT, REGION, &watch.group);
                if let Some(web) = rules.iter().find(|rule| rule.from_port == 443) {
                    modify(watch, &[(&web.id, Permission::tcp(22, EVERYONE).described("nothing to see"))]);
                }
            },
            ..Case::moving("it is opened again meanwhile", shop, shop_is_moved)
        },
        Case {
            meanwhile: |watch| {
                let rules = watch.world.rules(ACCOUNT, REGION, &watch.group);
                if let Some(web) = rules.iter().find(|rule| rule.from_port == 443) {
                    watch.world.revoke(ACCOUNT, REGION, &watch.group, &[&web.id]).unwrap();
                }
            },
            ..Case::moving("it is taken away meanwhile", shop, shop_is_moved)
        },
    ]
}
