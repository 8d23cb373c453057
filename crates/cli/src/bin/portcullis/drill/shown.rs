//! What a drill came to, for people and for machines.

use std::io::{self, Write};

use portcullis::aws::{AwsError, Caller};
use portcullis_cli::drill::{Ended, Function, Reported, Run};
use portcullis_cli::show::table_of;
use portcullis_cli::terminal::Terminal;
use portcullis_cli::words;
use serde_json::{Value, json};

use super::Format;

/// One drill as a JSON object on a line.
pub(super) fn line(run: &Run, caller: &Caller, function: &Result<Function, AwsError>) -> io::Result<()> {
    let rounded = |seconds: Option<f64>| seconds.map(|seconds| (seconds * 1000.0).round() / 1000.0);
    let identity = &caller.identity;
    let line = json!({"account": identity.account, "region": identity.region, "group": run.group, "rule": run.rule,
        "opened": run.opened.to_string(), "ended": run.ended.as_str(),
        "open_seconds": rounded(run.closed.map(|closed| closed.open_seconds)),
        "within_seconds": rounded(run.closed.map(|closed| closed.within_seconds)),
        "reported_seconds": rounded(run.reported_seconds()), "own_seconds": rounded(run.own_seconds()),
        "delivery_seconds": rounded(run.delivery_seconds()),
        "mode": function.as_ref().ok().and_then(|function| function.mode.clone()),
        "finding": run.reported.as_ref().map(|reported| json!({"id": reported.id, "call": reported.call,
            "verdict": reported.verdict, "outcome": reported.outcome}))});
    // What is not known is left out.
    let known: serde_json::Map<String, Value> = line
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let mut out = io::stdout().lock();
    writeln!(out, "{}", Value::Object(known))?;
    out.flush()
}

/// The table, and what the drills come to.
pub(super) fn finish(runs: &[Run], format: Format, terminal: Terminal) -> io::Result<()> {
    if format == Format::Table && !runs.is_empty() {
        let head = ["security group", "ended", "after", "delivery", "own share", "finding"];
        let mut table = table_of(&head, &[20, 8, 8, 8, 6, 12], terminal);
        for run in runs {
            table.add_row(cells(run));
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{table}")?;
        out.flush()?;
    }
    let mut times: Vec<f64> = runs.iter().filter_map(|run| Some(run.closed?.open_seconds)).collect();
    times.sort_by(f64::total_cmp);
    if let (Some(median), Some(worst)) = (times.get(times.len() / 2), times.last()) {
        let drills = words::count(times.len(), "drill");
        match times.len() {
            1 => eprintln!("The port was open for {median:.2} s."),
            _ => eprintln!("{drills}: open for {median:.2} s in the middle, {worst:.2} s at worst."),
        }
    }
    for run in runs {
        match (run.ended, &run.reported) {
            (Ended::Allowed, Some(reported)) => {
                eprintln!("portcullis: {}: Portcullis left it open: {}", run.group, words::text(&reported.reason));
            }
            (Ended::Nothing, Some(reported)) => {
                let (verdict, reason) = (words::text(&reported.verdict), words::text(&reported.reason));
                eprintln!("portcullis: {}: Portcullis reported it as {verdict}: {reason}", run.group);
            }
            (Ended::Nothing, None) => eprintln!("portcullis: {}: nothing came in time; {ASK_DOCTOR}", run.group),
            _ => {}
        }
    }
    Ok(())
}

const ASK_DOCTOR: &str = "`portcullis doctor` says what is missing";

fn cells(run: &Run) -> [String; 6] {
    let seconds = |seconds: Option<f64>| seconds.map_or_else(|| "not known".to_owned(), |it| format!("{it:.2} s"));
    let whole = match run.closed {
        Some(closed) => format!("{:.2} s ± {:.2}", closed.open_seconds, closed.within_seconds),
        None if run.ended == Ended::Reported => seconds(run.reported_seconds()),
        None => "not closed".to_owned(),
    };
    // The verdict where nothing came of it.
    let word = |reported: &Reported| match reported.outcome.as_str() {
        "none" => reported.verdict.clone(),
        outcome => outcome.to_owned(),
    };
    let finding = run.reported.as_ref().map_or_else(|| "none seen".to_owned(), word);
    let ended = run.ended.as_str().to_owned();
    [
        run.group.clone(),
        ended,
        whole,
        seconds(run.delivery_seconds()),
        seconds(run.own_seconds()),
        words::text(&finding),
    ]
}
