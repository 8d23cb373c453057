//! What there is to read, what kind each file is, and what reading it came to.

mod kind;
mod paths;
mod s3;
mod source;
mod tally;

pub use kind::{Kind, kind_of};
pub use paths::expand;
pub use s3::{Object, Store};
pub use source::{Place, Source};
pub use tally::{FileTally, Tally, Totals};

use std::io::Read;
use std::sync::Arc;

use portcullis_delivery::logfile::{self, Scratch, Unzip};

/// All files of a hunt, with what is known of each.
#[derive(Debug)]
pub struct Inputs {
    /// The files, in order of their names.
    pub sources: Vec<Source>,
    /// What reading them came to.
    pub tally: Tally,
    /// How records without a header are to be read.
    pub flow_format: Option<portcullis_delivery::flowlog::Format>,
    /// When snapshots of state were taken, if someone said so.
    pub as_of: Option<i64>,
    /// How many files are read at a time.
    pub threads: usize,
}

impl Inputs {
    /// The files of some kinds, dealt out to the threads: neighbours go to different ones.
    #[must_use]
    pub fn dealt(self: &Arc<Self>, wanted: impl Fn(&Source) -> bool) -> Vec<Vec<usize>> {
        let mut dealt = vec![Vec::new(); self.threads.max(1)];
        let files =
            self.sources.iter().enumerate().filter(|(_, source)| !source.is_copy && wanted(source)).map(|(n, _)| n);
        let count = dealt.len();
        for (turn, file) in files.enumerate() {
            if let Some(files) = dealt.get_mut(turn % count) {
                files.push(file);
            }
        }
        dealt
    }

    /// Begins to fetch those files from S3 that will be read, in order.
    pub fn fetch_ahead(&self, wanted: impl Fn(&Source) -> bool) {
        let objects = self.sources.iter().filter(|source| !source.is_copy && wanted(source));
        s3::ahead(
            objects
                .filter_map(|source| match &source.place {
                    Place::Object(object) => Some(Arc::clone(object)),
                    Place::File(_) => None,
                })
                .collect(),
        );
    }
}

/// At most this much of a file is unzipped into memory at once.
const MOST_TEXT: usize = 512 << 20;

/// Gives the whole plain text of a file to `each`, with the error if the file is damaged and the text ends early.
///
/// # Errors
/// Those of the file system.
pub fn with_text<T>(
    source: &Source,
    scratch: &mut Scratch,
    each: impl FnOnce(&[u8], Option<String>) -> T,
) -> std::io::Result<(T, u64)> {
    let bytes = std::fs::read(source.local()?)?;
    let size = bytes.len() as u64;
    if let Some(text) = logfile::plain(&bytes, scratch) {
        return Ok((each(text, None), size));
    }
    let (mut text, mut unzip) = (Vec::new(), Unzip::default());
    let mut error = None;
    for chunk in bytes.chunks(1 << 16) {
        let pushed = unzip.push(chunk, |piece| text.extend_from_slice(piece)).map_err(|error| error.to_string());
        let pushed = match pushed {
            Ok(()) if text.len() > MOST_TEXT => Err("it is too large to be a log file of CloudTrail".to_owned()),
            pushed => pushed,
        };
        if let Err(why) = pushed {
            error = Some(why);
            break;
        }
    }
    let error = error.or_else(|| unzip.finish().err().map(|error| error.to_string()));
    Ok((each(&text, error), size))
}

/// A file of so many bytes is not read as a whole.
pub(crate) const LARGE: u64 = 8 << 20;

/// Gives a file's plain text, of any length, to `each` in pieces. Returns how many bytes the file has, and the error if it is damaged.
///
/// # Errors
/// Those of the file system.
pub fn in_pieces(
    source: &Source,
    scratch: &mut Scratch,
    mut each: impl FnMut(&[u8]),
) -> std::io::Result<(u64, Option<String>)> {
    let mut file = std::fs::File::open(source.local()?)?;
    let size = file.metadata()?.len();
    // A file that fits is unzipped by the faster of the two unzippers.
    if size < LARGE {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if let Some(text) = logfile::plain(&bytes, scratch) {
            each(text);
            return Ok((bytes.len() as u64, None));
        }
        let mut unzip = Unzip::unlimited();
        let damage = bytes.chunks(1 << 16).try_for_each(|chunk| unzip.push(chunk, &mut each));
        let damage = damage.and_then(|()| unzip.finish());
        return Ok((bytes.len() as u64, damage.err().map(|error| error.to_string())));
    }
    let (mut unzip, mut chunk) = (Unzip::unlimited(), vec![0; 1 << 16]);
    loop {
        let length = file.read(&mut chunk)?;
        let Some(read) = chunk.get(..length).filter(|read| !read.is_empty()) else { break };
        if let Err(error) = unzip.push(read, &mut each) {
            return Ok((size, Some(error.to_string())));
        }
    }
    Ok((size, unzip.finish().err().map(|error| error.to_string())))
}
