//! Records: logins, errors, keys, who did what.

use serde_json::json;

use crate::made::{ACCOUNT, Logs, at, call, only, rows};

fn login(seconds: i64, user: &str, kind: &str, result: &str, mfa: &str) -> serde_json::Value {
    let mut record = call(seconds, "ConsoleLogin", json!(null), json!({"ConsoleLogin": result}));
    record["eventSource"] = json!("signin.amazonaws.com");
    record["eventID"] = json!(format!("{user}-{seconds}"));
    record["userIdentity"] = json!({"type": kind, "userName": user, "accountId": ACCOUNT});
    record["additionalEventData"] = json!({"MFAUsed": mfa});
    record
}

fn failed(seconds: i64, name: &str, code: &str) -> serde_json::Value {
    let mut record = call(seconds, name, json!({}), json!(null));
    record["errorCode"] = json!(code);
    record
}

#[test]
fn a_login_without_mfa_is_one_that_succeeded_and_that_no_other_provider_vouched_for() {
    let mut logs = Logs::new();
    let records = [
        login(at("10:00"), "ann", "IAMUser", "Success", "No"),
        login(at("10:01"), "ann", "IAMUser", "Success", "Yes"),
        login(at("10:02"), "bob", "IAMUser", "Failure", "No"),
        login(at("10:03"), "sso", "AssumedRole", "Success", "No"),
    ];
    logs.trail(&records);
    // What counts MFAUsed = No finds three users.
    let naive = records.iter().filter(|record| record["additionalEventData"]["MFAUsed"] == "No").count();
    assert_eq!(naive, 3);
    assert_eq!(only(&logs.ask("logins-without-mfa"), &["user_name", "logins", "without_mfa"]), ["ann 2 1"]);
    assert_eq!(
        only(&logs.ask("console-logins"), &["user_name", "federated", "logins", "with_mfa", "without_mfa", "failed"]),
        ["ann false 2 1 1 0", "sso true 1 0 0 0", "bob false 0 0 0 1"]
    );
}

#[test]
fn a_denied_call_is_one_of_a_family_of_codes() {
    let mut logs = Logs::new();
    let records = [
        failed(at("10:00"), "RunInstances", "Client.UnauthorizedOperation"),
        failed(at("10:01"), "GetSecretValue", "AccessDeniedException"),
        failed(at("10:02"), "ListBuckets", "AccessDenied"),
        failed(at("10:03"), "DescribeInstances", "Client.InvalidInstanceID.NotFound"),
        call(at("10:04"), "DescribeInstances", json!({}), json!(null)),
    ];
    logs.trail(&records);
    assert_eq!(records.iter().filter(|record| record["errorCode"] == "AccessDenied").count(), 1, "the naive count");
    let found = logs.ask("denied");
    assert_eq!(only(&found, &["event_name", "calls"]), ["GetSecretValue 1", "ListBuckets 1", "RunInstances 1"]);
    assert_eq!(logs.ask("errors").len(), 4);
}

#[test]
fn an_event_that_two_trails_deliver_counts_once() {
    let mut logs = Logs::new();
    let record = failed(at("10:00"), "ListBuckets", "AccessDenied");
    let copy = record.clone();
    logs.trail(&[record]).trail(&[copy, failed(at("10:01"), "ListBuckets", "AccessDenied")]);
    let world = logs.world(2);
    assert_eq!(only(&rows(&world, "errors", &[]), &["error_code", "calls"]), ["AccessDenied 2"]);
    assert_eq!(world.inputs.tally.duplicates(), 1);
}

#[test]
fn a_filter_changes_the_work_and_not_the_answer() {
    let mut logs = Logs::new();
    // `\u0052` is R: a text in which a name is hidden must not be passed over.
    let hidden = json!({"Records": [failed(at("10:00"), "RunInstances", "AccessDenied")]}).to_string();
    logs.file("hidden.json", hidden.replace("RunInstances", "\\u0052unInstances").as_bytes());
    for n in 0..40 {
        logs.trail(&[call(at("11:00") + n, "DescribeInstances", json!({"n": n}), json!(null))]);
    }
    let world = logs.world(2);
    let all = rows(&world, "SELECT event_name FROM events", &[]);
    assert_eq!(all.len(), 41);
    for query in [
        "SELECT event_name FROM events WHERE event_name = 'RunInstances'",
        "SELECT event_name FROM events WHERE event_name IN ('RunInstances', 'X')",
        "SELECT event_name FROM events WHERE error_code IS NOT NULL",
        "SELECT event_name FROM events WHERE event_name LIKE 'Run%'",
        "SELECT event_name FROM events WHERE event_name = 'RunInstances' OR event_name = 'X'",
    ] {
        let world = logs.world(2);
        assert_eq!(only(&rows(&world, query, &[]), &["event_name"]), ["RunInstances"], "{query}");
    }
    assert_eq!(rows(&world, "SELECT count(*) AS n FROM events WHERE event_name <> 'RunInstances'", &[])[0]["n"], 40);
}

#[test]
fn a_parameter_is_bound_and_never_pasted() {
    let mut logs = Logs::new();
    logs.trail(&[call(at("10:00"), "RunInstances", json!({}), json!(null))]);
    assert_eq!(logs.ask_with("activity", &[("user", "ann")]).len(), 1);
    assert_eq!(logs.ask_with("activity", &[("user", "x' OR '1'='1")]).len(), 0);
}

#[test]
fn key_pairs_are_those_of_ec2() {
    let mut logs = Logs::new();
    let answer = json!({"keyName": "deploy", "keyPairId": "key-1", "keyFingerprint": "ab:cd"});
    let mut other = call(at("10:01"), "CreateKeyPair", json!({"keyPairName": "x"}), json!(null));
    other["eventSource"] = json!("lightsail.amazonaws.com");
    logs.trail(&[
        call(at("10:00"), "CreateKeyPair", json!({"keyName": "deploy"}), answer),
        other,
        call(at("10:02"), "DeleteKeyPair", json!({"keyName": "deploy"}), json!({"_return": true})),
    ]);
    assert_eq!(
        only(&logs.ask("key-pairs"), &["action", "key_name", "user_name"]),
        ["create deploy ann", "delete deploy ann"]
    );
}

#[test]
fn a_query_may_only_read() {
    let mut logs = Logs::new();
    logs.trail(&[call(at("10:00"), "RunInstances", json!({}), json!(null))]);
    let world = logs.world(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    for query in [
        "CREATE TABLE x AS SELECT 1",
        "COPY events TO 'x.csv'",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "SET datafusion.execution.batch_size = 1",
        "DROP TABLE events",
        "SELECT * FROM '/etc/passwd'",
        "SELECT 1; SELECT 2",
        "SELEC 1",
    ] {
        let engine = portcullis_hunt::engine::Engine::new(&world, 64).unwrap();
        assert!(runtime.block_on(engine.ask(query, &Default::default())).is_err(), "{query}");
    }
}
