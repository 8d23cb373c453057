//! The Lambda function around the pipeline: init, the Runtime API, the answer.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use portcullis_domain::finding::Finding;
use portcullis_domain::json::Owned;
use serde::Serialize;
use tokio::time::Instant;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::aws::{Aws, FunctionIdentity};
use crate::config::Config;
use crate::envelope::Kind;
use crate::live_policy::LivePolicy;
use crate::pipeline::{self, Answer, Context, Invocation, Settings};
use crate::policy_source::PolicySourceError;
use crate::shelf::Shelf;

/// The policy could not be read. The function does not start with another one instead.
#[derive(Debug, thiserror::Error)]
#[error("PORTCULLIS_POLICY=`{place}`: {source}")]
pub struct InitError {
    /// Where the policy is.
    place: String,
    /// Why.
    source: PolicySourceError,
}

/// Makes the context: the init phase.
///
/// # Errors
/// [`InitError`].
pub async fn context(config: Config) -> Result<Context, InitError> {
    let Config {
        mode,
        policy: source,
        member_role,
        accounts,
        topic,
        queue,
        log_role,
        end_role,
        member_end_role,
        memory,
        evidence,
        restores,
        destinations,
        ambient,
        log: _,
    } = config;
    let aws = Aws::new(ambient, member_role, mode).await.with_log_role(log_role).with_end_role(end_role);
    let aws = aws.with_member_end_role(member_end_role).with_security_hub(destinations.security_hub);
    let read = source.read(&aws).await.map_err(|why| InitError { place: source.name(), source: why })?;
    let (policy, mark) = read;
    let (place, sha256) = (source.name(), policy.hash());
    let (guards, exemptions) = (policy.guards().len(), policy.exemptions().len());
    let policy_mode = policy.mode_elsewhere().as_str();
    tracing::info!(place, sha256, mode = policy_mode, guards, exemptions, "the policy was read");
    let settings = Settings { mode, accounts, topic, queue, memory, restores };
    let shelf = Shelf::at(evidence.as_ref(), &aws);
    let mut context = Context::new(aws, policy.clone(), settings, Box::new(crate::now), Box::new(print_line));
    context.policy = LivePolicy::of(source, policy, mark);
    Ok(context.with_shelf(shelf).with_destinations(destinations))
}

/// Writes a line to standard output. If nobody reads standard output, the line is lost and the invocation goes on.
fn print_line(line: &str) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{line}") {
        tracing::error!(%error, "a line could not be written to standard output");
    }
}

/// Serves invocations until the process ends.
///
/// # Errors
/// When the Runtime API does not answer.
pub async fn serve(context: Context) -> Result<(), Error> {
    let context = Arc::new(context);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Owned>| {
        let context = Arc::clone(&context);
        async move {
            let invocation = invocation(&event.context);
            answer(pipeline::handle(&context, event.payload.0, &invocation).await)
        }
    }))
    .await
}

fn invocation(context: &lambda_runtime::Context) -> Invocation {
    let left = i128::from(context.deadline).saturating_sub(crate::now().as_millisecond().into());
    let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
    let identity = FunctionIdentity::of_arn(&context.invoked_function_arn);
    Invocation { identity, deadline: Instant::now() + left }
}

/// The function's answer, in the form that the kind of delivery requires.
#[derive(Serialize)]
#[serde(untagged)]
enum Response {
    Findings {
        findings: Vec<Finding>,
        /// How many findings are in the log only.
        #[serde(skip_serializing_if = "is_zero")]
        omitted: usize,
    },
    Batch(SqsBatchResponse),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Lambda takes an answer of at most 6 MB. A larger answer becomes an error, as if nothing had been done (Lambda Developer
/// Guide, "Lambda quotas").
const LARGEST_ANSWER: usize = 5 << 20;

/// As many findings as the answer has room for, and the number of the others.
fn within_an_answer(findings: Vec<Finding>) -> Response {
    let mut size = 0;
    let fit = findings.iter().take_while(|finding| {
        size += crate::sinks::log::line(finding).len() + 1;
        size <= LARGEST_ANSWER
    });
    let fit = fit.count();
    let omitted = findings.len() - fit;
    Response::Findings { findings: findings.into_iter().take(fit).collect(), omitted }
}

/// An error names at most this many reasons.
const MOST_REASONS: usize = 20;

/// The function's answer, or the error that makes AWS deliver again. All findings have been reported by then.
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

/// Logs to standard error as JSON. Standard output has findings and metrics only.
pub fn log_to_stderr(filter: &Targets) {
    let layer = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).flatten_event(true);
    // A second call, in a test, keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(layer).with(filter.clone()).try_init();
}

/// Ends the init phase with one line.
pub fn stop(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("portcullis: {}", on_one_line(&error.to_string()));
    ExitCode::FAILURE
}

fn on_one_line(text: &str) -> String {
    text.lines().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_domain::change::EventMetadata;
    use portcullis_domain::finding::{Outcome, Verdict};
    use portcullis_domain::policy::Mode;

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
