//! A flow log as Parquet. Its columns count by their names, in any order; their values are read as the fields of a line are, so
//! that a record is the same in both forms.

use std::io::Read;

use bytes::Bytes;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::ChunkReader;
use portcullis_delivery::flowlog::{Field, Flow};
use portcullis_delivery::logfile::Scratch;
use portcullis_domain::text::escaped;

use crate::read::{Source, with_text};

/// What reading a file came to, its records aside.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The file's size.
    pub(super) bytes: u64,
    /// The size of the values as texts.
    pub(super) text: u64,
    /// Names of columns that are no known fields.
    pub(super) unknown: Vec<String>,
    /// Why the rest, or all of it, could not be read.
    pub(super) error: Option<String>,
}

/// Gives the records of a file to `each`, or why a row is none.
pub(super) fn read(
    source: &Source,
    scratch: &mut Scratch,
    mut each: impl FnMut(Result<Flow<'_>, String>),
) -> std::io::Result<Outcome> {
    let mut file = std::fs::File::open(source.local()?)?;
    let bytes = file.metadata()?.len();
    let mut first = [0; 4];
    let length = file.read(&mut first)?;
    let mut outcome = Outcome { bytes, ..Outcome::default() };
    let read = if first.get(..length) == Some(b"PAR1") {
        rows(file, &mut outcome, &mut each)
    } else {
        // Someone has zipped it once more.
        let (text, _) = with_text(source, scratch, |text, damage| match damage {
            Some(why) => Err(why),
            None => Ok(Bytes::copy_from_slice(text)),
        })?;
        text.and_then(|text| rows(text, &mut outcome, &mut each))
    };
    outcome.error = read.err();
    Ok(outcome)
}

fn rows(
    file: impl ChunkReader + 'static,
    outcome: &mut Outcome,
    each: &mut impl FnMut(Result<Flow<'_>, String>),
) -> Result<(), String> {
    // The types are those of Parquet itself, whatever the writer noted for itself.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(damaged)?;
    let (mut fields, mut wanted) = (Vec::new(), Vec::new());
    for (n, column) in reader.schema().fields().iter().enumerate() {
        match Field::named(column.name()) {
            Some(field) => {
                fields.push(field);
                wanted.push(n);
            }
            None => outcome.unknown.push(escaped(column.name())),
        }
    }
    if !fields.contains(&Field::Start) || !fields.contains(&Field::End) {
        return Err("it is Parquet, and no flow log: it has no columns start and end".to_owned());
    }
    let mask = ProjectionMask::roots(reader.parquet_schema(), wanted);
    let batches = reader.with_projection(mask).with_batch_size(4096).build().map_err(damaged)?;
    let mut row = 0_u64;
    for batch in batches {
        let texts = texts(&batch.map_err(damaged)?)?;
        let length = texts.first().map_or(0, |text| text.len());
        outcome.text += texts.iter().map(|text| (text.value_data().len() + text.len()) as u64).sum::<u64>();
        for n in 0..length {
            row += 1;
            let values = texts.iter().map(|text| if text.is_null(n) { "" } else { text.value(n) });
            let flow = Flow::of_fields(fields.iter().copied().zip(values));
            each(flow.map_err(|why| format!("row {row}: {why}")));
        }
    }
    Ok(())
}

fn damaged(error: impl std::fmt::Display) -> String {
    format!("the Parquet is damaged: {error}")
}

/// All columns as texts.
fn texts(batch: &RecordBatch) -> Result<Vec<StringArray>, String> {
    let text = |column: &ArrayRef| Ok(cast(column, &DataType::Utf8).map_err(damaged)?.as_string::<i32>().clone());
    batch.columns().iter().map(text).collect()
}
