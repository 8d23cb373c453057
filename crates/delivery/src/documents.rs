//! A text's documents: one, or several one after the other, on lines of their own or not.
//!
//! Everything that reads JSON as a text reads it here: files, standard input, and the texts inside a delivery.

use std::borrow::Cow;

use portcullis_domain::json::Json;

/// A document of a text.
#[derive(Debug)]
pub struct Document<'t> {
    /// The line of the text on which it begins, from 1.
    pub line: usize,
    /// The document, or why it is none.
    pub value: Result<Json<'t>, Broken>,
}

/// Why something in a text is no JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why} at line {line} column {column}")]
pub struct Broken {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1; 0 where the line before has just ended.
    pub column: usize,
    /// The parser's words.
    pub why: String,
}

/// Gives each document of a UTF-8 text to `each`, as soon as it is read. What is no JSON is given too; reading goes on at
/// the next line that begins with a document's bracket, so that one broken line does not stop the others.
pub fn each(text: &[u8], each: impl FnMut(Document<'_>)) {
    Reader::default().read(text, true, each);
}

/// Reads a text that comes in parts.
#[derive(Debug, Default)]
pub struct Reader {
    /// How many lines have ended before the next part.
    lines: usize,
    /// What follows a broken document is passed over, up to the next line that begins with a bracket.
    skips: bool,
}

impl Reader {
    /// Gives each document of a part to `each`. How many bytes were read: the others, a document that may not be complete
    /// yet, must come again before what follows. Of the last part all is read.
    pub fn read(&mut self, text: &[u8], is_last: bool, mut each: impl FnMut(Document<'_>)) -> usize {
        let mut lines = Lines { text, at: 0, line: self.lines + 1 };
        let read = self.read_from(&mut lines, is_last, &mut each);
        lines.pass(read);
        self.lines = lines.line - 1;
        read
    }

    fn read_from(&mut self, lines: &mut Lines<'_>, is_last: bool, each: &mut impl FnMut(Document<'_>)) -> usize {
        let text = lines.text;
        let mut begin = 0;
        loop {
            if self.skips {
                match next_line_with_bracket(text, begin) {
                    Some(next) => begin = next,
                    // The bracket may come right behind the last line's end.
                    None if !is_last => {
                        let rest = text.get(begin..).unwrap_or_default();
                        return memchr::memrchr(b'\n', rest).map_or(text.len(), |end| begin + end);
                    }
                    None => return text.len(),
                }
            }
            self.skips = false;
            let rest = text.get(begin..).unwrap_or_default();
            let base = lines.line_at(begin) - 1;
            let mut documents = serde_json::Deserializer::from_slice(rest).into_iter::<Json<'_>>();
            let mut at = begin;
            let error = loop {
                match documents.next() {
                    None => return text.len(),
                    Some(Ok(document)) => each(Document { line: lines.of(at), value: Ok(document) }),
                    Some(Err(error)) => break error,
                }
                at = begin + documents.byte_offset();
            };
            if error.is_eof() && !is_last {
                return at;
            }
            let place = format!(" at line {} column {}", error.line(), error.column());
            let why = error.to_string().replace(&place, "");
            let broken = Broken { line: base + error.line(), column: error.column(), why };
            each(Document { line: lines.of(at), value: Err(broken) });
            begin = lines.at;
            self.skips = true;
        }
    }
}

/// Where the next line begins whose first character is a bracket.
fn next_line_with_bracket(text: &[u8], from: usize) -> Option<usize> {
    let ends = memchr::memchr_iter(b'\n', text.get(from..)?);
    ends.map(|end| from + end + 1).find(|next| matches!(text.get(*next), Some(b'{' | b'[')))
}

/// Counts lines as far as they are asked for.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of what follows the blanks at an offset, which is no smaller than the one before.
    fn of(&mut self, offset: usize) -> usize {
        let blanks = self.text.get(offset..).unwrap_or_default().iter();
        self.line_at(offset + blanks.take_while(|byte| byte.is_ascii_whitespace()).count())
    }

    fn line_at(&mut self, offset: usize) -> usize {
        self.pass(offset);
        self.line
    }

    fn pass(&mut self, offset: usize) {
        let passed = self.text.get(self.at..offset).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', passed).count();
        self.at = self.at.max(offset);
    }
}

/// A text as UTF-8, without the mark that some programs begin it with. PowerShell writes UTF-16.
#[must_use]
pub fn utf8(text: &[u8]) -> Cow<'_, [u8]> {
    let units = |of: fn([u8; 2]) -> u16, text: &[u8]| {
        let (pairs, _) = text.as_chunks::<2>();
        String::from_utf16_lossy(&pairs.iter().map(|pair| of(*pair)).collect::<Vec<u16>>()).into_bytes()
    };
    match text {
        [0xef, 0xbb, 0xbf, text @ ..] => Cow::Borrowed(text),
        [0xff, 0xfe, text @ ..] => Cow::Owned(units(u16::from_le_bytes, text)),
        [0xfe, 0xff, text @ ..] => Cow::Owned(units(u16::from_be_bytes, text)),
        text => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Result<String, String>)> {
        let mut read = Vec::new();
        each(text.as_bytes(), |document| {
            read.push((document.line, document.value.map(|it| it.to_string()).map_err(|error| error.to_string())));
        });
        read
    }

    fn ok(line: usize, text: &str) -> (usize, Result<String, String>) {
        (line, Ok(text.to_owned()))
    }

    #[test]
    fn documents_follow_one_another_in_any_way() {
        for (text, expected) in [
            ("", vec![]),
            (" \n ", vec![]),
            ("{}", vec![ok(1, "{}")]),
            ("{\n  \"a\": 1\n}\n{\n  \"b\": [\n]}\n", vec![ok(1, r#"{"a":1}"#), ok(4, r#"{"b":[]}"#)]),
            ("{}{} []\n\n\"x\"\n1\n", vec![ok(1, "{}"), ok(1, "{}"), ok(1, "[]"), ok(3, "\"x\""), ok(4, "1")]),
            ("\r\n{}\r\n{}\r\n", vec![ok(2, "{}"), ok(3, "{}")]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_broken_document_does_not_stop_the_others() {
        let found = read("{\"a\": 1}\n{\"a\": }\n{\"b\": 2}\n{\n \"c\": x,\n \"d\": {}\n}\n[3]\n{\"e\":");
        let shown: Vec<_> = found.iter().map(|(line, it)| (*line, it.as_deref().unwrap_or("broken"))).collect();
        assert_eq!(
            shown,
            [(1, r#"{"a":1}"#), (2, "broken"), (3, r#"{"b":2}"#), (4, "broken"), (8, "[3]"), (9, "broken")]
        );
        assert_eq!(read("nothing").len(), 1);
    }

    #[test]
    fn a_text_in_parts_has_the_same_documents_on_the_same_lines() {
        let text = "{\"a\": 1}\n{\"a\": }\n x\n{\"b\": 2} [\n3\n]\n\n{\"c\":";
        let whole = read(text);
        assert_eq!(whole.len(), 5);
        for size in 1..text.len() {
            let (mut parts, mut reader, mut buffer) = (Vec::new(), Reader::default(), Vec::new());
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            for (chunk, n) in chunks.iter().zip(1..) {
                buffer.extend_from_slice(chunk);
                let read = reader.read(&buffer, n == chunks.len(), |document| {
                    let value = document.value.map(|it| it.to_string()).map_err(|error| error.to_string());
                    parts.push((document.line, value));
                });
                buffer.drain(..read);
            }
            assert_eq!(parts, whole, "in parts of {size} bytes");
        }
    }

    #[test]
    fn an_error_is_where_it_is_in_the_text() {
        let mut errors = Vec::new();
        each(b"{}\n{\n  \"a\": x\n}\n[1,]\n", |document| errors.extend(document.value.err()));
        let places: Vec<_> = errors.iter().map(|error| (error.line, error.column, error.why.as_str())).collect();
        assert_eq!(places, [(3, 8, "expected value"), (5, 4, "trailing comma")]);
        assert_eq!(errors[0].to_string(), "expected value at line 3 column 8");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_text() {
        let text = "{\"a\":\"ü𐍈\"}";
        let utf16 = |of: fn(u16) -> [u8; 2], mark: [u8; 2]| {
            mark.into_iter().chain(text.encode_utf16().flat_map(of)).collect::<Vec<u8>>()
        };
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            utf16(u16::to_le_bytes, [0xff, 0xfe]),
            utf16(u16::to_be_bytes, [0xfe, 0xff]),
        ] {
            assert_eq!(utf8(&bytes), text.as_bytes());
        }
    }
}
