//! The values of an answer, column by column, as every way of showing needs them.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::Timestamp;

use crate::engine::Answer;

/// One value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// Absent.
    Null,
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// A bool.
    Bool(bool),
    /// Milliseconds since 1970.
    Time(i64),
}

impl Shown {
    /// Its text. What is absent has none.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Time(ms) => Timestamp::from_millisecond(*ms).map_or_else(|_| ms.to_string(), |time| time.to_string()),
        }
    }
}

/// All rows of an answer.
#[must_use]
pub fn cells(answer: &Answer) -> Vec<Vec<Shown>> {
    let mut rows = Vec::with_capacity(answer.rows());
    for batch in &answer.batches {
        for n in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|column| shown(column, n)).collect());
        }
    }
    rows
}

fn shown(column: &ArrayRef, n: usize) -> Shown {
    if column.is_null(n) {
        return Shown::Null;
    }
    match column.data_type() {
        DataType::Utf8 => Shown::Text(column.as_string::<i32>().value(n).to_owned()),
        DataType::Int32 => Shown::Number(column.as_primitive::<Int32Type>().value(n).into()),
        DataType::Int64 => Shown::Number(column.as_primitive::<Int64Type>().value(n)),
        DataType::Boolean => Shown::Bool(column.as_boolean().value(n)),
        DataType::Timestamp(unit, None) => time(column, *unit, n),
        // A user's own query may have columns of other types.
        _ => match ArrayFormatter::try_new(column, &FormatOptions::default()) {
            Ok(formatter) => Shown::Text(formatter.value(n).to_string()),
            Err(error) => Shown::Text(error.to_string()),
        },
    }
}

fn time(column: &ArrayRef, unit: TimeUnit, n: usize) -> Shown {
    use datafusion::arrow::datatypes::{
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    };
    Shown::Time(match unit {
        TimeUnit::Second => column.as_primitive::<TimestampSecondType>().value(n).saturating_mul(1000),
        TimeUnit::Millisecond => column.as_primitive::<TimestampMillisecondType>().value(n),
        TimeUnit::Microsecond => column.as_primitive::<TimestampMicrosecondType>().value(n) / 1000,
        TimeUnit::Nanosecond => column.as_primitive::<TimestampNanosecondType>().value(n) / 1_000_000,
    })
}
