//! Athena's rows, which are texts, as an answer with the types of its columns.

use std::sync::Arc;

use aws_sdk_athena::types::{ResultSetMetadata, Row};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMillisecondArray,
};
use datafusion::arrow::datatypes::{Field, Schema};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use portcullis_domain::text::escaped_up_to;

use crate::engine::Answer;

/// Rows that arrive page by page.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The names of the columns, and Athena's words for their types.
    columns: Vec<(String, String)>,
    /// The values, by column.
    values: Vec<Vec<Option<String>>>,
    rows: usize,
    bytes: usize,
    is_begun: bool,
}

impl Table {
    pub(super) fn new(described: Option<&ResultSetMetadata>) -> Self {
        let described = described.map(ResultSetMetadata::column_info).unwrap_or_default();
        let columns: Vec<_> = described.iter().map(|one| (one.name().to_owned(), one.r#type().to_owned())).collect();
        Self { values: vec![Vec::new(); columns.len()], columns, ..Self::default() }
    }

    /// Takes a page. The first row of the first page of a SELECT holds the names of the columns.
    pub(super) fn add(&mut self, rows: &[Row]) {
        for row in rows {
            let is_first = !std::mem::replace(&mut self.is_begun, true);
            let cells = |row: &Row| row.data().iter().map(|cell| cell.var_char_value().map(str::to_owned)).collect();
            let mut cells: Vec<Option<String>> = cells(row);
            if is_first && cells.iter().map(Option::as_deref).eq(self.columns.iter().map(|(name, _)| Some(&**name))) {
                continue;
            }
            cells.resize(self.columns.len(), None);
            self.rows += 1;
            for (values, cell) in self.values.iter_mut().zip(cells) {
                self.bytes += size_of::<Option<String>>() + cell.as_ref().map_or(0, String::len);
                values.push(cell);
            }
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// # Errors
    /// A value that its column cannot have.
    pub(super) fn answer(self) -> Result<Answer, String> {
        let mut arrays = Vec::new();
        for ((name, kind), values) in self.columns.iter().zip(self.values) {
            arrays.push(array(kind, values).map_err(|value| {
                format!("Athena's answer has `{}` in {name}, a column of {kind}", escaped_up_to(&value, 100))
            })?);
        }
        let fields = self.columns.iter().zip(&arrays);
        let fields: Vec<_> =
            fields.map(|((name, _), array)| Field::new(name, array.data_type().clone(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options);
        Ok(Answer { schema, batches: vec![batch.map_err(|error| error.to_string())?] })
    }
}

fn array(kind: &str, values: Vec<Option<String>>) -> Result<ArrayRef, String> {
    fn all<T>(values: Vec<Option<String>>, read: impl Fn(&str) -> Option<T>) -> Result<Vec<Option<T>>, String> {
        let read = |value: String| read(&value).ok_or(value);
        values.into_iter().map(|value| value.map(read).transpose()).collect()
    }
    Ok(match kind {
        "tinyint" | "smallint" | "integer" => Arc::new(Int32Array::from(all(values, |text| text.parse().ok())?)),
        "bigint" => Arc::new(Int64Array::from(all(values, |text| text.parse().ok())?)),
        "boolean" => Arc::new(BooleanArray::from(all(values, |text| text.parse().ok())?)),
        "timestamp" => Arc::new(TimestampMillisecondArray::from(all(values, milliseconds)?)),
        // Everything else is shown as Athena writes it.
        _ => Arc::new(StringArray::from(values)),
    })
}

/// `2026-11-20 10:00:00.000`, in UTC.
fn milliseconds(text: &str) -> Option<i64> {
    let time: DateTime = text.replacen(' ', "T", 1).parse().ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}
