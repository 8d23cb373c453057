//! From the command line to the answer.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_delivery::flowlog::Format as FlowFormat;
use portcullis_domain::ids::Region;
use portcullis_domain::policy::Policy;
use portcullis_hunt::athena::AthenaError;
use portcullis_hunt::aws::Operator;
use portcullis_hunt::engine::{Answer, Engine, QueryError};
use portcullis_hunt::hunts::{Hunt, shipped};
use portcullis_hunt::read::{Inputs, Kind, Store, Tally, expand};
use portcullis_hunt::show::{self, Notes};
use portcullis_hunt::trail::Wanted;
use portcullis_hunt::world::World;
use tokio::runtime::Runtime;

use crate::arguments::Arguments;
use crate::progress::Progress;
use crate::{footer, on_athena, statements};

/// Exit status: a hunt for something to act on has rows.
pub(crate) const FOUND: u8 = 1;
/// Exit status: something could not be read, or asked.
pub(crate) const TROUBLE: u8 = 2;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Athena(#[from] AthenaError),
    #[error("{0}")]
    Asked(String),
}

pub(crate) fn run(arguments: &Arguments) -> Result<u8, Trouble> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if arguments.list {
        return list(&mut out);
    }
    if let Some(location) = &arguments.ddl {
        write!(out, "{}", statements::of(location, arguments)?)?;
        out.flush()?;
        return Ok(0);
    }
    if arguments.self_test {
        return on_athena::self_test(arguments, &mut out);
    }
    let hunt = hunt(arguments.hunt.as_deref().unwrap_or_default())?;
    if arguments.check {
        return check(&hunt, &mut out);
    }
    let values = hunt.values(&arguments.parameters).map_err(Trouble::Asked)?;
    if arguments.athena {
        return on_athena::ask(&hunt, &values, arguments, &mut out);
    }
    if arguments.explain {
        explain(&hunt, &mut out)?;
        if arguments.paths.is_empty() {
            return Ok(0);
        }
    }
    // It is dropped after the world, whose readers wait for it.
    let mut fetching = None;
    let (world, mut errors) = world(arguments, &mut fetching)?;
    let no_logs = world.inputs.sources.iter().filter(|source| source.is_no_log());
    errors.extend(
        no_logs
            .map(|source| format!("{}: neither records nor a flow log nor a snapshot: is it damaged?", source.name())),
    );
    errors.iter().for_each(|error| eprintln!("portcullis hunt: {error}"));
    if !world.inputs.sources.iter().any(|source| source.kind != Kind::Other) {
        return Err(Trouble::Asked(match errors.is_empty() {
            true => "there is nothing to read: no CloudTrail record, no flow log, no snapshot of state".to_owned(),
            false => "there is nothing to read".to_owned(),
        }));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(world.inputs.threads).build()?;
    let engine = Engine::new(&world, arguments.memory)?;
    if arguments.explain {
        write!(out, "\n{}", runtime.block_on(engine.explain(&hunt.sql, &values))?)?;
        out.flush()?;
        return Ok(0);
    }
    let progress = Progress::of(&world);
    let answer = runtime.block_on(engine.ask(&hunt.sql, &values));
    drop(progress);
    let answer = answer?;
    let notes = footer::notes(&world);
    show_answer(arguments, (&hunt, &answer, &notes), &mut out)?;
    for (file, tally) in world.inputs.tally.troubled() {
        let name = world.inputs.sources.get(file).map(|source| source.name()).unwrap_or_default();
        tally.errors.iter().chain(&tally.notes).for_each(|why| eprintln!("portcullis hunt: {name}: {why}"));
        let more = tally.bad.saturating_sub(tally.errors.len() as u64);
        if more > 0 {
            eprintln!("portcullis hunt: {name}: {more} more like these");
        }
    }
    tell((&hunt, &answer, &notes));
    let is_trouble = !errors.is_empty() || world.inputs.tally.totals().bad > 0;
    Ok(match (is_trouble, hunt.is_finding && answer.rows() > 0) {
        (true, _) => TROUBLE,
        (false, true) => FOUND,
        (false, false) => 0,
    })
}

/// Shows an answer as it is wanted.
pub(crate) fn show_answer(
    arguments: &Arguments,
    answer: (&Hunt, &Answer, &Notes),
    out: &mut impl Write,
) -> io::Result<()> {
    let width = comfy_table::Table::new().width().filter(|width| *width > 0).unwrap_or(160);
    show::write(arguments.format, answer, width, out)?;
    out.flush()
}

/// What is told of an answer on standard error: how many rows, and the notes.
pub(crate) fn tell((hunt, answer, notes): (&Hunt, &Answer, &Notes)) {
    eprintln!("{} {}.", answer.rows(), if answer.rows() == 1 { "row" } else { "rows" });
    notes.lines.iter().chain(&hunt.note).for_each(|line| eprintln!("{line}"));
}

fn list(out: &mut impl Write) -> Result<u8, Trouble> {
    for hunt in shipped() {
        writeln!(out, "{:<20} {} {}", hunt.name, if hunt.is_finding { "!" } else { " " }, hunt.question)?;
    }
    writeln!(
        out,
        "\n!  a row is something to act on: the exit status is then 1\n--explain NAME shows the query and what can be set"
    )?;
    out.flush()?;
    Ok(0)
}

/// Says what of a query is not read alike by both engines.
fn check(hunt: &Hunt, out: &mut impl Write) -> Result<u8, Trouble> {
    let found = portcullis_hunt::check::check(&hunt.sql).map_err(Trouble::Asked)?;
    for one in &found {
        writeln!(out, "{}:{}: `{}`: {}", hunt.name, one.line, one.written, one.instead)?;
    }
    if found.is_empty() {
        writeln!(out, "{}: nothing in it is known to be read differently by Athena", hunt.name)?;
    }
    out.flush()?;
    Ok(u8::from(!found.is_empty()) * FOUND)
}

fn explain(hunt: &Hunt, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}: {}", hunt.name, hunt.question)?;
    writeln!(out, "Needs: {}", hunt.needs)?;
    for one in &hunt.parameters {
        let default = match &one.default {
            portcullis_hunt::engine::Value::Text(text) if text.is_empty() => "not set".to_owned(),
            portcullis_hunt::engine::Value::Text(text) => text.clone(),
            portcullis_hunt::engine::Value::Number(number) => number.to_string(),
        };
        writeln!(out, "--where {}=…: {} (without: {default})", one.name, one.text)?;
    }
    hunt.note.iter().try_for_each(|note| writeln!(out, "{note}"))?;
    let mut query = hunt.sql.lines().skip_while(|line| line.starts_with("--"));
    query.try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()
}

/// The hunt of a name, or in a file.
fn hunt(name: &str) -> Result<Hunt, Trouble> {
    let all = shipped();
    if let Some(hunt) = all.iter().find(|hunt| hunt.name == name) {
        return Ok(hunt.clone());
    }
    if Path::new(name).extension().is_some_and(|ending| ending == "sql") {
        let text = std::fs::read_to_string(name).map_err(|error| Trouble::Asked(format!("{name}: {error}")))?;
        return Ok(Hunt::parse(name, &text));
    }
    let names: Vec<&str> = all.iter().map(|hunt| hunt.name.as_str()).collect();
    Err(Trouble::Asked(format!("`{name}` is no hunt: expected FILE.sql, or one of {}", names.join(", "))))
}

/// The window of time that is asked about.
pub(crate) fn window(arguments: &Arguments) -> Result<Wanted, Trouble> {
    let (from, to) = (time(arguments.from.as_ref(), false)?, time(arguments.to.as_ref(), true)?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(Trouble::Asked("--from is after --to".to_owned()));
    }
    Ok(Wanted { from, to, ..Wanted::default() })
}

#[expect(clippy::disallowed_methods, reason = "the clock is read here alone")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

fn time(text: Option<&String>, is_end: bool) -> Result<Option<i64>, Trouble> {
    text.map(|text| moment(text, now(), is_end)).transpose().map_err(Trouble::Asked)
}

/// What fetches from S3, if anything is there.
fn store(arguments: &Arguments, fetching: &mut Option<Runtime>) -> Result<Option<Store>, Trouble> {
    if !arguments.paths.iter().any(|path| path.to_str().is_some_and(|path| path.starts_with("s3://"))) {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (config, _) = runtime.block_on(operator(arguments)?.config());
    let store = Store::new(config, runtime.handle().clone())?;
    *fetching = Some(runtime);
    Ok(Some(store))
}

/// Who asks AWS.
pub(crate) fn operator(arguments: &Arguments) -> Result<Operator, Trouble> {
    if let Some(region) = &arguments.region {
        Region::parse(region).map_err(|error| Trouble::Asked(format!("--region: {error}")))?;
    }
    Ok(Operator { profile: arguments.profile.clone(), region: arguments.region.clone() })
}

/// Everything that is read, and what of it could not be found.
fn world(arguments: &Arguments, fetching: &mut Option<Runtime>) -> Result<(Arc<World>, Vec<String>), Trouble> {
    if arguments.paths.is_empty() {
        return Err(Trouble::Asked("name the files or folders to read: portcullis hunt NAME PATH…".to_owned()));
    }
    let window = window(arguments)?;
    let flow_format = arguments.flow_format.as_deref().map(FlowFormat::parse).transpose();
    let policy = match &arguments.policy {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Trouble::Asked(format!("{}: {error}", path.display())))?;
            Policy::parse(&text).map_err(|error| Trouble::Asked(format!("{}: {error}", path.display())))?
        }
        None => Policy::built_in(),
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let store = store(arguments, fetching)?;
    let (sources, errors) = expand(&arguments.paths, store.as_ref());
    let inputs = Inputs {
        sources,
        tally: Tally::default(),
        flow_format: flow_format.map_err(|error| Trouble::Asked(format!("--flow-format: {error}")))?,
        as_of: time(arguments.as_of.as_ref(), false)?,
        threads: arguments.threads.unwrap_or(processors).max(1),
    };
    Ok((Arc::new(World::new(Arc::new(inputs), window, policy)), errors))
}

/// A time, a day (its first or its last second), or how long ago: `30m`, `2h`, `7d`.
fn moment(text: &str, now: Timestamp, is_end: bool) -> Result<i64, String> {
    let ago = text.split_at_checked(text.len().saturating_sub(1)).and_then(|(number, unit)| {
        let seconds = match unit {
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        now.as_second().checked_sub(number.parse::<u32>().map(i64::from).ok()?.checked_mul(seconds)?)
    });
    let of_day = if is_end { "T23:59:59Z" } else { "T00:00:00Z" };
    let parsed = || text.parse().or_else(|_| format!("{text}{of_day}").parse::<Timestamp>()).ok();
    ago.or_else(|| parsed().map(Timestamp::as_second))
        .ok_or_else(|| format!("`{text}` is no time: expected 2026-12-31, 2026-12-31T12:00:00Z, 2h or 7d"))
}
