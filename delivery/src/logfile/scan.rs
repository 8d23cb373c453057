//! Plain text → the records in it that are calls of ours, without reading the others.
//!
//! The names of the calls are searched for as text, with SIMD. The innermost object around a name ([`around`]) is the
//! only one that can have the name as its own `eventName`; if it has, it is a record of ours, and else the name was text
//! in something else. So it does not matter in which order keys come, what white space is between them, what strings
//! hold, and whether the text is one document or one a line.
//!
//! JSON may write any letter as `\u00…`, so such a letter counts as a name: CloudTrail writes `<`, `>` and `&` so, and
//! no letter.

use std::sync::LazyLock;

use memchr::memmem;
use portcullis_domain::json;
use portcullis_domain::trail::Call;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::around::{Around, Finder, Part};
use super::{Error, Found, LONGEST_RECORD, PIECE};

static NAMES: LazyLock<[memmem::Finder<'static>; Call::NAMES.len()]> =
    LazyLock::new(|| Call::NAMES.map(memmem::Finder::new));
static ESCAPE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\\u00"));

/// How many bytes there must be to see what begins at the first of them.
pub(super) const LONGEST_NEEDLE: usize = 32;

/// Finds the records in a whole text.
pub fn scan(text: &[u8], mut tell: impl FnMut(Found)) {
    let mut search = Search::default();
    search.run(Part { bytes: text, base: 0, is_last: true }, &mut tell);
    let last = text.iter().rev().find(|byte| !byte.is_ascii_whitespace());
    ends_well(last.copied(), text.len(), tell);
}

/// A document is an object, or in theory an array of them.
fn ends_well(last: Option<u8>, length: usize, mut tell: impl FnMut(Found)) {
    if !matches!(last, Some(b'}' | b']')) {
        tell(Err(Error::EndsEarly { length }));
    }
}

#[derive(Debug, Default)]
struct Search {
    around: Finder,
    /// All before this offset has been searched.
    searched: usize,
    places: Vec<usize>,
    /// The last place was in no object that could be read.
    is_trouble: bool,
}

impl Search {
    /// Searches what has not been searched. Returns the offset of an object that must be seen to its end first.
    fn run(&mut self, part: Part<'_>, tell: &mut impl FnMut(Found)) -> Option<usize> {
        let length = part.bytes.len();
        let end = part.base + if part.is_last { length } else { length.saturating_sub(LONGEST_NEEDLE - 1) };
        while self.searched < end {
            let until = end.min(self.searched + PIECE);
            let mut places = std::mem::take(&mut self.places);
            places_between(part, self.searched, until, &mut places);
            let mut pending = None;
            for place in places.drain(..) {
                if let Around::Pending(object) = self.look(part, place, tell) {
                    pending = Some((place, object));
                    break;
                }
            }
            self.places = places;
            if let Some((place, object)) = pending {
                self.searched = place;
                return Some(object);
            }
            self.searched = until;
        }
        None
    }

    fn look(&mut self, part: Part<'_>, place: usize, tell: &mut impl FnMut(Found)) -> Around {
        let around = self.around.around(part, place);
        if let Around::Pending(_) = around {
            return around;
        }
        let is_trouble = matches!(around, Around::TooLong(_) | Around::Unfinished(_) | Around::Nothing);
        let was_trouble = std::mem::replace(&mut self.is_trouble, is_trouble);
        match around {
            Around::Object(begin, end) => {
                let object = part.bytes.get(begin - part.base..end - part.base).unwrap_or_default();
                if let Some(found) = record(object, begin) {
                    tell(found);
                }
            }
            Around::TooLong(offset) => tell(Err(Error::TooLong { offset })),
            Around::Unfinished(offset) => tell(Err(Error::EndsInside { offset })),
            // Once for each damage, not for each name after it.
            Around::Nothing if !was_trouble => tell(Err(Error::Astray { offset: place })),
            Around::Nothing | Around::Known | Around::Pending(_) => {}
        }
        around
    }
}

/// Where something begins that can be a name, in ascending order.
fn places_between(part: Part<'_>, from: usize, until: usize, places: &mut Vec<usize>) {
    let (from, until) = (from - part.base, until - part.base);
    let beginning = |needle: usize| {
        let end = (until + needle - 1).min(part.bytes.len());
        part.bytes.get(from..end).unwrap_or_default()
    };
    for name in NAMES.iter() {
        places.extend(name.find_iter(beginning(name.needle().len())).map(|at| part.base + from + at));
    }
    let is_letter = |at: &usize| matches!(part.bytes.get(from + at + 4), Some(b'4'..=b'7'));
    let escapes = ESCAPE.find_iter(beginning(ESCAPE.needle().len())).filter(is_letter);
    places.extend(escapes.map(|at| part.base + from + at));
    places.sort_unstable();
}

/// The object if it is a record of ours.
fn record(object: &[u8], offset: usize) -> Option<Found> {
    let unreadable = |error: serde_json::Error| Some(Err(Error::Object { offset, why: error.to_string() }));
    match serde_json::from_slice::<IsOurs>(object) {
        Ok(IsOurs(false)) => None,
        Ok(IsOurs(true)) => json::parse(object).map_or_else(unreadable, |record| Some(Ok(record))),
        Err(error) => unreadable(error),
    }
}

/// Whether an object's own `eventName`, or one of them, is a call of ours.
struct IsOurs(bool);

impl<'de> Deserialize<'de> for IsOurs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventName)
    }
}

struct EventName;

impl<'de> Visitor<'de> for EventName {
    type Value = IsOurs;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<IsOurs, A::Error> {
        let mut is_ours = false;
        while let Some(key) = entries.next_key::<String>()? {
            if key == "eventName" {
                let name = entries.next_value::<Value>()?;
                is_ours |= name.as_str().is_some_and(|name| Call::NAMES.contains(&name));
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(IsOurs(is_ours))
    }
}

/// Finds the records in a text that arrives in chunks: the same as [`scan`] does, however it is cut. It keeps what a
/// record may reach back and forth, three MiB at most.
#[derive(Debug, Default)]
pub struct Scanner {
    search: Search,
    text: Vec<u8>,
    /// Where `text` begins.
    base: usize,
    /// Nothing can be found before the text reaches this offset.
    wait: usize,
    last: Option<u8>,
}

/// So much is kept longer than it must be, so as not to move the rest for every chunk.
const SLACK: usize = LONGEST_RECORD / 2;

impl Scanner {
    /// The next chunk.
    pub fn push(&mut self, chunk: &[u8], mut tell: impl FnMut(Found)) {
        for piece in chunk.chunks(PIECE) {
            self.text.extend_from_slice(piece);
            let last = piece.iter().rev().find(|byte| !byte.is_ascii_whitespace());
            self.last = last.copied().or(self.last);
            if self.base + self.text.len() >= self.wait {
                self.run(false, &mut tell);
            }
        }
    }

    /// The end of the text.
    pub fn finish(mut self, mut tell: impl FnMut(Found)) {
        self.run(true, &mut tell);
        ends_well(self.last, self.base + self.text.len(), tell);
    }

    /// How many bytes are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.text.capacity()
    }

    /// Whatever is complete.
    pub(super) fn flush(&mut self, mut tell: impl FnMut(Found)) {
        self.run(false, &mut tell);
    }

    fn run(&mut self, is_last: bool, tell: &mut impl FnMut(Found)) {
        let part = Part { bytes: &self.text, base: self.base, is_last };
        if let Some(object) = self.search.run(part, tell) {
            // When it is twice as long as now, so that it is not followed again for every byte.
            let length = self.base + self.text.len() - object;
            self.wait = object + (2 * length).min(LONGEST_RECORD);
        }
        let keep = self.search.searched.saturating_sub(LONGEST_RECORD);
        if keep > self.base + SLACK {
            self.text.drain(..keep - self.base);
            self.base = keep;
        }
    }
}
