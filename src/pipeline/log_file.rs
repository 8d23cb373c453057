//! A log file in S3: read as it arrives, and worked on in portions, so that memory is bounded however much is in it.

use portcullis_delivery::logfile::{Found, Stream};
use portcullis_domain::trail::EnvelopeOrigin;
use tokio::time::timeout_at;

use super::remediate::out_of_time;
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
        let named = |why: &str| Payload::Unreadable(format!("s3://{}/{}: {why}", file.bucket, file.key));
        let payload = |found: Found<'_>| match found.and_then(|record| record.parse()) {
            Ok(record) => Payload::Record { record, envelope_origin: EnvelopeOrigin::default() },
            Err(error) => named(&error.to_string()),
        };
        let until = run.until();
        let late = |_| AwsError { call: "GetObject", ..out_of_time("GetObject") };
        let read = async {
            let mut body = timeout_at(until, self.aws.bucket(&file.bucket).object(&file.key)).await.map_err(late)??;
            let mut stream = Stream::default();
            while let Some(chunk) = timeout_at(until, body.chunk()).await.map_err(late)?? {
                for piece in chunk.chunks(PIECE) {
                    let mut found = Vec::new();
                    stream.push(piece, |one| found.push(payload(one)));
                    found.into_iter().for_each(|one| self.receive(batch, origin.clone(), one));
                    if batch.len() >= PORTION {
                        self.work(std::mem::take(batch), run, tally).await;
                    }
                }
            }
            stream.finish(|one| self.receive(batch, origin.clone(), payload(one)));
            Ok::<(), AwsError>(())
        };
        if let Err(error) = read.await {
            self.receive(batch, origin.clone(), named(&error.to_string()));
        }
    }
}
