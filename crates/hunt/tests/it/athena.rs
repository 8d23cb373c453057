//! Hunts that Athena answers, against a server of our own that speaks its protocol. None of this has met Athena itself.

use std::process::{Command, Output};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ec2_model::{Reply, Response};
use serde_json::{Value, json};

use crate::server::{program, serve};

type Calls = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that answers each call by its name and request; `Err` is an error's code and message.
fn athena(
    answer: impl Fn(&str, &Value, usize) -> Result<Value, (&'static str, String)> + Send + Sync + 'static,
) -> (String, Calls) {
    let calls = Calls::default();
    let seen = Arc::clone(&calls);
    let url = serve(move |request| {
        let target = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-amz-target")).unwrap();
        let call = target.1.strip_prefix("AmazonAthena.").unwrap().to_owned();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = seen.iter().filter(|(known, _)| *known == call).count();
        let (status, body_of_answer) = match answer(&call, &body, nth) {
            Ok(answer) => (200, answer),
            Err((code, message)) => (400, json!({"__type": code, "message": message})),
        };
        seen.push((call, body));
        let headers = vec![("content-type".to_owned(), "application/x-amz-json-1.1".to_owned())];
        Reply::Answer(Response { status, headers, body: body_of_answer.to_string().into_bytes() })
    });
    (url, calls)
}

fn named(calls: &Calls, name: &str) -> Vec<Value> {
    let calls = calls.lock().unwrap();
    calls.iter().filter(|(call, _)| call == name).map(|(_, body)| body.clone()).collect()
}

fn ran(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn execution(state: &str, reason: Option<&str>) -> Value {
    json!({"QueryExecution": {"QueryExecutionId": "q-1", "Status": {"State": state, "StateChangeReason": reason},
        "Statistics": {"DataScannedInBytes": 3_000_000_000_i64, "TotalExecutionTimeInMillis": 2500}}})
}

fn row(cells: &[Option<&str>]) -> Value {
    json!({"Data": cells.iter().map(|cell| cell.map_or(json!({}), |cell| json!({"VarCharValue": cell}))).collect::<Vec<_>>()})
}

fn page(rows: &[Value], next: Option<&str>) -> Value {
    let columns = [
        ("error_code", "varchar"),
        ("calls", "bigint"),
        ("port", "integer"),
        ("known", "boolean"),
        ("first_seen", "timestamp"),
        ("share", "decimal(3,2)"),
    ];
    let described: Vec<Value> =
        columns.iter().map(|(name, kind)| json!({"Name": name, "Label": name, "Type": kind})).collect();
    json!({"ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": described}}, "NextToken": next})
}

/// The rows of two pages, after a query that waits and runs for a while.
fn two_pages(call: &str, request: &Value, nth: usize) -> Result<Value, (&'static str, String)> {
    let names = ["error_code", "calls", "port", "known", "first_seen", "share"].map(Some);
    let first = || {
        row(&[Some("AccessDenied"), Some("7"), Some("22"), Some("true"), Some("2026-11-20 10:00:00.000"), Some("0.70")])
    };
    Ok(match (call, request["NextToken"].as_str()) {
        ("StartQueryExecution", _) => json!({"QueryExecutionId": "q-1"}),
        ("GetQueryExecution", _) => execution(["QUEUED", "RUNNING", "SUCCEEDED"][nth.min(2)], None),
        ("GetQueryResults", None) => page(&[row(&names), first()], Some("more")),
        ("GetQueryResults", Some("more")) => page(&[row(&[None, Some("-1"), None, Some("false"), None, None])], None),
        _ => return Err(("InvalidRequestException", format!("{call} is not expected"))),
    })
}

const ASKED: [&str; 7] = ["errors", "--athena", "--database", "logs", "--from", "2026-11-20", "--workgroup"];

#[test]
fn a_query_is_started_waited_for_and_read_page_by_page() {
    let (url, calls) = athena(two_pages);
    let more = ["security", "--output", "s3://results/hunts/", "--format", "json"];
    let (code, out, err) = ran(program(&url, &[&ASKED[..], &more].concat()));
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        out,
        "{\"calls\":7,\"error_code\":\"AccessDenied\",\"first_seen\":\"2026-11-20T10:00:00Z\",\"known\":true,\"port\":22,\"share\":\"0.70\"}\n\
         {\"calls\":-1,\"error_code\":null,\"first_seen\":null,\"known\":false,\"port\":null,\"share\":null}\n"
    );
    assert!(err.contains("2 rows."), "{err}");
    assert!(err.contains("Athena read 3000.0 MB in 2.5 s, about 0.0136 USD at 5 USD a TB"), "{err}");
    let started = &named(&calls, "StartQueryExecution")[0];
    assert_eq!(started["QueryExecutionContext"], json!({"Database": "logs", "Catalog": "AwsDataCatalog"}));
    assert_eq!(
        (&started["WorkGroup"], &started["ResultConfiguration"]["OutputLocation"]),
        (&json!("security"), &json!("s3://results/hunts/"))
    );
    let text = started["QueryString"].as_str().unwrap();
    assert!(text.contains("WITH events AS (SELECT * FROM \"logs\".events WHERE day >= '2026/11/20' AND event_time >= TIMESTAMP '2026-11-20 00:00:00') SELECT error_code"), "{text}");
    assert_eq!(named(&calls, "GetQueryExecution").len(), 3);
    assert!(named(&calls, "StopQueryExecution").is_empty());
    for format in ["table", "csv", "html"] {
        let (url, _) = athena(two_pages);
        let (code, out, err) = ran(program(&url, &[&ASKED[..], &["security", "--format", format]].concat()));
        assert!(code == 0 && out.contains("AccessDenied"), "{err}");
    }
}

#[test]
fn an_interrupt_stops_the_query() {
    for signal in ["-INT", "-TERM"] {
        let (url, calls) = athena(|call, _, _| {
            Ok(match call {
                "StartQueryExecution" => json!({"QueryExecutionId": "q-1"}),
                "GetQueryExecution" => execution("RUNNING", None),
                _ => json!({}),
            })
        });
        let mut command = program(&url, &[&ASKED[..], &["security"]].concat());
        let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        for _ in 0..500 {
            if !named(&calls, "GetQueryExecution").is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let err = String::from_utf8(stderr).unwrap();
        assert_eq!((status.code(), stdout.as_slice()), (Some(2), &b""[..]), "{err}");
        assert!(err.contains("stopped: Athena was told to stop the query q-1"), "{err}");
        assert_eq!(named(&calls, "StopQueryExecution"), [json!({"QueryExecutionId": "q-1"})]);
    }
}

#[test]
fn an_error_is_told_with_its_place_in_the_text_that_was_asked() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("athena-place.sql");
    std::fs::write(&path, "-- question: Who?\nSELECT event_nam\nFROM events").unwrap();
    let own = path.to_str().unwrap();
    let arguments = [own, "--athena", "--database", "logs", "--from", "2026-11-20"];
    // The line is that of the text as it was sent, in which the bounds stand before SELECT.
    let failed = |call: &str, _: &Value, _| {
        Ok(match call {
            "StartQueryExecution" => json!({"QueryExecutionId": "q-1"}),
            _ => execution("FAILED", Some("COLUMN_NOT_FOUND: line 3:6: Column 'event_nam' cannot be resolved")),
        })
    };
    let (url, _) = athena(failed);
    let (code, out, err) = ran(program(&url, &arguments));
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("athena-place.sql:3:6: Athena says: COLUMN_NOT_FOUND: line 3:6: Column 'event_nam'"), "{err}");
    let (url, _) = athena(|_, _, _| Err(("InvalidRequestException", "line 3:1: mismatched input 'FROM'".to_owned())));
    let (_, _, err) = ran(program(&url, &arguments));
    assert!(err.contains("athena-place.sql:3:1: Athena says: line 3:1: mismatched input"), "{err}");
}

#[test]
fn what_athena_refuses_is_told() {
    for (call, code, message) in [
        ("StartQueryExecution", "AccessDeniedException", "not authorized to perform: athena:StartQueryExecution"),
        ("GetQueryExecution", "AccessDeniedException", "not authorized to perform: athena:GetQueryExecution"),
        ("GetQueryResults", "InvalidRequestException", "Access denied when reading s3://results"),
    ] {
        let (url, calls) = athena(move |name, request, nth| match name == call {
            true => Err((code, message.to_owned())),
            false if name == "StopQueryExecution" => Ok(json!({})),
            false => two_pages(name, request, nth),
        });
        let (status, out, err) = ran(program(&url, &[&ASKED[..], &["security"]].concat()));
        assert_eq!((status, out.as_str()), (2, ""));
        assert!(err.contains(&format!("{call}: {code}: {message}")), "{err}");
        // A query that cannot be seen any more is stopped.
        assert_eq!(named(&calls, "StopQueryExecution").len(), usize::from(call == "GetQueryExecution"), "{call}");
    }
    let (url, _) = athena(|call, request, nth| match call {
        "GetQueryExecution" => Ok(execution("CANCELLED", None)),
        _ => two_pages(call, request, nth),
    });
    let (_, _, err) = ran(program(&url, &[&ASKED[..], &["security"]].concat()));
    assert!(err.contains("the query q-1 was cancelled"), "{err}");
}

#[test]
fn an_answer_that_does_not_fit_in_memory_is_not_shown_in_part() {
    let (url, _) = athena(|call, request, nth| match call {
        "GetQueryResults" => {
            let long = "x".repeat(20_000);
            Ok(page(&vec![row(&[Some(&long), None, None, None, None, None]); 40], Some("more")))
        }
        _ => two_pages(call, request, nth),
    });
    let (code, out, err) = ran(program(&url, &[&ASKED[..], &["security", "--memory", "4"]].concat()));
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("the answer needs more memory than 4 MB"), "{err}");
}

#[test]
fn a_value_that_its_column_cannot_have_is_no_row() {
    let (url, _) = athena(|call, request, nth| match call {
        "GetQueryResults" => Ok(page(&[row(&[None, Some("seven"), None, None, None, None])], None)),
        _ => two_pages(call, request, nth),
    });
    let (code, out, err) = ran(program(&url, &[&ASKED[..], &["security"]].concat()));
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("Athena's answer has `seven` in calls, a column of bigint"), "{err}");
}

#[test]
fn the_self_test_has_every_view_and_hunt_checked_and_reads_nothing() {
    let answer = |call: &str, request: &Value, _| {
        Ok(match call {
            "StartQueryExecution" if request["QueryString"].as_str().unwrap().contains("FROM key_pairs") => {
                json!({"QueryExecutionId": "q-bad"})
            }
            "StartQueryExecution" => json!({"QueryExecutionId": "q-1"}),
            "GetQueryExecution" if request["QueryExecutionId"] == "q-bad" => {
                execution("FAILED", Some("TABLE_NOT_FOUND: line 2:15: Table 'key_pairs' does not exist"))
            }
            "GetQueryExecution" => {
                json!({"QueryExecution": {"Status": {"State": "SUCCEEDED"}, "Statistics": {"DataScannedInBytes": 0}}})
            }
            _ => {
                json!({"ResultSet": {"Rows": [row(&[Some("Fragment 0")])], "ResultSetMetadata": {"ColumnInfo": [{"Name": "Query Plan", "Type": "varchar"}]}}})
            }
        })
    };
    let (url, calls) = athena(answer);
    let arguments = ["--athena", "--database", "logs", "--self-test"];
    let (code, out, err) = ran(program(&url, &arguments));
    assert_eq!(code, 2, "{err}");
    let started = named(&calls, "StartQueryExecution");
    assert!(
        started.iter().all(|call| call["QueryString"].as_str().unwrap().starts_with("EXPLAIN (TYPE DISTRIBUTED)\n"))
    );
    // Sixteen queries of views, eleven views that hunts read, eleven hunts.
    assert_eq!(started.len(), 38);
    let count = |begin: &str| out.lines().filter(|line| line.starts_with(begin)).count();
    assert_eq!((count("valid"), count("NOT VALID"), count("not on Athena")), (36, 2, 4), "{out}");
    assert!(out.contains("NOT VALID  the view key_pairs: TABLE_NOT_FOUND: line 2:15: Table 'key_pairs'"), "{out}");
    assert!(out.ends_with("2 not valid; Athena read 0 bytes\n"), "{out}");
}

#[test]
fn what_the_guard_or_the_traffic_tells_of_rules_is_not_asked_there() {
    let (url, calls) = athena(two_pages);
    let (code, _, err) = ran(program(&url, &["unused-rules", "--athena", "--database", "logs", "--from", "7d"]));
    assert_eq!(code, 2);
    assert!(err.contains("unused-rules asks rule_use, ") && err.contains("no statement for Athena"), "{err}");
    assert!(calls.lock().unwrap().is_empty());
}
