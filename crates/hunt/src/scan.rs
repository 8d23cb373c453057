//! A scan of files by our own readers, as the engine sees it: one stream of batches for each thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use portcullis_delivery::logfile::Scratch;

use crate::rows::{Column, Rows};

/// Where the rows of a file go, from any thread. It says whether the engine still wants any.
pub(crate) type Emit<'a> = dyn Fn(&mut Rows) -> bool + Sync + 'a;
/// Reads the file of this number into rows, and hands them over where they fill a batch.
pub(crate) type Read = dyn Fn(usize, &mut Scratch, &mut Rows, &Emit<'_>) + Send + Sync;

struct Part {
    schema: SchemaRef,
    columns: &'static [Column],
    projection: Option<Vec<usize>>,
    files: Vec<usize>,
    read: Arc<Read>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files", self.files.len())
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), 2);
        let (sender, read, files) = (builder.tx(), Arc::clone(&self.read), self.files.clone());
        let mut rows = Rows::new(self.columns, self.projection.as_deref());
        builder.spawn_blocking(move || {
            let mut scratch = Scratch::default();
            let is_unwanted = AtomicBool::new(false);
            let emit = |rows: &mut Rows| {
                let is_sent = sender.blocking_send(rows.take().map_err(Into::into)).is_ok();
                is_unwanted.fetch_or(!is_sent, Ordering::Relaxed);
                is_sent
            };
            for file in files {
                read(file, &mut scratch, &mut rows, &emit);
                if is_unwanted.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
            if !rows.is_empty() {
                emit(&mut rows);
            }
            Ok(())
        });
        builder.build()
    }
}

/// The plan of a scan: each of `dealt` is read by a thread of its own, into the columns of `projection`.
///
/// # Errors
/// None that can be met: all parts have one schema.
pub(crate) fn plan(
    columns: &'static [Column],
    projection: Option<&Vec<usize>>,
    dealt: Vec<Vec<usize>>,
    read: Arc<Read>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = Rows::new(columns, projection.map(Vec::as_slice)).schema();
    let parts = dealt.into_iter().map(|files| {
        let (schema, projection, read) = (Arc::clone(&schema), projection.cloned(), Arc::clone(&read));
        Arc::new(Part { schema, columns, projection, files, read }) as Arc<dyn PartitionStream>
    });
    let parts: Vec<_> = parts.collect();
    Ok(Arc::new(StreamingTableExec::try_new(schema, parts, None, None, false, None)?))
}
