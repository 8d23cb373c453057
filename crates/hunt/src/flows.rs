//! Flow logs: their records, which rules may have let them pass, and what can be known of it.

pub mod attribute;
mod compiled;
pub mod coverage;
mod table;
pub mod usage;

pub use table::{FLOWS, FlowTable, RULE_FLOWS, RuleFlowTable};
pub use usage::{Answer, Usage, usage};

use portcullis_delivery::flowlog::{Bad, Flow, Reader};
use portcullis_delivery::logfile::Scratch;

use crate::read::{FileTally, Inputs, Kind, in_pieces, with_text};
use crate::trail::{Document, documents};

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

/// Gives the records of a file to `each`, and notes in the tally what the file came to. `each` says whether it wants more.
pub fn read(inputs: &Inputs, file: usize, scratch: &mut Scratch, mut each: impl FnMut(&Flow<'_>) -> bool) {
    let Some(source) = inputs.sources.get(file) else { return };
    let mut tally = FileTally::default();
    let mut goes_on = true;
    let mut one = |flow: Result<Flow<'_>, Bad>, tally: &mut FileTally| match flow {
        Ok(flow) => {
            tally.records += 1;
            tally.saw(flow.start, flow.end);
            if goes_on {
                goes_on = each(&flow);
            }
        }
        Err(bad) => tally.bad(&bad.to_string()),
    };
    match source.kind {
        Kind::FlowLog => {
            let mut reader = Reader::new(inputs.flow_format.clone());
            let mut text = 0;
            let read = in_pieces(source, scratch, |piece| {
                text += piece.len() as u64;
                reader.push(piece, |flow| one(flow, &mut tally));
            });
            match read {
                Ok((bytes, None)) => {
                    reader.finish(|flow| one(flow, &mut tally));
                    tally.bytes = bytes;
                }
                Ok((bytes, Some(why))) => {
                    tally.bytes = bytes;
                    tally.bad(&why);
                }
                Err(error) => tally.bad(&error.to_string()),
            }
            tally.text = text;
            let unknown = reader.unknown_fields();
            if !unknown.is_empty() {
                tally.notes.push(format!("fields that are not known here are passed over: {}", unknown.join(", ")));
            }
        }
        Kind::Json => {
            let read = with_text(source, scratch, |text, _| {
                tally.text = text.len() as u64;
                documents(text)
            });
            let Ok((documents, bytes)) = read else { return };
            tally.bytes = bytes;
            let mut any = false;
            for document in documents {
                if let Ok(Document::Flows(lines)) = document {
                    any = true;
                    let mut reader = Reader::new(inputs.flow_format.clone());
                    for line in lines {
                        reader.push(line.as_bytes(), |flow| one(flow, &mut tally));
                        reader.push(b"\n", |flow| one(flow, &mut tally));
                    }
                    reader.finish(|flow| one(flow, &mut tally));
                }
            }
            if !any {
                return;
            }
        }
        Kind::Parquet => tally.bad("Parquet is not read by this build"),
        Kind::Trail | Kind::Other => return,
    }
    inputs.tally.add(file, tally);
}
