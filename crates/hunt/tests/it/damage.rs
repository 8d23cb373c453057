//! What cannot be read is counted and named, and the rest is answered.

use serde_json::json;

use crate::made::{Line, Logs, Version, at, call, gzip, header, only, rows};

#[test]
fn every_truncation_and_flipped_bit_is_told_and_nothing_is_invented() {
    let records: Vec<_> =
        (0..20).map(|n| call(at("10:00") + n, "DescribeInstances", json!({"n": n}), json!(null))).collect();
    let whole = gzip(json!({ "Records": records }).to_string().as_bytes());
    for n in (12..whole.len()).step_by(whole.len() / 25) {
        let mut flipped = whole.clone();
        flipped[n] ^= 0x10;
        for damaged in [&whole[..n], &flipped] {
            if damaged == whole {
                continue;
            }
            let mut logs = Logs::new();
            logs.file("a.json.gz", damaged);
            logs.trail(&[call(at("11:00"), "RunInstances", json!({}), json!(null))]);
            let world = logs.world(2);
            let found = rows(
                &world,
                "SELECT event_name, count(*) AS n FROM events GROUP BY event_name ORDER BY event_name",
                &[],
            );
            let totals = world.inputs.tally.totals();
            let known = world.inputs.sources.iter().filter(|s| s.kind == portcullis_hunt::read::Kind::Other).count();
            assert!(totals.bad > 0 || known > 0, "byte {n} of {}", whole.len());
            let counted: i64 = found.iter().map(|row| row["n"].as_i64().unwrap()).sum();
            assert!(found.iter().any(|row| row["event_name"] == "RunInstances"), "the other file is read");
            assert!(counted <= 21 && u64::try_from(counted).unwrap() <= totals.records, "{counted} {totals:?}");
        }
    }
}

#[test]
fn bad_lines_and_records_are_counted_and_the_good_ones_answered() {
    let mut logs = Logs::new();
    let good = Line::new("eni-1", ("203.0.113.5", 40000), ("10.0.0.1", 22), at("10:00")).text(Version::Two);
    logs.file("a.log", format!("{}\n{good}\n2 too short\n{good}\n", header(Version::Two)).as_bytes());
    logs.file("b.json", br#"{"Records":[{"eventID":"1","eventName":"A","eventSource":"s"},{"eventID":},{"eventID":"3","eventName":"B","eventSource":"s"},7]}"#);
    let world = logs.world(2);
    assert_eq!(rows(&world, "SELECT count(*) AS n FROM flow_logs", &[])[0]["n"], 2);
    assert_eq!(
        only(&rows(&world, "SELECT event_name FROM events ORDER BY event_name", &[]), &["event_name"]),
        ["A", "B"]
    );
    let totals = world.inputs.tally.totals();
    assert_eq!((totals.records, totals.bad, totals.files), (4, 3, 2));
    let named: Vec<String> = world.inputs.tally.troubled().into_iter().flat_map(|(_, file)| file.errors).collect();
    assert!(named.iter().any(|why| why.starts_with("line 3: ")), "{named:?}");
}

#[test]
fn order_threads_and_copies_change_nothing() {
    let mut logs = Logs::new();
    let line = |n: u16| {
        Line::new("eni-1", ("203.0.113.5", n), ("10.0.0.1", 22), at("10:00") + i64::from(n)).text(Version::Five)
    };
    for n in 0..12 {
        logs.trail(&[call(at("10:00") + n, "DescribeInstances", json!({"n": n}), json!(null))]);
        logs.flows(Version::Five, &[line(u16::try_from(n).unwrap() + 1)]);
    }
    let query = "SELECT count(*) AS n, (SELECT count(*) FROM events) AS m FROM flow_logs";
    let once = rows(&logs.world(1), query, &[]);
    assert_eq!((once[0]["n"].as_i64(), once[0]["m"].as_i64()), (Some(12), Some(12)));
    for name in ["0.json.gz", "1.log.gz", "5.log.gz"] {
        let copy = std::fs::read(logs.folder.join(name)).unwrap();
        // Before all others in order of name.
        std::fs::write(logs.folder.join(format!("!{name}")), copy).unwrap();
    }
    for threads in [1, 2, 5] {
        assert_eq!(rows(&logs.world(threads), query, &[]), once, "{threads} threads");
    }
}

#[test]
fn a_large_flow_log_is_the_same_for_any_number_of_threads() {
    let line = |n: u32, to: &str| {
        let from = format!("203.0.{}.{}", n / 250 % 250, n % 250);
        let line = Line::new("eni-1", (&from, 1024), (to, [22, 443][n as usize % 2]), at("10:00") + i64::from(n / 100));
        line.text(Version::Five) + "\n"
    };
    let mut text = header(Version::Five) + "\n";
    for n in 0..90_000 {
        text += &line(n, "10.0.0.1");
        match n {
            2_000 | 30_000 | 60_000 | 89_999 => text += "2 short\n",
            40_000 => text += &("x ".repeat(100_000) + "\n"),
            // From here on the addresses stand in another order, and one field is not known.
            50_000 => {
                text += &header(Version::Five)
                    .replace("srcaddr dstaddr", "dstaddr srcaddr")
                    .replace("account-id", "of-later")
            }
            _ => {}
        }
        if n == 50_000 {
            text += "\r\n";
        }
    }
    let query = "SELECT dst_port, src_addr = '10.0.0.1' AS is_turned, count(*) AS n, sum(bytes) AS bytes, min(src_addr) AS least,
                        min(start_time) AS first_seen
                 FROM flow_logs WHERE action = 'ACCEPT' GROUP BY dst_port, src_addr = '10.0.0.1' ORDER BY dst_port, is_turned";
    // Nothing is made smaller, so that it stays large.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    let zipped = encoder.finish().unwrap();
    for (name, bytes, expected) in [
        ("a.log", text.as_bytes(), Some((90_000, 5))),
        ("a.log", &text.as_bytes()[..text.len() - 30], Some((89_999, 5))),
        ("a.log.gz", &zipped, Some((90_000, 5))),
        ("a.log.gz", &zipped[..zipped.len() - 100_000], None),
    ] {
        let mut logs = Logs::new();
        logs.file(name, bytes);
        let ask = |threads| {
            let world = logs.world(threads);
            let found = rows(&world, query, &[]);
            (found, world.inputs.tally.totals(), world.inputs.tally.troubled(), world.counted().coverage.clone())
        };
        let once = ask(1);
        if let Some(expected) = expected {
            assert_eq!((once.1.records, once.1.bad), expected, "{name}");
        }
        assert!(once.0.len() == 4 && once.1.bad >= 5, "{name}: {once:?}");
        let (errors, notes) = (&once.2[0].1.errors, &once.2[0].1.notes);
        let numbers: Vec<&str> = errors.iter().map(|why| why.split(':').next().unwrap()).collect();
        assert_eq!(numbers, ["line 2003", "line 30004", "line 40005"], "{errors:?}");
        assert!(notes.len() == 1 && notes[0].contains("of-later"), "{notes:?}");
        for threads in [2, 5] {
            assert_eq!(ask(threads), once, "{name}, {threads} threads");
        }
    }
}

#[test]
fn flow_logs_out_of_cloudwatch_logs_are_read_as_text_and_as_json() {
    let line = |n: u16| {
        Line::new("eni-1", ("203.0.113.5", n), ("10.0.0.1", 22), at("10:00") + i64::from(n)).text(Version::Two)
    };
    let mut logs = Logs::new();
    logs.file(
        "export.gz",
        &gzip(format!("2026-11-20T10:00:00.000Z {}\n2026-11-20T10:01:00.000Z {}\n", line(1), line(2)).as_bytes()),
    );
    logs.file("events.json", json!({"events": [{"message": line(3), "timestamp": 1}]}).to_string().as_bytes());
    logs.file(
        "subscription.json",
        json!({"messageType": "DATA_MESSAGE", "logEvents": [{"message": line(4)}]}).to_string().as_bytes(),
    );
    let world = logs.world(2);
    assert_eq!(
        only(&rows(&world, "SELECT src_port FROM flow_logs ORDER BY src_port", &[]), &["src_port"]),
        ["1", "2", "3", "4"]
    );
    assert_eq!(world.inputs.tally.totals().bad, 0);
}

#[test]
fn records_come_in_many_wrappings() {
    let record = |n: i64| call(at("10:00") + n, "DescribeInstances", json!({"n": n}), json!(null));
    let mut logs = Logs::new();
    logs.file("one.json", record(1).to_string().as_bytes());
    logs.file("lines.jsonl", format!("{}\nnonsense\n{}\n", record(2), record(3)).as_bytes());
    logs.file(
        "event.json",
        json!({"detail-type": "AWS API Call via CloudTrail", "detail": record(4)}).to_string().as_bytes(),
    );
    logs.file(
        "lookup.json",
        json!({"Events": [{"EventName": "x", "CloudTrailEvent": record(5).to_string()}]}).to_string().as_bytes(),
    );
    logs.file("array.json", json!([record(6), record(7)]).to_string().as_bytes());
    logs.file("readme.txt", b"some words");
    let world = logs.world(2);
    assert_eq!(rows(&world, "SELECT count(*) AS n FROM events", &[])[0]["n"], 7);
    assert_eq!(world.inputs.tally.totals().bad, 1, "the line that is no JSON");
}

#[test]
fn files_of_one_size_and_one_end_are_no_copies_unless_all_of_them_is_the_same() {
    let line = |n: u16| Line::new("eni-1", ("203.0.113.5", n), ("10.0.0.1", 22), at("10:00")).text(Version::Two);
    let text = |first: u16| format!("{}\n{}\n{}\n{}\n", header(Version::Two), line(first), line(1111), line(2222));
    let mut logs = Logs::new();
    logs.file("a.log", text(3333).as_bytes()).file("b.log", text(4444).as_bytes()).file("c.log", text(3333).as_bytes());
    let ports = only(&logs.ask("SELECT src_port FROM flow_logs ORDER BY src_port"), &["src_port"]);
    assert_eq!(ports, ["1111", "1111", "2222", "2222", "3333", "4444"]);
}
