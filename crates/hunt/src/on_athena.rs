//! Hunts that Athena answers.

use std::collections::BTreeMap;
use std::io::Write;

use portcullis_hunt::athena::{Athena, AthenaError, Query, Ran, VIEWS};
use portcullis_hunt::ddl;
use portcullis_hunt::engine::Value;
use portcullis_hunt::hunts::{Hunt, shipped};
use portcullis_hunt::show::Notes;
use portcullis_hunt::trail::Wanted;
use tokio::runtime::Runtime;

use crate::arguments::Arguments;
use crate::run::{self, FOUND, TROUBLE, Trouble};
use crate::statements;

/// What asks, on a runtime of its own.
fn athena(arguments: &Arguments) -> Result<(Runtime, Athena), Trouble> {
    let asked = |why: &str| Err(Trouble::Asked(why.to_owned()));
    let database = arguments.database.clone().unwrap_or_default();
    if database.is_empty() || !database.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return asked("--database: expected letters, digits, - and _");
    }
    if arguments.output.as_ref().is_some_and(|output| !output.starts_with("s3://")) {
        return asked("--output: expected s3://bucket/prefix");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (config, is_named) = runtime.block_on(run::operator(arguments)?.config());
    if !is_named {
        return asked("nothing says in which Region Athena is: --region, AWS_REGION, or the profile");
    }
    let athena = Athena::new(&config, database, arguments.workgroup.clone(), arguments.output.clone());
    Ok((runtime, athena))
}

/// Asks a hunt.
pub(crate) fn ask(
    hunt: &Hunt,
    values: &BTreeMap<String, Value>,
    arguments: &Arguments,
    out: &mut impl Write,
) -> Result<u8, Trouble> {
    let mut window = run::window(arguments)?;
    if arguments.hive_compatible_partitions {
        // The folders are bounded by their keys at both ends, or not at all.
        window.to = window.to.or_else(|| Some(run::now().as_second()));
    }
    if window.from.is_none() {
        let why = "--athena needs --from: Athena bills what it reads, which is everything without it";
        return Err(Trouble::Asked(why.to_owned()));
    }
    let (runtime, athena) = athena(arguments)?;
    let place = (athena.database.as_str(), statements::flow_folders(arguments));
    let query = Query::new(hunt, values, place, &window).map_err(Trouble::Asked)?;
    let answer = runtime.block_on(athena.ask(&query.text, arguments.memory));
    let (answer, ran) = answer.map_err(|error| placed(error, hunt, &query))?;
    let mut notes = Notes { lines: vec![told(&ran)] };
    if query.reads_all {
        notes.lines.push(
            "It reads all of CloudTrail, several times: what was opened before --from still counts. --ddl says how to read less."
                .to_owned(),
        );
    }
    run::show_answer(arguments, (hunt, &answer, &notes), out)?;
    run::tell((hunt, &answer, &notes));
    Ok(if hunt.is_finding && answer.rows() > 0 { FOUND } else { 0 })
}

/// An error of Athena's with its place in the hunt's own text.
fn placed(error: AthenaError, hunt: &Hunt, query: &Query) -> Trouble {
    match &error {
        AthenaError::Failed { why, at } => {
            let place = at.and_then(|at| query.own(at)).map(|(line, column)| format!(":{line}:{column}"));
            Trouble::Asked(format!("{}{}: Athena says: {why}", hunt.name, place.unwrap_or_default()))
        }
        _ => error.into(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "megabytes and seconds are shown in a few digits")]
fn told(ran: &Ran) -> String {
    format!(
        "Athena read {:.1} MB in {:.1} s, about {:.4} USD at 5 USD a TB, the price in most Regions (query {}).",
        ran.scanned as f64 / 1e6,
        ran.ms as f64 / 1e3,
        ran.usd(),
        ran.id
    )
}

/// Has Athena check all views and hunts, which reads no log.
pub(crate) fn self_test(arguments: &Arguments, out: &mut impl Write) -> Result<u8, Trouble> {
    let format = statements::flow_format(arguments)?;
    let (runtime, athena) = athena(arguments)?;
    let mut tests: Vec<(String, Result<String, String>)> = Vec::new();
    for (name, query) in ddl::views(&format, arguments.flow_files, statements::flow_folders(arguments)) {
        tests.push((format!("the query of the view {name}"), Ok(query)));
    }
    tests.extend(VIEWS.iter().map(|name| (format!("the view {name}"), Ok(format!("SELECT * FROM {name}")))));
    // Any time will do.
    let window = Wanted { from: Some(1_795_132_800), to: Some(1_795_219_200), ..Wanted::default() };
    for hunt in shipped() {
        let values = hunt.values(&[]).map_err(Trouble::Asked)?;
        match Query::new(&hunt, &values, (athena.database.as_str(), statements::flow_folders(arguments)), &window) {
            Ok(query) => tests.push((format!("the hunt {}", hunt.name), Ok(query.text))),
            Err(why) => tests.push((format!("the hunt {}", hunt.name), Err(why))),
        }
    }
    let (mut failed, mut scanned) = (0, 0);
    for (name, text) in tests {
        let text = match text {
            Ok(text) => text,
            Err(why) => {
                writeln!(out, "not on Athena  {name}: {why}")?;
                continue;
            }
        };
        let explained = format!("EXPLAIN (TYPE DISTRIBUTED)\n{text}");
        match runtime.block_on(athena.ask(&explained, arguments.memory)) {
            Ok((_, ran)) => {
                scanned += ran.scanned;
                writeln!(out, "valid  {name}")?;
            }
            Err(error @ AthenaError::Failed { .. }) => {
                failed += 1;
                writeln!(out, "NOT VALID  {name}: {error}")?;
            }
            // Without permission, or stopped, the others would come to the same.
            Err(error) => return Err(error.into()),
        }
        out.flush()?;
    }
    writeln!(out, "{failed} not valid; Athena read {scanned} bytes")?;
    out.flush()?;
    Ok(if failed > 0 { TROUBLE } else { 0 })
}
