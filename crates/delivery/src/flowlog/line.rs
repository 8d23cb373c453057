//! One line of a flow log, read into a record.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::ops::Range;

use super::field::{Field, Format, NOWHERE, Places};
use super::values::Word;
use super::words::{Span, lines};

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Bad {
    /// Its number in the text, from 1.
    pub line: u64,
    /// Why.
    pub why: &'static str,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// `OK`, or a record without the field: traffic.
    Traffic,
    /// `NODATA`: the interface had no traffic between start and end.
    NoData,
    /// `SKIPDATA`: records of the time between start and end are missing.
    SkipData,
}

/// A record. Its texts borrow from the line.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow<'a> {
    /// The text that the line is in.
    text: &'a [u8],
    words: Vec<Span>,
    /// Words of values that were in no line.
    values: Vec<&'a [u8]>,
    /// Which word each field is.
    places: Places,
    /// How many words stand before the first field.
    before: usize,
    /// What it is about.
    pub row: Row,
    /// When it begins, in seconds since 1970.
    pub start: i64,
    /// When it ends.
    pub end: i64,
    /// The sender.
    pub src: Option<IpAddr>,
    /// The receiver.
    pub dst: Option<IpAddr>,
    /// The sender's port.
    pub src_port: Option<u16>,
    /// The receiver's port.
    pub dst_port: Option<u16>,
    /// IANA's number.
    pub protocol: Option<u8>,
    /// How many packets.
    pub packets: Option<i64>,
    /// How many bytes.
    pub bytes: Option<i64>,
    /// All TCP flags of the packets together: SYN is 2, SYN-ACK is 18; a lone ACK is not counted.
    pub tcp_flags: Option<u16>,
}

impl<'a> Flow<'a> {
    /// A place for the records of one text, in one format. It is filled again for each line.
    pub(super) const fn empty(places: Places) -> Self {
        Self {
            text: &[],
            words: Vec::new(),
            values: Vec::new(),
            places,
            before: 0,
            row: Row::Traffic,
            start: 0,
            end: 0,
            src: None,
            dst: None,
            src_port: None,
            dst_port: None,
            protocol: None,
            packets: None,
            bytes: None,
            tcp_flags: None,
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// Why it is no record in this format.
    pub fn parse(line: &'a str, format: &Format) -> Result<Self, &'static str> {
        let (mut flow, mut words) = (Self::empty(format.places()), Vec::new());
        let rest = lines(line.as_bytes(), |more, _, _| words.append(more));
        words.extend(rest.words);
        flow.fill(line.as_bytes(), (&mut words, 0..line.len(), true), format.fields.len()).map(|()| flow)
    }

    /// Reads a line of a text in a format of so many fields: the line's words, which are taken, where it is in the text, and
    /// whether it is ASCII for certain.
    #[inline]
    pub(super) fn fill(
        &mut self,
        text: &'a [u8],
        (words, line, is_ascii): (&mut Vec<Span>, Range<usize>, bool),
        fields: usize,
    ) -> Result<(), &'static str> {
        self.text = text;
        std::mem::swap(&mut self.words, words);
        self.before = 0;
        if !is_ascii && text.get(line).is_none_or(|line| std::str::from_utf8(line).is_err()) {
            return Err("it is no UTF-8");
        }
        self.read_words(fields).or_else(|why| {
            // CloudWatch Logs puts the time of the record before it when it exports.
            if !self.has_time_before() {
                return Err(why);
            }
            self.before = 1;
            self.read_words(fields)
        })
    }

    #[inline]
    fn read_words(&mut self, fields: usize) -> Result<(), &'static str> {
        match (self.words.len() - self.before).cmp(&fields) {
            Ordering::Less => Err("it has fewer fields than its format"),
            Ordering::Equal => self.read(),
            Ordering::Greater => Err("it has more fields than its format"),
        }
    }

    /// Whether the first word is a time that CloudWatch Logs has put before the record.
    fn has_time_before(&self) -> bool {
        let first = self.words.first().and_then(|(from, to)| self.text.get(*from..*to)).unwrap_or_default();
        first.len() >= 20 && first.ends_with(b"Z") && first.get(10) == Some(&b'T')
    }

    /// A record of fields that were not in a line, such as a Parquet file's. An empty text is no value.
    ///
    /// # Errors
    /// Why it is no record.
    pub fn of_fields(fields: impl IntoIterator<Item = (Field, &'a str)>) -> Result<Self, &'static str> {
        let (fields, values): (Vec<_>, Vec<_>) = fields.into_iter().map(|(field, value)| (Some(field), value)).unzip();
        let mut flow = Self::empty(Format { fields }.places());
        flow.values = values.into_iter().map(str::as_bytes).collect();
        flow.read().map(|()| flow)
    }

    /// Reads what is no text.
    #[inline]
    fn read(&mut self) -> Result<(), &'static str> {
        self.row = match self.raw(Field::LogStatus) {
            b"" | b"OK" => Row::Traffic,
            b"NODATA" => Row::NoData,
            b"SKIPDATA" => Row::SkipData,
            _ => return Err("its log-status is not OK, NODATA or SKIPDATA"),
        };
        if !matches!(self.raw(Field::Action), b"" | b"ACCEPT" | b"REJECT") {
            return Err("its action is not ACCEPT or REJECT");
        }
        let (Some(start), Some(end)) = (seconds(self.word(Field::Start)), seconds(self.word(Field::End))) else {
            return Err("its start or end is no time in seconds");
        };
        (self.start, self.end) = (start, end);
        if end < start {
            return Err("it ends before it starts");
        }
        address_in(self.word(Field::SrcAddr), &mut self.src, "its srcaddr is no address")?;
        address_in(self.word(Field::DstAddr), &mut self.dst, "its dstaddr is no address")?;
        self.src_port = number(self.word(Field::SrcPort), "its srcport is no port")?;
        self.dst_port = number(self.word(Field::DstPort), "its dstport is no port")?;
        self.protocol = number(self.word(Field::Protocol), "its protocol is no number of a protocol")?;
        self.packets = number(self.word(Field::Packets), "its packets are no number")?;
        self.bytes = number(self.word(Field::Bytes), "its bytes are no number")?;
        self.tcp_flags = number(self.word(Field::TcpFlags), "its tcp-flags are no number")?;
        Ok(())
    }

    /// The word of a field. `-` is empty.
    #[inline(always)]
    fn word(&self, field: Field) -> Word<'a> {
        let nothing = Word { text: &[], from: 0, to: 0 };
        let place = self.places.get(field as usize).copied().unwrap_or(NOWHERE);
        let word = match self.words.get(usize::from(place) + self.before) {
            Some((from, to)) => Word { text: self.text, from: *from, to: *to },
            None => match self.values.get(usize::from(place)) {
                Some(value) => Word { text: value, from: 0, to: value.len() },
                None => return nothing,
            },
        };
        if word.bytes() == b"-" { nothing } else { word }
    }

    /// The bytes of a field. `-` is none.
    #[must_use]
    #[inline]
    pub fn raw(&self, field: Field) -> &'a [u8] {
        self.word(field).bytes()
    }

    /// The text of a field. `-` is none.
    #[must_use]
    #[inline]
    pub fn text(&self, field: Field) -> Option<&'a str> {
        std::str::from_utf8(self.raw(field)).ok().filter(|text| !text.is_empty())
    }

    /// Whether security groups and network ACLs let it pass. `None`: no traffic.
    #[must_use]
    #[inline]
    pub fn accepted(&self) -> Option<bool> {
        let action = self.raw(Field::Action);
        (!action.is_empty()).then_some(action == b"ACCEPT")
    }
}

/// Until the year 2200; some tools write milliseconds.
#[inline]
fn seconds(word: Word<'_>) -> Option<i64> {
    word.number().filter(|seconds| *seconds < 7_258_118_400)?.try_into().ok()
}

#[inline(always)]
fn number<T: TryFrom<u64>>(word: Word<'_>, why: &'static str) -> Result<Option<T>, &'static str> {
    match word.number().map(T::try_from) {
        Some(Ok(number)) => Ok(Some(number)),
        None if word.is_empty() => Ok(None),
        _ => Err(why),
    }
}

#[inline(always)]
fn address_in(word: Word<'_>, place: &mut Option<IpAddr>, why: &'static str) -> Result<(), &'static str> {
    if word.is_empty() {
        *place = None;
        return Ok(());
    }
    if word.address_into(place) { Ok(()) } else { Err(why) }
}
