//! Finds the records of relevant calls in a plain text, without reading the other records.
//!
//! The calls' names are searched for as text, at every eighteenth byte. Only the innermost object around a name
//! ([`around`]) can have the name as its own `eventName`. If it has, the object is a record of a relevant call; if not,
//! the name was other text. So the order of the keys, the white space and the content of strings do not matter, and the
//! text may be one document or one document a line.
//!
//! JSON may write any letter as `\u00…`, so such a letter counts as a possible name. CloudTrail writes `<`, `>` and `&`
//! so, and no letter.

use std::sync::LazyLock;

use memchr::memchr_iter;
use portcullis_domain::change::Call;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::around::{Around, Finder, Part};
use super::{Error, Found, LONGEST_RECORD, Record};

/// Six bytes of a name, the name, and their offset in it.
type Gram = (u64, &'static [u8], usize);

/// This many bytes of every name are searched for: the length of the shortest name.
pub(super) const SHORTEST: usize = 23;
/// How many bytes are compared. Fewer occur often in other words, and more would need more checks.
const LENGTH: usize = 6;
/// Two checks this far apart miss no occurrence of a name.
const STRIDE: usize = SHORTEST - LENGTH + 1;

static GRAMS: LazyLock<Grams> = LazyLock::new(Grams::new);

/// What is searched for at every [`STRIDE`]th byte. The names are long, so this is much faster than searching for each
/// of them at every byte.
struct Grams {
    /// The grams in the order of their [`slot`]s.
    all: Vec<Gram>,
    /// For each hash slot, the 1-based index of its first gram in `all`; 0 if it has none.
    first: Box<[u8; SLOTS]>,
}

const SLOTS: usize = 1 << 13;

/// The gram at the beginning of eight bytes, which fill one register.
fn gram(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes) << (64 - 8 * LENGTH)
}

/// The bytes at the end of a text, filled up to eight.
fn filled(bytes: &[u8]) -> [u8; 8] {
    let mut eight = [0; 8];
    eight.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    eight
}

fn slot(gram: u64) -> usize {
    // The golden ratio's bits spread the grams (Knuth, TAOCP 3, 6.4).
    (gram.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51) as usize & (SLOTS - 1)
}

impl Grams {
    fn new() -> Self {
        let mut all: Vec<Gram> = Vec::new();
        for name in Call::NAMES.map(str::as_bytes) {
            for (at, bytes) in name.windows(LENGTH).take(STRIDE).enumerate() {
                all.push((gram(filled(bytes)), name, at));
            }
        }
        all.sort_by_key(|(gram, _, _)| slot(*gram));
        let mut first = Box::new([0; SLOTS]);
        for ((gram, _, _), n) in all.iter().zip(1..) {
            if let Some(first @ 0) = first.get_mut(slot(*gram)) {
                *first = n;
            }
        }
        Self { all, first }
    }

    /// The 1-based index of the first gram in the slot of these bytes; 0 if there is none.
    fn first(&self, bytes: [u8; 8]) -> u8 {
        self.first.get(slot(gram(bytes))).copied().unwrap_or_default()
    }

    /// Whether a name may be at one of the four checked offsets.
    fn is_in(&self, four: &[u8; 4 * STRIDE]) -> bool {
        let (looks, _) = four.as_chunks::<STRIDE>();
        let of = |[a, b, c, d, e, f, g, h, ..]: &[u8; STRIDE]| self.first([*a, *b, *c, *d, *e, *f, *g, *h]);
        looks.iter().fold(0, |any, look| any | of(look)) != 0
    }

    /// The offset of the name to which the bytes at `at` belong.
    fn name(&self, text: &[u8], at: usize) -> Option<usize> {
        let bytes = filled(text.get(at..at + LENGTH)?);
        let others = usize::from(self.first(bytes)).checked_sub(1)?;
        let gram = gram(bytes);
        let same_slot = self.all.iter().skip(others).take_while(|known| slot(known.0) == slot(gram));
        same_slot.filter(|known| known.0 == gram).find_map(|(_, name, before)| {
            let begin = at.checked_sub(*before)?;
            text.get(begin..)?.starts_with(name).then_some(begin)
        })
    }
}

/// How many bytes are searched at a time, so that they fit in the processor's nearest cache.
const PIECE: usize = 16 << 10;

/// How many bytes are needed to recognise a name that begins at the first of them.
pub(super) const LONGEST_NEEDLE: usize = 32;

/// Finds the records in a whole text.
pub fn scan<'a>(text: &'a [u8], mut report: impl FnMut(Found<'a>)) {
    let mut search = Search::default();
    search.run(Part { bytes: text, base: 0, is_last: true }, &mut report);
    let last = text.iter().rev().find(|byte| !byte.is_ascii_whitespace());
    ends_well(last.copied(), text.len(), report);
}

/// A document is an object, or in theory an array of objects.
fn ends_well<'a>(last: Option<u8>, length: usize, mut report: impl FnMut(Found<'a>)) {
    if !matches!(last, Some(b'}' | b']')) {
        report(Err(Error::EndsEarly { length }));
    }
}

#[derive(Debug, Default)]
struct Search {
    around: Finder,
    /// Everything before this offset has been searched.
    searched: usize,
    places: Vec<usize>,
    /// The name before was not in an object that could be read.
    is_unreadable: bool,
}

impl Search {
    /// Searches the rest. Returns the offset of an object that must first be complete.
    fn run<'a>(&mut self, part: Part<'a>, report: &mut impl FnMut(Found<'a>)) -> Option<usize> {
        let length = part.bytes.len();
        let end = part.base + if part.is_last { length } else { length.saturating_sub(LONGEST_NEEDLE - 1) };
        while self.searched < end {
            let until = end.min(self.searched + PIECE);
            let mut places = std::mem::take(&mut self.places);
            places_between(part, self.searched, until, &mut places);
            let mut pending = None;
            for place in places.drain(..) {
                if let Around::Pending(object) = self.look(part, place, report) {
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

    fn look<'a>(&mut self, part: Part<'a>, place: usize, report: &mut impl FnMut(Found<'a>)) -> Around {
        let around = self.around.around(part, place);
        if let Around::Pending(_) = around {
            return around;
        }
        let is_unreadable = matches!(around, Around::TooLong(_) | Around::Unfinished(_) | Around::Nothing);
        let was_unreadable = std::mem::replace(&mut self.is_unreadable, is_unreadable);
        match around {
            Around::Object(begin, end) => {
                let object = part.bytes.get(begin - part.base..end - part.base).unwrap_or_default();
                if let Some(found) = record(object, begin) {
                    report(found);
                }
            }
            Around::TooLong(offset) => report(Err(Error::TooLong { offset })),
            Around::Unfinished(offset) => report(Err(Error::EndsInside { offset })),
            // One error for each damage, not for each name after it.
            Around::Nothing if !was_unreadable => report(Err(Error::Astray { offset: place })),
            Around::Nothing | Around::Known | Around::Pending(_) => {}
        }
        around
    }
}

/// The offsets where a name may begin, in ascending order.
fn places_between(part: Part<'_>, from: usize, until: usize, places: &mut Vec<usize>) {
    let (text, from, until) = (part.bytes, from - part.base, until - part.base);
    let grams = &*GRAMS;
    let looked_at = text.get(from..(until + LENGTH - 1).min(text.len())).unwrap_or_default();
    let (fours, rest) = looked_at.as_chunks::<{ 4 * STRIDE }>();
    let mut look = |n: usize| places.extend(grams.name(text, from + n * STRIDE).map(|place| part.base + place));
    let mut n = 0;
    // Four checks at a time, because hardly any of them hits.
    while let Some(more) = fours.get(n..).and_then(|fours| fours.iter().position(|four| grams.is_in(four))) {
        n += more;
        (4 * n..4 * n + 4).for_each(&mut look);
        n += 1;
    }
    let last = rest.len().saturating_sub(LENGTH - 1).div_ceil(STRIDE);
    (4 * fours.len()..4 * fours.len() + last).for_each(look);
    let backslashes = memchr_iter(b'\\', text.get(from..until).unwrap_or_default()).map(|at| from + at);
    let is_letter = |at: &usize| matches!(text.get(*at..), Some([_, b'u', b'0', b'0', b'4'..=b'7', ..]));
    places.extend(backslashes.filter(is_letter).map(|at| part.base + at));
    // Two checks may hit the same long name.
    places.sort_unstable();
    places.dedup();
}

/// The object, if it is a record of a relevant call.
fn record(bytes: &[u8], offset: usize) -> Option<Found<'_>> {
    let mut is_ours = false;
    let read = serde_json::Deserializer::from_slice(bytes).deserialize_map(Fields { is_ours: &mut is_ours });
    match read {
        _ if is_ours => Some(Ok(Record { bytes, offset })),
        Ok(()) => None,
        Err(error) => Some(Err(Error::Object { offset, why: error.to_string() })),
    }
}

/// Searches an object for its own `eventName`, or one of several, that names a relevant call. The search then stops
/// with an error that nobody reads, so the rest of the object is not parsed.
struct Fields<'a> {
    is_ours: &'a mut bool,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(IsEventName(is_event_name)) = fields.next_key()? {
            if !is_event_name {
                fields.next_value::<IgnoredAny>()?;
            } else if fields.next_value::<Value>()?.as_str().is_some_and(|name| Call::NAMES.contains(&name)) {
                *self.is_ours = true;
                break;
            }
        }
        Ok(())
    }
}

/// Whether a key is `eventName`.
struct IsEventName(bool);

impl<'de> Deserialize<'de> for IsEventName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Key)
    }
}

struct Key;

impl Visitor<'_> for Key {
    type Value = IsEventName;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<IsEventName, E> {
        Ok(IsEventName(key == "eventName"))
    }
}

/// Finds the records in a text that arrives in chunks, and finds the same as [`scan`], however the text is cut. It
/// keeps as much text as a record may need before and after a name: at most three MiB.
#[derive(Debug, Default)]
pub struct Scanner {
    search: Search,
    text: Vec<u8>,
    /// The offset at which `text` begins.
    base: usize,
    /// No record can be found before the text reaches this offset.
    wait: usize,
    last: Option<u8>,
}

/// This much more text is kept than needed, so that the rest is not moved for every chunk.
const SLACK: usize = LONGEST_RECORD / 2;

impl Scanner {
    /// Takes the next chunk.
    pub fn push(&mut self, chunk: &[u8], mut report: impl FnMut(Found<'_>)) {
        for piece in chunk.chunks(PIECE) {
            self.text.extend_from_slice(piece);
            let last = piece.iter().rev().find(|byte| !byte.is_ascii_whitespace());
            self.last = last.copied().or(self.last);
            if self.base + self.text.len() >= self.wait {
                self.run(false, &mut report);
            }
        }
    }

    /// Ends the text.
    pub fn finish(mut self, mut report: impl FnMut(Found<'_>)) {
        self.run(true, &mut report);
        ends_well(self.last, self.base + self.text.len(), report);
    }

    /// How many bytes are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.text.capacity()
    }

    /// Searches everything that is complete.
    pub(super) fn flush(&mut self, mut report: impl FnMut(Found<'_>)) {
        self.run(false, &mut report);
    }

    fn run(&mut self, is_last: bool, report: &mut impl FnMut(Found<'_>)) {
        let part = Part { bytes: &self.text, base: self.base, is_last };
        if let Some(object) = self.search.run(part, report) {
            // Waits until the object is twice as long, so that it is not followed again for every byte.
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
