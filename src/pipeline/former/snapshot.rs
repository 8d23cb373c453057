//! What a sweep saw: all rules of an account's Region, one a line, zipped, under one key that each sweep writes anew.
//!
//! It is read as it arrives, and only the lines of the wanted rules are parsed, so that memory is bounded for any size.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use portcullis_delivery::logfile::Unzip;
use portcullis_domain::facts::Facts;
use portcullis_domain::former::Value;
use portcullis_domain::ids::{AccountId, GroupId, Region, RuleId};
use portcullis_domain::rule::Rule;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use crate::aws::AccountRegion;
use crate::pipeline::context::Context;
use crate::shelf::Reading;

/// A line is never longer: a rule has at most 50 tags of 128 and 256 characters.
const LONGEST_LINE: usize = 128 << 10;

/// A look with the same rules is written again when the one that is kept is older: its time says how much it is worth.
const KEPT: SignedDuration = SignedDuration::from_mins(30);

/// What is the first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The form of the document: 1.
    pub(crate) schema: u32,
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    /// When EC2 was asked. Nothing in it is older.
    pub(crate) looked_at: Timestamp,
    /// When EC2 was asked for the one that this replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<Timestamp>,
    /// The SHA-256 of the lines that follow.
    sha256: String,
    /// How many lines follow.
    rules: usize,
}

/// A line: a rule with its description and its tags, and its group.
#[derive(Serialize)]
struct Line<'a> {
    /// The id comes first: the reader finds its rules by it.
    #[serde(flatten)]
    rule: &'a Rule,
    group: &'a GroupId,
}

/// What every line begins with.
const ID: &[u8] = b"{\"id\":\"";

/// The key of an account's Region.
pub(crate) fn key(target: &AccountRegion) -> String {
    format!("rules/v1/{}/{}.json.gz", target.account, target.region)
}

/// All rules that a sweep saw, ready to be written.
pub(crate) struct Snapshot {
    header: Header,
    /// The lines, zipped.
    lines: Vec<u8>,
}

impl Snapshot {
    /// The rules of all groups of a look. `None` where they cannot be written as JSON.
    pub(crate) fn of(target: &AccountRegion, groups: &[Facts], looked_at: Timestamp) -> Option<Self> {
        let (mut sum, mut rules) = (Sha256::new(), 0);
        let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
        for facts in groups {
            let mut sorted: Vec<&Rule> = facts.rules.iter().collect();
            sorted.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            for rule in sorted {
                let mut line = serde_json::to_vec(&Line { rule, group: &facts.location.group }).ok()?;
                line.push(b'\n');
                sum.update(&line);
                zip.write_all(&line).ok()?;
                rules += 1;
            }
        }
        let sha256 = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let AccountRegion { account, region } = target.clone();
        let header = Header { schema: 1, account, region, looked_at, previous: None, sha256, rules };
        Some(Self { header, lines: zip.finish().ok()? })
    }

    /// Writes it, unless the same rules were written a short time ago. A failure is logged: what the rules were is unknown
    /// then, or as old as the last one.
    pub(crate) async fn keep(self, context: &Context, until: Instant) {
        let Self { mut header, lines } = self;
        let key = key(&AccountRegion { account: header.account.clone(), region: header.region.clone() });
        let before = match timeout_at(until, first_line(context, &key)).await {
            Ok(Ok(before)) => before,
            Ok(Err(why)) => {
                tracing::warn!(key, why, "the look of the sweep before cannot be read");
                None
            }
            Err(_) => return tracing::warn!(key, "the sweep's look was not kept: no time is left"),
        };
        if let Some(before) = before {
            let age = header.looked_at.duration_since(before.looked_at);
            // A sweep that was overtaken by another knows less.
            let is_same = before.sha256 == header.sha256 && age < KEPT;
            if is_same || age.is_negative() {
                return;
            }
            header.previous = Some(before.looked_at);
        }
        // Two members of gzip are one text.
        let first = serde_json::to_vec(&header).ok().and_then(|mut first| {
            first.push(b'\n');
            let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
            zip.write_all(&first).ok()?;
            zip.finish().ok()
        });
        let Some(document) = first.map(|first| [first, lines].concat()) else { return };
        match timeout_at(until, context.shelf.replace(&key, document, until)).await {
            Ok(Ok(())) => tracing::debug!(key, rules = header.rules, "the sweep's look was kept"),
            Ok(Err(error)) => tracing::warn!(key, %error, "the sweep's look was not kept"),
            Err(_) => tracing::warn!(key, "the sweep's look was not kept: no time is left"),
        }
    }
}

async fn first_line(context: &Context, key: &str) -> Result<Option<Header>, String> {
    let wanted = BTreeSet::new();
    let Some(reading) = context.shelf.open(key).await.map_err(|error| error.to_string())? else { return Ok(None) };
    read(reading, &wanted).await.map(|look| Some(look.header))
}

/// What a sweep saw of some rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) header: Header,
    pub(crate) rules: BTreeMap<RuleId, Value>,
}

/// Reads the wanted rules. It ends as soon as all are found.
pub(crate) async fn read(mut reading: Reading, wanted: &BTreeSet<RuleId>) -> Result<Look, String> {
    let (mut unzip, mut scan) = (Unzip::default(), Scan::of(wanted));
    while !scan.is_done() {
        let Some(piece) = reading.piece().await.map_err(|error| error.to_string())? else {
            unzip.finish().map_err(|error| error.to_string())?;
            return scan.finish();
        };
        for part in piece.chunks(PART) {
            unzip.push(part, |text| scan.push(text)).map_err(|error| error.to_string())?;
            // Others wait for answers meanwhile.
            tokio::task::yield_now().await;
        }
    }
    scan.finish()
}

/// This many bytes are unzipped at a time: at deflate's highest compression they hold 4 MiB.
const PART: usize = 4 << 10;

/// Finds lines in a text that comes in pieces.
struct Scan<'a> {
    wanted: &'a BTreeSet<RuleId>,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    header: Option<Header>,
    rules: BTreeMap<RuleId, Value>,
    wrong: Option<String>,
}

impl<'a> Scan<'a> {
    const fn of(wanted: &'a BTreeSet<RuleId>) -> Self {
        Self { wanted, line: Vec::new(), header: None, rules: BTreeMap::new(), wrong: None }
    }

    fn is_done(&self) -> bool {
        self.wrong.is_some() || self.header.is_some() && self.rules.len() == self.wanted.len()
    }

    fn push(&mut self, text: &[u8]) {
        let mut parts = text.split(|byte| *byte == b'\n');
        let Some(first) = parts.next() else { return };
        self.line.extend_from_slice(first);
        for next in parts {
            let line = std::mem::take(&mut self.line);
            self.take(&line);
            self.line.extend_from_slice(next);
        }
        if self.line.len() > LONGEST_LINE {
            self.line.clear();
            self.wrong.get_or_insert_with(|| format!("a line is longer than {LONGEST_LINE} bytes"));
        }
    }

    fn take(&mut self, line: &[u8]) {
        if self.header.is_none() {
            match serde_json::from_slice::<Header>(line) {
                Ok(header) if header.schema == 1 => self.header = Some(header),
                Ok(header) => _ = self.wrong.get_or_insert(format!("its form is {}, expected 1", header.schema)),
                Err(error) => _ = self.wrong.get_or_insert(format!("its first line: {error}")),
            }
            return;
        }
        let id = line.strip_prefix(ID).and_then(|rest| rest.split(|byte| *byte == b'"').next());
        let id = id.and_then(|id| std::str::from_utf8(id).ok()).and_then(|id| RuleId::parse(id).ok());
        if id.is_some_and(|id| self.wanted.contains(&id)) {
            match serde_json::from_slice::<Rule>(line) {
                Ok(Rule { id, permission, description, .. }) => {
                    self.rules.insert(id, Value { permission, description });
                }
                Err(error) => _ = self.wrong.get_or_insert(format!("a line: {error}")),
            }
        }
    }

    fn finish(self) -> Result<Look, String> {
        match (self.wrong, self.header) {
            (Some(wrong), _) => Err(wrong),
            (None, Some(header)) => Ok(Look { header, rules: self.rules }),
            (None, None) => Err("it is empty".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
