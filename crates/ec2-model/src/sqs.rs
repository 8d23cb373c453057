//! Amazon SQS: SendMessage and SendMessageBatch to standard queues. Message attributes are accepted and not kept; delays are
//! kept with the message, for the model has no receivers.

use md5::{Digest, Md5};

use crate::{ApiError, FaultKind, caller::Caller, params::Params, state::State, tree::Tree};

/// A standard queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) url: String,
    account: String,
    region: String,
    name: String,
    /// The bodies, each with the seconds that it is kept back.
    pub(crate) messages: Vec<(String, u64)>,
}

impl Queue {
    pub(crate) fn new(account: &str, region: &str, name: &str) -> Self {
        Self {
            url: format!("https://sqs.{region}.amazonaws.com/{account}/{name}"),
            account: account.into(),
            region: region.into(),
            name: name.into(),
            messages: Vec::new(),
        }
    }

    /// The end of a queue's URL identifies the queue. The host does not matter, and on loopback it is different.
    fn is_at(&self, region: &str, url: &str) -> bool {
        let mut parts = url.rsplit('/');
        self.region == region && parts.next() == Some(self.name.as_str()) && parts.next() == Some(self.account.as_str())
    }
}

/// SQS API Reference, SendMessage, `MessageBody`: "The maximum size is 1 MiB or 1,048,576 bytes"; SendMessageBatch: "The
/// maximum allowed individual message size and the maximum total payload size (the sum of the individual lengths of all of
/// the batched messages) are both 1 MiB 1,048,576 bytes."
const MAX_BYTES: usize = 1_048_576;

/// The action name with which a fault makes one entry of a batch fail.
const ENTRY: &str = "SendMessageBatchEntry";

pub(crate) fn run(
    state: &mut State,
    caller: &Caller,
    region: &str,
    action: &str,
    params: &Params,
) -> Result<Tree, ApiError> {
    let operation: fn(&mut State, usize, &Params) -> Result<Tree, ApiError> = match action {
        "SendMessage" => send,
        "SendMessageBatch" => send_batch,
        unknown => {
            return Err(ApiError::new(
                "UnknownOperationException",
                format!("The action {unknown} is not valid for this endpoint."),
            ));
        }
    };
    let url = params
        .get("QueueUrl")
        .ok_or_else(|| ApiError::new("MissingParameter", "The request must contain the parameter QueueUrl."))?;
    let at = state.queues.iter().position(|queue| queue.is_at(region, url));
    let (at, queue) = at.and_then(|at| Some((at, state.queues.get(at)?))).ok_or_else(no_queue)?;
    // Queues have no policy in the model, so only the queue's own account may send.
    if queue.account != caller.account {
        let arn = format!("arn:aws:sqs:{region}:{}:{}", queue.account, queue.name);
        return Err(ApiError::new(
            "AccessDeniedException",
            format!(
                "User: {} is not authorized to perform: sqs:sendmessage on resource: {arn} because no resource-based \
                 policy allows the sqs:sendmessage action",
                caller.arn()
            ),
        ));
    }
    operation(state, at, params)
}

fn no_queue() -> ApiError {
    ApiError::new("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
}

fn send(state: &mut State, at: usize, params: &Params) -> Result<Tree, ApiError> {
    let body = params.get("MessageBody").unwrap_or_default();
    check(body)?;
    check_delay(params)?;
    if body.len() > MAX_BYTES {
        let reason =
            format!("One or more parameters are invalid. Reason: Message must be shorter than {MAX_BYTES} bytes.");
        return Err(ApiError::new("InvalidParameterValue", reason));
    }
    Ok(Tree::Map(put(state, at, (body, params.get("DelaySeconds")))))
}

/// A body has at least one character, and only characters that XML 1.0 allows.
fn check(body: &str) -> Result<(), ApiError> {
    if body.is_empty() {
        return Err(ApiError::new("MissingParameter", "The request must contain the parameter MessageBody."));
    }
    // "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if let Some(bad) = body.chars().find(|c| !allowed(*c)) {
        let message = format!("Invalid character found in message body: U+{:04X}", u32::from(bad));
        return Err(ApiError::new("InvalidMessageContents", message));
    }
    Ok(())
}

/// SQS API Reference, SendMessage, `DelaySeconds`: "Valid values: 0 to 900."
fn check_delay(params: &Params) -> Result<(), ApiError> {
    let Some(delay) = params.get("DelaySeconds") else { return Ok(()) };
    if delay.parse().is_ok_and(|delay: u64| delay <= 900) {
        return Ok(());
    }
    let reason =
        format!("Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.");
    Err(ApiError::new("InvalidParameterValue", reason))
}

fn put(state: &mut State, at: usize, (body, delay): (&str, Option<&str>)) -> Vec<(&'static str, Tree)> {
    if let Some(queue) = state.queues.get_mut(at) {
        let delay = delay.and_then(|delay| delay.parse().ok()).unwrap_or_default();
        queue.messages.push((body.to_owned(), delay));
    }
    vec![("MessageId", state.core.ids.uuid().into()), ("MD5OfMessageBody", md5(body.as_bytes()).into())]
}

/// 32 hexadecimal digits.
pub(crate) fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn send_batch(state: &mut State, at: usize, params: &Params) -> Result<Tree, ApiError> {
    let entries = params.members("Entries");
    check_batch(&entries)?;
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in &entries {
        let id = entry.get("Id").unwrap_or_default();
        let body = entry.get("MessageBody").unwrap_or_default();
        let checked = check(body).and_then(|()| check_delay(entry));
        match entry_fault(state).map_or(checked, Err) {
            Ok(()) => {
                let mut members = vec![("Id", id.into())];
                members.extend(put(state, at, (body, entry.get("DelaySeconds"))));
                successful.push(Tree::Map(members));
            }
            Err(problem) => failed.push(Tree::Map(vec![
                ("Id", id.into()),
                ("Code", problem.code.into()),
                ("Message", problem.message.into()),
                ("SenderFault", Tree::Bool(problem.status < 500)),
            ])),
        }
    }
    // An absent list counts as empty.
    let list = |items: Vec<Tree>| (!items.is_empty()).then_some(Tree::List(items));
    Ok(Tree::map([("Successful", list(successful)), ("Failed", list(failed))]))
}

/// The error that refuses the whole batch.
fn check_batch(entries: &[Params]) -> Result<(), ApiError> {
    let refuse = |code: &str, message: String| Err(ApiError::new(&format!("AWS.SimpleQueueService.{code}"), message));
    if entries.is_empty() {
        return refuse(
            "EmptyBatchRequest",
            "There should be at least one SendMessageBatchRequestEntry in the request.".into(),
        );
    }
    if entries.len() > 10 {
        let message = format!("Maximum number of entries per request are 10. You have sent {}.", entries.len());
        return refuse("TooManyEntriesInBatchRequest", message);
    }
    // "up to 80 characters … alphanumeric characters, hyphens(-), and underscores(_)"
    let fine = |id: &str| {
        (1..=80).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let ids = entries.iter().map(|entry| entry.get("Id").unwrap_or_default()).collect::<Vec<_>>();
    if !ids.iter().all(|id| fine(id)) {
        return refuse(
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 \
             letters long."
                .into(),
        );
    }
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    if let Some(twice) =
        distinct.windows(2).find_map(|pair| (pair.first() == pair.last()).then(|| pair.first()).flatten())
    {
        return refuse("BatchEntryIdsNotDistinct", format!("Id {twice} repeated."));
    }
    let bytes = entries.iter().filter_map(|entry| entry.get("MessageBody")).map(str::len).sum::<usize>();
    if bytes > MAX_BYTES {
        let message = format!("Batch requests cannot be longer than {MAX_BYTES} bytes. You have sent {bytes} bytes.");
        return refuse("BatchRequestTooLong", message);
    }
    Ok(())
}

/// The error of a fault for this entry alone. Other kinds of fault do nothing here.
fn entry_fault(state: &mut State) -> Option<ApiError> {
    match state.faults.hit_named(ENTRY)? {
        FaultKind::ErrorBefore { status, code, message } => Some(ApiError::with_status(status, &code, message)),
        FaultKind::Throttle => Some(crate::caller::throttled("sqs")),
        FaultKind::ErrorAfter { .. }
        | FaultKind::LostBefore
        | FaultKind::LostAfter
        | FaultKind::Cut
        | FaultKind::Slow(_)
        | FaultKind::MalformedXml
        | FaultKind::Denied
        | FaultKind::ExpiredCredentials => None,
    }
}
