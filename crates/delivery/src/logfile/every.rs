//! Every record of a log file, each as typed fields that borrow from the text.
//!
//! [`super::scan`] finds the few records that the function needs. A hunt asks for any of them, so here each record is
//! parsed in full. A record that is not JSON is reported, and the next one is read all the same: its end is found by its
//! brackets and strings.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use memchr::memchr3;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Error;
use super::places::Places;
use super::skip::object_end;

/// A text, as tolerant as CloudTrail's records need: a number or a bool counts as its text, null and everything else as
/// no text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text, if there is one. An empty text is none.
    #[must_use]
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyText).map(Text)
    }
}

struct AnyText;

impl<'de> Visitor<'de> for AnyText {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(if value { "true" } else { "false" })))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(number.to_string())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(number.to_string())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// Who called (CloudTrail User Guide, "CloudTrail userIdentity element").
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are CloudTrail's")]
pub struct Identity<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub principal_id: Text<'a>,
    #[serde(borrow)]
    pub arn: Text<'a>,
    #[serde(borrow)]
    pub account_id: Text<'a>,
    #[serde(borrow)]
    pub access_key_id: Text<'a>,
    #[serde(borrow)]
    pub user_name: Text<'a>,
    #[serde(borrow)]
    pub invoked_by: Text<'a>,
    #[serde(borrow)]
    pub session_context: Option<&'a RawValue>,
}

/// A record (CloudTrail User Guide, "CloudTrail record contents"). The parts that each call fills in its own way are
/// JSON text.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are CloudTrail's")]
pub struct Event<'a> {
    #[serde(borrow)]
    pub event_time: Text<'a>,
    #[serde(borrow, rename = "eventID")]
    pub event_id: Text<'a>,
    #[serde(borrow)]
    pub event_source: Text<'a>,
    #[serde(borrow)]
    pub event_name: Text<'a>,
    #[serde(borrow)]
    pub event_type: Text<'a>,
    #[serde(borrow)]
    pub event_category: Text<'a>,
    #[serde(borrow)]
    pub read_only: Text<'a>,
    #[serde(borrow)]
    pub aws_region: Text<'a>,
    #[serde(borrow)]
    pub recipient_account_id: Text<'a>,
    #[serde(borrow)]
    pub user_identity: Option<Identity<'a>>,
    #[serde(borrow, rename = "sourceIPAddress")]
    pub source_ip: Text<'a>,
    #[serde(borrow)]
    pub user_agent: Text<'a>,
    #[serde(borrow)]
    pub error_code: Text<'a>,
    #[serde(borrow)]
    pub error_message: Text<'a>,
    #[serde(borrow)]
    pub vpc_endpoint_id: Text<'a>,
    #[serde(borrow)]
    pub request_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    pub response_elements: Option<&'a RawValue>,
    #[serde(borrow)]
    pub additional_event_data: Option<&'a RawValue>,
}

impl<'a> Event<'a> {
    /// Parses one record.
    ///
    /// # Errors
    /// What is no JSON object, or has one of these keys twice.
    pub fn parse(record: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(record)
    }
}

/// Gives every record of a log file's text to `report`, in order: `{"Records":[…]}`, as
/// [`is_log_file`](super::is_log_file) tells.
pub fn every<'a>(text: &'a [u8], mut report: impl FnMut(Result<Event<'a>, Error>)) {
    let all: Option<fn(Range<usize>) -> bool> = None;
    each(text, all, |found| found.transpose().into_iter().for_each(&mut report));
}

/// The same, but parses only the records in which one of the places is. All others are `None`: where they end is known, and
/// nothing else of them.
pub fn every_with<'a>(text: &'a [u8], places: &Places, report: impl FnMut(Result<Option<Event<'a>>, Error>)) {
    let mut places = places.iter().peekable();
    let has_place = |record: Range<usize>| {
        while places.next_if(|place| *place < record.start).is_some() {}
        places.peek().is_some_and(|place| *place < record.end)
    };
    each(text, Some(has_place), report);
}

fn each<'a>(
    text: &'a [u8],
    mut is_wanted: Option<impl FnMut(Range<usize>) -> bool>,
    mut report: impl FnMut(Result<Option<Event<'a>>, Error>),
) {
    let Some(mut at) = memchr::memchr(b'[', text).map(|bracket| bracket + 1) else {
        return report(Err(Error::EndsEarly { length: text.len() }));
    };
    // serde_json checks each string by itself in bytes. In a text that has been checked it need not. Where few records are
    // parsed, only these are checked.
    let checked = if is_wanted.is_none() { std::str::from_utf8(text).ok() } else { None };
    loop {
        at = behind(text, at, |byte| byte.is_ascii_whitespace() || byte == b',');
        match text.get(at) {
            None => return report(Err(Error::EndsEarly { length: text.len() })),
            Some(b']') => break,
            Some(_) => {}
        }
        let mut record = text.get(at..).unwrap_or_default();
        let mut checked = checked.and_then(|checked| checked.get(at..));
        if let (Some(is_wanted), Some(b'{')) = (&mut is_wanted, text.get(at))
            && let Some(end) = object_end(text, at)
        {
            if !is_wanted(at..end) {
                report(Ok(None));
                at = end;
                continue;
            }
            record = text.get(at..end).unwrap_or_default();
            checked = std::str::from_utf8(record).ok();
        }
        let parsed = match checked {
            Some(checked) => first(serde_json::Deserializer::from_str(checked)),
            None => first(serde_json::Deserializer::from_slice(record)),
        };
        match parsed {
            Ok((event, length)) => {
                report(Ok(Some(event)));
                at += length;
            }
            Err(why) => match end(text, at) {
                Some(end) => {
                    report(Err(Error::Object { offset: at, why }));
                    // A closing bracket that nothing opened is its own end.
                    at = end.max(at + 1);
                }
                None => return report(Err(Error::EndsInside { offset: at })),
            },
        }
    }
    if !matches!(text.trim_ascii_end().last(), Some(b'}')) {
        report(Err(Error::EndsEarly { length: text.len() }));
    }
}

fn first<'a, R: serde_json::de::Read<'a>>(document: serde_json::Deserializer<R>) -> Result<(Event<'a>, usize), String> {
    let mut records = document.into_iter::<Event<'a>>();
    match records.next() {
        Some(Ok(event)) => Ok((event, records.byte_offset())),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("no record".to_owned()),
    }
}

fn behind(text: &[u8], from: usize, is_between: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.iter().position(|byte| !is_between(*byte)).unwrap_or(rest.len())
}

/// Where the element of a list that begins at `from` ends: at the comma or bracket behind it, or before the next record if
/// its brackets do not match.
fn end(text: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = from;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at += 1;
                loop {
                    at += memchr3(b'"', b'\\', b'\n', text.get(at..)?)?;
                    match text.get(at) {
                        Some(b'\\') => at += 2,
                        _ => break,
                    }
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b',' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The ids, or the errors.
    fn read(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        every(text.as_bytes(), |event| {
            found.push(match event {
                Ok(event) => event.event_id.get().unwrap_or("none").to_owned(),
                Err(error) => error.to_string(),
            });
        });
        found
    }

    #[test]
    fn every_record_is_read_in_order_with_its_parts() {
        let text = r#"{"Records": [ {"eventID":"1","userIdentity":{"type":"IAMUser","userName":"ann"}},
          {"eventID":"2","requestParameters":{"a":[1]},"responseElements":null,"readOnly":true,"tlsDetails":{}} ]}"#;
        assert_eq!(read(text), ["1", "2"]);
        let mut last = None;
        every(text.as_bytes(), |event| last = event.ok());
        let last = last.unwrap();
        assert_eq!(last.request_parameters.unwrap().get(), r#"{"a":[1]}"#);
        assert!(last.response_elements.is_none(), "null is no answer");
        assert_eq!(last.read_only.get(), Some("true"));
    }

    #[test]
    fn a_value_of_an_unexpected_type_does_not_lose_the_record() {
        assert_eq!(
            read(r#"{"Records":[{"eventID":7},{"eventID":["x"]},{"eventID":{"a":1}},{"eventID":null}]}"#),
            ["7", "none", "none", "none"]
        );
    }

    #[test]
    fn one_broken_record_does_not_hide_the_others() {
        let found = read(
            r#"{"Records":[{"eventID":"1"},{"eventID":,"x":"}]"},{"eventID":"3"},4,{"eventID":"5","eventID":"6"}]}"#,
        );
        assert_eq!(found.len(), 5);
        assert_eq!((found[0].as_str(), found[2].as_str()), ("1", "3"));
        assert!(found[1].contains("byte 28") && found[3].contains("cannot be read"), "{found:?}");
        assert!(found[4].contains("duplicate field"), "{}", found[4]);
    }

    #[test]
    fn brackets_that_nothing_opened_do_not_stop_the_reading() {
        let found = read(r#"{"Records":[{"eventID":]}"#);
        assert!(found.iter().all(|error| error.contains("cannot be read") || error.contains("ends")), "{found:?}");
        assert_eq!(read(r#"{"Records":[}},{"eventID":"1"}]}"#).last().map(String::as_str), Some("1"));
    }

    #[test]
    fn a_text_that_ends_early_says_so() {
        assert!(read(r#"{"Records":[{"eventID":"1"},{"eventID":"2"#)[1].contains("ends inside"));
        assert!(read(r#"{"Records":[{"eventID":"1"}"#)[1].contains("ends early"));
        assert!(read(r#"{"Records":[{"eventID":"1"}]"#)[1].contains("ends early"));
        assert!(read(r#"{"Records""#)[0].contains("ends early"));
    }

    #[test]
    fn bytes_that_are_no_utf_8_cost_only_their_record() {
        let mut text = br#"{"Records":[{"eventID":"1"},{"eventID":"?"},{"eventID":"3"}]}"#.to_vec();
        let at = text.iter().position(|byte| *byte == b'?').unwrap();
        text[at] = 0xff;
        let mut found = Vec::new();
        every(&text, |event| found.push(event.map(|event| event.event_id.get().map(str::to_owned)).ok()));
        assert_eq!(found, [Some(Some("1".to_owned())), None, Some(Some("3".to_owned()))]);
    }

    #[test]
    fn only_records_with_a_place_are_parsed() {
        let text = br#"{"Records":[{"eventID":"1","x":"x"},{"eventID":"2"},{"eventID":"}3{","b":{"c":"\"x"}},{"eventID":},{"eventID":"5"}]}"#;
        let read = |key: &str| {
            let mut found = Vec::new();
            every_with(text, &Places::of_key(key, text).unwrap(), |event| {
                found
                    .push(event.map(|event| event.map(|event| event.event_id.get().unwrap().to_owned())).map_err(drop));
            });
            found
        };
        let some = |id: &str| Ok(Some(id.to_owned()));
        // A text that looks like the key makes no difference to what is found, only to what is parsed.
        assert_eq!(read("x"), [some("1"), Ok(None), some("}3{"), Ok(None), Ok(None)]);
        assert_eq!(read("c"), [Ok(None), Ok(None), some("}3{"), Ok(None), Ok(None)]);
        assert_eq!(read("eventID"), [some("1"), some("2"), some("}3{"), Err(()), some("5")]);
        assert!(Places::of_key("nothing", text).unwrap().is_empty() && read("nothing") == vec![Ok(None); 5]);
    }

    proptest! {
        /// Whatever is damaged, the reading ends, and reports no more than there is text.
        #[test]
        fn any_damage_is_read_to_its_end(damage in prop::collection::vec((0_usize..200, any::<u8>()), 0..6), cut in 0_usize..200) {
            let mut text = br#"{"Records":[{"eventID":"1","a":{"b":[1,2]}},{"eventID":"2","c":"x{"},{"eventID":"3"}]}"#.to_vec();
            for (at, byte) in damage {
                if let Some(place) = text.get_mut(at) {
                    *place = byte;
                }
            }
            text.truncate(text.len().min(cut));
            let mut reports = 0;
            every(&text, |_| reports += 1);
            if let Some(places) = Places::of_key("eventID", &text) {
                every_with(&text, &places, |_| reports += 1);
            }
            prop_assert!(reports <= 2 * (text.len() + 2));
        }
    }
}
