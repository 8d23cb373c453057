//! One line of a flow log, read into a record.

use std::net::IpAddr;

use super::field::{Field, Format};

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
    texts: [&'a str; Field::COUNT],
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
    /// Reads a line.
    ///
    /// # Errors
    /// Why it is no record in this format.
    pub fn parse(line: &'a str, format: &Format) -> Result<Self, &'static str> {
        Self::of_words(line.split_ascii_whitespace(), format).or_else(|why| {
            // CloudWatch Logs puts the time of the record before it when it exports.
            let mut words = line.split_ascii_whitespace();
            let is_time =
                |word: &str| word.len() >= 20 && word.ends_with('Z') && word.as_bytes().get(10) == Some(&b'T');
            match words.next() {
                Some(first) if is_time(first) => Self::of_words(words, format),
                _ => Err(why),
            }
        })
    }

    fn of_words(words: impl Iterator<Item = &'a str>, format: &Format) -> Result<Self, &'static str> {
        let mut texts = [""; Field::COUNT];
        let mut fields = format.fields.iter();
        for word in words {
            let Some(field) = fields.next() else { return Err("it has more fields than its format") };
            if let (Some(field), true) = (field, word != "-")
                && let Some(text) = texts.get_mut(*field as usize)
            {
                *text = word;
            }
        }
        if fields.next().is_some() {
            return Err("it has fewer fields than its format");
        }
        Self::of(texts)
    }

    /// A record of fields that were not in a line, such as a Parquet file's. An empty text is no value.
    ///
    /// # Errors
    /// Why it is no record.
    pub fn of_fields(fields: impl IntoIterator<Item = (Field, &'a str)>) -> Result<Self, &'static str> {
        let mut texts = [""; Field::COUNT];
        for (field, value) in fields {
            if let (Some(text), true) = (texts.get_mut(field as usize), value != "-") {
                *text = value;
            }
        }
        Self::of(texts)
    }

    fn of(texts: [&'a str; Field::COUNT]) -> Result<Self, &'static str> {
        let text = |field: Field| texts.get(field as usize).copied().filter(|text| !text.is_empty());
        let row = match text(Field::LogStatus) {
            None | Some("OK") => Row::Traffic,
            Some("NODATA") => Row::NoData,
            Some("SKIPDATA") => Row::SkipData,
            Some(_) => return Err("its log-status is not OK, NODATA or SKIPDATA"),
        };
        if !matches!(text(Field::Action), None | Some("ACCEPT" | "REJECT")) {
            return Err("its action is not ACCEPT or REJECT");
        }
        let time = |field| {
            let seconds: i64 = text(field)?.parse().ok()?;
            // Until the year 2200; some tools write milliseconds.
            (0..7_258_118_400).contains(&seconds).then_some(seconds)
        };
        let (Some(start), Some(end)) = (time(Field::Start), time(Field::End)) else {
            return Err("its start or end is no time in seconds");
        };
        if end < start {
            return Err("it ends before it starts");
        }
        Ok(Self {
            row,
            start,
            end,
            src: parsed(text(Field::SrcAddr), "its srcaddr is no address")?,
            dst: parsed(text(Field::DstAddr), "its dstaddr is no address")?,
            src_port: parsed(text(Field::SrcPort), "its srcport is no port")?,
            dst_port: parsed(text(Field::DstPort), "its dstport is no port")?,
            protocol: parsed(text(Field::Protocol), "its protocol is no number of a protocol")?,
            packets: parsed(text(Field::Packets), "its packets are no number")?,
            bytes: parsed(text(Field::Bytes), "its bytes are no number")?,
            tcp_flags: parsed(text(Field::TcpFlags), "its tcp-flags are no number")?,
            texts,
        })
    }

    /// The text of a field. `-` is none.
    #[must_use]
    pub fn text(&self, field: Field) -> Option<&'a str> {
        self.texts.get(field as usize).copied().filter(|text| !text.is_empty())
    }

    /// Whether security groups and network ACLs let it pass. `None`: no traffic.
    #[must_use]
    pub fn accepted(&self) -> Option<bool> {
        self.text(Field::Action).map(|action| action == "ACCEPT")
    }
}

fn parsed<T: std::str::FromStr>(text: Option<&str>, why: &'static str) -> Result<Option<T>, &'static str> {
    text.map(|text| text.parse().map_err(|_| why)).transpose()
}
