//! One line of a flow log, read into a record.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::field::{Field, Format, NOWHERE, Places};
use super::words::{address, number, v4, words};

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
    words: Vec<&'a [u8]>,
    /// Which word each field is.
    places: Places,
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
            words: Vec::new(),
            places,
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
        let mut flow = Self::empty(format.places());
        flow.fill(line.as_bytes(), line.len(), format.fields.len()).map(|()| flow)
    }

    /// Reads the first line of a text, which has this many bytes, with or without its end, and this many fields.
    pub(super) fn fill(&mut self, text: &'a [u8], length: usize, fields: usize) -> Result<(), &'static str> {
        // CloudWatch Logs puts the time of the record before it when it exports.
        self.fill_with(text, length, fields).or_else(|why| match time_before(text.get(..length).unwrap_or_default()) {
            Some(time) => self.fill_with(text.get(time..).unwrap_or_default(), length - time, fields),
            None => Err(why),
        })
    }

    fn fill_with(&mut self, text: &'a [u8], length: usize, fields: usize) -> Result<(), &'static str> {
        self.words.clear();
        let is_ascii = words(text, length, |word| self.words.push(word));
        if !is_ascii && text.get(..length).is_none_or(|line| std::str::from_utf8(line).is_err()) {
            return Err("it is no UTF-8");
        }
        match self.words.len().cmp(&fields) {
            Ordering::Less => Err("it has fewer fields than its format"),
            Ordering::Equal => self.read(),
            Ordering::Greater => Err("it has more fields than its format"),
        }
    }

    /// A record of fields that were not in a line, such as a Parquet file's. An empty text is no value.
    ///
    /// # Errors
    /// Why it is no record.
    pub fn of_fields(fields: impl IntoIterator<Item = (Field, &'a str)>) -> Result<Self, &'static str> {
        let (fields, values): (Vec<_>, Vec<_>) = fields.into_iter().map(|(field, value)| (Some(field), value)).unzip();
        let mut flow = Self::empty(Format { fields }.places());
        flow.words = values.into_iter().map(str::as_bytes).collect();
        flow.read().map(|()| flow)
    }

    /// Reads what is no text.
    fn read(&mut self) -> Result<(), &'static str> {
        self.row = match self.word(Field::LogStatus) {
            b"" | b"OK" => Row::Traffic,
            b"NODATA" => Row::NoData,
            b"SKIPDATA" => Row::SkipData,
            _ => return Err("its log-status is not OK, NODATA or SKIPDATA"),
        };
        if !matches!(self.word(Field::Action), b"" | b"ACCEPT" | b"REJECT") {
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
        self.src_port = number_in(self.word(Field::SrcPort), "its srcport is no port")?;
        self.dst_port = number_in(self.word(Field::DstPort), "its dstport is no port")?;
        self.protocol = number_in(self.word(Field::Protocol), "its protocol is no number of a protocol")?;
        self.packets = number_in(self.word(Field::Packets), "its packets are no number")?;
        self.bytes = number_in(self.word(Field::Bytes), "its bytes are no number")?;
        self.tcp_flags = number_in(self.word(Field::TcpFlags), "its tcp-flags are no number")?;
        Ok(())
    }

    #[inline(always)]
    fn word(&self, field: Field) -> &'a [u8] {
        let place = self.places.get(field as usize).copied().unwrap_or(NOWHERE);
        self.words.get(usize::from(place)).copied().filter(|word| *word != b"-").unwrap_or_default()
    }

    /// The text of a field. `-` is none.
    #[must_use]
    pub fn text(&self, field: Field) -> Option<&'a str> {
        std::str::from_utf8(self.word(field)).ok().filter(|text| !text.is_empty())
    }

    /// Whether security groups and network ACLs let it pass. `None`: no traffic.
    #[must_use]
    pub fn accepted(&self) -> Option<bool> {
        let action = self.word(Field::Action);
        (!action.is_empty()).then_some(action == b"ACCEPT")
    }
}

/// Until the year 2200; some tools write milliseconds.
fn seconds(word: &[u8]) -> Option<i64> {
    number(word).filter(|seconds| *seconds < 7_258_118_400)?.try_into().ok()
}

#[inline]
fn number_in<T: TryFrom<u64>>(word: &[u8], why: &'static str) -> Result<Option<T>, &'static str> {
    match number(word).map(T::try_from) {
        Some(Ok(number)) => Ok(Some(number)),
        None if word.is_empty() => Ok(None),
        _ => Err(why),
    }
}

#[inline]
fn address_in(word: &[u8], own: &mut Option<IpAddr>, why: &'static str) -> Result<(), &'static str> {
    // Nearly all are of this family. It is put in its place at once, because the whole of both is no small thing to move.
    if let Some(address) = v4(word) {
        *own = Some(IpAddr::V4(address));
        return Ok(());
    }
    *own = address(word);
    if own.is_none() && !word.is_empty() { Err(why) } else { Ok(()) }
}

/// How many bytes a time takes that CloudWatch Logs has put before a record.
fn time_before(line: &[u8]) -> Option<usize> {
    let begin = line.iter().position(|byte| *byte > b' ')?;
    let length = line.get(begin..)?.iter().position(|byte| *byte <= b' ')?;
    let time = line.get(begin..begin + length)?;
    (time.len() >= 20 && time.ends_with(b"Z") && time.get(10) == Some(&b'T')).then_some(begin + length)
}
