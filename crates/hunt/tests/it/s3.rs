//! Logs in S3.

use std::process::Output;

use ec2_model::{Fault, FaultKind, World};
use serde_json::json;

use crate::made::{Line, Version, at, call, create_group, gzip, header, open};
use crate::server::{program, serve};

const TRAIL: &str = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/20/111122223333_CloudTrail_eu-west-1_20261120T";
const FLOWS: &str =
    "AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/11/20/111122223333_vpcflowlogs_eu-west-1_fl-1_20261120T";

fn world() -> (World, String) {
    let world = World::new(5);
    #[expect(clippy::disallowed_methods, reason = "the requests are signed with this clock's time")]
    world.set_now(jiff::Timestamp::now().as_millisecond());
    let handled = world.clone();
    let url = serve(move |request| handled.handle(request));
    (world, url)
}

fn records(from: i64) -> Vec<u8> {
    let records = [call(from, "DescribeInstances", json!({"n": from}), json!(null))];
    gzip(json!({ "Records": records }).to_string().as_bytes())
}

fn flows(n: u16) -> Vec<u8> {
    let line = Line::new("eni-1", ("203.0.113.5", n), ("10.0.0.1", 22), at("10:00") + i64::from(n));
    gzip(format!("{}\n{}\n", header(Version::Five), line.text(Version::Five)).as_bytes())
}

fn hunt(url: &str, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = program(url, arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn gets(world: &World) -> usize {
    world.calls().iter().filter(|call| call.action == "GetObject").count()
}

/// A query in a file that goes with the test.
fn query(name: &str, sql: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("s3-{name}.sql"));
    std::fs::write(&path, sql).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn logs_in_a_bucket_are_read_page_by_page_and_each_object_once() {
    let (world, url) = world();
    // More than one page of the listing.
    for n in 0..1005 {
        world.put_object("logs", &format!("{TRAIL}1000Z_{n:04} +.json.gz"), records(at("10:00") + n));
    }
    for n in 1..=20 {
        world.put_object("logs", &format!("{FLOWS}1000Z_{n}.log.gz"), flows(n));
    }
    world.put_object("logs", "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/x.json.gz", b"damaged".to_vec());
    world.put_object("logs", "AWSLogs/111122223333/CloudTrail/notes.html", b"no log".to_vec());
    world.put_object("logs", "other/x.json.gz", b"damaged".to_vec());
    let own =
        query("pages", "SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM rule_flows) AS flows");
    let (code, out, err) = hunt(&url, &[&own, "s3://logs/AWSLogs/", "--format", "json"]);
    assert_eq!((code, out.as_str()), (0, "{\"events\":1005,\"flows\":20}\n"), "{err}");
    assert!(err.contains("Read 1025 files"), "{err}");
    let lists = world.calls().iter().filter(|call| call.action == "ListObjectsV2").count();
    assert_eq!((lists, gets(&world)), (2, 1025), "what two tables read is fetched once");
}

#[test]
fn only_what_can_be_an_answer_is_fetched() {
    let (world, url) = world();
    for day in 10..30 {
        let day_of = |key: &str| key.replace("20261120", &format!("202611{day}"));
        world.put_object(
            "logs",
            &day_of(&format!("{TRAIL}1000Z_a.json.gz")),
            records(at("10:00") + (day - 20) * 86_400),
        );
        world.put_object("logs", &day_of(&format!("{FLOWS}1000Z_a.log.gz")), flows(1));
    }
    let window = ["s3://logs/AWSLogs", "--from", "2026-11-20", "--to", "2026-11-20", "--format", "json"];
    let (code, out, err) = hunt(&url, &[&["activity"], &window[..]].concat());
    assert_eq!((code, out.lines().count(), gets(&world)), (0, 1, 3), "{err}");
    let own = query("window", "SELECT count(*) AS n FROM flow_logs WHERE dst_port = 22");
    let (code, out, err) = hunt(&url, &[&[own.as_str()], &window[..]].concat());
    assert_eq!((code, out.as_str()), (0, "{\"n\":1}\n"), "{err}");
    // Objects that are equal are copies.
    assert_eq!(gets(&world), 4, "{err}");
}

#[test]
fn snapshots_and_other_files_are_known_by_their_content() {
    let (world, url) = world();
    let opened = [create_group(at("09:00"), "sg-1"), open(at("10:00"), "sg-1", "sgr-1", (22, 22), "0.0.0.0/0")];
    world.put_object("logs", "mine/1.json", json!({ "Records": opened }).to_string());
    let rules = json!({"SecurityGroupRules": [{"SecurityGroupRuleId": "sgr-2", "GroupId": "sg-1", "GroupOwnerId": "111122223333",
        "IsEgress": false, "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": "0.0.0.0/0"}]});
    world.put_object("logs", "mine/rules.json", rules.to_string());
    let own = query("snapshot", "SELECT rule_id FROM sg_rules ORDER BY rule_id");
    let (code, out, err) = hunt(&url, &[&own, "s3://logs/mine/", "--format", "csv"]);
    assert_eq!((code, out.as_str()), (0, "rule_id\nsgr-1\nsgr-2\n"), "{err}");
}

#[test]
fn an_object_that_cannot_be_read_is_named_and_the_others_are_answered() {
    let (world, url) = world();
    for n in 0..3 {
        world.put_object("logs", &format!("{TRAIL}1000Z_{n}.json.gz"), records(at("10:00") + n));
    }
    world.inject(Fault::next("GetObject", FaultKind::Denied));
    let (code, out, err) = hunt(&url, &["activity", "s3://logs/", "--format", "json"]);
    assert_eq!((code, out.lines().count()), (2, 2), "{err}");
    assert!(err.contains(".json.gz: GetObject: AccessDenied: "), "{err}");
    world.put_object("logs", &format!("{TRAIL}1000Z_x.json.gz"), records(at("11:00"))[..40].to_vec());
    let (code, out, err) = hunt(&url, &["activity", "s3://logs/", "--format", "json"]);
    assert_eq!((code, out.lines().count()), (2, 3), "{err}");
    assert!(err.contains("_x.json.gz: the gzip data is damaged"), "{err}");
    // A connection that breaks off in the middle of an object is no reason to give it up.
    world.inject(Fault::next("GetObject", FaultKind::Cut));
    let (code, out, err) = hunt(&url, &["activity", &format!("s3://logs/{TRAIL}1000Z_1.json.gz"), "--format", "json"]);
    assert_eq!((code, out.lines().count()), (0, 1), "{err}");
}

#[test]
fn a_bucket_that_is_missing_denied_empty_or_elsewhere_is_told() {
    let (world, url) = world();
    world.create_bucket("empty");
    world.put_object("far", "a.json", json!(call(at("10:00"), "X", json!({}), json!(null))).to_string());
    world.set_bucket_region("far", "us-west-2");
    for (place, why) in [
        ("s3://none/x", "s3://none/x: ListObjectsV2: NoSuchBucket: "),
        ("s3://empty/AWSLogs", "s3://empty/AWSLogs: there is no log file in it"),
        ("s3://", "s3://: expected s3://BUCKET/PREFIX"),
    ] {
        let (code, out, err) = hunt(&url, &["activity", place]);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains(why), "{err}");
    }
    let (code, out, err) = hunt(&url, &["activity", "s3://far/", "--format", "json"]);
    assert_eq!((code, out.lines().count()), (0, 1), "{err}");
    world.inject(Fault::next("ListObjectsV2", FaultKind::Denied));
    let (code, _, err) = hunt(&url, &["activity", "s3://far/"]);
    assert!(code == 2 && err.contains("s3://far/: ListObjectsV2: AccessDenied: "), "{err}");
}

#[test]
fn without_credentials_it_says_what_to_do_and_no_folder_is_left() {
    let (_, url) = world();
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("s3-temporary-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = program(&url, &["activity", "s3://logs/"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("TMPDIR", &folder);
    let output = command.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err.contains("no AWS credentials: name a profile with --profile"), "{err}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    std::fs::remove_dir(&folder).unwrap();
}
