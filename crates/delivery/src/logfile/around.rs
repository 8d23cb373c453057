//! A place in a text → the innermost JSON object around it.
//!
//! The text is not read from its beginning, so nobody knows whether a brace stands in a string. From the place back over
//! every `{`, nearest first, each is taken for the beginning of an object and followed to its end; the first that ends
//! behind the place is the one. It is sound because the place is text that can only stand inside a string (a capital
//! letter, or a backslash): begun at a `{` that is itself inside a string, the reading takes every string for what is
//! between strings and the other way round (JSON escapes quotes inside strings, and has no backslash outside of them, so
//! the two readings change over at the same quotes), and so it cannot get past the place: there it is between strings,
//! where no such byte may be.
//!
//! Only strings and brackets are followed: what is found is parsed in full by others. Each byte is followed a fixed
//! number of times, whatever the text and however many places are asked for: an object is followed once, and no `{` is
//! looked at again for a later place.

use std::collections::{HashMap, VecDeque};

use memchr::{memchr2, memrchr_iter};

use super::LONGEST_RECORD;

/// A part of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) bytes: &'a [u8],
    /// Where in the text it begins.
    pub(super) base: usize,
    /// Nothing follows.
    pub(super) is_last: bool,
}

/// What is around a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    /// This object, for the first time: from here to before there.
    Object(usize, usize),
    /// An object that an earlier place was in.
    Known,
    /// An object that begins here, beyond the limit.
    TooLong(usize),
    /// An object that begins here and does not end.
    Unfinished(usize),
    /// The same; there may be more to come.
    Pending(usize),
    /// None, as far back as a record may reach.
    Nothing,
}

/// Where a `{` leads to.
#[derive(Debug, Clone, Copy)]
enum Leads {
    /// To before here.
    To(usize),
    /// Nowhere: it is no object.
    Nowhere,
    /// Beyond the limit.
    TooFar,
    /// To the end of what is there.
    OnAndOn,
}

#[derive(Debug)]
struct Object {
    begin: usize,
    end: usize,
    /// No `{` between `begin` and here belongs to an object that reaches beyond here.
    known: usize,
}

/// Finds the objects around places that are asked for in ascending order.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// Those that were found: each begins after all `{` that are known through the one before it.
    found: VecDeque<Object>,
    leads: HashMap<usize, Leads>,
    prune_at: usize,
    /// No `{` before here belongs to an object that reaches beyond here.
    known: usize,
}

/// Shorter ways into nowhere are not remembered.
const SHORT: usize = 64;

impl Finder {
    /// The object around the place, an offset of the text; what is from [`LONGEST_RECORD`] bytes before it on must be in
    /// the part.
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
                    // Whatever goes on this far goes on beyond the place, and so does what is around it.
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

    /// Where the `{` leads to, and the index where that is known.
    fn lead(&mut self, base: usize, bytes: &[u8], begin: usize) -> (Leads, usize) {
        // Of each open bracket its index, and whether it is a `{`.
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

/// The index behind the string's closing quote.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let found = at + memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(found) {
            Some(b'"') => return Some(found + 1),
            _ => at = found + 2,
        }
    }
}
