//! The lines of a text, and the words of each line: what lies between spaces and control characters.

use std::ops::Range;

use crate::marks::{GROUP, Group};

/// A word: where it begins in the text, and where it ends.
pub(super) type Span = (usize, usize);

/// The end of a text behind the last end of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfinished {
    /// Where it begins.
    pub(super) begin: usize,
    /// Its words.
    pub(super) words: Vec<Span>,
    /// Whether it is ASCII for certain.
    pub(super) is_ascii: bool,
}

/// Gives each line that has its end to `each`: its words, where it is with its end, and whether it is ASCII for certain.
#[inline]
pub(super) fn lines(text: &[u8], mut each: impl FnMut(&mut Vec<Span>, Range<usize>, bool)) -> Unfinished {
    let mut words = Vec::with_capacity(32);
    let (mut begin, mut from, mut is_line_ascii) = (0, 0, true);
    let mut look_at = |base: usize, group: Group| {
        let is_group_ascii = group.is_ascii();
        is_line_ascii &= is_group_ascii;
        let (mut between, ends) = (group.is_at_most(b' '), group.is(b'\n'));
        while between != 0 {
            let bit = between.trailing_zeros();
            between &= between - 1;
            let at = base + bit as usize;
            if at > from {
                words.push((from, at));
            }
            from = at + 1;
            if ends >> bit & 1 == 1 {
                each(&mut words, begin..from, is_line_ascii);
                words.clear();
                (begin, is_line_ascii) = (from, is_group_ascii);
            }
        }
    };
    let (groups, rest) = text.as_chunks::<GROUP>();
    groups.iter().enumerate().for_each(|(n, group)| look_at(n * GROUP, Group::of(group)));
    look_at(groups.len() * GROUP, Group::of_rest(rest, b'x'));
    if from < text.len() {
        words.push((from, text.len()));
    }
    Unfinished { begin, words, is_ascii: is_line_ascii }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Words are those of the standard library, wherever they end and however long the lines are.
        #[test]
        fn words_are_what_lies_between_spaces(text in "([ \ta-z0-9.:\u{e9}\u{20ac}-]{0,150}[\n\r]{0,2}){0,6}") {
            let own = |words: &[Span]| words.iter().map(|(from, to)| &text.as_bytes()[*from..*to]).collect::<Vec<_>>();
            let (mut found, mut whole) = (Vec::new(), 0);
            let rest = lines(text.as_bytes(), |words, line, is_ascii| {
                assert_eq!(line.start, whole);
                whole = line.end;
                let line = &text.as_bytes()[line];
                assert!(line.ends_with(b"\n") && (!is_ascii || line.is_ascii()));
                found.push(own(words));
            });
            prop_assert!(rest.begin == whole && (!rest.is_ascii || text.as_bytes()[whole..].is_ascii()));
            found.push(own(&rest.words));
            let expected: Vec<Vec<&[u8]>> =
                text.split('\n').map(|line| line.split_ascii_whitespace().map(str::as_bytes).collect()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
