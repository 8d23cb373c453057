//! Every way in which records arrive, up to the revoked rule, and many deliveries at once.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ec2_model::{Actor, Permission, Vpc, World};
use flate2::{Compression, write::GzEncoder};
use portcullis::domain::finding::{Outcome, Verdict};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, Between, REGION, Setup, Watch, enforcing, sqs};

const KEY: &str = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/21/a b.json.gz";

fn zipped(text: &str) -> Vec<u8> {
    let mut zip = GzEncoder::new(Vec::new(), Compression::default());
    zip.write_all(text.as_bytes()).unwrap();
    zip.finish().unwrap()
}

/// Puts a log file with these records into the trail's bucket. Returns S3's notice.
fn log_file(watch: &Watch, key: &str, records: &[Value]) -> Value {
    watch.world.put_object("trail", key, zipped(&json!({"Records": records}).to_string()));
    notice(key)
}

fn notice(key: &str) -> Value {
    let s3 = json!({"bucket": {"name": "trail"}, "object": {"key": key.replace(' ', "+")}});
    json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "awsRegion": REGION, "s3": s3}]})
}

fn other() -> Value {
    json!({"eventVersion": "1.11", "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "awsRegion": REGION})
}

#[tokio::test(start_paused = true)]
async fn a_log_file_is_read_from_s3_and_only_our_calls_in_it_are_told() {
    let watch = enforcing().await;
    watch.world.authorize(ACCOUNT, REGION, &watch.group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let record = watch.world.take_records().pop().unwrap();
    let elsewhere = watch.world.create_group(ACCOUNT, "us-east-1", "there", Vpc::Other);
    watch.world.authorize(ACCOUNT, "us-east-1", &elsewhere, &[Permission::tcp(3389, "::/0")]).unwrap();
    let second = watch.world.take_records().pop().unwrap();
    let notice = log_file(&watch, KEY, &[other(), record, other(), second, other()]);
    let answer = watch.deliver(&notice).await;
    assert_eq!(answer.findings.len(), 2);
    assert!(answer.findings.iter().all(|finding| finding.outcome == Outcome::Reverted) && answer.failed.is_empty());
    assert!(watch.ingress().is_empty());
    // A second delivery, nested in a queue, is harmless.
    let answer = watch.deliver(&sqs(&[notice.to_string()])).await;
    assert!(answer.findings.iter().all(|finding| finding.verdict == Verdict::Safe), "{:#?}", answer.findings);
}

#[tokio::test(start_paused = true)]
async fn a_log_file_that_cannot_be_read_fails_its_own_item_and_names_the_object() {
    let watch = enforcing().await;
    let event = watch.open(&[Permission::tcp(22, "0.0.0.0/0")]).to_string();
    let whole = zipped(&json!({"Records": [other()]}).to_string());
    watch.world.put_object("trail", "cut.json.gz", &whole[..whole.len() - 9]);
    watch.world.put_object("trail", "text.json.gz", "not JSON AuthorizeSecurityGroupIngress");
    let notices = ["cut.json.gz", "text.json.gz", "missing.json.gz"].map(|key| notice(key).to_string());
    let answer = watch.deliver(&sqs(&[&notices[..], &[event]].concat())).await;
    assert_eq!(answer.failed, ["m0", "m1", "m2"].map(str::to_owned).into());
    for why in ["cut.json.gz: the gzip data is damaged", "text.json.gz: ", "missing.json.gz: GetObject: NoSuchKey"] {
        let reported = answer.findings.iter().find(|finding| finding.reason.starts_with(&format!("s3://trail/{why}")));
        assert_eq!(reported.map(|finding| finding.verdict), Some(Verdict::Undecided), "{why}");
    }
    assert!(answer.findings.iter().any(|finding| finding.outcome == Outcome::Reverted), "the others go on");
}

#[tokio::test(start_paused = true)]
async fn a_file_full_of_our_calls_is_worked_on_in_portions() {
    let watch = enforcing().await;
    watch.world.authorize(ACCOUNT, REGION, &watch.group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let record = watch.world.take_records().pop().unwrap();
    let many: Vec<Value> = (0..5000)
        .map(|n| {
            let mut record = record.clone();
            record["eventID"] = json!(n.to_string());
            record
        })
        .collect();
    let answer = watch.deliver(&log_file(&watch, KEY, &many)).await;
    assert_eq!(answer.findings.len(), 5000);
    assert_eq!(watch.ec2_calls().iter().filter(|call| *call == "RevokeSecurityGroupIngress").count(), 1);
    // The later portions find the rule gone. They look until the records are old enough to be sure of it.
    assert!(watch.ec2_calls().len() < 30, "{}", watch.ec2_calls().len());
}

#[tokio::test(start_paused = true)]
async fn a_logs_subscription_is_opened() {
    let watch = enforcing().await;
    watch.world.authorize(ACCOUNT, REGION, &watch.group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let record = watch.world.take_records().pop().unwrap();
    let events: Vec<Value> =
        [other(), record].iter().map(|r| json!({"id": "1", "timestamp": 1, "message": r.to_string()})).collect();
    let data = json!({"messageType": "DATA_MESSAGE", "owner": ACCOUNT, "logEvents": events});
    let payload = json!({"awslogs": {"data": BASE64_STANDARD.encode(zipped(&data.to_string()))}});
    let finding = watch.finding(&payload).await;
    assert_eq!((finding.verdict, finding.outcome), (Verdict::Exposed, Outcome::Reverted));
    let control = json!({"messageType": "CONTROL_MESSAGE", "logEvents": []});
    let payload = json!({"awslogs": {"data": BASE64_STANDARD.encode(zipped(&control.to_string()))}});
    assert!(watch.deliver(&payload).await.findings.is_empty(), "nobody needs to hear of it");
}

/// Moves the world's clock with tokio's.
fn ticking(world: &World) -> Between {
    let (world, last) = (world.clone(), Arc::new(Mutex::new(tokio::time::Instant::now())));
    Arc::new(move |request| {
        let mut last = last.lock().unwrap();
        let now = tokio::time::Instant::now();
        world.set_now(world.now() + i64::try_from(now.duration_since(*last).as_millis()).unwrap());
        *last = now;
        // Each call takes some time.
        (Duration::from_millis(30), world.handle(request))
    })
}

/// Violations arrive as SQS batches, twenty to a group (`make proof`: ten thousand over five hundred groups). Each
/// batch has the time of one invocation, and what fails is delivered again. EC2 throttles as in AWS.
#[tokio::test(start_paused = true)]
async fn a_flood_of_violations_ends_with_every_rule_gone_and_few_calls() {
    const EACH: usize = 20;
    let whole = std::env::var_os("PORTCULLIS_PROOF_WHOLE").is_some();
    let amount = if whole { 500 } else { 100 };
    let mut watch = enforcing().await;
    let world = watch.world.clone();
    let start = tokio::time::Instant::now();
    let began = world.now();
    let clock = Box::new(move || jiff::Timestamp::from_millisecond(began).unwrap() + start.elapsed());
    let setup = Setup { evidence: false, ..Setup::default() };
    watch.context = setup.context(REGION, ticking(&world), clock, Box::new(|_: &str| ())).await;
    let mut bodies = Vec::new();
    let groups: Vec<String> =
        (0..amount).map(|n| world.create_group(ACCOUNT, REGION, &format!("g{n}"), Vpc::Other)).collect();
    world.take_records();
    for n in 0..EACH {
        for group in &groups {
            let source = format!("{}.0.0.0/8", 11 + n);
            world.authorize(ACCOUNT, REGION, group, &[Permission::tcp(22, &source)]).unwrap();
            bodies.push(ec2_model::eventbridge(&world.take_records().pop().unwrap()).to_string());
        }
    }
    world.set_throttling(true);
    // In random order.
    let mut random = fastrand::Rng::with_seed(7);
    random.shuffle(&mut bodies);
    let mut queue: Vec<String> = bodies;
    let mut invocations = 0;
    while !queue.is_empty() {
        invocations += 1;
        assert!(invocations < 100, "{} left", queue.len());
        let batch: Vec<String> = queue.drain(..queue.len().min(10_000)).collect();
        let answer = watch.deliver(&sqs(&batch)).await;
        let again = |id: &String| batch[id[1..].parse::<usize>().unwrap()].clone();
        queue.extend(answer.failed.iter().map(again));
    }
    let left = groups
        .iter()
        .flat_map(|group| world.rules(ACCOUNT, REGION, group))
        .filter(|rule| rule.direction == ec2_model::Direction::Ingress);
    assert_eq!(left.count(), 0);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    world.calls().into_iter().for_each(|call| *counts.entry(call.action).or_default() += 1);
    let per_group = counts.values().sum::<usize>() as f64 / f64::from(amount);
    println!("{invocations} invocations, {:?}, {counts:?}: {per_group:.2} calls a group", start.elapsed());
    assert!(per_group <= 2.2, "{counts:?}");
}

/// Two records that name no group, one of them of an exempt role. What is open is exempt, and the other record is answered
/// all the same.
#[tokio::test(start_paused = true)]
async fn every_record_of_a_region_is_answered() {
    let policy = "version: 1\nexempt: [{reason: x, until: never, principals: ['arn:aws:iam::*:role/BreakGlass']}]";
    let watch = Setup { policy, ..Setup::default() }.start().await;
    let exempt = Actor::Role { role: "BreakGlass".into(), session: "jo".into() };
    let events = [(exempt, "0.0.0.0/0"), (Actor::default(), "10.0.0.0/8")].map(|(actor, source)| {
        watch.world.set_actor(actor);
        let mut event = watch.open(&[Permission::tcp(22, source)]);
        for part in ["requestParameters", "responseElements"] {
            event["detail"][part] = json!({"reason": "requestParameters too large", "omitted": true});
        }
        event
    });
    let answer = watch.deliver(&sqs(&events.each_ref().map(Value::to_string))).await;
    for event in events {
        let id = event["detail"]["eventID"].as_str();
        assert!(answer.findings.iter().any(|it| it.id.as_deref() == id), "{id:?}: {:#?}", answer.findings);
    }
    assert_eq!(watch.ingress().len(), 2);
}
