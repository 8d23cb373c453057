//! Has Athena answer a query: starts it, waits, and reads its rows page by page into an answer like the engine's here.
//!
//! Nobody has run this on Athena yet. It is tested against a server of the tests' own, against moto and against ministack,
//! none of which knows Athena's SQL.

mod query;
mod table;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_athena::Client;
use aws_sdk_athena::operation::get_query_execution::GetQueryExecutionOutput;
use aws_sdk_athena::types::{QueryExecutionContext, QueryExecutionState, ResultConfiguration};
use portcullis_domain::text::escaped_up_to;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub use query::{Place, Query, VIEWS};

use crate::aws::Refused;
use crate::engine::Answer;
use table::Table;

/// Why Athena has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AthenaError {
    /// A call was refused, or did not arrive.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Athena found the query wrong, or could not answer it.
    #[error("{why}")]
    Failed {
        /// What Athena says.
        why: String,
        /// The line and column in the text that was sent.
        at: Option<(u64, u64)>,
    },
    /// Someone else stopped the query.
    #[error("the query {0} was cancelled")]
    Cancelled(String),
    /// It was stopped from here.
    #[error("stopped: Athena was told to stop the query {0}")]
    Stopped(String),
    /// It was to be stopped from here, and that failed.
    #[error("the query {0} may still run, and cost: it could not be stopped: {1}")]
    NotStopped(String, Refused),
    /// The rows would not fit in memory.
    #[error("the answer needs more memory than {mb} MB: ask for less, aggregate, or give it more (--memory)")]
    Memory {
        /// The limit.
        mb: usize,
    },
    /// Athena's answer is none that is understood here.
    #[error("{0}")]
    Answer(String),
}

impl AthenaError {
    fn failed(why: &str) -> Self {
        Self::Failed { why: escaped_up_to(why, 2000), at: query::place_in(why) }
    }
}

/// What answering a query came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Athena's id of the query.
    pub id: String,
    /// How many bytes it read, which is what it costs.
    pub scanned: u64,
    /// How long it took.
    pub ms: u64,
}

/// Athena bills by what a query reads: USD for a TB in most Regions, 10 MB at least (Amazon Athena pricing).
const USD_PER_TB: f64 = 5.0;

impl Ran {
    /// What it cost in most Regions, in USD.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a price is shown in four digits")]
    pub fn usd(&self) -> f64 {
        let mb = self.scanned.div_ceil(1 << 20);
        let billed = if mb == 0 { 0 } else { mb.max(10) };
        billed as f64 / f64::from(1 << 20) * USD_PER_TB
    }
}

/// A database of Athena's, and how queries are run there.
#[derive(Debug)]
pub struct Athena {
    client: Client,
    /// The database.
    pub database: String,
    workgroup: Option<String>,
    output: Option<String>,
}

/// The first wait for a query to end; each one is longer, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Athena {
    /// With a workgroup, and a place for results where the workgroup has none.
    #[must_use]
    pub fn new(config: &SdkConfig, database: String, workgroup: Option<String>, output: Option<String>) -> Self {
        Self { client: Client::new(config), database, workgroup, output }
    }

    /// Has a text answered. An interrupt (Ctrl-C) stops the query, which would cost on.
    ///
    /// # Errors
    /// [`AthenaError`].
    pub async fn ask(&self, text: &str, mb: usize) -> Result<(Answer, Ran), AthenaError> {
        // Listening begins before the query does.
        let mut stops = Stops::listen().map_err(|error| AthenaError::Answer(error.to_string()))?;
        let id = self.start(text).await?;
        let ended = tokio::select! {
            ended = self.ended(&id) => ended,
            () = stops.any() => Err(AthenaError::Stopped(id.clone())),
        };
        let ran = match ended {
            Ok(ran) => ran,
            Err(error @ (AthenaError::Failed { .. } | AthenaError::Cancelled(_))) => return Err(error),
            // Who cannot see the query cannot see what it costs either.
            Err(error) => {
                let stopped = self.client.stop_query_execution().query_execution_id(&id).send().await;
                return Err(match stopped {
                    Ok(_) => error,
                    Err(why) => AthenaError::NotStopped(id, Refused::of("StopQueryExecution", &why)),
                });
            }
        };
        let answer = tokio::select! {
            answer = self.rows(&id, mb) => answer?,
            () = stops.any() => return Err(AthenaError::Stopped(id)),
        };
        Ok((answer, ran))
    }

    async fn start(&self, text: &str) -> Result<String, AthenaError> {
        let context = QueryExecutionContext::builder().catalog("AwsDataCatalog").database(&self.database);
        let output = self.output.as_ref().map(|url| ResultConfiguration::builder().output_location(url).build());
        let start = self.client.start_query_execution().query_string(text).query_execution_context(context.build());
        let start = start.set_work_group(self.workgroup.clone()).set_result_configuration(output);
        let started = start.send().await.map_err(|error| {
            let refused = Refused::of("StartQueryExecution", &error);
            // A text that is no SQL is refused at once, with the place.
            match query::place_in(&refused.message) {
                Some(_) => AthenaError::failed(&refused.message),
                None => refused.into(),
            }
        })?;
        let id = started.query_execution_id().map(str::to_owned);
        id.ok_or_else(|| AthenaError::Answer("StartQueryExecution answered without an id".to_owned()))
    }

    async fn ended(&self, id: &str) -> Result<Ran, AthenaError> {
        let mut wait = FIRST_WAIT;
        loop {
            let asked = self.client.get_query_execution().query_execution_id(id).send().await;
            let asked = asked.map_err(|error| Refused::of("GetQueryExecution", &error))?;
            if let Some(ended) = ended(id, &asked) {
                return ended;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 3 / 2).min(LONGEST_WAIT);
        }
    }

    async fn rows(&self, id: &str, mb: usize) -> Result<Answer, AthenaError> {
        let (mut table, mut next) = (None, None);
        loop {
            let page = self.client.get_query_results().query_execution_id(id).max_results(1000);
            let page = page.set_next_token(next.take()).send().await;
            let page = page.map_err(|error| Refused::of("GetQueryResults", &error))?;
            let set = page.result_set().ok_or_else(|| AthenaError::Answer("an answer without a result".to_owned()))?;
            let table = table.get_or_insert_with(|| Table::new(set.result_set_metadata()));
            table.add(set.rows());
            if table.bytes() > mb << 20 {
                return Err(AthenaError::Memory { mb });
            }
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                return std::mem::take(table).answer().map_err(AthenaError::Answer);
            }
        }
    }
}

/// What became of a query, if it has ended.
fn ended(id: &str, asked: &GetQueryExecutionOutput) -> Option<Result<Ran, AthenaError>> {
    let execution = asked.query_execution()?;
    let status = execution.status()?;
    match status.state()? {
        QueryExecutionState::Succeeded => {
            let numbers = execution.statistics();
            let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
            Some(Ok(Ran {
                id: id.to_owned(),
                scanned: number(numbers.and_then(|numbers| numbers.data_scanned_in_bytes())),
                ms: number(numbers.and_then(|numbers| numbers.total_execution_time_in_millis())),
            }))
        }
        QueryExecutionState::Failed => {
            let why = status.athena_error().and_then(|error| error.error_message());
            Some(Err(AthenaError::failed(status.state_change_reason().or(why).unwrap_or("Athena gives no reason"))))
        }
        QueryExecutionState::Cancelled => Some(Err(AthenaError::Cancelled(id.to_owned()))),
        _ => None,
    }
}

/// The signals that end a program that waits.
struct Stops {
    interrupt: Signal,
    terminate: Signal,
}

impl Stops {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
