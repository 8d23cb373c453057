//! A large flow log: it is cut into blocks by whichever thread needs the next one, and all threads read blocks.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use portcullis_delivery::flowlog::{Block, Blocks, Flow};
use portcullis_delivery::logfile::Unzip;

use super::Taking;
use crate::read::{FileTally, Inputs, LARGE, Source};

/// Whether a file is worth several threads.
pub(super) fn is_large(source: &Source, threads: usize) -> bool {
    threads > 1 && source.local().is_ok_and(|path| path.metadata().is_ok_and(|meta| meta.len() >= LARGE))
}

struct Cutting {
    file: File,
    unzip: Unzip,
    chunk: Vec<u8>,
    blocks: Blocks,
    /// How many blocks there were.
    count: u64,
    /// The size of the plain text.
    text: u64,
    has_ended: bool,
    /// Why it ended early.
    error: Option<String>,
}

impl Cutting {
    /// The next block, and its number.
    fn next(&mut self) -> Option<(u64, Block)> {
        while !self.has_ended && !self.blocks.is_full() {
            let more = self.more();
            self.has_ended = !matches!(more, Ok(true));
            self.error = more.err();
        }
        let block = match self.has_ended && self.error.is_none() {
            // Behind whole lines there may be one without its end.
            true => self.blocks.take().or_else(|| self.blocks.finish()),
            false => self.blocks.take(),
        };
        self.count += 1;
        block.map(|block| (self.count, block))
    }

    /// Reads on. `false`: there is no more.
    fn more(&mut self) -> Result<bool, String> {
        let length = self.file.read(&mut self.chunk).map_err(|error| error.to_string())?;
        let Some(read) = self.chunk.get(..length).filter(|read| !read.is_empty()) else {
            return self.unzip.finish().map(|()| false).map_err(|error| error.to_string());
        };
        let (blocks, text) = (&mut self.blocks, &mut self.text);
        let pushed = self.unzip.push(read, |piece| {
            *text += piece.len() as u64;
            blocks.push(piece);
        });
        pushed.map(|()| true).map_err(|error| error.to_string())
    }
}

/// Reads a file with all threads. Returns what it came to, and the places into which its records went.
///
/// # Errors
/// Those of the file system when it is opened.
pub(super) fn read<S: Send>(
    source: &Source,
    inputs: &Inputs,
    (fresh, each): (&(impl Fn() -> S + Sync), &(impl Fn(&mut S, &Flow<'_>) -> bool + Sync)),
) -> io::Result<(FileTally, Vec<S>)> {
    let file = File::open(source.local()?)?;
    let bytes = file.metadata()?.len();
    let cutting = Mutex::new(Cutting {
        file,
        unzip: Unzip::unlimited(),
        chunk: vec![0; 1 << 16],
        blocks: Blocks::new(inputs.flow_format.clone()),
        count: 0,
        text: 0,
        has_ended: false,
        error: None,
    });
    let next = || cutting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let (mut place, mut parts, mut goes_on) = (fresh(), Vec::new(), true);
        while let Some((number, block)) = next() {
            let mut taking =
                Taking { tally: FileTally::default(), goes_on, each: |flow: &Flow<'_>| each(&mut place, flow) };
            block.read(|flow| taking.take(flow));
            goes_on = taking.goes_on;
            parts.push((number, taking.tally));
        }
        (parts, place)
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..inputs.threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let (parts, places): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    let mut parts: Vec<(u64, FileTally)> = parts.into_iter().flatten().collect();
    parts.sort_unstable_by_key(|(number, _)| *number);
    let mut tally = FileTally { bytes, ..FileTally::default() };
    parts.into_iter().for_each(|(_, part)| tally.join(part));
    let cutting = cutting.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.text = cutting.text;
    if let Some(why) = cutting.error {
        tally.bad(&why);
    }
    tally.note_text(source, cutting.blocks.unknown_fields());
    Ok((tally, places))
}
