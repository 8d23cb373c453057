//! Rows on their way into the engine: columns by name and kind, and only those that a query asks for.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Int32Builder, Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder,
    TimestampMillisecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// VARCHAR.
    Text,
    /// INTEGER.
    Int,
    /// BIGINT.
    Long,
    /// BOOLEAN.
    Bool,
    /// TIMESTAMP in UTC, without a zone.
    Time,
}

/// A column of a table.
pub type Column = (&'static str, Kind);

/// One value of a row. What is absent is [`Cell::Null`], never an empty text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Absent, or not known.
    Null,
    /// A text.
    Text(&'a str),
    /// A number for INTEGER or BIGINT.
    Number(i64),
    /// A bool.
    Bool(bool),
    /// Seconds since 1970.
    Time(i64),
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl<'a> From<&'a Option<String>> for Cell<'a> {
    fn from(text: &'a Option<String>) -> Self {
        text.as_deref().into()
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell<'_> {
    fn from(number: u64) -> Self {
        i64::try_from(number).ok().into()
    }
}

impl From<usize> for Cell<'_> {
    fn from(number: usize) -> Self {
        i64::try_from(number).ok().into()
    }
}

impl<'a> From<&'a String> for Cell<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Option<i64>> for Cell<'_> {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::Null, Self::Number)
    }
}

impl From<bool> for Cell<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// A time that may not be known.
#[must_use]
pub fn time<'a>(seconds: Option<i64>) -> Cell<'a> {
    seconds.map_or(Cell::Null, Cell::Time)
}

/// The engine's schema of some columns.
#[must_use]
pub fn schema(columns: &[Column]) -> SchemaRef {
    let field = |(name, kind): &Column| {
        let data_type = match kind {
            Kind::Text => DataType::Utf8,
            Kind::Int => DataType::Int32,
            Kind::Long => DataType::Int64,
            Kind::Bool => DataType::Boolean,
            Kind::Time => DataType::Timestamp(TimeUnit::Millisecond, None),
        };
        Field::new(*name, data_type, true)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

#[derive(Debug)]
enum Builder {
    Text(StringBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Bool(BooleanBuilder),
    Time(TimestampMillisecondBuilder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Int => Self::Int(Int32Builder::new()),
            Kind::Long => Self::Long(Int64Builder::new()),
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::Time => Self::Time(TimestampMillisecondBuilder::new()),
        }
    }

    const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Int(_) => Kind::Int,
            Self::Long(_) => Kind::Long,
            Self::Bool(_) => Kind::Bool,
            Self::Time(_) => Kind::Time,
        }
    }

    /// A value of another kind than the column's is absent.
    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Int(builder), Cell::Number(number)) => builder.append_option(i32::try_from(number).ok()),
            (Self::Int(builder), _) => builder.append_null(),
            (Self::Long(builder), Cell::Number(number)) => builder.append_value(number),
            (Self::Long(builder), _) => builder.append_null(),
            (Self::Bool(builder), Cell::Bool(value)) => builder.append_value(value),
            (Self::Bool(builder), _) => builder.append_null(),
            (Self::Time(builder), Cell::Time(seconds)) => builder.append_value(seconds.saturating_mul(1000)),
            (Self::Time(builder), _) => builder.append_null(),
        }
    }

    /// The values so far. The next ones will be about as many, and about as long.
    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => {
                let next = StringBuilder::with_capacity(builder.len(), builder.values_slice().len());
                Arc::new(std::mem::replace(builder, next).finish())
            }
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Long(builder) => Arc::new(builder.finish()),
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Collects rows, and gives them as batches.
#[derive(Debug)]
pub struct Rows {
    schema: SchemaRef,
    /// The wanted columns: the index among the table's own, and the values.
    wanted: Vec<(usize, Builder)>,
    rows: usize,
    bytes: usize,
}

/// A batch has at most this many rows.
const MOST_ROWS: usize = 8192;
/// And about this many bytes of texts: requests and answers are long.
const MOST_BYTES: usize = 1 << 20;

impl Rows {
    /// For the columns that `projection` names by index; all of them without.
    #[must_use]
    pub fn new(columns: &[Column], projection: Option<&[usize]>) -> Self {
        let all: Vec<usize> = (0..columns.len()).collect();
        let wanted = projection.unwrap_or(&all).iter().filter_map(|n| Some((*n, *columns.get(*n)?)));
        let (columns, wanted): (Vec<Column>, Vec<_>) =
            wanted.map(|(n, column)| (column, (n, Builder::new(column.1)))).unzip();
        Self { schema: schema(&columns), wanted, rows: 0, bytes: 0 }
    }

    /// No rows yet, of the same columns.
    #[must_use]
    pub fn another(&self) -> Self {
        let wanted = self.wanted.iter().map(|(n, builder)| (*n, Builder::new(builder.kind()))).collect();
        Self { schema: self.schema(), wanted, rows: 0, bytes: 0 }
    }

    /// Whether the column of this index is wanted.
    #[must_use]
    pub fn wants(&self, column: usize) -> bool {
        self.wanted.iter().any(|(n, _)| *n == column)
    }

    /// Adds a row; `cell` is asked for the wanted columns only.
    pub fn push<'a>(&mut self, mut cell: impl FnMut(usize) -> Cell<'a>) {
        for (n, builder) in &mut self.wanted {
            let cell = cell(*n);
            if let Cell::Text(text) = cell {
                self.bytes += text.len();
            }
            builder.push(cell);
        }
        self.rows += 1;
    }

    /// Adds a row whose cells are in the order of the table's columns.
    pub fn add(&mut self, cells: &[Cell<'_>]) {
        self.push(|column| cells.get(column).copied().unwrap_or(Cell::Null));
    }

    /// Whether a batch is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows >= MOST_ROWS || self.bytes >= MOST_BYTES
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The schema of the wanted columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The rows so far, which are then gone.
    ///
    /// # Errors
    /// None that can be met: the columns are of the schema, and of one length.
    pub fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let arrays = self.wanted.iter_mut().map(|(_, builder)| builder.finish()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
    }
}
