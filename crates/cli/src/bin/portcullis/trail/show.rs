//! `portcullis trail show`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use comfy_table::Cell;
use portcullis::aws::AwsError;
use portcullis::domain::ids::Region;
use portcullis_cli::aws::{Clients, advice};
use portcullis_cli::operator::Operator;
use portcullis_cli::show::{Format, table_of};
use portcullis_cli::terminal::Terminal;
use portcullis_cli::trail::{self, Logging, RegionRow, Status, Trail, Waiting};
use portcullis_cli::words;
use portcullis_domain::arn::Arn;
use serde_json::{Value, json};

use super::Show;

pub(super) async fn run(arguments: &Show, terminal: Terminal) -> io::Result<u8> {
    let operator =
        Operator { profile: arguments.profile.clone(), region: arguments.regions.first().cloned(), fallback: None };
    let clients = Clients::of(&operator).await.map_err(io::Error::other)?;
    clients.caller().await.map_err(|error| io::Error::other(advice::on_caller(&error, "trail show")))?;
    let regions = match arguments.regions.is_empty() {
        false => arguments.regions.clone(),
        true => enabled(&clients).await.map_err(|error| io::Error::other(with(&error)))?,
    };
    let rows = trail::regions(&clients, &regions).await;
    let queues = queues(&clients, &rows).await;
    let mut out = io::stdout().lock();
    match arguments.format {
        Format::Table => shown(&rows, terminal, &mut out)?,
        Format::Json => {
            for line in rows.iter().flat_map(|row| lines(row, &queues)) {
                writeln!(out, "{line}")?;
            }
        }
        Format::Csv => csv(&rows, &queues, &mut out)?,
    }
    out.flush()?;
    if arguments.format == Format::Table {
        for (topic, found) in &queues {
            for line in said(topic, found) {
                writeln!(out, "{line}")?;
            }
        }
    }
    errors(&rows).iter().for_each(|error| eprintln!("portcullis: {error}"));
    Ok(status(&rows))
}

fn with(error: &AwsError) -> String {
    advice::with(&error.to_string(), "trail show")
}

/// The Regions that are enabled in the account.
async fn enabled(clients: &Clients) -> Result<Vec<Region>, AwsError> {
    let call = "DescribeRegions";
    let answer = clients.ec2().describe_regions().send().await.map_err(|error| AwsError::from_sdk(call, &error))?;
    let names = answer.regions().iter().filter_map(|region| region.region_name());
    let mut regions = names.map(Region::parse).collect::<Result<Vec<_>, _>>();
    if let Ok(regions) = &mut regions {
        regions.sort();
    }
    regions.map_err(|error| AwsError::bad_answer(call, &error))
}

/// What could not be seen, each reason once.
fn errors(rows: &[RegionRow]) -> BTreeSet<String> {
    let of_trail = |trail: &Trail| {
        let errors = [trail.logging.as_ref().err(), trail.events.as_ref().err()];
        errors.into_iter().flatten().map(|error| format!("trail {}: {}", trail.arn, with(error))).collect::<Vec<_>>()
    };
    let of_row = |row: &RegionRow| match &row.trails {
        Ok(trails) => trails.iter().flat_map(of_trail).collect(),
        Err(error) => vec![format!("{}: {}", row.region, with(error))],
    };
    rows.iter().flat_map(of_row).collect()
}

type Queues = BTreeMap<String, Result<Vec<Waiting>, AwsError>>;

/// The queues of each trail's topic.
async fn queues(clients: &Clients, rows: &[RegionRow]) -> Queues {
    let trails = rows.iter().filter_map(|row| row.trails.as_ref().ok()).flatten();
    let topics: BTreeSet<String> = trails.filter_map(|trail| trail.topic_arn.clone()).collect();
    let mut found = Queues::new();
    for topic in topics {
        let waiting = trail::waiting(clients, &topic, portcullis::now()).await;
        found.insert(topic, waiting);
    }
    found
}

fn status(rows: &[RegionRow]) -> u8 {
    let any = |wanted: &[Status]| rows.iter().any(|row| wanted.contains(&row.status()));
    let trouble = rows.iter().any(|row| row.trails.is_err());
    crate::status(trouble, any(&[Status::NotLogged, Status::Partly]), any(&[Status::Unknown]))
}

const CANNOT_TELL: &str = "cannot be told";

/// What a trail does in a Region, as cells of a row.
fn cells(trail: &Trail) -> [String; 5] {
    let leaves_out = match &trail.events {
        Ok(events) if events.leaves_out.is_empty() => "nothing".to_owned(),
        Ok(events) => events.leaves_out.join("; "),
        Err(_) => CANNOT_TELL.to_owned(),
    };
    let delivery = match &trail.logging {
        Ok(Logging::On { error: Some(error), .. }) => format!("failed: {error}"),
        Ok(Logging::On { delivered: Some(at), .. }) => at.strftime("%F %TZ").to_string(),
        Ok(Logging::On { delivered: None, .. }) => "none yet".to_owned(),
        Ok(Logging::Never) => "never started".to_owned(),
        Ok(Logging::Stopped) => "stopped".to_owned(),
        Err(_) => CANNOT_TELL.to_owned(),
    };
    let status = Status::of(trail).as_str().to_owned();
    let name = Arn::parse(&trail.arn)
        .map(|arn| format!("{}\n{} {}", arn.resource.trim_start_matches("trail/"), arn.account, arn.region));
    [status, name.unwrap_or_else(|| trail.arn.clone()), trail.bucket.clone(), delivery, leaves_out]
        .map(|text| text.lines().map(words::text).collect::<Vec<_>>().join("\n"))
}

/// A table in which Regions that show the same are one row.
fn shown(rows: &[RegionRow], terminal: Terminal, out: &mut impl Write) -> io::Result<()> {
    let mut alike: Vec<(Vec<[String; 5]>, Vec<String>)> = Vec::new();
    for row in rows {
        let Ok(trails) = &row.trails else { continue };
        let none = || ["no", "none", "", "", ""].map(str::to_owned);
        let cells: Vec<[String; 5]> = match trails.is_empty() {
            true => vec![none()],
            false => trails.iter().map(cells).collect(),
        };
        match alike.iter_mut().find(|(there, _)| *there == cells) {
            Some((_, regions)) => regions.push(row.region.to_string()),
            None => alike.push((cells, vec![row.region.to_string()])),
        }
    }
    if alike.is_empty() {
        return Ok(());
    }
    let head = ["Regions", "write events", "trail", "bucket", "last log file", "leaves out"];
    // A Region's name and a time are not broken where there is room.
    let widths = if terminal.width >= 100 { [14, 6, 23, 12, 20, 8] } else { [14, 6, 12, 10, 10, 7] };
    let mut table = table_of(&head, &widths, terminal);
    for (trails, regions) in &alike {
        for cells in trails {
            table.add_row([regions.join("\n")].iter().chain(cells).map(Cell::new));
        }
    }
    writeln!(out, "{table}")
}

/// What waits, in sentences.
fn said(topic: &str, found: &Result<Vec<Waiting>, AwsError>) -> Vec<String> {
    match found {
        Err(error) => vec![format!("topic {topic}: {}", with(error))],
        Ok(queues) if queues.is_empty() => vec![format!("topic {topic}: no queue of SQS is subscribed")],
        Ok(queues) => queues.iter().map(|queue| format!("queue {}: {}", queue.queue, depth(queue))).collect(),
    }
}

fn depth(queue: &Waiting) -> String {
    match (&queue.messages, queue.oldest_seconds) {
        (Err(error), _) => with(error),
        (Ok(messages), None) => format!("about {messages} messages"),
        (Ok(messages), Some(age)) => format!("about {messages} messages, the oldest {age} s old a minute ago or more"),
    }
}

/// One object for each Region and trail.
fn lines(row: &RegionRow, queues: &Queues) -> Vec<Value> {
    let region = row.region.as_str();
    let trails = match &row.trails {
        Err(error) => return vec![json!({"region": region, "write_events": "unknown", "error": error.to_string()})],
        Ok(trails) if trails.is_empty() => return vec![json!({"region": region, "write_events": "no"})],
        Ok(trails) => trails,
    };
    trails.iter().map(|trail| line(region, trail, queues)).collect()
}

fn line(region: &str, trail: &Trail, queues: &Queues) -> Value {
    let mut line = json!({"region": region, "write_events": Status::of(trail).as_str(), "trail": trail.arn,
        "home_region": trail.home, "bucket": trail.bucket, "multi_region": trail.multi_region,
        "global_events": trail.global_events, "validation": trail.validation, "organization": trail.organization});
    let mut set = |name: &str, value: Value| {
        if let Some(fields) = line.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
    };
    match &trail.logging {
        Ok(Logging::On { delivered, error }) => {
            set("last_delivery", json!(delivered.map(|at| at.to_string())));
            set("last_delivery_error", json!(error));
        }
        Ok(Logging::Never | Logging::Stopped) => set("last_delivery", Value::Null),
        Err(error) => set("error", json!(error.to_string())),
    }
    match &trail.events {
        Ok(events) => set("leaves_out", json!(events.leaves_out)),
        Err(error) => set("error", json!(error.to_string())),
    }
    let waiting = trail.topic_arn.as_ref().and_then(|topic| queues.get(topic)?.as_ref().ok()?.first());
    if let Some(queue) = waiting {
        set("queue", json!(queue.queue));
        set("queue_messages", json!(queue.messages.as_ref().ok()));
        set("queue_oldest_seconds", json!(queue.oldest_seconds));
    }
    line
}

const COLUMNS: [&str; 12] = [
    "region",
    "write_events",
    "trail",
    "bucket",
    "multi_region",
    "organization",
    "last_delivery",
    "last_delivery_error",
    "leaves_out",
    "queue",
    "queue_messages",
    "queue_oldest_seconds",
];

fn csv(rows: &[RegionRow], queues: &Queues, out: &mut impl Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(COLUMNS)?;
    for line in rows.iter().flat_map(|row| lines(row, queues)) {
        let text = |name: &&str| match line.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
            Some(other) => other.to_string(),
        };
        csv.write_record(COLUMNS.iter().map(text))?;
    }
    csv.flush()
}
