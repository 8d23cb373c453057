//! What is told beside the answer: what was read, which time it spans, and what was not known.

use jiff::Timestamp;
use portcullis_hunt::know::Knowledge;
use portcullis_hunt::read::Kind;
use portcullis_hunt::show::Notes;
use portcullis_hunt::world::World;

/// The notes on an answer.
pub(crate) fn notes(world: &World) -> Notes {
    let totals = world.inputs.tally.totals();
    let mut lines = Vec::new();
    let span =
        totals.span.map_or_else(String::new, |(first, last)| format!(", from {} to {}", time(first), time(last)));
    lines.push(format!(
        "Read {} {}, {} of text, {} {}{span}.",
        totals.files,
        plural(totals.files, "file", "files"),
        size(totals.text),
        totals.records,
        plural(totals.records, "record", "records")
    ));
    if totals.bad > 0 {
        let (things, were) = (plural(totals.bad, "thing", "things"), plural(totals.bad, "was", "were"));
        lines.push(format!("{} {things} could not be read, and {were} left out.", totals.bad));
    }
    let mut count = |n: u64, one: &str, more: &str| {
        if n > 0 {
            lines.push(format!("{n} {}", plural(n, one, more)));
        }
    };
    count(
        totals.skipped,
        "more record was passed over: it can be no answer.",
        "more records were passed over: they can be no answer.",
    );
    count(
        totals.passed_over,
        "file was passed over: nothing in it can be an answer.",
        "files were passed over: nothing in them can be an answer.",
    );
    count(
        world.inputs.tally.duplicates(),
        "record came more than once, and counts once.",
        "records came more than once, and count once.",
    );
    let copies = world.inputs.sources.iter().filter(|source| source.is_copy).count() as u64;
    count(copies, "file is a copy of another, and was left out.", "files are copies of others, and were left out.");
    let others = world.inputs.sources.iter().filter(|source| source.kind == Kind::Other).count() as u64;
    count(
        others,
        "file holds neither records nor flow logs nor a snapshot.",
        "files hold neither records nor flow logs nor snapshots.",
    );
    if let Some(knowledge) = world.knowledge_if_any() {
        known(world, knowledge, &mut lines);
    }
    Notes { lines }
}

fn known(world: &World, knowledge: &Knowledge, lines: &mut Vec<String>) {
    if knowledge.omitted > 0 {
        lines.push(format!(
            "Not known: what {} calls changed; CloudTrail left out their parameters.",
            knowledge.omitted
        ));
    }
    let count = knowledge.not_understood.len();
    if count > 0 {
        let first = knowledge.not_understood.first().map(String::as_str).unwrap_or_default();
        lines.push(format!("Not understood, so no use of a rule is certain: {count}, such as: {first}."));
    }
    if knowledge.facts.iter().any(|fact| !fact.is_dated) {
        lines.push(
            "Snapshots are taken to be of the time at which their files were written: --as-of says another one."
                .to_owned(),
        );
    }
    let old = knowledge.rules.iter().filter(|life| life.from.is_none()).count();
    if old > 0 {
        lines.push(format!("Not known: since when {old} rules were there; they are older than the records."));
    }
    if let Some(counted) = world.counted_if_any() {
        let logged = &counted.coverage.0;
        let unknown =
            logged.keys().filter(|id| knowledge.interfaces.get(*id).is_none_or(|one| one.groups.is_empty())).count();
        if unknown > 0 {
            lines.push(format!("Not known: the groups of {unknown} of {} interfaces in the flow logs.", logged.len()));
        }
        let silent = knowledge.interfaces.keys().filter(|id| !logged.contains_key(*id)).count();
        if silent > 0 {
            lines.push(format!("No flow log was read of {silent} of {} known interfaces.", knowledge.interfaces.len()));
        }
        if counted.unexplained > 0 {
            lines.push(format!(
                "{} accepted records of connections from outside are admitted by no known rule (hunt unexplained).",
                counted.unexplained
            ));
        }
    }
}

fn plural<'a>(count: u64, one: &'a str, more: &'a str) -> &'a str {
    if count == 1 { one } else { more }
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}
