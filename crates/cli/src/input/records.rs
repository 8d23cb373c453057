//! From the bytes of an input to the payloads in them.

use std::cell::RefCell;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use portcullis_delivery::envelope::{self, Payload};
use portcullis_delivery::logfile::{self, Content, Found, Scratch, Stream};
use portcullis_domain::cloudtrail::EnvelopeOrigin;
use portcullis_domain::json::{self, Json};

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
            Content::Other(text) => in_documents(name, text, each),
            Content::Unclear => match unzipped(bytes) {
                Ok(text) => in_documents(name, &text, each),
                Err(why) => each(Err(InputError { place: name.to_owned(), why })),
            },
        }
    });
}

fn payload<'f>(name: &str, found: Found<'f>) -> Result<Payload<'f>, InputError> {
    let record = found.and_then(|record| record.parse());
    let record = record.map_err(|error| InputError { place: name.to_owned(), why: error.to_string() })?;
    Ok(Payload::Record { record, envelope_origin: EnvelopeOrigin::default() })
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

/// The plain text of an input that is not a log file and fits into memory. A gzip file may have several members.
fn unzipped(bytes: &[u8]) -> Result<Vec<u8>, String> {
    const MOST: u64 = 1 << 30;
    // By its first two bytes, not by its name (RFC 1952, 2.3.1).
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.to_vec());
    }
    let mut plain = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes).take(MOST + 1);
    let length = decoder.read_to_end(&mut plain).map_err(|error| format!("the gzip data is damaged: {error}"))?;
    if length as u64 > MOST { Err(format!("it has more than {MOST} bytes when unzipped")) } else { Ok(plain) }
}

fn in_documents(name: &str, text: &[u8], each: &mut impl FnMut(Result<Payload<'_>, InputError>)) {
    for document in documents(name, text) {
        match document {
            Ok(document) => {
                let items = envelope::open(&document).items;
                items.into_iter().flat_map(|item| item.payloads).for_each(|payload| each(Ok(payload)));
            }
            Err(error) => each(Err(error)),
        }
    }
}

/// One document, or else one a line. A line that is no document does not stop the others.
fn documents<'t>(name: &str, bytes: &'t [u8]) -> Vec<Result<Json<'t>, InputError>> {
    // Some editors and PowerShell begin a text with the mark that it is UTF-8.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let whole = match json::parse(bytes) {
        Ok(document) => return vec![Ok(document)],
        Err(error) => InputError { place: name.to_owned(), why: no_json(bytes, &error.to_string()) },
    };
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..).filter(|(line, _)| !line.trim_ascii().is_empty());
    let documents: Vec<_> = lines
        .map(|(line, n)| {
            let place = format!("{name}:{n}");
            json::parse(line).map_err(|error| InputError { place, why: format!("no JSON: {error}") })
        })
        .collect();
    // A line counts as a document only if it is one JSON object; otherwise this is one broken document.
    let is_lines = documents.len() > 1 && documents.iter().any(|line| matches!(line, Ok(Json::Object(_))));
    if is_lines { documents } else { vec![Err(whole)] }
}

/// Says what a text is that is not JSON, as far as its beginning shows.
fn no_json(bytes: &[u8], error: &str) -> String {
    let first = bytes.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let is_key = |key: &[u8]| !key.is_empty() && key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let key = first.iter().position(|byte| *byte == b':').and_then(|n| first.get(..n));
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        "it is UTF-16, as PowerShell writes it: save it as UTF-8".to_owned()
    } else if bytes.trim_ascii().is_empty() {
        "it is empty".to_owned()
    } else if bytes.iter().take(1024).any(|byte| *byte == 0) {
        "it is binary, not JSON".to_owned()
    } else if first.starts_with(b"---") || key.is_some_and(is_key) {
        "YAML, not JSON: is it a policy? portcullis policy check FILE".to_owned()
    } else if !first.starts_with(b"{") && !first.starts_with(b"[") && first.contains(&b',') {
        "CSV, not JSON".to_owned()
    } else {
        format!("no JSON: {error}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_called_what_it_is() {
        for (bytes, why) in [
            (&b"\xff\xfe{\0}\0"[..], "it is UTF-16, as PowerShell writes it: save it as UTF-8"),
            (b"\n \n", "it is empty"),
            (b"PAR1\0\0\x15", "it is binary, not JSON"),
            (b"\nversion: 1\nmode: alert", "YAML, not JSON: is it a policy? portcullis policy check FILE"),
            (b"---\na: 1", "YAML, not JSON: is it a policy? portcullis policy check FILE"),
            (b"id,time\n1,2", "CSV, not JSON"),
        ] {
            assert_eq!(documents("x", bytes), [Err(InputError { place: "x".to_owned(), why: why.to_owned() })]);
        }
        for broken in [&b"{\"a\": 1"[..], b"{\"a\": 1,}", b"nothing"] {
            let found = documents("x", broken);
            assert!(matches!(&found[..], [Err(error)] if error.why.starts_with("no JSON: ")), "{found:?}");
        }
        assert_eq!(documents("x", b"\xef\xbb\xbf{}"), [json::parse(b"{}").map_err(|_| unreachable!())]);
    }
}
