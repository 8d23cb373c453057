//! What the function says of the drill: its finding, and when it began to work on it, both from its log.

use portcullis::aws::AwsError;
use serde_json::Value;

use crate::aws::Clients;

/// What Lambda says of the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// `PORTCULLIS_MODE`, as it is set.
    pub mode: Option<String>,
    /// The log group.
    pub log_group: String,
}

/// The function's mode and log group (Lambda API Reference, GetFunctionConfiguration).
///
/// # Errors
/// [`AwsError`].
pub async fn function(clients: &Clients, name: &str) -> Result<Function, AwsError> {
    let call = "GetFunctionConfiguration";
    let said = clients.lambda().get_function_configuration().function_name(name).send().await;
    let said = said.map_err(|error| AwsError::from_sdk(call, &error))?;
    let variables = said.environment().and_then(|environment| environment.variables());
    let log_group = said.logging_config().and_then(|config| config.log_group()).map(str::to_owned);
    Ok(Function {
        mode: variables.and_then(|variables| variables.get("PORTCULLIS_MODE")).cloned(),
        log_group: log_group.unwrap_or_else(|| format!("/aws/lambda/{name}")),
    })
}

/// The function's log.
#[derive(Debug, Clone)]
pub struct Log {
    /// CloudWatch Logs.
    pub client: aws_sdk_cloudwatchlogs::Client,
    /// The log group's name.
    pub group: String,
}

/// What the log says.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// The event's id.
    pub id: String,
    /// The finding's words.
    pub verdict: String,
    /// What came of it.
    pub outcome: String,
    /// The call that it is about: `Sweep` where a sweep came first.
    pub call: String,
    /// Why.
    pub reason: String,
    /// When the function wrote it, in milliseconds, by the function's clock.
    pub at: i64,
    /// How long the function had worked by then, in seconds, a cold start included; where the log says when it began.
    pub own_seconds: Option<f64>,
}

const FILTER: &str = "FilterLogEvents";

/// A line of the log: stream, time in milliseconds, text.
type Line = (String, i64, String);

impl Log {
    /// The finding about a group, if it is there. Not of what was written before `from`, in milliseconds.
    pub(super) async fn finding(&self, security_group: &str, from: i64) -> Result<Option<Reported>, AwsError> {
        let ask = self.client.filter_log_events().log_group_name(&self.group).start_time(from);
        // A term in quotation marks is looked for as it is (CloudWatch Logs User Guide, "Filter pattern syntax").
        let lines = self.lines(ask.filter_pattern(format!("\"{security_group}\""))).await?;
        let found = lines.iter().filter_map(|(stream, at, text)| Some((stream, reported(text, security_group, *at)?)));
        let Some((stream, mut reported)) = found.min_by_key(|(_, reported)| (reported.call == "Sweep", reported.at))
        else {
            return Ok(None);
        };
        // A delivery lasts a quarter of an hour at most.
        let ask = self.client.filter_log_events().log_group_name(&self.group).log_stream_names(stream);
        let lines = self.lines(ask.start_time(reported.at - 900_000).end_time(reported.at + 1)).await?;
        // An emulator may stamp all lines of an invocation alike. That says nothing.
        let began = began(&lines, reported.at).filter(|began| *began < reported.at);
        reported.own_seconds = began.map(|began| seconds(reported.at - began));
        Ok(Some(reported))
    }

    async fn lines(
        &self,
        ask: aws_sdk_cloudwatchlogs::operation::filter_log_events::builders::FilterLogEventsFluentBuilder,
    ) -> Result<Vec<Line>, AwsError> {
        let mut pages = ask.into_paginator().send();
        let mut lines = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::from_sdk(FILTER, &error))?;
            lines.extend(page.events().iter().filter_map(|event| {
                Some((event.log_stream_name()?.to_owned(), event.timestamp()?, event.message()?.to_owned()))
            }));
        }
        Ok(lines)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a quarter of an hour in milliseconds")]
fn seconds(millis: i64) -> f64 {
    millis.max(0) as f64 / 1000.0
}

/// A line that is a finding about this group. It is read tolerantly: the function may be of another version.
fn reported(line: &str, security_group: &str, at: i64) -> Option<Reported> {
    let finding: Value = serde_json::from_str(line.trim()).ok()?;
    let text = |key: &str| finding.get(key).and_then(Value::as_str).map(str::to_owned);
    (text("group").as_deref() == Some(security_group)).then_some(())?;
    Some(Reported {
        id: text("id").unwrap_or_default(),
        verdict: text("verdict")?,
        outcome: text("outcome")?,
        call: text("call").unwrap_or_default(),
        reason: text("reason").unwrap_or_default(),
        at,
        own_seconds: None,
    })
}

/// When the invocation began that wrote something at this time: its START line, or the INIT_START line right before it.
fn began(lines: &[Line], at: i64) -> Option<i64> {
    let mut before: Vec<&Line> = lines.iter().filter(|(_, time, _)| *time <= at).collect();
    // A sort that keeps the order of what was written in the same millisecond.
    before.sort_by_key(|(_, time, _)| *time);
    let start = before.iter().rposition(|(_, _, text)| is_platform(text, "START RequestId", "platform.start"))?;
    let cold = before.get(..start).and_then(<[&Line]>::last);
    let cold = cold.filter(|(_, _, text)| is_platform(text, "INIT_START", "platform.initStart"));
    cold.or(before.get(start)).map(|(_, time, _)| *time)
}

/// Whether Lambda wrote a line, as text or as JSON (Lambda Developer Guide, "Configuring advanced logging controls").
fn is_platform(line: &str, text: &str, kind: &str) -> bool {
    let of_json = || serde_json::from_str::<Value>(line).ok()?.get("type").and_then(Value::as_str).map(|it| it == kind);
    line.starts_with(text) || line.trim_start().starts_with('{') && of_json() == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_known_by_its_group() {
        let line = r#"{"schema":1,"id":"e1","group":"sg-1","call":"AuthorizeSecurityGroupIngress","verdict":"exposed",
            "outcome":"reverted","reason":"tcp 22 (ssh) was open"}"#;
        let found = reported(line, "sg-1", 5).unwrap();
        assert_eq!((found.id.as_str(), found.outcome.as_str(), found.at), ("e1", "reverted", 5));
        assert_eq!(reported(line, "sg-2", 5), None);
        assert_eq!(reported("sg-1 is no finding", "sg-1", 5), None);
    }

    #[test]
    fn an_invocation_began_with_its_own_start_line_and_a_cold_one_before_it() {
        let line = |at: i64, text: &str| ("s".to_owned(), at, text.to_owned());
        let json = |kind: &str| format!(r#"{{"time":"2026-11-26T10:00:00Z","type":"{kind}","record":{{}}}}"#);
        let earlier = [line(10, "INIT_START Runtime"), line(20, "START RequestId: 1"), line(30, "END RequestId: 1")];
        for (lines, expected) in [
            (vec![], None),
            (vec![line(50, "no start")], None),
            (vec![line(40, "START RequestId: 2 Version: $LATEST")], Some(40)),
            (vec![line(35, "INIT_START Runtime"), line(40, "START RequestId: 2")], Some(35)),
            ([&earlier[..], &[line(40, "START RequestId: 2")]].concat(), Some(40)),
            (vec![line(40, &json("platform.start"))], Some(40)),
            (vec![line(35, &json("platform.initStart")), line(40, &json("platform.start"))], Some(35)),
            (vec![line(40, "START RequestId: 2"), line(70, "START RequestId: 3")], Some(40)),
        ] {
            assert_eq!(began(&lines, 60), expected, "{lines:?}");
        }
    }
}
