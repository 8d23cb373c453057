//! Finds the innermost JSON object around an offset in a text.
//!
//! The text is not read from its beginning, so nobody knows which braces are inside strings. The search goes back from
//! the offset over every `{`, nearest first. It takes each one as the beginning of an object and follows it to its end.
//! The first one that ends after the offset is the object. This is correct because the byte at the offset can only be
//! inside a string: it is a capital letter or a backslash. Suppose a `{` is itself inside a string. A reading that
//! begins there takes strings for the text between strings, and the text between strings for strings. JSON escapes
//! quotes inside strings and has no backslash outside them, so both readings switch at the same quotes. Then the byte
//! at the offset is between strings for this reading, where no such byte is allowed, and the reading fails there.
//!
//! Only strings and brackets are followed. Other code parses the found object in full. Each byte is followed a fixed
//! number of times, for any text and any number of offsets: an object is followed once, and no `{` is checked again for
//! a later offset.

use std::collections::{HashMap, VecDeque};

use memchr::{memchr2, memrchr_iter};

use super::LONGEST_RECORD;

/// A part of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) bytes: &'a [u8],
    /// The offset in the text where the part begins.
    pub(super) base: usize,
    /// No text follows the part.
    pub(super) is_last: bool,
}

/// The object around an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    /// This object, found for the first time: its first offset, and the offset after its end.
    Object(usize, usize),
    /// An object that was found for an earlier offset.
    Known,
    /// An object that begins here and is longer than the limit.
    TooLong(usize),
    /// An object that begins here and does not end.
    Unfinished(usize),
    /// The same, but more text may follow.
    Pending(usize),
    /// No object, as far back as a record may reach.
    Nothing,
}

/// The result of following a `{`.
#[derive(Debug, Clone, Copy)]
enum Leads {
    /// The object ends before this offset.
    To(usize),
    /// It is not an object.
    Nowhere,
    /// It is longer than the limit.
    TooFar,
    /// The text ends first.
    OnAndOn,
}

#[derive(Debug)]
struct Object {
    begin: usize,
    end: usize,
    /// No `{` between `begin` and this offset belongs to an object that ends after this offset.
    known: usize,
}

/// Finds the objects around offsets that are given in ascending order.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// The found objects. Each begins after all `{` that the object before it has ruled out.
    found: VecDeque<Object>,
    leads: HashMap<usize, Leads>,
    prune_at: usize,
    /// No `{` before this offset belongs to an object that ends after this offset.
    known: usize,
}

/// Failed readings shorter than this are not remembered.
const SHORT: usize = 64;

impl Finder {
    /// The object around the offset `place` of the text. The part must contain everything from [`LONGEST_RECORD`] bytes
    /// before it on.
    pub(super) fn around(&mut self, part: Part<'_>, place: usize) -> Around {
        let reach = place.saturating_sub(LONGEST_RECORD).max(part.base);
        self.forget(reach);
        let mut upper = place;
        loop {
            let lower = self.found.back().map_or(self.known, |object| object.known).max(reach);
            let between = part.bytes.get(lower - part.base..upper.max(lower) - part.base).unwrap_or_default();
            for index in memrchr_iter(b'{', between) {
                let begin = lower + index;
                match self.follow(part, begin) {
                    Leads::To(end) if end > place => {
                        self.found.push_back(Object { begin, end, known: place });
                        return Around::Object(begin, end);
                    }
                    Leads::To(_) | Leads::Nowhere => {}
                    // An object this long ends after the offset, and so does every object around it.
                    Leads::TooFar => {
                        self.nothing_before(place);
                        return Around::TooLong(begin);
                    }
                    Leads::OnAndOn if part.is_last => {
                        self.nothing_before(place);
                        return Around::Unfinished(begin);
                    }
                    Leads::OnAndOn => return Around::Pending(begin),
                }
            }
            let Some(object) = self.found.back_mut() else {
                self.nothing_before(place);
                return Around::Nothing;
            };
            if object.end > place {
                object.known = place;
                return Around::Known;
            }
            upper = object.begin;
            self.found.pop_back();
        }
    }

    fn nothing_before(&mut self, place: usize) {
        self.found.clear();
        self.known = place;
    }

    fn forget(&mut self, reach: usize) {
        while self.found.front().is_some_and(|object| object.known < reach) {
            self.found.pop_front();
        }
        if self.leads.len() > self.prune_at {
            self.leads.retain(|begin, _| *begin >= reach);
            self.prune_at = 2 * self.leads.len() + 1024;
        }
    }

    fn follow(&mut self, part: Part<'_>, begin: usize) -> Leads {
        if let Some(leads) = self.leads.get(&begin) {
            return *leads;
        }
        let bytes = part.bytes.get(..begin + LONGEST_RECORD - part.base).unwrap_or(part.bytes);
        let (leads, at) = self.lead(part.base, bytes, begin - part.base);
        let is_cut = matches!(leads, Leads::OnAndOn) && bytes.len() < part.bytes.len();
        let leads = if is_cut { Leads::TooFar } else { leads };
        let is_worth_it = match leads {
            Leads::OnAndOn => false,
            Leads::Nowhere => part.base + at - begin > SHORT,
            Leads::To(_) | Leads::TooFar => true,
        };
        if is_worth_it {
            self.leads.insert(begin, leads);
        }
        leads
    }

    /// The result of following the `{`, and the index up to which it was followed.
    fn lead(&mut self, base: usize, bytes: &[u8], begin: usize) -> (Leads, usize) {
        // For each open bracket, its index and whether it is a `{`.
        let mut open: Vec<(usize, bool)> = Vec::new();
        let mut at = begin;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => match string_end(bytes, at + 1) {
                    Some(end) => {
                        at = end;
                        continue;
                    }
                    None => return (Leads::OnAndOn, bytes.len()),
                },
                b'{' => match self.leads.get(&(base + at)) {
                    Some(Leads::To(end)) => {
                        at = end - base;
                        continue;
                    }
                    Some(leads @ (Leads::Nowhere | Leads::TooFar)) => return (*leads, at),
                    Some(Leads::OnAndOn) | None => open.push((at, true)),
                },
                b'[' => open.push((at, false)),
                b'}' | b']' => match open.pop() {
                    Some((from, is_object)) if is_object == (*byte == b'}') => {
                        if open.is_empty() {
                            return (Leads::To(base + at + 1), at);
                        }
                        if is_object {
                            self.leads.insert(base + from, Leads::To(base + at + 1));
                        }
                    }
                    _ => return (Leads::Nowhere, at),
                },
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b'0'..=b'9' | b'+' | b'-' | b'.' | b'E' => {}
                // true, false, null, and the small e of a number.
                b't' | b'r' | b'u' | b'e' | b'f' | b'a' | b'l' | b's' | b'n' => {}
                _ => return (Leads::Nowhere, at),
            }
            at += 1;
        }
        (Leads::OnAndOn, at)
    }
}

/// The index after the string's closing quote.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let found = at + memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(found) {
            Some(b'"') => return Some(found + 1),
            _ => at = found + 2,
        }
    }
}
