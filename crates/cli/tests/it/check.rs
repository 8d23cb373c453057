//! `portcullis check` of log files, on disk and in a bucket of the model's, by the real command line.

use std::process::Command;
use std::sync::Arc;

use ec2_model::serve::{Server, serve};
use ec2_model::{Fault, FaultKind, World};
use serde_json::{Value, json};

use crate::cli::{Ran, check, event, folder, gzip, run};
use crate::loopback;

/// A record that opens SSH, or HTTPS.
fn record(name: &str, id: &str) -> Value {
    let event: Value = serde_json::from_str(&event(name)).unwrap();
    let mut record = event["detail"].clone();
    record["eventID"] = id.into();
    record
}

fn open(id: &str) -> Value {
    record("ssh-open", id)
}

fn log(records: &[Value]) -> String {
    json!({"Records": records}).to_string()
}

fn other(id: &str) -> Value {
    json!({"eventVersion": "1.11", "eventSource": "sts.amazonaws.com", "eventName": "AssumeRole", "eventID": id,
        "requestParameters": {"policy": "{\"eventName\": \"AuthorizeSecurityGroupIngress\"}"}})
}

fn ids(ran: &Ran) -> Vec<String> {
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    ran.stdout.lines().map(id).collect()
}

#[test]
fn of_a_log_file_only_the_calls_to_be_judged_are_counted() {
    let text = log(&[other("1"), open("2"), other("3"), record("https-open", "4")]);
    let ran = check(&["-"], &text);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stderr, "2 records in 1 file: 1 exposed, 0 undecided, 0 exempt, 1 safe, 0 irrelevant\n");
    // What is no log file is judged whole.
    let batch = json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": open("5").to_string()}]});
    let ran = check(&["-"], &format!("{}\n{batch}\n", other("6")));
    assert_eq!(ran.stderr, "2 records in 1 file: 1 exposed, 0 undecided, 0 exempt, 0 safe, 1 irrelevant\n");
}

#[test]
fn a_record_in_which_a_key_stands_twice_is_undecided_wherever_it_is_read_from() {
    // To a reader to whom the last one counts it is private.
    let everyone = r#""cidrIp":"0.0.0.0/0""#;
    let twice = open("1").to_string().replacen(everyone, &format!(r#"{everyone},"cidrIp":"10.0.0.0/8""#), 1);
    for text in [twice.clone(), format!("{twice}\n{twice}\n"), format!(r#"{{"Records":[{twice}]}}"#)] {
        let ran = check(&["--format", "json", "-"], &text);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stdout.contains("the key cidrIp stands twice"), "{}", ran.stdout);
        assert!(!ran.stdout.contains(r#""verdict":"safe""#), "{}", ran.stdout);
    }
}

#[test]
fn findings_come_in_the_order_of_the_inputs_and_of_their_records() {
    let folder = folder("many-log-files");
    let mut expected = Vec::new();
    for n in 0..150 {
        let own = [format!("{n:03}-a"), format!("{n:03}-b")];
        // Of very different sizes, so that they are not done in order.
        let fill: Vec<Value> = (0..if n % 7 == 0 { 2000 } else { 0 }).map(|_| other("x")).collect();
        let text = log(&[&[open(&own[0])], &fill[..], &[open(&own[1])]].concat());
        std::fs::write(folder.join(format!("{n:03}.json.gz")), gzip(&text)).unwrap();
        expected.extend(own);
    }
    let ran = check(&["--format", "json", folder.to_str().unwrap(), "events/https-open.json"], "");
    expected.push("e0e0e0e0-0000-4000-8000-000000000002".to_owned());
    let mut found = ids(&ran);
    assert_eq!(found.len(), 301, "{}", ran.stderr);
    found.pop();
    expected.pop();
    assert_eq!(found, expected);
    assert!(ran.stderr.starts_with("301 records in 151 files: 300 exposed"), "{}", ran.stderr);
    let rows = check(&["--format", "csv", folder.to_str().unwrap()], "").stdout;
    assert_eq!(rows.matches("time,account,").count(), 1, "one header");
    assert_eq!(rows.lines().count(), 1 + 2 * 300, "a row for each of the two rules of each record");
}

#[test]
fn a_damaged_log_file_is_told_and_what_can_be_read_of_it_judged() {
    let folder = folder("damaged-log-files");
    let text = log(&[open("1"), open("2")]);
    let cut = text.len() - 100;
    let second = text.find("\"eventID\":\"2\"").unwrap();
    for (name, bytes, found, why) in [
        ("cut.json", text.as_bytes()[..cut].to_vec(), vec!["1"], "the text ends inside the object at byte "),
        (
            "zip.json.gz",
            gzip(&text)[..gzip(&text).len() - 1].to_vec(),
            vec!["1", "2"],
            "the gzip data is damaged: it ends",
        ),
        ("more.json.gz", [gzip(&text), b"more".to_vec()].concat(), vec!["1", "2"], "what follows is no gzip member"),
        ("quote.json", text.replacen("\"eventID\":\"2\"", "\"eventID\":2\"", 1).into_bytes(), vec!["1"], "at byte "),
        (
            "utf8.json",
            [&text.as_bytes()[..second + 11], &[0xff], &text.as_bytes()[second + 11..]].concat(),
            vec!["1"],
            "cannot be read: ",
        ),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        let ran = check(&["--format", "json", path.to_str().unwrap()], "");
        assert_eq!(
            (ran.code, ids(&ran)),
            (2, found.iter().map(ToString::to_string).collect()),
            "{name}: {}",
            ran.stderr
        );
        assert!(ran.stderr.contains(name) && ran.stderr.contains(why), "{name}: {}", ran.stderr);
    }
}

#[test]
fn a_log_file_too_large_for_a_buffer_is_judged_all_the_same() {
    let folder = folder("large-log-file");
    let fill = format!("{},", other("x")).repeat(200_000);
    let text = format!("{{\"Records\":[{},{fill}{}]}}", open("1"), open("2"));
    assert!(text.len() > 32 << 20);
    std::fs::write(folder.join("large.json.gz"), gzip(&text)).unwrap();
    let ran = check(&["--format", "json", folder.to_str().unwrap()], "");
    assert_eq!((ran.code, ids(&ran)), (1, vec!["1".to_owned(), "2".to_owned()]), "{}", ran.stderr);
}

// --- In S3 ------------------------------------------------------------------------------------------------------------

const PREFIX: &str = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/21/";

fn world() -> (World, Server) {
    let world = World::new(5);
    world.set_now(portcullis::now().as_millisecond());
    let handled = world.clone();
    let server = serve(loopback(), None, Arc::new(move |request| handled.handle(&request))).unwrap();
    (world, server)
}

fn check_s3(server: &Server, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args([&["check", "--format", "json"], arguments].concat()).env_clear();
    for (name, value) in [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "111122223333"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL", &server.url()),
        ("HOME", "/nonexistent"),
    ] {
        command.env(name, value);
    }
    run(command, "")
}

#[test]
fn log_files_in_a_bucket_are_judged_in_the_order_of_their_keys() {
    let (world, server) = world();
    // More than one page of the listing.
    let mut expected = Vec::new();
    for n in 0..1005 {
        let id = format!("{n:04}");
        let records = if n % 100 == 3 { vec![other("x"), open(&id)] } else { vec![other("x")] };
        world.put_object("trail", &format!("{PREFIX}{n:04} +.json.gz"), gzip(&log(&records)));
        if n % 100 == 3 {
            expected.push(id);
        }
    }
    world.put_object("trail", "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/x.json.gz", gzip("{\"no\": 1}"));
    world.put_object("trail", "AWSLogs/111122223333/CloudTrail-Insight/eu-west-1/x.json.gz", b"damaged".to_vec());
    world.put_object("trail", "AWSLogs/111122223333/CloudTrail/eu-west-1/notes.txt", b"no log".to_vec());
    world.put_object("trail", "BWSLogs/none.json.gz", b"damaged".to_vec());
    let ran = check_s3(&server, &["s3://trail/AWSLogs/"]);
    assert_eq!(ids(&ran), expected, "{}", ran.stderr);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let passed_over = "portcullis: not read: 1 .txt, 1 of CloudTrail-Digest, 1 of CloudTrail-Insight\n";
    assert!(ran.stderr.starts_with(&format!("{passed_over}11 records in 1005 files: 11 exposed, ")), "{}", ran.stderr);
    let lists = world.calls().iter().filter(|call| call.action == "ListObjectsV2").count();
    assert_eq!(lists, 2);
}

#[test]
fn an_object_that_cannot_be_read_is_named_and_the_others_are_judged() {
    let (world, server) = world();
    for id in ["1", "2", "3"] {
        world.put_object("trail", &format!("{id}.json.gz"), gzip(&log(&[open(id)])));
    }
    world.put_object("trail", "4.json.gz", gzip(&log(&[open("4")]))[..30].to_vec());
    world.inject(Fault::next("GetObject", FaultKind::Denied));
    let ran = check_s3(&server, &["s3://trail", "events/https-open.json"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains(".json.gz: GetObject: AccessDenied: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("s3://trail/4.json.gz: the gzip data is damaged"), "{}", ran.stderr);
    assert!(
        ran.stderr.ends_with(
            "3 records in 5 files: 2 exposed, 0 undecided, 0 exempt, 1 safe, 0 irrelevant; 2 could not be read\n"
        ),
        "{}",
        ran.stderr
    );
    // A connection that breaks off in the middle of an object is no reason to give it up.
    world.inject(Fault::next("GetObject", FaultKind::Cut));
    let ran = check_s3(&server, &["s3://trail/1.json.gz"]);
    assert_eq!((ran.code, ids(&ran)), (1, vec!["1".to_owned()]), "{}", ran.stderr);
}

#[test]
fn without_credentials_it_says_what_to_do() {
    let world = world();
    for arguments in [&["s3://trail/"][..], &["--policy", "s3://policies/policy.yaml", "events/ssh-open.json"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.arg("check").args(arguments).env_clear();
        command.envs([("AWS_ENDPOINT_URL", world.1.url().as_str()), ("AWS_EC2_METADATA_DISABLED", "true")]);
        command.env("HOME", "/nonexistent");
        let ran = run(command, "");
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains("no AWS credentials: name a profile with --profile"), "{}", ran.stderr);
    }
}

#[test]
fn a_listing_that_fails_or_is_empty_is_trouble() {
    let (world, server) = world();
    world.put_object("trail", "AWSLogs/part-0.gz.parquet", b"PAR1".to_vec());
    world.put_object("trail", "1.json.gz", gzip(&log(&[open("1")])));
    for (place, why) in [
        ("s3://none/x", "s3://none/x: ListObjectsV2: NoSuchBucket: "),
        ("s3://trail/AWSLogs/", "s3://trail/AWSLogs/: there is no .json, .jsonl, .ndjson or .gz in it, but 1 .parquet"),
        ("s3://", "s3://: expected s3://BUCKET/PREFIX"),
    ] {
        let ran = check_s3(&server, &[place, "s3://trail/1"]);
        assert_eq!((ran.code, ids(&ran)), (2, vec!["1".to_owned()]), "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
}
