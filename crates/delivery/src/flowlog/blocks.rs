//! Cuts a long text into blocks of whole lines, which can be read at the same time. What was read before says what a line means:
//! the last header, and how many lines there were. So the lines are counted and the headers read while the text is cut.

use memchr::{memchr, memrchr};

use super::{Bad, Flow, Format, LONGEST_LINE, Reader};

/// A block has at least this many bytes, so that it stays in the processor's near memory while it is cut and read.
const SIZE: usize = 1 << 20;

/// Cuts a text that arrives in chunks. It keeps one block and one line.
#[derive(Debug)]
pub struct Blocks {
    size: usize,
    reader: Reader,
    text: Vec<u8>,
    /// So many of its bytes are whole lines.
    whole: usize,
}

/// Some whole lines.
#[derive(Debug)]
pub struct Block {
    reader: Reader,
    text: Vec<u8>,
}

impl Block {
    /// Reads its lines.
    pub fn read(mut self, mut report: impl FnMut(Result<&Flow<'_>, Bad>)) {
        self.reader.push(&self.text, &mut report);
        self.reader.finish(report);
    }
}

impl Blocks {
    /// Of a text without a header, in this format. A header in the text counts more.
    #[must_use]
    pub fn new(format: Option<Format>) -> Self {
        Self::of_size(format, SIZE)
    }

    pub(super) fn of_size(format: Option<Format>, size: usize) -> Self {
        Self { size, reader: Reader::new(format), text: Vec::new(), whole: 0 }
    }

    /// Takes the next chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        let mut chunk = chunk;
        if self.text.len() - self.whole > LONGEST_LINE {
            // No more of such a line is needed than shows that it is too long.
            let end = memchr(b'\n', chunk).unwrap_or(chunk.len());
            chunk = chunk.get(end..).unwrap_or_default();
        }
        if let Some(end) = memrchr(b'\n', chunk) {
            self.whole = self.text.len() + end + 1;
        }
        self.text.extend_from_slice(chunk);
        self.text.truncate(self.whole + LONGEST_LINE + 1);
    }

    /// Whether a block is full.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.whole >= self.size
    }

    /// The whole lines so far. `None`: there is none.
    pub fn take(&mut self) -> Option<Block> {
        let rest = self.text.split_off(self.whole);
        let text = std::mem::replace(&mut self.text, rest);
        self.whole = 0;
        self.block(text)
    }

    /// Ends the text. The last line may lack its end.
    pub fn finish(&mut self) -> Option<Block> {
        self.whole = 0;
        let text = std::mem::take(&mut self.text);
        self.block(text)
    }

    fn block(&mut self, text: Vec<u8>) -> Option<Block> {
        if text.is_empty() {
            return None;
        }
        let reader = self.reader.here();
        self.reader.pass_over(&text);
        Some(Block { reader, text })
    }

    /// The names in headers that are no known fields.
    #[must_use]
    pub fn unknown_fields(&self) -> &[String] {
        self.reader.unknown_fields()
    }
}
