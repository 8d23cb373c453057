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

/// One of some things.
fn one<T: Copy>(chance: &mut fastrand::Rng, of: &[T]) -> T {
    of[chance.usize(..of.len())]
}

/// A filter on a column: how a query says it, and which texts of the column it leaves.
fn filter(chance: &mut fastrand::Rng, column: &str, values: &[&str]) -> (String, Vec<String>) {
    let is_number = values.iter().all(|value| value.parse::<i64>().is_ok());
    let wanted: Vec<String> = (0..chance.usize(1..3)).map(|_| one(chance, values).to_owned()).collect();
    let written = wanted.iter().map(|value| match is_number {
        true => value.clone(),
        false => format!("'{}'", value.replace('\'', "''")),
    });
    let written: Vec<String> = written.collect();
    let says = match (written.as_slice(), chance.bool()) {
        ([value], true) => format!("{column} = {value}"),
        ([value], false) => format!("{value} = {column}"),
        (all, true) => format!("{column} IN ({})", all.join(", ")),
        (all, false) => format!("({column} = {} OR {column} = {})", all[0], all[1]),
    };
    (says, wanted)
}

/// Queries by a seed: those columns and rows of a table that all rows, filtered here, have.
fn any_queries(logs: &Logs, table: &str, values: &[(&str, &[&str])], not_null: &[&str], seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let world = logs.world(2);
    let all = rows(&world, &format!("SELECT * FROM {table}"), &[]);
    let totals = world.inputs.tally.totals();
    let names: Vec<String> = all[0].keys().cloned().collect();
    let mut some = 0;
    for _ in 0..40 {
        let mut columns: Vec<&str> = names.iter().map(String::as_str).collect();
        chance.shuffle(&mut columns);
        columns.truncate(chance.usize(1..6));
        let filters: Vec<_> = (0..chance.usize(0..3))
            .map(|_| {
                let (column, values) = one(&mut chance, values);
                (column, filter(&mut chance, column, values))
            })
            .collect();
        let not_null = not_null.iter().copied().find(|_| chance.u8(..4) == 0);
        let mut says: Vec<String> = filters.iter().map(|(_, (says, _))| says.clone()).collect();
        says.extend(not_null.map(|column| format!("{column} IS NOT NULL")));
        says.push("1 = 1".to_owned());
        let query = format!("SELECT {} FROM {table} WHERE {}", columns.join(", "), says.join(" AND "));
        let world = logs.world(one(&mut chance, &[1, 2, 3]));
        let mut found = only(&rows(&world, &query, &[]), &columns);
        let is_left = |row: &&serde_json::Map<String, serde_json::Value>| {
            let text = |column: &str| only(&[(*row).clone()], &[column]).concat();
            filters.iter().all(|(column, (_, wanted))| !row[*column].is_null() && wanted.contains(&text(column)))
                && not_null.is_none_or(|column| !row[column].is_null())
        };
        let left: Vec<_> = all.iter().filter(is_left).cloned().collect();
        let mut expected = only(&left, &columns);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "seed {seed}: {query}");
        some += usize::from(!found.is_empty());
        let own = world.inputs.tally.totals();
        // Every line of a flow log is read, whatever is asked. Who began takes the record of CloudTrail too.
        let is_whole = own.bad == totals.bad && own.skipped == 0 && totals.records - own.records <= 1;
        assert!(table != "flow_logs" || is_whole, "{query}: {own:?}");
    }
    assert!(some > 5, "hardly any query has an answer");
}

#[test]
fn any_columns_and_filters_of_flow_logs_are_those_of_all_rows() {
    for seed in 0..3 {
        let (mut logs, mut chance) = (Logs::new(), fastrand::Rng::with_seed(seed));
        let ports = ["22", "443", "3389", "-", "70000", "022"];
        let mut lines: Vec<String> = Vec::new();
        for n in 0..120 {
            let src = one(&mut chance, &["203.0.113.5", "10.0.0.7", "2001:db8::1", "-", "10.0.0"]);
            let (port, start) = (one(&mut chance, &ports), at("10:00") + n);
            let (action, way) =
                (one(&mut chance, &["ACCEPT", "REJECT", "-"]), one(&mut chance, &["ingress", "egress", "-"]));
            let protocol = one(&mut chance, &["6", "17", "-", "tcp"]);
            let end = one(&mut chance, &["", "", "", "\r", " more", "\t"]);
            lines.push(format!(
                "5 111122223333 eni-{} {src} 10.0.0.1 40000 {port} {protocol} 1 - {start} {} {action} OK 2 {way}{end}",
                n % 3,
                start + 9
            ));
        }
        lines.push(nodata(Version::Five, "eni-1", at("11:00"), at("11:01"), "NODATA"));
        lines.push(nodata(Version::Five, "eni-1", at("11:00"), at("11:01"), "SKIPDATA"));
        lines.push("2 short".to_owned());
        logs.flows(Version::Five, &lines[..60]).flows(Version::Five, &lines[60..]);
        logs.trail(&[create_interface(at("09:00"), "eni-1", "10.0.0.1", &["sg-1"])]);
        let values: [(&str, &[&str]); 8] = [
            ("dst_port", &["22", "443", "80", "70000"]),
            ("protocol", &["6", "17"]),
            ("action", &["ACCEPT", "REJECT", "-", ""]),
            ("log_status", &["OK", "NODATA", "SKIPDATA"]),
            ("interface_id", &["eni-0", "eni-1", "eni-x"]),
            ("src_addr", &["203.0.113.5", "2001:db8::1", "10.0.0.7", "it's"]),
            ("direction", &["ingress", "egress"]),
            ("bytes", &["0", "1"]),
        ];
        any_queries(&logs, "flow_logs", &values, &["reject_reason", "src_port", "action"], seed);
    }
}

#[test]
fn any_columns_and_filters_of_events_are_those_of_all_rows() {
    let names = [
        "RunInstances",
        "CreateKeyPair",
        "a<b",
        "say \"x\"",
        "back\\slash",
        "GetFunction20150331v2",
        "caf\u{e9}",
        "a/b",
        "7",
    ];
    for seed in 0..4 {
        let (mut logs, mut chance) = (Logs::new(), fastrand::Rng::with_seed(seed));
        for file in 0..12 {
            let records = (0..8).map(|n| {
                let mut record = call(
                    at("10:00") + 100 * file + n,
                    one(&mut chance, &names),
                    json!({"eventName": "RunInstances"}),
                    json!(null),
                );
                match chance.u8(..4) {
                    0 => record["errorCode"] = json!("AccessDenied"),
                    1 => record["errorCode"] = json!(null),
                    2 => {
                        record["requestParameters"] =
                            json!({"text": "\"eventName\":\"RunInstances\"}{", "errorCode": "x"})
                    }
                    _ => {}
                }
                record
            });
            let records: Vec<_> = records.collect();
            let text = json!({ "Records": records }).to_string().replace('<', "\\u003c");
            let text = match chance.u8(..6) {
                // JSON may write any letter so.
                0 => text.replacen("RunInstances", "\\u0052unInstances", 1),
                1 => text.replacen("2015", "\\u0032015", 2),
                2 => text.replacen("\"eventName\"", "\"event\\u004eame\"", 3),
                3 => text.replace("\"eventName\":", "\"eventName\" :\n "),
                4 => text.replace("a/b", "a\\/b").replace("\"7\"", "7"),
                _ => text,
            };
            logs.file(&format!("{file}.json.gz"), &crate::made::gzip(text.as_bytes()));
        }
        let values: [(&str, &[&str]); 3] = [
            ("event_name", &names),
            ("event_name", &["RunInstances", "Nothing"]),
            ("error_code", &["AccessDenied", "x"]),
        ];
        any_queries(&logs, "events", &values, &["error_code"], seed);
    }
}
