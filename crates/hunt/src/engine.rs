//! The SQL engine over the tables of a hunt.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, ParamValues, ScalarValue};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::displayable;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures_util::StreamExt;

use crate::flows::{FlowTable, RuleFlowTable};
use crate::lives::{self, LivesTable};
use crate::trail::{EVENTS, KEY_PAIRS, LOGINS, TrailTable};
use crate::world::World;

/// What a parameter is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
}

impl From<&Value> for ScalarValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::Text(text) => Self::Utf8(Some(text.clone())),
            Value::Number(number) => Self::Int64(Some(*number)),
        }
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is no query that is answered here.
    #[error("{0}")]
    Query(String),
    /// The answer would not fit in memory.
    #[error("the query needs more memory than {mb} MB: ask for less, aggregate, or give it more (--memory)")]
    Memory {
        /// The limit.
        mb: usize,
    },
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// The answer to a query.
#[derive(Debug)]
pub struct Answer {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
}

impl Answer {
    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// The engine.
pub struct Engine {
    context: SessionContext,
    mb: usize,
}

impl Engine {
    /// With all tables, over the files of a hunt.
    ///
    /// # Errors
    /// Those of the engine itself.
    pub fn new(world: &Arc<World>, mb: usize) -> Result<Self, QueryError> {
        let other = |error: DataFusionError| QueryError::Other(error.to_string());
        let pool: Arc<dyn MemoryPool> = Arc::new(FairSpillPool::new(mb << 20));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().map_err(other)?;
        let config = SessionConfig::new().with_target_partitions(world.inputs.threads.max(1));
        let context = SessionContext::new_with_config_rt(config, runtime);
        for trail in [&EVENTS, &LOGINS, &KEY_PAIRS] {
            let table = TrailTable::new(trail, Arc::clone(&world.inputs), world.window.clone());
            context.register_table(trail.name, Arc::new(table)).map_err(other)?;
        }
        for lives in lives::ALL {
            let table = LivesTable::new(lives, Arc::clone(world));
            context.register_table(lives.name, Arc::new(table)).map_err(other)?;
        }
        context.register_table("flow_logs", Arc::new(FlowTable::new(Arc::clone(world)))).map_err(other)?;
        context.register_table("rule_flows", Arc::new(RuleFlowTable::new(Arc::clone(world)))).map_err(other)?;
        Ok(Self { context, mb })
    }

    /// Answers one query. It may only read.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn ask(&self, sql: &str, values: &BTreeMap<String, Value>) -> Result<Answer, QueryError> {
        let frame = self.frame(sql, values).await?;
        let schema = Arc::clone(frame.schema().inner());
        let mut stream = frame.execute_stream().await.map_err(|error| self.error(&error))?;
        let (mut batches, mut bytes) = (Vec::new(), 0);
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| self.error(&error))?;
            bytes += batch.get_array_memory_size();
            if bytes > self.mb << 20 {
                return Err(QueryError::Memory { mb: self.mb });
            }
            batches.push(batch);
        }
        Ok(Answer { schema, batches })
    }

    /// How the query would be answered.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn explain(&self, sql: &str, values: &BTreeMap<String, Value>) -> Result<String, QueryError> {
        let plan = self.frame(sql, values).await?.create_physical_plan().await.map_err(|error| self.error(&error))?;
        Ok(displayable(plan.as_ref()).indent(false).to_string())
    }

    async fn frame(
        &self,
        sql: &str,
        values: &BTreeMap<String, Value>,
    ) -> Result<datafusion::dataframe::DataFrame, QueryError> {
        let only_reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let plan = self.context.state().create_logical_plan(sql).await.map_err(|error| self.error(&error))?;
        only_reads.verify_plan(&plan).map_err(|error| self.error(&error))?;
        let frame = self.context.execute_logical_plan(plan).await.map_err(|error| self.error(&error))?;
        let bound: HashMap<String, ScalarValue> =
            values.iter().map(|(name, value)| (name.clone(), value.into())).collect();
        if bound.is_empty() { Ok(frame) } else { frame.with_param_values(ParamValues::from(bound)) }
            .map_err(|error| self.error(&error))
    }

    fn error(&self, error: &DataFusionError) -> QueryError {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => QueryError::Memory { mb: self.mb },
            DataFusionError::SQL(error, _) => QueryError::Query(error.to_string()),
            DataFusionError::Plan(why) => QueryError::Query(why.clone()),
            DataFusionError::SchemaError(error, _) => QueryError::Query(error.to_string()),
            other => QueryError::Other(other.strip_backtrace()),
        }
    }
}
