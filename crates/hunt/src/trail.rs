//! CloudTrail's records, out of log files and out of any other JSON that holds them.

mod columns;
mod documents;
mod table;

pub(crate) use columns::account;
pub use columns::{EVENTS, KEY_PAIRS, LOGINS};
pub use documents::{Document, Sweep, documents};
pub use table::{Trail, TrailTable};

use std::collections::BTreeSet;

use documents::is_entries;
use portcullis_delivery::logfile::{self, Event, Places, Scratch, every, every_with};

use crate::know::list_in;
use crate::read::{FileTally, Inputs, Kind, with_text};

/// Which records a query can use. All others may be left out; the engine filters once more.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Calls by name. `None`: all.
    pub names: Option<BTreeSet<String>>,
    /// Only records with an error code.
    pub failed: bool,
    /// Not before this, in seconds since 1970.
    pub from: Option<i64>,
    /// Not after this.
    pub to: Option<i64>,
}

/// A record is delivered at most this long after its call: usually minutes.
const DAY: i64 = 24 * 3600;

impl Wanted {
    /// Whether a file can hold a wanted record, as far as its name shows when it was delivered.
    pub(crate) fn may_be_in_file_of(&self, delivered: Option<i64>) -> bool {
        let Some(delivered) = delivered else { return true };
        self.from.is_none_or(|from| delivered >= from - DAY) && self.to.is_none_or(|to| delivered <= to + DAY)
    }

    /// Where in a text something stands that only a wanted record has. `None`: any record may be wanted.
    fn places(&self, text: &[u8]) -> Option<Places> {
        match &self.names {
            Some(names) => Places::of_calls(names, text),
            None if self.failed => Places::of_key("errorCode", text),
            None => None,
        }
    }

    /// Whether a record is wanted.
    fn has(&self, event: &Event<'_>, time: Option<i64>) -> bool {
        let name = event.event_name.get();
        self.names.as_ref().is_none_or(|names| name.is_some_and(|name| names.contains(name)))
            && (!self.failed || event.error_code.get().is_some())
            && self.is_in_time(time)
    }

    /// Whether a time is wanted. What has no time is never left out.
    #[must_use]
    pub fn is_in_time(&self, time: Option<i64>) -> bool {
        let Some(time) = time else { return true };
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time <= to)
    }
}

/// A record's time, in seconds since 1970.
#[must_use]
pub fn time_of(event: &Event<'_>) -> Option<i64> {
    event.event_time.get().and_then(seconds)
}

/// A time as CloudTrail writes it, in seconds since 1970.
#[must_use]
pub fn seconds(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(time.as_second())
}

/// Gives the wanted records of a file to `each`, and notes in the tally what the file came to. `each` says whether it wants
/// more.
pub fn read(
    inputs: &Inputs,
    file: usize,
    wanted: &Wanted,
    scratch: &mut Scratch,
    mut each: impl FnMut(&Event<'_>, Option<i64>) -> bool,
) {
    let Some(source) = inputs.sources.get(file) else { return };
    let mut tally = FileTally::default();
    if !wanted.may_be_in_file_of(source.delivered()) {
        tally.passed_over = true;
        return inputs.tally.add(file, tally);
    }
    let read = with_text(source, scratch, |text, damage| {
        tally.text = text.len() as u64;
        let is_whole = source.kind == Kind::Trail && damage.is_none();
        let places = if is_whole { wanted.places(text) } else { None };
        if places.as_ref().is_some_and(Places::is_empty) {
            tally.passed_over = true;
            return;
        }
        let mut goes_on = true;
        let mut one = |event: Result<Event<'_>, String>, tally: &mut FileTally| match event {
            Ok(event) if event.event_name.get().is_none() && event.event_source.get().is_none() => {
                // Insights name no call of their own.
                if event.event_category.get() != Some("Insight") {
                    tally.bad("a record is not CloudTrail's: it has neither eventSource nor eventName");
                }
            }
            Ok(event) => {
                let time = time_of(&event);
                tally.records += 1;
                if let Some(time) = time {
                    tally.saw(time, time);
                }
                if goes_on && wanted.has(&event, time) {
                    goes_on = each(&event, time);
                }
            }
            Err(why) => tally.bad(&why),
        };
        let damaged = damage.is_some();
        if source.kind == Kind::Trail {
            let mut found = |event: Result<Option<Event<'_>>, logfile::Error>| match event {
                Ok(Some(event)) => one(Ok(event), &mut tally),
                Ok(None) => tally.skipped += 1,
                // The damage is told once, as what it is.
                Err(_) if damaged => {}
                Err(error) => one(Err(error.to_string().replace("names a call to be judged and ", "")), &mut tally),
            };
            match &places {
                Some(places) => every_with(text, places, found),
                None => every(text, |event| found(event.map(Some))),
            }
        } else {
            for document in documents(text) {
                match document {
                    Ok(Document::Records(records)) => records.iter().for_each(|record| {
                        one(Event::parse(record.as_bytes()).map_err(|error| error.to_string()), &mut tally);
                    }),
                    Ok(Document::State(value)) if is_entries(&value) && list_in(&source.name()).is_none() => {
                        let which = "its name does not say of which: call it pl-….json";
                        tally.bad(&format!("it holds the entries of a prefix list, and {which}"));
                    }
                    Ok(Document::State(_) | Document::Sweep(_) | Document::Flows(_)) => {}
                    Err(why) => tally.bad(&why),
                }
            }
        }
        if let Some(why) = damage {
            tally.bad(&why);
        }
    });
    match read {
        Ok(((), bytes)) => tally.bytes = bytes,
        Err(error) => tally.bad(&error.to_string()),
    }
    inputs.tally.add(file, tally);
}
