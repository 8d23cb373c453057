//! Tables whose rows are records: all of them, or those of some calls.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use portcullis_delivery::logfile::Event;

use super::{Wanted, read};
use crate::read::{Inputs, Kind, Source};
use crate::rows::{Column, Rows, schema};
use crate::scan;

/// What a table shows of a record.
pub struct Trail {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// The calls that it shows. Empty: all.
    pub calls: &'static [&'static str],
    /// Adds the record's row.
    pub row: fn(&Event<'_>, Option<i64>, &mut Rows),
}

/// Such a table over the files of a hunt.
pub struct TrailTable {
    trail: &'static Trail,
    inputs: Arc<Inputs>,
    window: Wanted,
}

impl fmt::Debug for TrailTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.trail.name)
    }
}

impl TrailTable {
    /// The table, of the records in a window of time.
    #[must_use]
    pub fn new(trail: &'static Trail, inputs: Arc<Inputs>, window: Wanted) -> Self {
        Self { trail, inputs, window }
    }

    /// What the filters of a query leave. The engine filters again, so this may only keep too much.
    fn wanted(&self, filters: &[Expr]) -> Wanted {
        let mut wanted = self.window.clone();
        if !self.trail.calls.is_empty() {
            wanted.names = Some(self.trail.calls.iter().map(|&call| call.to_owned()).collect());
        }
        for filter in filters {
            if let Some(names) = names(filter) {
                wanted.names = Some(match wanted.names.take() {
                    Some(before) => before.intersection(&names).cloned().collect(),
                    None => names,
                });
            }
            wanted.failed |= matches!(filter, Expr::IsNotNull(column) if is(column, "error_code"));
        }
        wanted
    }
}

fn is(expression: &Expr, name: &str) -> bool {
    matches!(expression, Expr::Column(column) if column.name == name)
}

fn text(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text), _) => {
            text.clone()
        }
        _ => None,
    }
}

/// The calls that a filter lets pass, if that is all it says.
fn names(filter: &Expr) -> Option<BTreeSet<String>> {
    match filter {
        Expr::BinaryExpr(both) if both.op == Operator::Eq && is(&both.left, "event_name") => {
            Some(BTreeSet::from([text(&both.right)?]))
        }
        Expr::BinaryExpr(both) if both.op == Operator::Eq && is(&both.right, "event_name") => {
            Some(BTreeSet::from([text(&both.left)?]))
        }
        Expr::BinaryExpr(both) if both.op == Operator::Or => {
            Some(names(&both.left)?.union(&names(&both.right)?).cloned().collect())
        }
        Expr::InList(list) if !list.negated && is(&list.expr, "event_name") => list.list.iter().map(text).collect(),
        _ => None,
    }
}

#[async_trait]
impl TableProvider for TrailTable {
    fn schema(&self) -> SchemaRef {
        schema(self.trail.columns)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters.iter().map(|_| TableProviderFilterPushDown::Inexact).collect())
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (inputs, row) = (Arc::clone(&self.inputs), self.trail.row);
        let (wanted, seen) = (self.wanted(filters), Seen::default());
        let may_hold_records = |source: &Source| matches!(source.kind, Kind::Trail | Kind::Json);
        let dealt = inputs.dealt(may_hold_records);
        inputs.fetch_ahead(|source| may_hold_records(source) && wanted.may_be_in_file_of(source.delivered()));
        let read: Arc<scan::Read> = Arc::new(move |file, scratch, rows, emit| {
            read(&inputs, file, &wanted, scratch, |event, time| {
                if seen.is_new(event, &inputs) {
                    row(event, time, rows);
                }
                !rows.is_full() || emit(rows)
            });
        });
        scan::plan(self.trail.columns, projection, dealt, read)
    }
}

/// The events that have come. Two trails, or a file that is there twice, deliver an event twice.
#[derive(Debug, Default)]
pub(super) struct Seen {
    keys: Mutex<(HashSet<[u64; 2]>, u64)>,
    hashers: [RandomState; 2],
}

impl Seen {
    /// Whether the event has not come before. An event without an id always counts as new.
    pub(super) fn is_new(&self, event: &Event<'_>, inputs: &Inputs) -> bool {
        let Some(id) = event.event_id.get() else { return true };
        let whole = (event.recipient_account_id.get(), id);
        let key = self.hashers.each_ref().map(|hasher| hasher.hash_one(whole));
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = keys.0.insert(key);
        if !is_new {
            keys.1 += 1;
            inputs.tally.add_duplicates(keys.1);
        }
        is_new
    }
}
