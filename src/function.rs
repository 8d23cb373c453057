//! The function around the guard: init, the Runtime API, the answer.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};
use lambda_runtime::{Context, Diagnostic, Error, LambdaEvent, service_fn};
use portcullis_domain::finding::Finding;
use portcullis_domain::json::Owned;
use portcullis_domain::policy::{Policy, PolicyError};
use serde::Serialize;
use tokio::time::Instant;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::aws::{Aws, AwsError, FunctionIdentity};
use crate::config::{Config, PolicySource};
use crate::envelope::Kind;
use crate::guard::{Answer, Guard, Invocation};

/// What keeps the function from starting.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The policy's file could not be read.
    #[error("PORTCULLIS_POLICY=`{place}`: {source}")]
    File {
        /// Its path.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// The policy's object could not be read.
    #[error("PORTCULLIS_POLICY=`{place}`: {source}")]
    Object {
        /// Its URL.
        place: String,
        /// Why.
        source: AwsError,
    },
    /// The policy does not parse.
    #[error("PORTCULLIS_POLICY=`{place}`: {source}")]
    Policy {
        /// Where it is.
        place: String,
        /// Why.
        source: PolicyError,
    },
}

/// No sensible policy is larger.
const LARGEST_POLICY: usize = 1 << 20;

/// Makes the guard: the init phase.
///
/// # Errors
/// [`InitError`]: a policy that cannot be had. The function does not run on another one instead.
pub async fn guard(config: Config) -> Result<Guard, InitError> {
    let aws = Aws::new(config.ambient, config.member_role, config.mode).await;
    let policy = policy(&config.policy, &aws).await?;
    Ok(Guard {
        aws,
        policy,
        mode: config.mode,
        accounts: config.accounts,
        topic: config.topic,
        queue: config.queue,
        clock: Box::new(crate::now),
        out: Box::new(print_line),
    })
}

/// A line on standard output. Where nobody listens any more the line is lost, but not the invocation.
fn print_line(line: &str) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{line}") {
        tracing::error!(%error, "a line could not be written to standard output");
    }
}

async fn policy(source: &PolicySource, aws: &Aws) -> Result<Policy, InitError> {
    let (place, yaml) = match source {
        PolicySource::BuiltIn => return Ok(Policy::built_in()),
        PolicySource::File(path) => {
            let place = path.display().to_string();
            match std::fs::read_to_string(path) {
                Ok(yaml) => (place, yaml),
                Err(source) => return Err(InitError::File { place, source }),
            }
        }
        PolicySource::S3 { bucket, key } => {
            let place = format!("s3://{bucket}/{key}");
            match aws.object(bucket, key, LARGEST_POLICY).await {
                Ok(bytes) => (place, String::from_utf8_lossy(&bytes).into_owned()),
                Err(source) => return Err(InitError::Object { place, source }),
            }
        }
    };
    Policy::parse(&yaml).map_err(|source| InitError::Policy { place, source })
}

/// Serves invocations until the process ends.
///
/// # Errors
/// When the Runtime API does not answer.
pub async fn serve(guard: Guard) -> Result<(), Error> {
    let guard = Arc::new(guard);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Owned>| {
        let guard = Arc::clone(&guard);
        async move {
            let invocation = invocation(&event.context);
            answer(guard.handle(event.payload.0, &invocation).await)
        }
    }))
    .await
}

fn invocation(context: &Context) -> Invocation {
    let left = i128::from(context.deadline).saturating_sub(crate::now().as_millisecond().into());
    let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
    let deadline = Instant::now() + left;
    Invocation { own: FunctionIdentity::of_arn(&context.invoked_function_arn), deadline }
}

/// What the function answers, in the form that the delivery asks for.
#[derive(Serialize)]
#[serde(untagged)]
enum Response {
    Findings {
        findings: Vec<Finding>,
        /// How many more there are, in the log alone.
        #[serde(skip_serializing_if = "is_zero")]
        omitted: usize,
    },
    Batch(SqsBatchResponse),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Lambda takes an answer of at most 6 MB, and makes a failure of a larger one, as if nothing had been done (Lambda
/// Developer Guide, "Lambda quotas").
const LARGEST_ANSWER: usize = 5 << 20;

/// As many findings as an answer has room for, and how many more there are.
fn within_an_answer(findings: Vec<Finding>) -> Response {
    let mut size = 0;
    let fit = findings.iter().take_while(|finding| {
        size += crate::report::line(finding).len() + 1;
        size <= LARGEST_ANSWER
    });
    let fit = fit.count();
    let omitted = findings.len() - fit;
    Response::Findings { findings: findings.into_iter().take(fit).collect(), omitted }
}

/// An error names so many of its reasons.
const MOST_REASONS: usize = 20;

/// The function's answer, or the error that makes AWS deliver again. Everything has been told by then.
fn answer(answer: Answer) -> Result<Response, Diagnostic> {
    match answer.kind {
        Kind::ByItem => {
            let failure = |id| {
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = id;
                failure
            };
            let mut response = SqsBatchResponse::default();
            response.batch_item_failures = answer.failed.into_iter().map(failure).collect();
            Ok(Response::Batch(response))
        }
        Kind::Whole if answer.failed.is_empty() => Ok(within_an_answer(answer.findings)),
        Kind::Whole => {
            let failed = answer.findings.iter().filter(|finding| finding.needs_retry());
            let mut reasons: Vec<String> = failed.map(|finding| finding.reason.clone()).collect();
            let more = reasons.split_off(reasons.len().min(MOST_REASONS)).len();
            if more > 0 {
                reasons.push(format!("and {more} more, in the log"));
            }
            let error_message = format!("not done: {}", reasons.join("; "));
            Err(Diagnostic { error_type: "NotDone".to_owned(), error_message })
        }
    }
}

/// Logs to standard error as JSON; findings and metrics have standard output to themselves.
pub fn log_to_stderr(filter: &Targets) {
    let layer = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).flatten_event(true);
    // A second call, in a test, keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(layer).with(filter.clone()).try_init();
}

/// Ends the init phase with one line.
pub fn stop(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("portcullis: {}", shown_whole(&error.to_string()));
    ExitCode::FAILURE
}

fn shown_whole(text: &str) -> String {
    text.lines().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_domain::finding::{Outcome, Verdict};
    use portcullis_domain::policy::Mode;
    use portcullis_domain::trail::EventMetadata;

    fn findings(count: usize, verdict: Verdict, outcome: Outcome) -> Vec<Finding> {
        let finding = Finding::plain(&EventMetadata::default(), verdict, outcome, Mode::Alert, "x".repeat(1000));
        vec![finding; count]
    }

    #[test]
    fn an_answer_is_never_larger_than_lambda_takes() {
        for (count, all) in [(10, true), (20_000, false)] {
            let told = findings(count, Verdict::Safe, Outcome::None);
            let response = answer(Answer { kind: Kind::Whole, findings: told, failed: Default::default() })
                .map_err(|_| ())
                .unwrap();
            let json = serde_json::to_value(&response).unwrap();
            let fit = json["findings"].as_array().unwrap().len();
            assert!(json.to_string().len() < 6_000_000);
            assert_eq!(fit + json.get("omitted").map_or(0, |n| n.as_u64().unwrap() as usize), count);
            assert_eq!(json.get("omitted").is_none(), all);
        }
    }

    #[test]
    fn an_error_names_some_of_many_reasons() {
        let failed = findings(1000, Verdict::Undecided, Outcome::Failed);
        let error = answer(Answer { kind: Kind::Whole, findings: failed, failed: [String::new()].into() });
        let message = error.map(|_| ()).unwrap_err().error_message;
        assert!(message.ends_with("; and 980 more, in the log") && message.len() < 30_000);
    }
}
