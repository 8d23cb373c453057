//! Flow logs: their records, which rules may have let them pass, and what can be known of it.

pub mod attribute;
mod compiled;
pub mod coverage;
mod large;
mod parquet_file;
mod table;
pub mod usage;

pub use table::{FLOWS, FlowTable, RULE_FLOWS, RuleFlowTable};
pub use usage::{Answer, Usage, usage};

use std::io;

use portcullis_delivery::flowlog::{Flow, Format, Reader};
use portcullis_delivery::logfile::Scratch;

use crate::read::{FileTally, Inputs, Kind, Source, in_pieces, with_text};
use crate::trail::{Document, Wanted, documents};

/// The first and last address of a rule's source, as the keys in `flow_logs` are written.
#[must_use]
pub fn keys(source: &portcullis_domain::rule::Source) -> Option<(String, String)> {
    compiled::range(source).map(|(low, high)| (compiled::hex(low), compiled::hex(high)))
}

/// Whether a file may hold a flow log.
#[must_use]
pub fn may_hold_flows(kind: Kind) -> bool {
    matches!(kind, Kind::FlowLog | Kind::Json | Kind::Parquet)
}

/// Whether a file may hold a record in the window, as far as can be told without reading it.
fn is_wanted(source: &Source, window: &Wanted) -> bool {
    may_hold_flows(source.kind) && window.may_be_in_file_of(source.delivered())
}

/// Gives the records of a file to `each`, with a place for what is found, and notes in the tally what the file came to. `each`
/// says whether it wants more. A large file is read by all threads: the other ones have places of their own, from `fresh`, which
/// are returned. A file whose name shows that none of its records can be in the window is passed over.
pub fn read<S: Send>(
    (inputs, file, window): (&Inputs, usize, &Wanted),
    scratch: &mut Scratch,
    place: &mut S,
    fresh: impl Fn() -> S + Sync,
    each: impl Fn(&mut S, &Flow<'_>) -> bool + Sync,
) -> Vec<S> {
    let Some(source) = inputs.sources.get(file) else { return Vec::new() };
    let mut others = Vec::new();
    let mut taking = Taking { tally: FileTally::default(), goes_on: true, each: |flow: &Flow<'_>| each(place, flow) };
    if !window.may_be_in_file_of(source.delivered()) {
        taking.tally.passed_over = true;
        inputs.tally.add(file, taking.tally);
        return others;
    }
    let read = match source.kind {
        Kind::FlowLog if large::is_large(source, inputs.threads) => {
            large::read(source, inputs, (&fresh, &each)).map(|read| {
                (taking.tally, others) = read;
            })
        }
        Kind::FlowLog => of_text(source, inputs.flow_format.clone(), scratch, &mut taking),
        Kind::Parquet => of_parquet(source, scratch, &mut taking),
        Kind::Json => match of_json(source, inputs.flow_format.as_ref(), scratch, &mut taking) {
            // What is no flow log is read by others.
            Ok(false) | Err(_) => return others,
            Ok(true) => Ok(()),
        },
        Kind::Trail | Kind::Other => return others,
    };
    if let Err(error) = read {
        taking.tally.bad(&error.to_string());
    }
    inputs.tally.add(file, taking.tally);
    others
}

struct Taking<F> {
    tally: FileTally,
    goes_on: bool,
    each: F,
}

impl<F: FnMut(&Flow<'_>) -> bool> Taking<F> {
    #[inline]
    fn take(&mut self, flow: Result<&Flow<'_>, impl std::fmt::Display>) {
        match flow {
            Ok(flow) => {
                self.tally.records += 1;
                self.tally.saw(flow.start, flow.end);
                if self.goes_on {
                    self.goes_on = (self.each)(flow);
                }
            }
            Err(why) => self.tally.bad(&why.to_string()),
        }
    }
}

impl FileTally {
    /// What is told of a text in which there were these fields that are not known.
    fn note_text(&mut self, source: &Source, unknown: &[String]) {
        self.note_unknown(unknown);
        if source.is_called(".parquet") {
            self.notes.push("it is called Parquet and is text: it was read as text".to_owned());
        }
    }

    fn note_unknown(&mut self, unknown: &[String]) {
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            self.notes.push(format!("fields that are not known here are passed over: {names}"));
        }
    }
}

fn of_text<F: FnMut(&Flow<'_>) -> bool>(
    source: &Source,
    format: Option<Format>,
    scratch: &mut Scratch,
    taking: &mut Taking<F>,
) -> io::Result<()> {
    let (mut reader, mut text) = (Reader::new(format), 0);
    let (bytes, damage) = in_pieces(source, scratch, |piece| {
        text += piece.len() as u64;
        reader.push(piece, |flow| taking.take(flow));
    })?;
    (taking.tally.bytes, taking.tally.text) = (bytes, text);
    match damage {
        None => reader.finish(|flow| taking.take(flow)),
        Some(why) => taking.tally.bad(&why),
    }
    taking.tally.note_text(source, reader.unknown_fields());
    Ok(())
}

fn of_parquet<F: FnMut(&Flow<'_>) -> bool>(
    source: &Source,
    scratch: &mut Scratch,
    taking: &mut Taking<F>,
) -> io::Result<()> {
    let outcome = parquet_file::read(source, scratch, |flow| taking.take(flow.as_ref()))?;
    (taking.tally.bytes, taking.tally.text) = (outcome.bytes, outcome.text);
    taking.tally.note_unknown(&outcome.unknown);
    if let Some(why) = outcome.error {
        taking.tally.bad(&why);
    } else if !source.name().contains(".parquet") {
        taking.tally.notes.push("it is Parquet, whatever it is called: it was read as Parquet".to_owned());
    }
    Ok(())
}

/// Messages out of CloudWatch Logs. `false`: there is no flow log in it.
fn of_json<F: FnMut(&Flow<'_>) -> bool>(
    source: &Source,
    format: Option<&Format>,
    scratch: &mut Scratch,
    taking: &mut Taking<F>,
) -> io::Result<bool> {
    let (documents, bytes) = with_text(source, scratch, |text, _| {
        taking.tally.text = text.len() as u64;
        documents(text)
    })?;
    taking.tally.bytes = bytes;
    let mut any = false;
    for document in documents {
        if let Ok(Document::Flows(lines)) = document {
            any = true;
            let mut reader = Reader::new(format.cloned());
            for line in lines {
                reader.push(line.as_bytes(), |flow| taking.take(flow));
                reader.push(b"\n", |flow| taking.take(flow));
            }
            reader.finish(|flow| taking.take(flow));
        }
    }
    Ok(any)
}
