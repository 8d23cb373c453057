//! A log file in S3. It is read as it arrives and worked on in portions, so that memory is bounded for any size.

use portcullis_delivery::logfile::{Found, Stream};
use portcullis_domain::cloudtrail::EnvelopeOrigin;

use super::batch::{self, DeliveryResult};
use super::context::{Context, InvocationScope};
use super::intake::{Batch, Origin};
use crate::aws::{AwsError, within};
use crate::envelope::LogFile;
use crate::s3_url::S3Url;

/// This many bytes are unzipped at a time: at deflate's highest compression they hold 4 MiB.
const PIECE: usize = 4 << 10;

const GET_OBJECT: &str = "GetObject";

/// Adds a file's records to the batch. A record that cannot be read becomes a finding of its own, and so does the file
/// where it breaks off: all of it is delivered again then, which does no harm.
pub(super) async fn read(
    context: &Context,
    scope: &InvocationScope<'_>,
    (origin, file): (Origin, LogFile),
    batch: &mut Batch,
    result: &mut DeliveryResult,
) {
    let place = S3Url { bucket: &file.bucket, key: &file.key }.to_string();
    let until = scope.work_until();
    let read = async {
        let bucket = context.aws.log_bucket(&file.bucket).await;
        let mut body = within(until, GET_OBJECT, bucket.object(&file.key)).await?;
        let mut stream = Stream::default();
        while let Some(chunk) = within(until, GET_OBJECT, body.chunk()).await? {
            for piece in chunk.chunks(PIECE) {
                stream.push(piece, |found| add(context, batch, &origin, (&place, found)));
                if batch.is_full() {
                    batch::work(context, scope, batch.take(), result).await;
                }
            }
        }
        stream.finish(|found| add(context, batch, &origin, (&place, found)));
        Ok::<(), AwsError>(())
    };
    if let Err(error) = read.await {
        batch.add_unreadable(context, origin.clone(), format!("{place}: {error}"));
    }
}

/// Adds what was found in a file: a record, or why one cannot be read.
fn add(context: &Context, batch: &mut Batch, origin: &Origin, (place, found): (&str, Found<'_>)) {
    match found.and_then(|record| record.parse()) {
        Ok(record) => batch.add_record(context, origin.clone(), &record, &EnvelopeOrigin::default()),
        Err(error) => batch.add_unreadable(context, origin.clone(), format!("{place}: {error}")),
    }
}
