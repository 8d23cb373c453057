//! What is wrong.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::doctor::Counts;

/// A change that makes one thing wrong.
type Break = fn(&mut Inventory);

fn hub(inventory: &mut Inventory) -> &mut Hub {
    inventory.hub.as_mut().unwrap()
}

fn stack(inventory: &mut Inventory) -> &mut Stack {
    inventory.stack.as_mut().unwrap().as_mut().unwrap()
}

fn rules(inventory: &mut Inventory) -> &mut BTreeMap<String, Rule> {
    hub(inventory).rules.as_mut().unwrap()
}

fn rule_of<'a>(inventory: &'a mut Inventory, name: &str) -> &'a mut Rule {
    rules(inventory).get_mut(name).unwrap()
}

fn configuration(inventory: &mut Inventory) -> &mut Configuration {
    hub(inventory).function.configuration.as_mut().unwrap().as_mut().unwrap()
}

fn trails<'a>(inventory: &'a mut Inventory, code: &str) -> &'a mut Vec<Trail> {
    inventory.regions.get_mut(&region(code)).unwrap().as_mut().unwrap()
}

fn alarm<'a>(inventory: &'a mut Inventory, id: &str) -> &'a mut Alarm {
    hub(inventory).alarms.as_mut().unwrap().get_mut(&format!("portcullis-{id}")).unwrap()
}

fn of_member<'a>(inventory: &'a mut Inventory, id: &str) -> &'a mut Member {
    inventory.members.as_mut().unwrap().seen.get_mut(&account(id)).unwrap()
}

fn in_member<'a>(inventory: &'a mut Inventory, id: &str, code: &str) -> &'a mut MemberRegion {
    of_member(inventory, id).regions.get_mut(&region(code)).unwrap()
}

fn member_rule<'a>(inventory: &'a mut Inventory, name: &str) -> &'a mut Rule {
    in_member(inventory, MEMBER, VIRGINIA).rules.as_mut().unwrap().get_mut(name).unwrap()
}

/// What, of which thing, and a word of the reason and of the command that mends it.
type Told = (&'static str, &'static str, &'static str, &'static str);

fn cases() -> Vec<(Told, Break)> {
    vec![
        (("credentials", "", "no AWS credentials", "get-caller-identity"), |it| {
            it.caller = Err("no AWS credentials: name a profile".to_owned());
        }),
        (("stack", "portcullis", "no stack", "make deploy STACK=portcullis"), |it| {
            (it.stack, it.hub) = (Ok(None), None);
        }),
        (("stack", "portcullis", "taken back", "describe-stack-events"), |it| {
            stack(it).status = "UPDATE_ROLLBACK_COMPLETE".to_owned();
        }),
        (("stack", "portcullis", "UPDATE_ROLLBACK_FAILED", "describe-stack-events"), |it| {
            stack(it).status = "UPDATE_ROLLBACK_FAILED".to_owned();
        }),
        (("version", "portcullis", "of version 0.0.9, and this program of 0.1.0", "make deploy"), |it| {
            stack(it).outputs.insert("Version".to_owned(), "0.0.9".to_owned());
        }),
        (("version", "portcullis", "no output `Version`", "make deploy"), |it| {
            stack(it).outputs.remove("Version");
        }),
        (("version", "portcullis", "no parameter HeartbeatHours", "make deploy"), |it| {
            stack(it).parameters.remove("HeartbeatHours");
        }),
        (("resources", "", "the stack has no TamperTrailRule", "make deploy"), |it| {
            hub(it).resources.as_mut().unwrap().remove("TamperTrailRule");
        }),
        (("trail", "", "no trail logs here", "portcullis trail create"), |it| trails(it, VIRGINIA).clear()),
        (
            (
                "trail",
                "arn:aws:cloudtrail:eu-west-1:111122223333:trail/org",
                "stopped",
                "start-logging --region eu-west-1",
            ),
            |it| {
                trails(it, DUBLIN)[0].status = Ok((false, None));
            },
        ),
        (
            (
                "trail",
                "arn:aws:cloudtrail:eu-west-1:111122223333:trail/org",
                "selectors leave out what the guard needs: write events",
                "put-event-selectors",
            ),
            |it| {
                trails(it, DUBLIN)[0].writes =
                    Ok(WriteEvents { logged: Logged::No, leaves_out: vec!["write events".to_owned()] });
            },
        ),
        (
            ("trail", "arn:aws:cloudtrail:eu-west-1:111122223333:trail/org", "NoSuchBucket", "portcullis trail show"),
            |it| {
                trails(it, DUBLIN)[0].status = Ok((true, Some("NoSuchBucket".to_owned())));
            },
        ),
        (("rule", "portcullis-Rule", "not there", "REVERT_DRIFT"), |it| {
            rules(it).remove("portcullis-Rule");
        }),
        (("rule", "portcullis-Rule", "disabled", "enable-rule --region eu-west-1 --name portcullis-Rule"), |it| {
            rule_of(it, "portcullis-Rule").enabled = false;
        }),
        (("rule", "portcullis-Rule", "`detail.eventName` lacks \"ModifySecurityGroupRules\"", "REVERT_DRIFT"), |it| {
            let pattern = rule_of(it, "portcullis-Rule").pattern.as_mut().unwrap();
            pattern["detail"]["eventName"] =
                json!(["AuthorizeSecurityGroupIngress", "ModifyManagedPrefixList", "RestoreManagedPrefixListVersion"]);
        }),
        (("rule", "portcullis-Rule", "it has no target", "REVERT_DRIFT"), |it| {
            rule_of(it, "portcullis-Rule").targets = Ok(Vec::new());
        }),
        (("rule", "portcullis-BusRule", "another target: arn:aws:lambda:x", "REVERT_DRIFT"), |it| {
            rule_of(it, "portcullis-BusRule").targets = Ok(vec![("arn:aws:lambda:x".to_owned(), None)]);
        }),
        (("rule", "portcullis-Rule", "no dead-letter queue", "REVERT_DRIFT"), |it| {
            rule_of(it, "portcullis-Rule").targets = Ok(vec![(function(), None)]);
        }),
        (("rule", "portcullis-SweepRule", "disabled", "enable-rule"), |it| {
            rule_of(it, "portcullis-SweepRule").enabled = false;
        }),
        (("rule", "portcullis-BusRule", "disabled", "--event-bus-name portcullis"), |it| {
            rule_of(it, "portcullis-BusRule").enabled = false;
        }),
        (("rule", "portcullis-BusRule", "`account` lacks \"777788889999\"", "REVERT_DRIFT"), |it| {
            stack(it).parameters.insert("Accounts".to_owned(), format!("{MEMBER},{OTHER}"));
            rule_of(it, "portcullis-BusRule").pattern.as_mut().unwrap()["account"] = json!([MEMBER]);
        }),
        (("permission", "portcullis-Rule", "does not let the rule", "aws lambda add-permission"), |it| {
            let arn = format!("arn:aws:events:{DUBLIN}:{HUB}:rule/portcullis-Rule");
            assert!(hub(it).function.invokers.as_mut().unwrap().remove(&arn));
        }),
        (("bus", "portcullis", "o-exampleorgid", "REVERT_DRIFT"), |it| hub(it).bus = Some(Ok(String::new()))),
        (("function", "portcullis", "no such function", "REVERT_DRIFT"), |it| {
            hub(it).function.configuration = Ok(None);
        }),
        (("function", "portcullis", "Failed: the image", "aws logs tail"), |it| {
            (configuration(it).state, configuration(it).reason) = ("Failed".to_owned(), "the image".to_owned());
        }),
        (("function", "portcullis", "last update failed", "aws logs tail"), |it| {
            configuration(it).update = "Failed".to_owned();
        }),
        (("function", "portcullis", "switched off", "delete-function-concurrency"), |it| {
            hub(it).function.concurrency = Ok(Some(0));
        }),
        (("variables", "portcullis", "PORTCULLIS_ACCOUNTS=`x`", "REVERT_DRIFT"), |it| {
            configuration(it).environment.insert("PORTCULLIS_ACCOUNTS".to_owned(), "x".to_owned());
        }),
        (
            (
                "mode",
                "portcullis",
                "the stack's Mode is enforce, and the function's variable says alert",
                "REVERT_DRIFT",
            ),
            |it| {
                configuration(it).environment.remove("PORTCULLIS_MODE");
            },
        ),
        (("variables", "portcullis", "findings go to nowhere", "REVERT_DRIFT"), |it| {
            configuration(it).environment.remove("PORTCULLIS_TOPIC_ARN");
        }),
        (("policy", "s3://p/k", "unknown key", "portcullis policy check s3://p/k"), |it| {
            hub(it).policy = Some(Policy::Bad("s3://p/k".to_owned(), "policy:1:1: unknown key".to_owned()));
        }),
        (("policy", "s3://p/k", "does not start", "aws s3 cp"), |it| {
            hub(it).policy = Some(Policy::Missing("s3://p/k".to_owned()));
        }),
        (("memory", "portcullis", "PORTCULLIS_MEMORY", "REVERT_DRIFT"), |it| {
            hub(it).memory = Some(("portcullis".to_owned(), Store::Missing));
        }),
        (("memory", "portcullis", "DELETING", "REVERT_DRIFT"), |it| {
            hub(it).memory = Some(("portcullis".to_owned(), Store::Unusable("DELETING".to_owned())));
        }),
        (("evidence", "s3://evidence", "PORTCULLIS_EVIDENCE", "REVERT_DRIFT"), |it| {
            hub(it).evidence = Some(("s3://evidence".to_owned(), Store::Missing));
        }),
        (
            (
                "topic",
                "arn:aws:sns:eu-west-1:111122223333:portcullis-Topic",
                "nobody is subscribed",
                "aws sns subscribe",
            ),
            |it| {
                hub(it).topics = [(topic(), Ok(Vec::new()))].into();
            },
        ),
        (
            (
                "topic",
                "arn:aws:sns:eu-west-1:111122223333:portcullis-Topic",
                "on-call@example.com has to follow",
                "aws sns subscribe",
            ),
            |it| {
                hub(it).topics.get_mut(&topic()).unwrap().as_mut().unwrap()[0].confirmed = false;
            },
        ),
        (("dead letters", "FunctionDeadLetters", "3 messages", "aws sqs receive-message"), |it| {
            hub(it).queues.get_mut("FunctionDeadLetters").unwrap().messages = Ok(Some(3));
        }),
        (
            (
                "dead letters",
                "SweepDeadLetters",
                "1 message in it",
                "start-message-move-task --region eu-west-1 --source-arn arn:aws:sqs:eu-west-1:111122223333:SweepDeadLetters",
            ),
            |it| {
                hub(it).queues.get_mut("SweepDeadLetters").unwrap().messages = Ok(Some(1));
            },
        ),
        (("dead letters", "RuleDeadLetters", "not there", "REVERT_DRIFT"), |it| {
            hub(it).queues.get_mut("RuleDeadLetters").unwrap().messages = Ok(None);
        }),
        (("queue reader", "SweepQueueReader", "disabled", "update-event-source-mapping"), |it| {
            hub(it).function.mappings.as_mut().unwrap().insert(queue_arn("SweepQueue"), false);
        }),
        (("queue reader", "LogQueueReader", "not there", "REVERT_DRIFT"), |it| {
            hub(it).function.mappings.as_mut().unwrap().remove(&queue_arn("LogQueue"));
        }),
        (("sweep", "", "overdue: rate(1 hour), last at 2026-11-26T07:30Z", "aws lambda invoke"), |it| {
            hub(it).swept = Ok("2026-11-26T07:30:00Z".parse().ok());
        }),
        (("sweep", "", "never in 14 days", "aws lambda invoke"), |it| hub(it).swept = Ok(None)),
        (("log files", "org-trail", "does not notify the queue", "get-bucket-notification-configuration"), |it| {
            hub(it).log_files = Some(LogFiles::Bucket("org-trail".to_owned(), Ok(BTreeSet::new())));
        }),
        (("log files", "arn:aws:sns:eu-west-1:1:t", "not subscribed", "aws sns subscribe --region eu-west-1"), |it| {
            hub(it).log_files = Some(LogFiles::Topic("arn:aws:sns:eu-west-1:1:t".to_owned(), Ok(subscriptions())));
        }),
        (("tamper rule", "portcullis-tamper-trail", "disabled", "enable-rule"), |it| {
            rule_of(it, "portcullis-tamper-trail").enabled = false;
        }),
        (("tamper rule", "portcullis-tamper-members", "not there", "REVERT_DRIFT"), |it| {
            rules(it).remove("portcullis-tamper-members");
        }),
        (("tamper rule", "portcullis-tamper-topic", "it has no target", "REVERT_DRIFT"), |it| {
            rule_of(it, "portcullis-tamper-topic").targets = Ok(Vec::new());
        }),
        (("tamper rule", "portcullis-tamper-function", "one of its alternatives", "REVERT_DRIFT"), |it| {
            rule_of(it, "portcullis-tamper-function").pattern.as_mut().unwrap()["detail"]["$or"] = json!([]);
        }),
        (("tamper rule", "portcullis-tamper-us-east-1", "not there", "tamper-us-east-1.yaml"), |it| {
            hub(it).abroad = Some((region(VIRGINIA), Ok(BTreeMap::new())));
        }),
        (("alarm", "SweepSilenceAlarm", "not there", "REVERT_DRIFT"), |it| {
            hub(it).alarms.as_mut().unwrap().remove("portcullis-SweepSilenceAlarm");
        }),
        (
            (
                "alarm",
                "ErrorAlarm",
                "disabled",
                "enable-alarm-actions --region eu-west-1 --alarm-names portcullis-ErrorAlarm",
            ),
            |it| {
                alarm(it, "ErrorAlarm").enabled = false;
            },
        ),
        (("alarm", "ErrorAlarm", "does not tell the stack's topic", "REVERT_DRIFT"), |it| {
            alarm(it, "ErrorAlarm").actions = vec!["arn:aws:sns:eu-west-1:1:other".to_owned()];
        }),
        (("alarm", "ErrorAlarm", "raised: Threshold Crossed", "describe-alarm-history"), |it| {
            alarm(it, "ErrorAlarm").raised = Some("Threshold Crossed".to_owned());
        }),
        (
            ("accounts", "", "not in the organisation, so no event of theirs is taken: 777788889999", "list-accounts"),
            |it| {
                it.members.as_mut().unwrap().listed = Some(Ok([HUB, MEMBER].map(account).into()));
            },
        ),
        (("member role", "444455556666", "AssumeRole: AccessDenied", "update-stack-instances"), |it| {
            let entry = "444455556666 us-east-1: AssumeRole: AccessDenied: not authorized".to_owned();
            hub(it).sweeps.as_mut().unwrap().as_mut().unwrap().unreachable.insert(entry);
        }),
        (
            (
                "member",
                "us-east-1",
                "not enabled in the account",
                "enable-region --account-id 444455556666 --region-name us-east-1",
            ),
            |it| {
                of_member(it, MEMBER).enabled = Ok([region(DUBLIN)].into());
            },
        ),
        (("forwarding", "portcullis-forward", "not there", "Accounts=444455556666"), |it| {
            in_member(it, MEMBER, DUBLIN).rules.as_mut().unwrap().remove("portcullis-forward");
        }),
        (("forwarding", "portcullis-forward", "disabled", "enable-rule --region us-east-1"), |it| {
            member_rule(it, "portcullis-forward").enabled = false;
        }),
        (("forwarding", "portcullis-forward", "another target", "update-stack-instances"), |it| {
            member_rule(it, "portcullis-forward").targets = Ok(vec![(function(), None)]);
        }),
        (("forwarding", "portcullis-forward", "not there", "Accounts=111122223333"), |it| {
            in_member(it, HUB, VIRGINIA).rules.as_mut().unwrap().remove("portcullis-forward");
        }),
        (("tamper rule", "portcullis-tamper", "disabled", "enable-rule"), |it| {
            member_rule(it, "portcullis-tamper").enabled = false;
        }),
        (("trail", "", "no trail logs here", "portcullis trail create"), |it| {
            in_member(it, MEMBER, DUBLIN).trails = Some(Ok(Vec::new()));
        }),
        (
            ("dead letters", "https://sqs.eu-west-1.amazonaws.com/111122223333/member", "2 events", "receive-message"),
            |it| {
                in_member(it, MEMBER, DUBLIN).dead_letters.as_mut().unwrap().messages = Ok(Some(2));
            },
        ),
    ]
}

#[test]
fn each_fault_is_named_with_its_command_and_nothing_else_is_complained_of() {
    let cases = cases();
    assert!(cases.len() >= 20);
    for ((what, resource, why, mend), change) in cases {
        let mut inventory = healthy();
        change(&mut inventory);
        let checks = judge(&inventory);
        let bad = complaints(&checks);
        let told: Vec<_> =
            bad.iter().map(|(what, verdict, resource, _)| (*what, *verdict, resource.as_str())).collect();
        assert_eq!(told, [(what, Verdict::Wrong, resource)], "{why}");
        let check = checks.iter().find(|check| check.verdict == Verdict::Wrong).unwrap();
        assert!(check.why.contains(why), "{why}: {}", check.why);
        assert!(check.mend.as_deref().unwrap().contains(mend), "{mend}: {:?}", check.mend);
        assert_eq!(Counts::of(&checks).status(), 1, "{why}");
    }
}

#[test]
fn a_fault_of_a_member_is_told_with_its_account_and_region() {
    let mut inventory = healthy();
    member_rule(&mut inventory, "portcullis-forward").enabled = false;
    let checks = judge(&inventory);
    assert_eq!(complaints(&checks)[0].3, "444455556666 us-east-1");
    assert!(
        checks.iter().any(|check| check.what == "member" && check.why.contains("3 Regions of 2 accounts")),
        "{checks:#?}"
    );
}

#[test]
fn what_is_as_the_operator_chose_is_no_fault() {
    let choices: [Break; 7] = [
        |it| {
            stack(it).parameters.insert("Mode".to_owned(), "alert".to_owned());
            configuration(it).environment.remove("PORTCULLIS_MODE");
        },
        |it| {
            it.members.as_mut().unwrap().guarded.remove(&account(OTHER));
            stack(it).parameters.insert("Accounts".to_owned(), MEMBER.to_owned());
        },
        |it| {
            hub(it).resources.as_mut().unwrap().remove("SweepRule");
        },
        |it| {
            stack(it).since = "2026-11-26T09:00:00Z".parse().ok();
            hub(it).swept = Ok(None);
        },
        |it| {
            let pattern = rule_of(it, "portcullis-Rule").pattern.as_mut().unwrap();
            pattern["detail"]["eventName"].as_array_mut().unwrap().push(json!("CreateSecurityGroup"));
        },
        |it| {
            stack(it).parameters.insert("Accounts".to_owned(), format!("{MEMBER},{OTHER}"));
            for rule in ["portcullis-BusRule", "portcullis-tamper-members"] {
                rule_of(it, rule).pattern.as_mut().unwrap()["account"] = json!([MEMBER, OTHER]);
            }
        },
        |it| hub(it).function.concurrency = Ok(None),
    ];
    for (n, change) in choices.into_iter().enumerate() {
        let mut inventory = healthy();
        change(&mut inventory);
        assert_eq!(complaints(&judge(&inventory)), [], "choice {n}");
    }
}

#[test]
fn accounts_that_are_not_guarded_are_named() {
    let mut inventory = healthy();
    inventory.members.as_mut().unwrap().guarded.remove(&account(OTHER));
    let checks = judge(&inventory);
    let line = checks.iter().find(|check| check.what == "accounts").unwrap();
    assert_eq!(line.why, "1 account beside the stack's own; not guarded: 777788889999");
}
