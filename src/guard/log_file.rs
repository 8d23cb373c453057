//! A log file in S3: read as it arrives, and worked on in portions, so that memory is bounded however much is in it.

use portcullis_delivery::logfile::{Found, Stream};
use portcullis_domain::trail::EnvelopeOrigin;
use tokio::time::timeout_at;

use super::rollback::out_of_time;
use super::{Batch, Guard, Origin, Run, Tally};
use crate::aws::AwsError;
use crate::envelope::{LogFile, Payload};

/// So many records of ours are worked on at a time. A file that holds more is worked on while it is read.
const PORTION: usize = 2000;

/// So many bytes are unzipped at a time: at deflate's tightest they hold 4 MiB.
const PIECE: usize = 4 << 10;

impl Guard {
    /// Adds a file's records to the batch. What cannot be read in it is a letter of its own, and so is the file itself
    /// where it breaks off: then all of it is delivered again, which does no harm.
    pub(super) async fn log_file(
        &self,
        batch: &mut Batch,
        origin: &Origin,
        file: &LogFile,
        run: &Run<'_>,
        tally: &mut Tally,
    ) {
        let until = run.until();
        let late = |_| AwsError { call: "GetObject", ..out_of_time("GetObject") };
        let read = async {
            let mut body = timeout_at(until, self.aws.bucket(&file.bucket).object(&file.key)).await.map_err(late)??;
            let mut stream = Stream::default();
            while let Some(chunk) = timeout_at(until, body.chunk()).await.map_err(late)?? {
                for piece in chunk.chunks(PIECE) {
                    stream.push(piece, |one| self.receive(batch, origin.clone(), self::payload(one, file)));
                    if batch.len() >= PORTION {
                        self.work(std::mem::take(batch), run, tally).await;
                    }
                }
            }
            stream.finish(|one| self.receive(batch, origin.clone(), self::payload(one, file)));
            Ok::<(), AwsError>(())
        };
        if let Err(error) = read.await {
            self.receive(batch, origin.clone(), unreadable(&error.to_string(), file));
        }
    }
}

fn payload<'a>(found: Found<'a>, file: &LogFile) -> Payload<'a> {
    match found.and_then(|record| record.parse()) {
        Ok(record) => Payload::Record { record, envelope_origin: EnvelopeOrigin::default() },
        Err(error) => unreadable(&error.to_string(), file),
    }
}

fn unreadable(why: &str, file: &LogFile) -> Payload<'static> {
    Payload::Unreadable(format!("s3://{}/{}: {why}", file.bucket, file.key))
}
