//! An answer as JSON lines: numbers are numbers, what is absent is null.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::cells::{Shown, cells};
use crate::engine::Answer;

pub(super) fn write(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    for row in cells(answer) {
        let fields = answer.schema.fields().iter().zip(row);
        let object: Map<String, Value> = fields.map(|(field, cell)| (field.name().clone(), value(&cell))).collect();
        writeln!(out, "{}", Value::Object(object))?;
    }
    Ok(())
}

pub(super) fn value(cell: &Shown) -> Value {
    match cell {
        Shown::Null => Value::Null,
        Shown::Number(number) => (*number).into(),
        Shown::Bool(value) => (*value).into(),
        Shown::Text(_) | Shown::Time(_) => cell.text().into(),
    }
}
