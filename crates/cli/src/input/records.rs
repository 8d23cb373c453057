//! From the bytes of an input to the payloads in them.

use std::cell::RefCell;
use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use portcullis_delivery::documents::{Broken, Reader, utf8};
use portcullis_delivery::envelope::{self, Payload, Record};
use portcullis_delivery::logfile::{self, Content, Found, Scratch, Stream};
use portcullis_domain::cloudtrail::EnvelopeOrigin;

use super::InputError;

thread_local! {
    /// What files are unzipped into: each thread has its own, and keeps it.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Everything in an input's bytes, plain or gzip: of a CloudTrail log file the records that are calls to be judged, of
/// anything else every record, event and message.
pub(super) fn in_bytes(name: &str, bytes: &[u8], each: &mut impl FnMut(Result<Payload<'_>, InputError>)) {
    SCRATCH.with_borrow_mut(|scratch| {
        match logfile::read_log_file(bytes, scratch, |found| each(payload(name, found))) {
            Content::LogFile => {}
            Content::Other(text) => {
                Documents { name, reader: Reader::default(), found: 0, each }.read(&utf8(text), true);
            }
            Content::Unclear => {
                if let Err(error) = in_stream(name, bytes, each) {
                    each(Err(InputError { place: name.to_owned(), why: error.to_string() }));
                }
            }
        }
    });
}

fn payload<'f>(name: &str, found: Found<'f>) -> Result<Payload<'f>, InputError> {
    let record = found.and_then(|record| record.parse());
    let record = record.map_err(|error| InputError { place: name.to_owned(), why: error.to_string() })?;
    Ok(Payload::Record { record: Record::Read(record), envelope_origin: EnvelopeOrigin::default(), later_look: None })
}

/// A CloudTrail log file that is read as it arrives.
pub(super) struct LogFile<'a, F: FnMut(Result<Payload<'_>, InputError>)> {
    name: &'a str,
    stream: Stream,
    each: &'a mut F,
}

impl<'a, F: FnMut(Result<Payload<'_>, InputError>)> LogFile<'a, F> {
    /// Nothing of it has arrived.
    pub(super) fn new(name: &'a str, each: &'a mut F) -> Self {
        Self { name, stream: Stream::default(), each }
    }

    /// The next bytes, gzip or plain.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        let (name, each) = (self.name, &mut *self.each);
        self.stream.push(chunk, |found| each(payload(name, found)));
    }

    /// The end.
    pub(super) fn finish(self) {
        let Self { name, stream, each } = self;
        stream.finish(|found| each(payload(name, found)));
    }
}

/// A document of more than this is no input. A text of many documents may be longer.
const LONGEST_DOCUMENT: usize = 1 << 30;

/// A text is read in parts of this size, or as large as its longest document.
const PART: usize = 4 << 20;

/// Everything in an input that is no log file, plain or gzip, as it arrives. It takes the memory of its longest document.
pub(super) fn in_stream(
    name: &str,
    mut input: impl Read,
    each: &mut impl FnMut(Result<Payload<'_>, InputError>),
) -> io::Result<()> {
    let mut beginning = Vec::new();
    input.by_ref().take(2).read_to_end(&mut beginning)?;
    let input = beginning.as_slice().chain(input);
    // By its first two bytes, not by its name (RFC 1952, 2.3.1).
    if beginning != [0x1f, 0x8b] {
        return in_text(name, input, each);
    }
    // What was unzipped has been given; the rest is missing.
    let damaged = |error| io::Error::other(format!("the gzip data is damaged: {error}"));
    in_text(name, MultiGzDecoder::new(BufReader::new(input)), each).map_err(damaged)
}

fn in_text(name: &str, mut input: impl Read, each: &mut impl FnMut(Result<Payload<'_>, InputError>)) -> io::Result<()> {
    let (mut text, mut documents) = (Vec::new(), Documents { name, reader: Reader::default(), found: 0, each });
    let mut part = PART;
    loop {
        let before = text.len();
        let read = input.by_ref().take(part as u64).read_to_end(&mut text);
        let is_last = read.as_ref().map_or(true, |read| *read < part);
        let is_first = documents.found == 0 && before == 0;
        if is_first && matches!(text.as_slice(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
            input.read_to_end(&mut text)?;
            documents.read(&utf8(&text), true);
            return Ok(());
        }
        if is_first && text.starts_with(b"\xef\xbb\xbf") {
            text.drain(..3);
        }
        // Where it broke off, the last document is not complete.
        let done = documents.read(&text, is_last && read.is_ok());
        read?;
        if is_last {
            return Ok(());
        }
        text.drain(..done);
        if text.len() > LONGEST_DOCUMENT {
            return Err(io::Error::other(format!("it has a document of more than {LONGEST_DOCUMENT} bytes")));
        }
        // A long document is not begun again for each part.
        part = PART.max(text.len());
    }
}

/// The documents of a text that comes in parts.
struct Documents<'a, F> {
    name: &'a str,
    reader: Reader,
    found: usize,
    each: &'a mut F,
}

impl<F: FnMut(Result<Payload<'_>, InputError>)> Documents<'_, F> {
    /// Reads a part. How many bytes of it are done with.
    fn read(&mut self, text: &[u8], is_last: bool) -> usize {
        let Self { name, reader, found, each } = self;
        let done = reader.read(text, is_last, |document| {
            *found += 1;
            match document.value {
                Ok(value) => {
                    for item in envelope::open(&value).items {
                        item.payloads.into_iter().for_each(|payload| each(Ok(payload)));
                        if item.more_unreadable > 0 {
                            let why = format!("{} more parts of it cannot be read", item.more_unreadable);
                            each(Err(InputError { place: (*name).to_owned(), why }));
                        }
                    }
                }
                Err(broken) if *found == 1 => {
                    let Broken { line, column, why } = broken;
                    each(Err(match other_than_json(text) {
                        Some(what) => InputError { place: (*name).to_owned(), why: what.to_owned() },
                        None => InputError { place: format!("{name}:{line}:{column}"), why: format!("no JSON: {why}") },
                    }));
                }
                Err(Broken { line, column, why }) => {
                    each(Err(InputError { place: format!("{name}:{line}:{column}"), why: format!("no JSON: {why}") }));
                }
            }
        });
        if is_last && *found == 0 {
            each(Err(InputError { place: (*name).to_owned(), why: "it is empty".to_owned() }));
        }
        done
    }
}

/// What a text is that is not JSON, as far as its beginning shows.
fn other_than_json(text: &[u8]) -> Option<&'static str> {
    let first = text.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let is_key = |key: &[u8]| !key.is_empty() && key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let key = first.iter().position(|byte| *byte == b':').and_then(|n| first.get(..n));
    if text.iter().take(1024).any(|byte| *byte == 0) {
        Some("it is binary, not JSON")
    } else if first.starts_with(b"---") || key.is_some_and(is_key) {
        Some("YAML, not JSON: is it a policy? portcullis policy check FILE")
    } else if !first.starts_with(b"{") && !first.starts_with(b"[") && first.contains(&b',') {
        Some("CSV, not JSON")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many payloads there are, and what could not be read.
    fn read(bytes: &[u8]) -> (usize, Vec<String>) {
        let (mut payloads, mut errors) = (0, Vec::new());
        in_stream("x", bytes, &mut |payload| match payload {
            Ok(_) => payloads += 1,
            Err(error) => errors.push(error.to_string()),
        })
        .unwrap();
        (payloads, errors)
    }

    #[test]
    fn what_is_no_json_is_called_what_it_is() {
        for (bytes, why) in [
            (&b"\n \n"[..], "x: it is empty"),
            (b"", "x: it is empty"),
            (b"PAR1\0\0\x15", "x: it is binary, not JSON"),
            (b"\nversion: 1\nmode: alert", "x: YAML, not JSON: is it a policy? portcullis policy check FILE"),
            (b"---\na: 1", "x: YAML, not JSON: is it a policy? portcullis policy check FILE"),
            (b"id,time\n1,2", "x: CSV, not JSON"),
            (b"{\"a\": 1", "x:1:7: no JSON: EOF while parsing an object"),
            (b"{\n\"a\": 1,}", "x:2:8: no JSON: trailing comma"),
            (b"nothing", "x:1:2: no JSON: expected ident"),
        ] {
            assert_eq!(read(bytes), (0, vec![why.to_owned()]), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_text_is_read_in_parts_that_are_as_long_as_its_longest_document() {
        let record = r#"{"eventSource":"s3.amazonaws.com","eventName":"GetObject"}"#;
        let long = format!("{{\"Records\":[{}{record}]}}", format!("{record},").repeat(PART * 3 / record.len()));
        let text = format!("\u{feff}{}\n{long}\nbroken\n{record}", format!("{record}\n").repeat(PART / record.len()));
        let (payloads, errors) = read(text.as_bytes());
        assert_eq!(payloads, PART / record.len() + PART * 3 / record.len() + 2);
        assert_eq!(errors, [format!("x:{}:1: no JSON: expected value", PART / record.len() + 3)]);
    }
}
