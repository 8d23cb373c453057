//! One HTTP call from request to reply: its caller, its fault or throttle, its effect, and what CloudTrail and the call
//! log record.

use crate::{
    ApiError, Call, FaultKind, Outcome, Reply, Request, Response,
    caller::{self, Caller, Identity, Scope},
    dynamodb, ec2, event_bridge, json, organizations,
    params::Params,
    render::{error, success},
    s3, scheduler, security_hub, sns, sqs,
    state::{Keeping, State},
    sts,
    throttle::Throttling,
    trail::{self, Entry},
    tree::Tree,
};

/// The services of the model, by the name in the credential scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Ec2,
    Sts,
    Sns,
    S3,
    Sqs,
    Organizations,
    DynamoDb,
    SecurityHub,
    EventBridge,
    Scheduler,
}

impl Service {
    fn of(name: &str) -> Option<Self> {
        match name {
            "ec2" => Some(Self::Ec2),
            "sts" => Some(Self::Sts),
            "sns" => Some(Self::Sns),
            "s3" => Some(Self::S3),
            "sqs" => Some(Self::Sqs),
            "organizations" => Some(Self::Organizations),
            "dynamodb" => Some(Self::DynamoDb),
            "securityhub" => Some(Self::SecurityHub),
            "events" => Some(Self::EventBridge),
            "scheduler" => Some(Self::Scheduler),
            _ => None,
        }
    }

    /// Whether it speaks JSON and not XML.
    pub(crate) fn speaks_json(self) -> bool {
        match self {
            Self::Sqs
            | Self::Organizations
            | Self::DynamoDb
            | Self::SecurityHub
            | Self::EventBridge
            | Self::Scheduler => true,
            Self::Ec2 | Self::Sts | Self::Sns | Self::S3 => false,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Sts => "sts",
            Self::Sns => "sns",
            Self::S3 => "s3",
            Self::Sqs => "sqs",
            Self::Organizations => "organizations",
            Self::DynamoDb => "dynamodb",
            Self::SecurityHub => "securityhub",
            Self::EventBridge => "events",
            Self::Scheduler => "scheduler",
        }
    }
}

/// The result of a call that succeeds.
pub(crate) enum Success {
    Tree(Tree),
    Bytes(Vec<u8>),
    Json(serde_json::Value),
}

/// A call whose service and action are known.
struct Incoming {
    service: Service,
    region: String,
    action: String,
    params: Params,
    /// The body, where it is not read as parameters.
    body: Vec<u8>,
}

pub(crate) fn handle(state: &mut State, request: &Request) -> Reply {
    let request_id = state.core.ids.uuid();
    let Some(scope) = Scope::of(request) else {
        return Reply::Answer(error(Service::Ec2, &caller::unknown_credentials("ec2"), &request_id));
    };
    let Some(service) = Service::of(&scope.service) else {
        let unknown = ApiError::new("InvalidAction", format!("The model has no service '{}'.", scope.service));
        return Reply::Answer(error(Service::Ec2, &unknown, &request_id));
    };
    let (action, params) = match service {
        Service::S3 => s3::read(request),
        Service::SecurityHub => (security_hub::action(request.target().0).to_owned(), Params::default()),
        Service::EventBridge => (json::read(request).0, Params::default()),
        Service::Scheduler => scheduler::read(request),
        Service::Sqs | Service::Organizations | Service::DynamoDb => json::read(request),
        Service::Ec2 | Service::Sts | Service::Sns => query(request),
    };
    let has_body = matches!(service, Service::S3 | Service::SecurityHub | Service::EventBridge | Service::Scheduler);
    let body = if has_body { request.body.clone() } else { Vec::new() };
    let incoming = Incoming { service, region: scope.region.clone(), action, params, body };

    let identified = caller::identify(state, &scope, request).and_then(|caller| {
        let refusal = (service == Service::Ec2)
            .then(|| ec2::regions::refusal(&state.core, &caller.account, &scope.region))
            .flatten();
        refusal.map_or(Ok(caller), Err)
    });
    let caller = match identified {
        Ok(caller) => caller,
        Err(problem) => {
            // CloudTrail has no record of a call without a known account.
            let account = state.sessions.get(&scope.key).map_or(scope.key, |session| session.account.clone());
            log(state, &account, incoming, Outcome::Error(problem.code.clone()));
            return Reply::Answer(error(service, &problem, &request_id));
        }
    };

    let fault = state.faults.hit(&incoming.action);
    if fault == Some(FaultKind::LostBefore) {
        log(state, &caller.account, incoming, Outcome::Fault(FaultKind::LostBefore));
        return Reply::Lost;
    }
    let result = match refusal(state, &incoming, &caller, fault.as_ref()) {
        Some(refusal) => Err(refusal),
        None => execute(state, &incoming, &caller),
    };
    if fault != Some(FaultKind::ExpiredCredentials) {
        record(state, request, &incoming, &caller, &result, &request_id);
    }
    let outcome = match (&fault, &result) {
        (Some(kind), _) => Outcome::Fault(kind.clone()),
        (None, Ok(_)) => Outcome::Ok,
        (None, Err(problem)) => Outcome::Error(problem.code.clone()),
    };
    let bucket_region = (service == Service::S3).then(|| s3::region_of(state, &incoming.params)).flatten();
    let mut response = match result {
        Ok(Success::Tree(tree)) => success(service, &incoming.action, &tree, &request_id),
        Ok(Success::Json(answer)) => json::answer(service, &answer, &request_id),
        Ok(Success::Bytes(bytes)) => s3::object(request, bytes, &request_id),
        Err(problem) => error(service, &problem, &request_id),
    };
    response.headers.extend(bucket_region.map(|region| ("x-amz-bucket-region".to_owned(), region)));
    log(state, &caller.account, incoming, outcome);
    deliver(response, fault, service, &request_id)
}

/// The parameters of the query string and of the form in the body.
fn query(request: &Request) -> (String, Params) {
    let mut params = Params::default();
    for bytes in [request.target().1.as_bytes(), &request.body] {
        params.0.extend(form_urlencoded::parse(bytes).into_owned());
    }
    let action = params.text("Action").unwrap_or_default();
    params.0.retain(|(name, _)| name != "Action" && name != "Version");
    (action, params)
}

/// The error of a call that is not executed: because of a fault, or because its bucket has no token.
fn refusal(state: &mut State, incoming: &Incoming, caller: &Caller, fault: Option<&FaultKind>) -> Option<ApiError> {
    let service = incoming.service.name();
    match fault {
        Some(FaultKind::ErrorBefore { status, code, message }) => {
            return Some(ApiError::with_status(*status, code, message));
        }
        Some(FaultKind::Throttle) => return Some(caller::throttled(service)),
        Some(FaultKind::Denied) => return Some(caller::denied(service, &incoming.action, &caller.arn())),
        Some(FaultKind::ExpiredCredentials) => return Some(caller::expired(service)),
        Some(
            FaultKind::ErrorAfter { .. }
            | FaultKind::LostBefore
            | FaultKind::LostAfter
            | FaultKind::Cut
            | FaultKind::Slow(_)
            | FaultKind::MalformedXml,
        )
        | None => {}
    }
    if !caller.may(incoming.service, &incoming.action) {
        return Some(caller::denied_by_session(service, &incoming.action, &caller.arn()));
    }
    if state.denied.contains(&(caller.account.clone(), incoming.action.clone())) {
        return Some(caller::denied(service, &incoming.action, &caller.arn()));
    }
    let throttled = state.throttling == Throttling::On
        && incoming.service == Service::Ec2
        && !state.buckets.take(&caller.account, &incoming.region, &incoming.action, &incoming.params, state.core.now);
    throttled.then(|| caller::throttled(service))
}

fn execute(state: &mut State, incoming: &Incoming, caller: &Caller) -> Result<Success, ApiError> {
    let Incoming { service, region, action, params, body } = incoming;
    match service {
        Service::Ec2 => {
            let (core, place) = state.place(&caller.account, region);
            ec2::run(&mut ec2::Context { core, place }, action, params).map(Success::Tree)
        }
        Service::Sts => sts::run(state, caller, action, params).map(Success::Tree),
        Service::Sns => sns::run(state, action, params).map(Success::Tree),
        Service::Sqs => sqs::run(state, caller, region, action, params).map(Success::Tree),
        Service::Organizations => organizations::run(state, caller, region, action, params).map(Success::Tree),
        Service::S3 => match s3::refusal(state, region, caller, action, params) {
            Some(refusal) => Err(refusal),
            None => s3::run(state, action, params, body),
        },
        Service::DynamoDb => dynamodb::run(state, caller, region, action, params).map(Success::Json),
        Service::SecurityHub => security_hub::run(state, caller, region, action, body).map(Success::Json),
        Service::EventBridge => event_bridge::run(state, action, body).map(Success::Json),
        Service::Scheduler => scheduler::run(state, caller, (region, action), params, body).map(Success::Json),
    }
}

/// Services whose calls the model writes no records of.
fn is_unrecorded(service: Service) -> bool {
    matches!(service, Service::DynamoDb | Service::SecurityHub | Service::EventBridge | Service::Scheduler)
}

/// Records only management events. Messages, reading objects and items of tables are data events, which trails do not record by default.
fn record(
    state: &mut State,
    request: &Request,
    incoming: &Incoming,
    caller: &Caller,
    result: &Result<Success, ApiError>,
    request_id: &str,
) {
    let result = match result {
        Ok(Success::Tree(tree)) => Ok(tree),
        Ok(Success::Bytes(_) | Success::Json(_)) => return,
        Err(_) if is_unrecorded(incoming.service) => return,
        Err(problem) => Err(problem),
    };
    let identity = match &caller.identity {
        Identity::Key(_) => trail::Actor::default().identity(&caller.account, state.core.now),
        Identity::Session(session) => trail::session_identity(session),
    };
    trail::write(
        state,
        &Entry {
            account: &caller.account,
            region: &incoming.region,
            service: incoming.service,
            action: &incoming.action,
            params: &incoming.params,
            identity,
            source_ip: "192.0.2.10",
            user_agent: request.header("user-agent").unwrap_or("unknown"),
            host: request.host(),
            request_id,
        },
        result,
    );
}

fn log(state: &mut State, account: &str, incoming: Incoming, outcome: Outcome) {
    *state.call_counts.entry(incoming.action.clone()).or_default() += 1;
    if state.keeps == Keeping::Counts {
        return;
    }
    state.calls.push(Call {
        account: account.to_owned(),
        region: incoming.region,
        service: incoming.service.name().to_owned(),
        action: incoming.action,
        params: incoming.params.0,
        outcome,
    });
}

/// The reply, as the fault leaves it.
fn deliver(response: Response, fault: Option<FaultKind>, service: Service, request_id: &str) -> Reply {
    match fault {
        Some(FaultKind::ErrorAfter { status, code, message }) => {
            Reply::Answer(error(service, &ApiError::with_status(status, &code, message), request_id))
        }
        Some(FaultKind::LostAfter | FaultKind::LostBefore) => Reply::Lost,
        Some(FaultKind::Cut) => Reply::Cut(response),
        Some(FaultKind::Slow(delay)) => Reply::Slow(delay, response),
        Some(FaultKind::MalformedXml) => {
            let half = response.body.len() / 2;
            let body = response.body.into_iter().take(half).chain(*b"<<&").collect();
            Reply::Answer(Response { body, ..response })
        }
        Some(
            FaultKind::ErrorBefore { .. } | FaultKind::Throttle | FaultKind::Denied | FaultKind::ExpiredCredentials,
        )
        | None => Reply::Answer(response),
    }
}
