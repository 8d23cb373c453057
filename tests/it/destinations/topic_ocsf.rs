//! OCSF on the topic: a second message for subscribers that filter for it, which others can keep away.

use ec2_model::Published;

use super::*;

async fn ocsf() -> Watch {
    let mut watch = Setup { topic: true, ..Setup::default() }.start().await;
    watch.context.destinations = Destinations { topic_ocsf: true, ..Destinations::default() };
    watch
}

fn attribute<'a>(message: &'a Published, name: &str) -> Option<&'a str> {
    message.attributes.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
}

/// Of the messages, those that a filter policy lets through: `{"NAME": ["VALUE"]}`, or with no value
/// `{"NAME": [{"exists": false}]}` (SNS Developer Guide, "Subscription filter policies").
fn filtered(watch: &Watch, name: &str, value: Option<&str>) -> Vec<Published> {
    let all = watch.world.published().into_iter();
    all.filter(|message| attribute(message, name) == value).collect()
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_filters_for_ocsf_gets_each_finding_once_and_the_others_get_what_they_got() {
    let plain = Setup { topic: true, ..Setup::default() }.start().await;
    plain.deliver(&plain.open(&ssh())).await;
    let as_ever = plain.world.published();
    assert_eq!(as_ever.len(), 1, "off unless it is asked for");

    let watch = ocsf().await;
    watch.deliver(&watch.open(&ssh())).await;
    let [event] = &filtered(&watch, "format", Some("ocsf"))[..] else { panic!("one OCSF event") };
    let body: Value = serde_json::from_str(&event.message).unwrap();
    let body: Value = serde_json::from_str(body["default"].as_str().unwrap()).unwrap();
    assert_eq!((&body["class_uid"], &body["status"]), (&json!(2004), &json!("Resolved")));
    assert_eq!(body["unmapped"]["portcullis"]["group"], watch.group);
    assert_eq!((attribute(event, "severity"), attribute(event, "status")), (Some("High"), Some("Resolved")));
    // Mail, whose filter policy is that there is no such attribute, and who filters by another attribute.
    for (name, value) in [("format", None), ("outcome", Some("reverted")), ("account", Some(ACCOUNT))] {
        // The evidence of each world is an act of its own.
        let seen = |messages: &[Published]| {
            let attributes = |it: &Published| it.attributes.iter().cloned().collect::<BTreeSet<_>>();
            messages.iter().map(|it| (it.subject.clone(), attributes(it))).collect::<Vec<_>>()
        };
        assert_eq!(seen(&filtered(&watch, name, value)), seen(&as_ever), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_detection_is_no_event_and_one_that_is_not_published_is_counted() {
    let watch = ocsf().await;
    watch.deliver(&watch.open(&[Permission::tcp(443, "0.0.0.0/0")])).await;
    assert!(watch.world.published().is_empty());
    // The message for people goes out, the event does not.
    watch.world.inject(Fault { action: Some("Publish".into()), nth: 1, kind: FaultKind::Denied });
    let answer = watch.deliver(&watch.open(&ssh())).await;
    assert!(is_reverted(&answer.findings[0]), "{:#?}", answer.findings);
    assert_eq!((watch.world.published().len(), metric(&watch, "PublishFailed")), (1, 1));
    // The summary of a sweep comes once.
    let mut policy = Setup { topic: true, mode: Mode::Alert, ..Setup::default() }.start().await;
    policy.context.destinations = Destinations { topic_ocsf: true, ..Destinations::default() };
    policy.open(&ssh());
    policy.deliver(&json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}})).await;
    assert_eq!((policy.world.published().len(), filtered(&policy, "format", Some("ocsf")).len()), (1, 0));
}
