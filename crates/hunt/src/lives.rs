//! The tables of what is known: rules, groups, interfaces and instances over time. They are in memory, and made once.

/// A table of what is known: its name, what adds its rows, and for each column its name, its kind and what a row has there.
macro_rules! table {
    (
        $(#[$doc:meta])*
        $table:ident = $name:literal, of $fill:ident;
        $row:ident($($given:ident: $of:ty),+) {
            $($column:literal $kind:ident = $cell:expr,)+
        }
    ) => {
        $(#[$doc])*
        pub static $table: Lives = Lives { name: $name, columns: &[$(($column, Kind::$kind)),+], fill: $fill };

        fn $row(rows: &mut Rows, $($given: $of),+) {
            rows.add(&[$($cell),+]);
        }
    };
}

mod groups;
mod rules;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

pub use groups::{
    COVERAGE, GROUP_CHANGES, INSTANCE_INTERFACES, INSTANCES, INTERFACE_GROUPS, INTERFACES, SECURITY_GROUPS,
};
pub use rules::{DANGEROUS_RULES, RULE_CHANGES, RULE_USE, SG_RULES};

use crate::rows::{Column, Rows, schema};
use crate::world::World;

/// A table of what is known.
pub struct Lives {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// Adds all its rows.
    pub fill: fn(&World, &mut Rows),
}

/// All of them.
pub const ALL: [&Lives; 11] = [
    &SG_RULES,
    &RULE_CHANGES,
    &DANGEROUS_RULES,
    &RULE_USE,
    &SECURITY_GROUPS,
    &INTERFACE_GROUPS,
    &GROUP_CHANGES,
    &INTERFACES,
    &INSTANCES,
    &INSTANCE_INTERFACES,
    &COVERAGE,
];

/// Such a table over the files of a hunt.
pub struct LivesTable {
    lives: &'static Lives,
    world: Arc<World>,
}

impl LivesTable {
    /// The table.
    #[must_use]
    pub fn new(lives: &'static Lives, world: Arc<World>) -> Self {
        Self { lives, world }
    }
}

impl fmt::Debug for LivesTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lives.name)
    }
}

#[async_trait]
impl TableProvider for LivesTable {
    fn schema(&self) -> SchemaRef {
        schema(self.lives.columns)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (world, lives) = (Arc::clone(&self.world), self.lives);
        // It reads files, which takes its time.
        let wanted = projection.cloned();
        let filled = tokio::task::spawn_blocking(move || {
            let mut rows = Rows::new(lives.columns, wanted.as_deref());
            (lives.fill)(&world, &mut rows);
            rows.take()
        });
        let batch = filled.await.map_err(|error| datafusion::common::DataFusionError::External(error.into()))??;
        // It has the wanted columns only.
        MemTable::try_new(batch.schema(), vec![vec![batch]])?.scan(session, None, filters, limit).await
    }
}
