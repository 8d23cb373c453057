//! The plan, without AWS: a small world on which steps are carried out, interrupted after each, and gone on with.

use portcullis::aws::{AwsError, Code, Effect};
use portcullis_domain::ids::{AccountId, Region};
use serde_json::json;

use super::*;

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1b2c3d4e";

fn wanted() -> Wanted {
    let account = AccountId::parse("111122223333").unwrap();
    Wanted {
        bucket: Wanted::usual_bucket(&account),
        account,
        partition: "aws".to_owned(),
        region: Region::parse("eu-west-1").unwrap(),
        kms_key: None,
        organization: None,
    }
}

fn with_everything() -> Wanted {
    let management_account = AccountId::parse("999988887777").unwrap();
    let organization = Organization { id: "o-exampleorgid".to_owned(), management_account };
    Wanted { kms_key: Some(KEY.to_owned()), organization: Some(organization), ..wanted() }
}

fn nothing() -> Found {
    Found { trails: Vec::new(), bucket: Bucket::Missing, topic: None, queue: None }
}

fn all_events() -> WriteEvents {
    WriteEvents { logged: Logged::Yes, leaves_out: Vec::new() }
}

fn facts_of(found: &mut Found) -> &mut BucketFacts {
    let Bucket::There(facts) = &mut found.bucket else { panic!("no bucket") };
    facts
}

/// What a step does, as AWS documents it. A new bucket has some settings already, on AWS; on mocks it has none.
fn carry_out(step: &Step, found: &mut Found, wanted: &Wanted, bare: bool) {
    let facts = |found: &mut Found, change: &dyn Fn(&mut BucketFacts)| change(facts_of(found));
    match step {
        Step::CreateBucket { region, .. } => {
            assert_eq!(found.bucket, Bucket::Missing);
            found.bucket = Bucket::There(BucketFacts {
                region: region.clone(),
                blocks_public_access: (!bare).then_some(true),
                versioning: Versioning::Unset,
                encryption: if bare { Encryption::Unset } else { Encryption::S3 },
                policy: None,
            });
        }
        Step::BlockPublicAccess { .. } => facts(found, &|facts| facts.blocks_public_access = Some(true)),
        Step::EnableVersioning { .. } => facts(found, &|facts| facts.versioning = Versioning::Enabled),
        Step::Encrypt { kms_key, .. } => facts(found, &|facts| {
            facts.encryption = kms_key.clone().map_or(Encryption::S3, |key| Encryption::Kms(Some(key)));
        }),
        Step::PutBucketPolicy { policy, .. } => facts(found, &|facts| facts.policy = Some(policy.clone())),
        Step::CreateTopic { policy, .. } => {
            assert!(found.topic.is_none());
            found.topic = Some(Topic { policy: Some(policy.clone()), subscriptions: Vec::new(), tagged: true });
        }
        Step::CreateQueue { policy, .. } => {
            assert!(found.queue.is_none());
            let url = "https://sqs.eu-west-1.amazonaws.com/111122223333/111122223333-cloudtrail".to_owned();
            found.queue = Some(Queue { url, policy: Some(policy.clone()), messages: 0, tagged: true });
        }
        Step::Subscribe { topic_arn, queue_arn, .. } => {
            assert!(found.queue.is_some());
            let subscription = ("sqs".to_owned(), queue_arn.clone(), format!("{topic_arn}:1"));
            found.topic.as_mut().unwrap().subscriptions.push(subscription);
        }
        Step::CreateTrail(trail) => {
            // CloudTrail looks whether it may write and publish before it makes a trail.
            assert!(found.topic.is_some());
            facts(found, &|facts| assert!(facts.policy.is_some()));
            found.trails.push(Trail {
                arn: wanted.trail_arn(),
                home: trail.region.clone(),
                bucket: trail.bucket.clone(),
                topic_arn: Some(wanted.topic_arn()),
                kms_key: trail.kms_key.clone(),
                multi_region: true,
                global_events: true,
                validation: true,
                organization: trail.organization,
                logging: Ok(Logging::Never),
                events: Ok(all_events()),
                tagged: Ok(true),
            });
        }
        Step::StartLogging { trail_arn, .. } => {
            let trail = found.trails.iter_mut().find(|trail| trail.arn == *trail_arn).unwrap();
            trail.logging = Ok(Logging::On { delivered: None, error: None });
        }
        Step::DeleteTrail { trail_arn, .. } => found.trails.retain(|trail| trail.arn != *trail_arn),
        Step::Unsubscribe { subscription_arn, .. } => {
            found.topic.as_mut().unwrap().subscriptions.retain(|(.., arn)| arn != subscription_arn);
        }
        Step::DeleteQueue { .. } => found.queue = None,
        Step::DeleteTopic { .. } => found.topic = None,
    }
}

/// What there is in the end.
fn made(wanted: &Wanted) -> Found {
    let mut found = nothing();
    for step in plan(wanted, &found).steps {
        carry_out(&step, &mut found, wanted, false);
    }
    found
}

#[test]
fn interrupted_after_each_call_and_run_again_it_comes_to_the_same_end() {
    for wanted in [wanted(), with_everything()] {
        for bare in [false, true] {
            let steps = plan(&wanted, &nothing()).steps;
            assert_eq!(steps.len(), 10);
            for interrupted in 0..=steps.len() {
                let mut found = nothing();
                for step in &steps[..interrupted] {
                    carry_out(step, &mut found, &wanted, bare);
                }
                let rest = plan(&wanted, &found);
                assert!(rest.wrong.is_empty() && rest.unclear.is_empty(), "{interrupted}: {rest:?}");
                for step in &rest.steps {
                    carry_out(step, &mut found, &wanted, bare);
                }
                assert_eq!(found, made(&wanted), "interrupted after {interrupted} calls");
                let again = plan(&wanted, &found);
                assert_eq!((again.steps.len(), again.wrong.len()), (0, 0), "twice is once: {again:?}");
            }
        }
    }
}

#[test]
fn what_is_there_and_differs_is_told_and_left_as_it_is() {
    use facts_of as facts;
    type Change = fn(&mut Found);
    let cases: [(Change, &str, bool); 17] = [
        (|found| found.bucket = Bucket::NotYours, "another account's", true),
        (|found| facts(found).blocks_public_access = Some(false), "public access", false),
        (|found| facts(found).versioning = Versioning::Suspended, "no longer keeps", false),
        (|found| facts(found).encryption = Encryption::Kms(Some("arn:other".to_owned())), "another key", false),
        (|found| facts(found).policy = Some(json!({"Statement": []})), "does not let CloudTrail write", true),
        (
            |found| {
                let policy = facts(found).policy.as_mut().unwrap();
                policy["Statement"].as_array_mut().unwrap().pop();
            },
            "does not refuse calls without TLS",
            false,
        ),
        (
            |found| {
                let policy = facts(found).policy.as_mut().unwrap();
                policy["Statement"][1]["Condition"] = json!({"StringEquals": {"aws:SourceAccount": "111122223333"}});
            },
            "not for it alone",
            true,
        ),
        (|found| found.topic.as_mut().unwrap().policy = None, "does not let CloudTrail publish", true),
        (|found| found.queue.as_mut().unwrap().policy = None, "does not let the topic send", false),
        (|found| found.trails[0].multi_region = false, "one Region only", false),
        (|found| found.trails[0].global_events = false, "global services", false),
        (|found| found.trails[0].validation = false, "cannot be validated", false),
        (|found| found.trails[0].bucket = "other".to_owned(), "writes to the bucket other", false),
        (|found| found.trails[0].topic_arn = None, "has no topic", false),
        (|found| found.trails[0].kms_key = None, "no KMS key", false),
        (|found| found.trails[0].logging = Ok(Logging::Stopped), "somebody has stopped it", false),
        (
            |found| {
                let leaves_out = vec!["write events".to_owned()];
                found.trails[0].events = Ok(WriteEvents { logged: Logged::No, leaves_out });
            },
            "leave out write events",
            false,
        ),
    ];
    let wanted = with_everything();
    for (change, told, blocks) in cases {
        let mut found = made(&wanted);
        change(&mut found);
        let plan = plan(&wanted, &found);
        assert_eq!(plan.steps, [], "{told}: nothing is changed");
        let [wrong] = plan.wrong.as_slice() else { panic!("{told}: {:?}", plan.wrong) };
        assert!(wrong.what.contains(told), "{told}: {}", wrong.what);
        assert_eq!(wrong.blocks, blocks, "{told}");
        let mended = wrong.mend.as_ref().is_some_and(|mend| mend.starts_with("aws "));
        assert_eq!(mended, !told.contains("another account's"), "{told}");
    }
    // What a mend says puts the policy right, and keeps what was in it.
    let mut found = made(&wanted);
    let own = json!({"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::111122223333-cloudtrail/*"});
    facts(&mut found).policy = Some(json!({"Version": "2012-10-17", "Statement": own}));
    let mend = plan(&wanted, &found).wrong.remove(0).mend.unwrap();
    let policy = mend.split('\'').nth(1).unwrap();
    facts(&mut found).policy = Some(serde_json::from_str(policy).unwrap());
    assert!(plan(&wanted, &found).wrong.is_empty() && policy.contains("\"Own\""), "{policy}");
}

#[test]
fn what_keeps_the_rest_from_being_made_is_told_before_anything_is_made() {
    let found = Found { bucket: Bucket::NotYours, ..nothing() };
    let plan = plan(&wanted(), &found);
    assert!(plan.is_blocked() && plan.steps.is_empty(), "{plan:?}");
}

#[test]
fn a_policy_that_says_the_same_in_another_form_is_right() {
    let wanted = wanted();
    let mut found = made(&wanted);
    let arn = wanted.trail_arn();
    // As CloudTrail's console writes it.
    let service = json!({"Service": "cloudtrail.amazonaws.com"});
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "AWSCloudTrailAclCheck20150319", "Effect": "Allow", "Principal": service, "Action": ["s3:GetBucketAcl"],
            "Resource": "arn:aws:s3:::111122223333-cloudtrail", "Condition": {"StringEquals": {"AWS:SourceArn": arn}}},
        {"Sid": "AWSCloudTrailWrite20150319", "Effect": "Allow", "Principal": service, "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::111122223333-cloudtrail/AWSLogs/111122223333/*", "Condition": {"StringEquals": {
                "s3:x-amz-acl": "bucket-owner-full-control", "AWS:SourceArn": arn}}},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::111122223333-cloudtrail/*",
            "arn:aws:s3:::111122223333-cloudtrail"], "Condition": {"Bool": {"aws:SecureTransport": false}}},
    ]});
    let Bucket::There(facts) = &mut found.bucket else { panic!("no bucket") };
    facts.policy = Some(policy);
    assert_eq!(plan(&wanted, &found).wrong, []);
}

fn denied() -> AwsError {
    let code = Code::Aws("AccessDeniedException".to_owned());
    AwsError { call: "GetTrailStatus", code, message: "no".to_owned(), effect: Effect::Refused }
}

/// A trail that somebody else has made.
fn other(wanted: &Wanted) -> Trail {
    let mut trail = made(wanted).trails.remove(0);
    trail.arn = "arn:aws:cloudtrail:us-east-1:111122223333:trail/everything".to_owned();
    trail.tagged = Ok(false);
    trail
}

#[test]
fn a_trail_that_serves_already_is_used_and_not_paid_for_twice() {
    let (one, all) = (wanted(), with_everything());
    let serves = |wanted: &Wanted, trail: Trail| {
        let plan = plan(wanted, &Found { trails: vec![trail], ..nothing() });
        assert_eq!(plan.serving.is_some(), plan.steps.is_empty(), "{plan:?}");
        (plan.serving.is_some(), plan.unclear.len())
    };
    assert_eq!(serves(&one, other(&one)), (true, 0));
    assert_eq!(serves(&one, other(&all)), (true, 0), "an organisation's covers the account");
    assert_eq!(serves(&all, other(&one)), (false, 0), "an account's does not cover the organisation");
    let partly = WriteEvents { logged: Logged::Partly, leaves_out: vec!["x".to_owned()] };
    for (trail, unclear) in [
        (Trail { multi_region: false, ..other(&one) }, 0),
        (Trail { global_events: false, ..other(&one) }, 0),
        (Trail { logging: Ok(Logging::Stopped), ..other(&one) }, 0),
        (Trail { logging: Ok(Logging::Never), ..other(&one) }, 0),
        (Trail { events: Ok(partly), ..other(&one) }, 0),
        (Trail { logging: Err(denied()), ..other(&one) }, 1),
        (Trail { events: Err(denied()), ..other(&one) }, 1),
    ] {
        assert_eq!(serves(&one, trail.clone()), (false, unclear), "{trail:?}");
    }
    // Where our own is there too, it is looked after.
    let mut found = made(&one);
    found.trails.insert(0, other(&one));
    found.topic = None;
    assert_eq!(plan(&one, &found).steps.len(), 2);
}

#[test]
fn only_what_it_has_made_is_taken_down_and_never_the_bucket() {
    let wanted = wanted();
    let calls = |found: &Found| delete(&wanted, found).steps.iter().map(Step::call).collect::<Vec<_>>();
    let mut found = made(&wanted);
    assert_eq!(calls(&found), ["DeleteTrail", "Unsubscribe", "DeleteQueue", "DeleteTopic"]);
    let steps = delete(&wanted, &found).steps;
    for interrupted in 0..=steps.len() {
        let mut found = made(&wanted);
        let bucket = found.bucket.clone();
        for step in &steps[..interrupted] {
            carry_out(step, &mut found, &wanted, false);
        }
        for step in delete(&wanted, &found).steps {
            carry_out(&step, &mut found, &wanted, false);
        }
        assert_eq!(found, Found { bucket, ..nothing() }, "interrupted after {interrupted} calls");
        assert_eq!(calls(&found), [""; 0]);
    }
    found.trails[0].tagged = Ok(false);
    assert_eq!(calls(&found), ["Unsubscribe", "DeleteQueue", "DeleteTopic"]);
    found.topic.as_mut().unwrap().tagged = false;
    assert_eq!(calls(&found), ["DeleteQueue"]);
    found.queue.as_mut().unwrap().tagged = false;
    assert_eq!(calls(&found), [""; 0]);
    let kept = delete(&wanted, &found).kept;
    for what in ["trail ", "topic ", "queue ", "bucket "] {
        assert!(kept.iter().any(|line| line.starts_with(what)), "{what}: {kept:?}");
    }
    let elsewhere = Wanted { region: Region::parse("us-east-1").unwrap(), ..wanted.clone() };
    let elsewhere = delete(&elsewhere, &Found { trails: made(&wanted).trails, ..nothing() });
    assert!(elsewhere.steps.is_empty() && elsewhere.kept[0].ends_with("give --region eu-west-1"), "{elsewhere:?}");
    let goes_on = |found: &Found| found.serves_without(&wanted.trail_arn());
    assert_eq!(goes_on(&found), Some(false));
    found.trails.push(Trail { logging: Err(denied()), ..other(&wanted) });
    assert_eq!(goes_on(&found), None);
    found.trails.push(other(&wanted));
    assert_eq!(goes_on(&found), Some(true));
}

#[test]
fn every_policy_is_narrowed_to_this_trail() {
    let wanted = with_everything();
    let trail = "arn:aws:cloudtrail:eu-west-1:999988887777:trail/111122223333-cloudtrail";
    assert_eq!(wanted.trail_arn(), trail, "an organisation's trail is the management account's");
    for step in plan(&wanted, &nothing()).steps {
        let by = if step.call() == "CreateQueue" { wanted.topic_arn() } else { trail.to_owned() };
        let (Step::PutBucketPolicy { policy, .. }
        | Step::CreateTopic { policy, .. }
        | Step::CreateQueue { policy, .. }) = &step
        else {
            continue;
        };
        for statement in policy["Statement"].as_array().unwrap() {
            let text = statement["Condition"].to_string();
            assert!(statement["Effect"] == "Deny" || text.contains(&by), "{statement}");
        }
    }
    let text = policies::bucket(&wanted).to_string();
    for place in ["AWSLogs/999988887777/*", "AWSLogs/o-exampleorgid/*"] {
        assert!(text.contains(place), "{place}: {text}");
    }
}

#[test]
fn a_word_for_the_shell_cannot_break_out() {
    assert_eq!(command::quoted("a-b_c.d/e:f=g,h"), "a-b_c.d/e:f=g,h");
    assert_eq!(command::quoted("it's"), r"'it'\''s'");
    assert_eq!([command::quoted(""), command::quoted("$(id)")], ["''", "'$(id)'"]);
}
