//! Unzips gzip data: as a whole into a buffer, or in chunks as they arrive. Data that is not gzip is plain text.
//!
//! A file may have several members, one after the other (RFC 1952, 2.2). Trails write one, and programs that join files
//! write more. Bytes after the last member that are not a member are an error.

use flate2::{Crc, Decompress, FlushDecompress, Status};
use libdeflater::{DecompressionError, Decompressor};
use memchr::memmem;

use super::{Error, MOST_UNZIPPED, PIECE};

/// The first bytes of every member: the magic number, and deflate, which is the only method.
const MEMBER: [u8; 3] = [0x1f, 0x8b, 8];
/// The first bytes of gzip data.
const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The checksum and the length of the plain text, at the end of a member.
const TRAILER: usize = 8;

/// At most this many bytes are unzipped into a buffer. A longer text is read in chunks.
const MOST_WHOLE: usize = 32 << 20;
/// The end of each member is searched for in the whole file. So a file with more members than this is read in chunks
/// too.
const MOST_MEMBERS: usize = 64;
/// Deflate compresses at most this much, so a length field that claims more is ignored.
const TIGHTEST: usize = 1032;

/// Memory for the plain text, used for one file after the other.
#[derive(Default)]
pub struct Scratch {
    decompressor: Decompressor,
    text: Vec<u8>,
}

/// The plain text of a whole file. `None` if it is larger than a buffer may be, or damaged: then the file must be read
/// as a [`super::Stream`].
pub(super) fn plain<'a>(file: &'a [u8], scratch: &'a mut Scratch) -> Option<&'a [u8]> {
    if !file.starts_with(&MAGIC) && !MAGIC.starts_with(file) || file.is_empty() {
        return Some(file);
    }
    let mut rest = file;
    let mut length = 0;
    let mut members = 0;
    while !rest.is_empty() {
        members += 1;
        if members > MOST_MEMBERS {
            return None;
        }
        let (packed, unpacked) = scratch.member(rest, length)?;
        rest = rest.get(packed..)?;
        length += unpacked;
    }
    scratch.text.get(..length)
}

impl Scratch {
    /// Unzips the first member into the buffer at `from`. Returns its compressed and its plain length.
    fn member(&mut self, file: &[u8], from: usize) -> Option<(usize, usize)> {
        if !matches!(header(file), Header::Complete) {
            return None;
        }
        // A member ends with its plain length. If the file has several members, this is the last one's; if the file is
        // damaged, it can be anything.
        let hint = usize::try_from(u32::from_le_bytes(*file.last_chunk()?)).ok()?;
        let most = MOST_WHOLE - from;
        let mut room = hint.max(1);
        if room > most.min(TIGHTEST.saturating_mul(file.len())) {
            return None;
        }
        loop {
            if self.text.len() < from + room {
                self.text.resize(from + room, 0);
            }
            match self.decompressor.gzip_decompress(file, self.text.get_mut(from..)?) {
                Ok(unpacked) => {
                    let text = self.text.get(from..from + unpacked)?;
                    return Some((member_end(file, text)?, unpacked));
                }
                Err(DecompressionError::InsufficientSpace) if self.text.len() < MOST_WHOLE => {
                    room = (self.text.len() - from).saturating_mul(2).min(most);
                }
                Err(DecompressionError::InsufficientSpace | DecompressionError::BadData) => return None,
            }
        }
    }
}

/// Where the file's first member ends, given its plain text. libdeflate does not return it, but it has checked the text
/// against the trailer. If the text's length occurs only at the end of the file, the member ends there. Otherwise the
/// member ends after the trailer of exactly this text, and there the file ends or another member begins. `None` if that
/// is not so, or if more than one such trailer exists.
fn member_end(file: &[u8], text: &[u8]) -> Option<usize> {
    let length = u32::try_from(text.len()).ok()?.to_le_bytes();
    if memmem::find(file, &length)? + length.len() == file.len() {
        return Some(file.len());
    }
    let trailer = [libdeflater::crc32(text).to_le_bytes(), length].concat();
    let mut ends = memmem::find_iter(file, &trailer).map(|at| at + TRAILER);
    let (end, other) = (ends.next()?, ends.next());
    let rest = file.get(end..)?;
    (other.is_none() && (rest.is_empty() || rest.starts_with(&MEMBER))).then_some(end)
}

/// So much of a file's beginning is unzipped at a time. It holds some KB of text.
const CHUNK: usize = 512;

/// The beginning of a file's text: about `most` bytes, or fewer if the file ends or is damaged.
pub(super) fn beginning(file: &[u8], most: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut unzip = Unzip::default();
    // Not more is unzipped than is wanted: of each of a thousand files it would be felt.
    for chunk in file.chunks(CHUNK) {
        let result = unzip.push(chunk, |piece| text.extend_from_slice(piece));
        if result.is_err() || text.len() >= most {
            break;
        }
    }
    text
}

/// Unzips chunks as they arrive, in a hundred KiB of memory. What is not gzip data is passed on as it is.
#[derive(Debug)]
pub struct Unzip {
    state: State,
    inflate: Decompress,
    sum: Crc,
    /// How many bytes have arrived.
    packed: u64,
    unpacked: u64,
    /// How many bytes may be unzipped.
    pub(super) most: u64,
    text: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Too few bytes have arrived to decide. These are all of them.
    Unknown(Vec<u8>),
    /// Not gzip data.
    Plain,
    /// The first bytes of a member, or none yet.
    Header(Vec<u8>),
    /// Deflated data.
    Body,
    /// The last bytes of a member.
    Trailer(Vec<u8>),
}

/// The texts in a header, such as the file's name, have no limit of their own. CloudTrail writes none.
const LONGEST_HEADER: usize = 64 << 10;

impl Default for Unzip {
    fn default() -> Self {
        Self {
            state: State::Unknown(Vec::new()),
            inflate: Decompress::new(false),
            sum: Crc::new(),
            packed: 0,
            unpacked: 0,
            most: MOST_UNZIPPED,
            text: vec![0; PIECE],
        }
    }
}

impl Unzip {
    /// Without a limit to the length of the text, for callers that keep none of it.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { most: u64::MAX, ..Self::default() }
    }

    /// Takes the next chunk, and gives the text in it to `emit`.
    ///
    /// # Errors
    /// What is damaged, or too large. Nothing more must be pushed then.
    pub fn push(&mut self, mut chunk: &[u8], mut emit: impl FnMut(&[u8])) -> Result<(), Error> {
        while !chunk.is_empty() {
            let taken = self.step(chunk, &mut emit)?;
            self.packed += to_u64(taken);
            chunk = chunk.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn finish(&mut self) -> Result<(), Error> {
        match &self.state {
            State::Unknown(bytes) if bytes.is_empty() => Ok(()),
            State::Plain => Ok(()),
            State::Header(bytes) if bytes.is_empty() => Ok(()),
            State::Unknown(_) | State::Header(_) | State::Body | State::Trailer(_) => {
                Err(Error::Truncated { length: self.packed })
            }
        }
    }

    /// Takes some bytes of the chunk, which is not empty. Returns how many.
    fn step(&mut self, chunk: &[u8], emit: &mut impl FnMut(&[u8])) -> Result<usize, Error> {
        match &mut self.state {
            State::Unknown(bytes) => {
                bytes.extend(chunk.first());
                if bytes.len() == MAGIC.len() && *bytes == MAGIC {
                    self.state = State::Header(std::mem::take(bytes));
                } else if !MAGIC.starts_with(bytes) {
                    let bytes = std::mem::take(bytes);
                    self.state = State::Plain;
                    self.count(bytes.len())?;
                    emit(&bytes);
                }
                Ok(1)
            }
            State::Plain => {
                self.count(chunk.len())?;
                emit(chunk);
                Ok(chunk.len())
            }
            State::Header(bytes) => {
                bytes.extend(chunk.first());
                match header(bytes) {
                    Header::Complete => {
                        self.inflate.reset(false);
                        self.sum.reset();
                        self.state = State::Body;
                    }
                    Header::Incomplete if bytes.len() < LONGEST_HEADER => {}
                    Header::Incomplete => return Err(self.damaged("a header that does not end")),
                    Header::Wrong(why) => return Err(self.damaged(why)),
                }
                Ok(1)
            }
            State::Body => self.inflate(chunk, emit),
            State::Trailer(bytes) => {
                bytes.extend(chunk.first());
                if bytes.len() == TRAILER {
                    let expected = [self.sum.sum().to_le_bytes(), self.sum.amount().to_le_bytes()].concat();
                    if *bytes != expected {
                        return Err(self.damaged("the check sum or the length is not that of the text"));
                    }
                    self.state = State::Header(Vec::new());
                }
                Ok(1)
            }
        }
    }

    fn inflate(&mut self, chunk: &[u8], emit: &mut impl FnMut(&[u8])) -> Result<usize, Error> {
        let mut taken = 0;
        // Repeats until the decompressor returns everything that it holds back.
        loop {
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let input = chunk.get(taken..).unwrap_or_default();
            let result = self.inflate.decompress(input, &mut self.text, FlushDecompress::None);
            let status = result.map_err(|_| self.damaged("this cannot be inflated"))?;
            let took = usize::try_from(self.inflate.total_in() - before_in).unwrap_or_default();
            let gave = usize::try_from(self.inflate.total_out() - before_out).unwrap_or_default();
            taken += took;
            self.count(gave)?;
            let text = self.text.get(..gave).unwrap_or_default();
            self.sum.update(text);
            emit(text);
            if status == Status::StreamEnd {
                self.state = State::Trailer(Vec::with_capacity(TRAILER));
                return Ok(taken);
            }
            if taken == chunk.len() && gave < self.text.len() {
                return Ok(taken);
            }
            if took == 0 && gave == 0 {
                return Err(self.damaged("this cannot be inflated"));
            }
        }
    }

    fn count(&mut self, more: usize) -> Result<(), Error> {
        self.unpacked += to_u64(more);
        if self.unpacked > self.most { Err(Error::TooLarge) } else { Ok(()) }
    }

    fn damaged(&self, why: &'static str) -> Error {
        Error::Damaged { offset: self.packed, why }
    }
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

enum Header {
    Complete,
    Incomplete,
    Wrong(&'static str),
}

/// RFC 1952, 2.3.
fn header(bytes: &[u8]) -> Header {
    const FHCRC: u8 = 2;
    const FEXTRA: u8 = 4;
    const FNAME: u8 = 8;
    const FCOMMENT: u8 = 16;
    if !MEMBER.starts_with(bytes.get(..MEMBER.len()).unwrap_or(bytes)) {
        return Header::Wrong("what follows is no gzip member");
    }
    let Some((&[_, _, _, flags, ..], mut rest)) = bytes.split_first_chunk::<10>() else { return Header::Incomplete };
    if flags & !0x1f != 0 {
        return Header::Wrong("a header with flags that are not defined");
    }
    if flags & FEXTRA != 0 {
        let Some((length, extra)) = rest.split_first_chunk() else { return Header::Incomplete };
        let Some(behind) = extra.get(usize::from(u16::from_le_bytes(*length))..) else { return Header::Incomplete };
        rest = behind;
    }
    for text in [FNAME, FCOMMENT] {
        if flags & text != 0 {
            let Some(end) = memchr::memchr(0, rest) else { return Header::Incomplete };
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }
    if flags & FHCRC != 0 {
        let Some(expected) = rest.first_chunk() else { return Header::Incomplete };
        let mut sum = Crc::new();
        sum.update(bytes.get(..bytes.len() - rest.len()).unwrap_or_default());
        // The lower half of the checksum.
        if sum.sum() & 0xffff != u32::from(u16::from_le_bytes(*expected)) {
            return Header::Wrong("the check sum of the header is not its own");
        }
    }
    Header::Complete
}
