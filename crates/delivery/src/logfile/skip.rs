//! Finds where an object ends without parsing it: by its braces outside of strings, 64 bytes at a time.

use crate::marks::{GROUP, Group};

/// Every second bit, from the first.
const EVEN: u64 = 0x5555_5555_5555_5555;

/// For each bit whether an odd number of bits is set up to it.
fn is_odd(mut bits: u64) -> u64 {
    for by in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << by;
    }
    bits
}

/// Where the reading of a text is.
#[derive(Debug, Default)]
struct State {
    /// All bits if the group begins in a string.
    in_string: u64,
    /// One if the first byte of the group is escaped.
    is_escaped: u64,
    depth: u32,
}

impl State {
    /// The bytes that a backslash before them escapes. Of several backslashes every second one does.
    fn escaped(&mut self, backslashes: u64) -> u64 {
        if backslashes == 0 {
            return std::mem::take(&mut self.is_escaped);
        }
        let backslashes = backslashes & !self.is_escaped;
        let follows = backslashes << 1 | self.is_escaped;
        // A run of backslashes that begins at an odd byte is carried through by the sum, up to the byte behind it.
        let odd_begins = backslashes & !EVEN & !follows;
        let (behind, carries) = odd_begins.overflowing_add(backslashes);
        self.is_escaped = u64::from(carries);
        (EVEN ^ (behind << 1)) & follows
    }

    /// The bit at which the object ends, if it ends in the group.
    fn end(&mut self, group: &Group) -> Option<u32> {
        let quotes = group.is(b'"') & !self.escaped(group.is(b'\\'));
        let in_string = is_odd(quotes) ^ self.in_string;
        self.in_string = 0_u64.wrapping_sub(in_string >> 63);
        let (opens, closes) = (group.is(b'{') & !in_string, group.is(b'}') & !in_string);
        if self.depth > closes.count_ones() {
            self.depth += opens.count_ones();
            self.depth -= closes.count_ones();
            return None;
        }
        let mut both = opens | closes;
        while both != 0 {
            let at = both.trailing_zeros();
            both &= both - 1;
            if opens >> at & 1 == 1 {
                self.depth += 1;
            } else {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return Some(at);
                }
            }
        }
        None
    }
}

/// The offset behind the object that begins at `from`. Whether the object is JSON is not looked at. `None`: it does not end.
pub(super) fn object_end(text: &[u8], from: usize) -> Option<usize> {
    let (groups, rest) = text.get(from..)?.as_chunks::<GROUP>();
    let mut state = State::default();
    for (n, group) in groups.iter().enumerate() {
        if let Some(at) = state.end(&Group::of(group)) {
            return Some(from + n * GROUP + at as usize + 1);
        }
    }
    state.end(&Group::of_rest(rest, b' ')).map(|at| from + groups.len() * GROUP + at as usize + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let text = "[a-z\"\\\\{}\\[\\]:, \u{e9}]{0,40}";
        let leaf = prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), text.prop_map(Value::from)];
        leaf.prop_recursive(5, 60, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::hash_map(text, inner, 0..8).prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        /// An object ends where a parser says that it ends, whatever is in its strings and wherever the groups begin.
        #[test]
        fn an_object_ends_where_a_parser_says(value in any_value(), before in 0_usize..70, behind in "[\"{}\\\\ ,]{0,80}") {
            let object = serde_json::json!({ "a": value }).to_string();
            let text = format!("{}{object}{behind}", "\"".repeat(before));
            prop_assert_eq!(object_end(text.as_bytes(), before), Some(before + object.len()));
            prop_assert_eq!(object_end(&text.as_bytes()[..before + object.len() - 1], before), None);
        }

        /// Any bytes are read to their end.
        #[test]
        fn any_bytes_have_an_end_in_them_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300), from in 0_usize..310) {
            prop_assert!(object_end(&bytes, from).is_none_or(|end| end > from && end <= bytes.len()));
        }
    }
}
