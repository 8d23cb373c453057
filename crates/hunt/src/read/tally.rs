//! What reading each file came to. A file that is read twice by one query counts once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use portcullis_domain::text::escaped_up_to;

/// What reading one file came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileTally {
    /// Its size.
    pub bytes: u64,
    /// The size of its plain text, as far as it was unzipped.
    pub text: u64,
    /// Records in it that were read. 0 if the file was passed over.
    pub records: u64,
    /// Records in it that were passed over: they can be no answer.
    pub skipped: u64,
    /// Records and lines that could not be read.
    pub bad: u64,
    /// Why: the first few.
    pub errors: Vec<String>,
    /// What is worth knowing, and no error.
    pub notes: Vec<String>,
    /// Whether nothing in it can be an answer, so that its records were not looked at.
    pub passed_over: bool,
    /// Whether it is a copy of another file.
    pub copy: bool,
    /// The first and last time in it.
    pub span: Option<(i64, i64)>,
}

/// So many errors of a file are told.
const MOST_ERRORS: usize = 3;

impl FileTally {
    /// Counts something that could not be read.
    pub fn bad(&mut self, why: &str) {
        self.bad += 1;
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(escaped_up_to(why, 200));
        }
    }

    /// Widens the span.
    pub fn saw(&mut self, first: i64, last: i64) {
        let (low, high) = self.span.unwrap_or((first, last));
        self.span = Some((low.min(first), high.max(last)));
    }

    /// Adds what reading the next part of the file came to.
    pub fn join(&mut self, part: Self) {
        self.bytes += part.bytes;
        self.text += part.text;
        self.records += part.records;
        self.skipped += part.skipped;
        self.bad += part.bad;
        self.errors.extend(part.errors);
        self.errors.truncate(MOST_ERRORS);
        self.notes.extend(part.notes);
        if let Some((first, last)) = part.span {
            self.saw(first, last);
        }
    }

    fn is_better_than(&self, other: &Self) -> bool {
        (other.passed_over && !self.passed_over) || self.records > other.records
    }
}

/// What reading all files came to, by the number of the file.
#[derive(Debug, Default)]
pub struct Tally {
    files: Mutex<BTreeMap<usize, FileTally>>,
    duplicates: Mutex<u64>,
}

/// The sum of all files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files that were read.
    pub files: u64,
    /// Files that were passed over.
    pub passed_over: u64,
    /// Files that are copies of others.
    pub copies: u64,
    /// Sizes of the files.
    pub bytes: u64,
    /// Sizes of the texts.
    pub text: u64,
    /// Records that were read.
    pub records: u64,
    /// Records that were passed over.
    pub skipped: u64,
    /// What could not be read.
    pub bad: u64,
    /// The first and last time.
    pub span: Option<(i64, i64)>,
}

impl Tally {
    /// Notes what a file came to.
    pub fn add(&self, file: usize, tally: FileTally) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        match files.get(&file) {
            Some(before) if !tally.is_better_than(before) => {}
            _ => drop(files.insert(file, tally)),
        }
    }

    /// Notes that events came more than once.
    pub fn add_duplicates(&self, count: u64) {
        let mut duplicates = self.duplicates.lock().unwrap_or_else(PoisonError::into_inner);
        *duplicates = (*duplicates).max(count);
    }

    /// How many events came more than once, and were counted once.
    pub fn duplicates(&self) -> u64 {
        *self.duplicates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sum.
    pub fn totals(&self) -> Totals {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.values().fold(Totals::default(), |mut totals, file| {
            totals.files += 1;
            totals.passed_over += u64::from(file.passed_over);
            totals.copies += u64::from(file.copy);
            totals.bytes += file.bytes;
            totals.text += file.text;
            totals.records += file.records;
            totals.skipped += file.skipped;
            totals.bad += file.bad;
            if let Some((first, last)) = file.span {
                let (low, high) = totals.span.unwrap_or((first, last));
                totals.span = Some((low.min(first), high.max(last)));
            }
            totals
        })
    }

    /// Each file that has errors or notes, by its number.
    pub fn troubled(&self) -> Vec<(usize, FileTally)> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let troubled = files.iter().filter(|(_, file)| file.bad > 0 || !file.notes.is_empty());
        troubled.map(|(n, file)| (*n, file.clone())).collect()
    }
}
