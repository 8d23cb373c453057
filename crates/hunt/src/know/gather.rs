//! Reads the facts out of all files.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_delivery::logfile::Scratch;
use portcullis_domain::json::Json;

use super::facts::Fact;
use super::{Knowledge, calls, fold, snapshot};
use crate::read::{Inputs, Kind, Source, with_text};
use crate::trail::{self, Document, Wanted, documents};

#[derive(Debug, Default)]
struct Gathered {
    facts: Vec<Fact>,
    spans: BTreeMap<(String, String), (i64, i64)>,
    not_understood: Vec<String>,
}

impl Gathered {
    fn add(&mut self, other: Self) {
        self.facts.extend(other.facts);
        self.not_understood.extend(other.not_understood);
        for (place, (first, last)) in other.spans {
            self.saw(place, first, last);
        }
    }

    fn saw(&mut self, place: (String, String), first: i64, last: i64) {
        let span = self.spans.entry(place).or_insert((first, last));
        *span = (span.0.min(first), span.1.max(last));
    }
}

/// Reads all records and snapshots, and follows what they tell.
#[must_use]
pub fn gather(inputs: &Inputs) -> Knowledge {
    let mut all = Gathered::default();
    inputs.fetch_ahead(may_hold_facts);
    let files: Vec<usize> = (0..inputs.sources.len()).collect();
    let size = files.len().div_ceil(inputs.threads.max(1)).max(1);
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = files.chunks(size).map(|files| scope.spawn(move || of_files(inputs, files))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect::<Vec<_>>()
    });
    parts.into_iter().for_each(|part| all.add(part));
    // Two trails deliver an event twice, and so does a file that is there twice.
    let mut known = BTreeSet::new();
    all.facts.sort_by(Fact::followed);
    all.facts.retain(|fact| match &fact.by.event {
        Some(event) => known.insert((fact.account.clone(), event.clone())),
        None => true,
    });
    all.facts.dedup();
    // A record that cannot be read may have been about any rule.
    for (file, tally) in inputs.tally.troubled() {
        let source = inputs.sources.get(file).filter(|source| may_hold_facts(source));
        if let (Some(source), true) = (source, tally.bad > 0) {
            all.not_understood.push(format!("{} in {} could not be read", tally.bad, source.name()));
        }
    }
    let no_logs = inputs.sources.iter().filter(|source| source.is_no_log());
    all.not_understood.extend(no_logs.map(|source| format!("{} holds no log", source.name())));
    all.not_understood.sort();
    all.not_understood.dedup();
    let mut knowledge = fold::follow(all.facts, all.spans);
    if !all.not_understood.is_empty() {
        knowledge.groups.values_mut().for_each(|group| group.unknown_before = Some(i64::MAX));
    }
    knowledge.not_understood.extend(all.not_understood);
    knowledge
}

fn may_hold_facts(source: &Source) -> bool {
    matches!(source.kind, Kind::Trail | Kind::Json)
}

fn of_files(inputs: &Inputs, files: &[usize]) -> Gathered {
    let (mut gathered, mut scratch) = (Gathered::default(), Scratch::default());
    for &file in files {
        let Some(source) = inputs.sources.get(file) else { continue };
        if source.is_copy || !may_hold_facts(source) {
            continue;
        }
        let mut place: Option<((String, String), (i64, i64))> = None;
        trail::read(inputs, file, &Wanted::default(), &mut scratch, |event, time| {
            match calls::fact(event, time) {
                Ok(fact) => gathered.facts.extend(fact),
                Err(why) => gathered.not_understood.push(why),
            }
            if let (Some(account), Some(region), Some(time)) = (trail::account(event), event.aws_region.get(), time) {
                match &mut place {
                    Some(((known, at), span)) if known == account && at == region => {
                        *span = (span.0.min(time), span.1.max(time));
                    }
                    _ => {
                        if let Some((place, span)) = place.take() {
                            gathered.saw(place, span.0, span.1);
                        }
                        place = Some(((account.to_owned(), region.to_owned()), (time, time)));
                    }
                }
            }
            true
        });
        if let Some((place, span)) = place {
            gathered.saw(place, span.0, span.1);
        }
        if source.kind == Kind::Json {
            let Some(time) = inputs.as_of.or(source.modified) else { continue };
            let name = source.name();
            let found = with_text(source, &mut scratch, |text, _| documents(text));
            for document in found.map(|(documents, _)| documents).unwrap_or_default() {
                match document {
                    Ok(Document::State(value)) => {
                        let is_dated = inputs.as_of.is_some();
                        gathered.facts.extend(snapshot::facts(&Json::from(&value), &name, time, is_dated));
                    }
                    Ok(Document::Sweep(sweep)) => gathered.facts.push(snapshot::of_sweep(sweep)),
                    Ok(Document::Records(_) | Document::Flows(_)) | Err(_) => {}
                }
            }
        }
    }
    gathered
}
