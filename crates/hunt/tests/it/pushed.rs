//! What the readers leave out because a query cannot want it, against the same query in words that only the engine understands.

use serde_json::json;

use crate::made::{Line, Logs, Version, at, call, create_interface, nodata, only, rows};

#[test]
fn a_filter_that_the_reader_applies_leaves_what_the_engine_would_leave() {
    let mut logs = Logs::new();
    logs.trail(&[create_interface(at("09:00"), "eni-1", "10.0.0.1", &["sg-1"])]);
    let line = |n: u16| {
        let port = [22, 443, 3389][usize::from(n % 3)];
        let line = Line::new("eni-1", ("203.0.113.5", 40000 + n), ("10.0.0.1", port), at("10:00") + i64::from(n));
        Line { accepted: !n.is_multiple_of(4), protocol: if n.is_multiple_of(5) { 17 } else { 6 }, ..line }
            .text(Version::Five)
    };
    let mut lines: Vec<String> = (0..60).map(line).collect();
    lines.push(nodata(Version::Five, "eni-1", at("11:00"), at("11:01"), "NODATA"));
    // What is no record stays counted, whatever a query wants.
    lines.push("2 short".to_owned());
    logs.flows(Version::Five, &lines);
    for (pushed, engine, some) in [
        ("dst_port = 22", "dst_port + 0 = 22", true),
        ("22 = dst_port", "dst_port + 0 = 22", true),
        ("dst_port IN (22, 443)", "(dst_port + 0 = 22 OR dst_port + 0 = 443)", true),
        ("dst_port NOT IN (22, 443)", "dst_port + 0 NOT IN (22, 443)", true),
        ("dst_port <> 22", "dst_port + 0 <> 22", true),
        ("action = 'REJECT' AND protocol = 17", "concat(action, '') = 'REJECT' AND protocol + 0 = 17", true),
        ("log_status = 'NODATA'", "concat(log_status, '') = 'NODATA'", true),
        ("direction = 'ingress' AND initiator = 'remote'", "concat(direction, initiator) = 'ingressremote'", true),
        (
            "src_key = '00000000000000000000ffffcb007105'",
            "concat(src_key, '') = '00000000000000000000ffffcb007105'",
            true,
        ),
        ("dst_port = 70000", "dst_port + 0 = 70000", false),
        ("dst_port = NULL", "dst_port + 0 = NULL", false),
    ] {
        let ask = |filter: &str| {
            let world = logs.world(2);
            let found = rows(
                &world,
                &format!("SELECT src_port, dst_port, action FROM flow_logs WHERE {filter} ORDER BY src_port"),
                &[],
            );
            let totals = world.inputs.tally.totals();
            // What is known of the interface takes the record of CloudTrail.
            assert!(matches!((totals.records, totals.bad), (0, 0) | (61 | 62, 1)), "{filter}: {totals:?}");
            only(&found, &["src_port", "dst_port", "action"])
        };
        assert_eq!(ask(pushed), ask(engine), "{pushed}");
        assert_eq!(!ask(pushed).is_empty(), some, "{pushed}");
    }
}

#[test]
fn records_that_can_be_no_answer_are_passed_over_and_counted() {
    let mut logs = Logs::new();
    let records: Vec<_> = (0..40)
        .map(|n| {
            let mut record =
                call(at("10:00") + n, "DescribeInstances", json!({"errorCode": {"x": "CreateKeyPair"}}), json!(null));
            if n % 10 == 3 {
                record["errorCode"] = json!("AccessDenied");
            }
            if n % 20 == 7 {
                record["eventName"] = json!("CreateKeyPair");
                // An object within a record is none, whatever it says of itself.
                record["requestParameters"] =
                    json!({"tags": {"eventName": "CreateKeyPair", "eventSource": "ec2.amazonaws.com"}});
            }
            if n % 2 == 0 {
                record["requestParameters"] = json!({"text": "}{\\\""});
            }
            record
        })
        .collect();
    logs.trail(&records);
    for (pushed, engine, most) in [
        ("error_code IS NOT NULL", "coalesce(error_code, '') <> ''", 24),
        ("event_name = 'CreateKeyPair'", "concat(event_name, '') = 'CreateKeyPair'", 22),
    ] {
        let ask = |filter: &str| {
            let world = logs.world(2);
            let found = rows(
                &world,
                &format!("SELECT event_time, event_name FROM events WHERE {filter} ORDER BY event_time"),
                &[],
            );
            (only(&found, &["event_time", "event_name"]), world.inputs.tally.totals())
        };
        let ((ours, read), (theirs, all)) = (ask(pushed), ask(engine));
        assert_eq!(ours, theirs, "{pushed}");
        assert!(!ours.is_empty() && read.records <= most, "{pushed}: {read:?}");
        assert_eq!((read.records + read.skipped, all.records, all.skipped), (40, 40, 0), "{pushed}");
    }
}
