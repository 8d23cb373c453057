//! The control endpoints under `/_model/`. With them, a demo or a bench in another language acts as the "user" of a
//! served [`World`], in JSON. All other requests go to [`World::handle`].

mod show;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::{
    ApiError, Fault, FaultKind, Permission, Reply, Request, Response, RuleChange, Source, Vpc, World, eventbridge,
    serve::Handler,
};

/// The endpoints, for `--help` and `GET /_model/`.
pub const HELP: &str = "\
POST /_model/create-group        {account, region, name, vpc: default|other} -> {groupId, vpcId}
POST /_model/delete-group        {account, region, group}
POST /_model/authorize           {account, region, group, permissions: [PERMISSION]} -> {ruleIds}
POST /_model/authorize-flat      {account, region, group, permissions: [one PERMISSION]} -> {ruleIds}
POST /_model/modify              {account, region, group, changes: [{rule, permission: PERMISSION}]}
POST /_model/revoke              {account, region, group, rules: [sgr-...]} -> {ruleIds}
POST /_model/create-prefix-list  {account, region, name, maxEntries, cidrs} -> {prefixListId}
POST /_model/modify-prefix-list  {account, region, list, add, remove}
POST /_model/create-aws-prefix-list  {region, name, cidrs} -> {prefixListId}
POST /_model/prefix-list-lag     {millis}: so long a change of a prefix list is in progress
POST /_model/allow-role          {account, role, externalId?, trusted?: [ARN or account]}; without `trusted` for everyone
POST /_model/credentials         {account, role, session?} -> {accessKeyId, secretAccessKey, sessionToken}: of that role
POST /_model/organization        {managementAccount, accounts: [{id, state?}]}
POST /_model/disable-region      {account, region}; /_model/enable-region opts in to one
POST /_model/create-queue        {account, region, name} -> {queueUrl}
POST /_model/create-table        {account, region, name}: a DynamoDB table with the key `pk`
POST /_model/take-messages       {queueUrl} -> [the bodies of its messages]
POST /_model/forget              {account, region}: drops what is in there
POST /_model/records             {on}: whether calls and CloudTrail records are kept
POST /_model/put-object          {bucket, key, text}
POST /_model/fault               {action?, nth?, kind: throttle|lost-before|lost-after|cut|malformed-xml|denied|expired}
                                 {..., kind: error-before|error-after, code, status?, message?} {..., kind: slow, millis}
POST /_model/deny                {account, action}: from now on unauthorized; /_model/permit takes it back
POST /_model/throttling          {on}
GET  /_model/rules?account=A&region=R&group=G
GET  /_model/records             CloudTrail records since the last take; /_model/events: as EventBridge events
GET  /_model/calls               HTTP calls so far; /_model/call-counts: their number by action
GET  /_model/published           SNS messages so far
PERMISSION = {protocol, fromPort?, toPort?, sources: [CIDR, pl-... or sg-...], description?}
";

/// Serves `world`. Before each call, `clock` gives its time in Unix milliseconds.
pub fn handler(world: World, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Handler {
    Arc::new(move |request| {
        world.set_now(clock());
        let (path, query) = request.target();
        match path.strip_prefix("/_model/") {
            None => world.handle(&request),
            Some(endpoint) => Reply::Answer(match (request.method.as_str(), endpoint) {
                ("GET", "") => Response::new(200, "text/plain", "-", HELP),
                ("GET", endpoint) => render(read(&world, endpoint, &Input::query(query))),
                (_, endpoint) => render(Input::body(&request).and_then(|input| write(&world, endpoint, &input))),
            }),
        }
    })
}

fn render(result: Result<Value, ApiError>) -> Response {
    let (status, body) = match result {
        Ok(value) => (200, value),
        Err(error) => (error.status, json!({ "error": { "code": error.code, "message": error.message } })),
    };
    Response::new(status, "application/json", "-", body.to_string())
}

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::new("BadControlRequest", message)
}

/// The fields of a control request.
struct Input(Value);

impl Input {
    fn query(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect())
    }

    fn body(request: &Request) -> Result<Self, ApiError> {
        serde_json::from_slice(&request.body).map(Self).map_err(|why| bad(format!("the body is not JSON: {why}")))
    }

    fn text(&self, name: &str) -> Result<&str, ApiError> {
        self.optional(name).ok_or_else(|| bad(format!("`{name}` is missing or no text")))
    }

    fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn number(&self, name: &str) -> Option<i32> {
        self.0.get(name).and_then(Value::as_i64).and_then(|number| number.try_into().ok())
    }

    fn flag(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }

    fn list(&self, name: &str) -> &[Value] {
        self.0.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    fn texts(&self, name: &str) -> Vec<&str> {
        self.list(name).iter().filter_map(Value::as_str).collect()
    }

    fn place(&self) -> Result<(&str, &str), ApiError> {
        Ok((self.text("account")?, self.text("region")?))
    }
}

fn permission(value: &Value) -> Result<Permission, ApiError> {
    let input = Input(value.clone());
    Ok(Permission {
        protocol: input.text("protocol")?.into(),
        from_port: input.number("fromPort"),
        to_port: input.number("toPort"),
        sources: input.texts("sources").into_iter().map(Source::from_text).collect(),
        description: input.optional("description").map(Into::into),
    })
}

fn write(world: &World, endpoint: &str, input: &Input) -> Result<Value, ApiError> {
    match endpoint {
        "create-group" => {
            let (account, region) = input.place()?;
            let vpc = match input.text("vpc")? {
                "default" => Vpc::Default,
                "other" => Vpc::Other,
                unknown => return Err(bad(format!("vpc `{unknown}`: default or other"))),
            };
            let group = world.try_create_group(account, region, input.text("name")?, vpc)?;
            Ok(json!({ "groupId": group, "vpcId": world.vpc_id(account, region, vpc) }))
        }
        "create-prefix-list" => {
            let (account, region) = input.place()?;
            let max_entries = input.number("maxEntries").and_then(|number| usize::try_from(number).ok());
            let max_entries = max_entries.ok_or_else(|| bad("`maxEntries` is missing or no number"))?;
            let list =
                world.create_prefix_list(account, region, input.text("name")?, max_entries, &input.texts("cidrs"))?;
            Ok(json!({ "prefixListId": list }))
        }
        "create-aws-prefix-list" => {
            let list = world.create_aws_prefix_list(input.text("region")?, input.text("name")?, &input.texts("cidrs"));
            if list.is_empty() { Err(bad("a CIDR is malformed")) } else { Ok(json!({ "prefixListId": list })) }
        }
        "prefix-list-lag" => {
            let millis = input.number("millis").ok_or_else(|| bad("`millis` is missing or no number"))?;
            world.set_prefix_list_lag(millis.into());
            Ok(json!({}))
        }
        "modify-prefix-list" => {
            let (account, region) = input.place()?;
            let (add, remove) = (input.texts("add"), input.texts("remove"));
            world.modify_prefix_list(account, region, input.text("list")?, &add, &remove)?;
            Ok(json!({}))
        }
        "allow-role" => {
            let (account, role, id) = (input.text("account")?, input.text("role")?, input.optional("externalId"));
            match input.texts("trusted").as_slice() {
                [] => world.allow_role(account, role, id),
                trusted => trusted.iter().for_each(|arn| world.allow_role_for(account, role, id, arn)),
            }
            Ok(json!({}))
        }
        "credentials" => {
            let session = input.optional("session").unwrap_or("demo");
            let credentials = world.role_credentials(input.text("account")?, input.text("role")?, session);
            Ok(json!({
                "accessKeyId": credentials.access_key_id, "secretAccessKey": credentials.secret_access_key,
                "sessionToken": credentials.session_token,
            }))
        }
        "organization" => {
            let accounts = input.list("accounts").iter().map(|value| Input(value.clone())).collect::<Vec<_>>();
            let account = |input| Ok((Input::text(input, "id")?, input.optional("state").unwrap_or("ACTIVE")));
            let accounts = accounts.iter().map(account).collect::<Result<Vec<_>, ApiError>>()?;
            world.set_organization(input.text("managementAccount")?, &accounts);
            Ok(json!({}))
        }
        "disable-region" => {
            let (account, region) = input.place()?;
            world.disable_region(account, region);
            Ok(json!({}))
        }
        "enable-region" => {
            let (account, region) = input.place()?;
            world.enable_region(account, region);
            Ok(json!({}))
        }
        "create-queue" => {
            let (account, region) = input.place()?;
            Ok(json!({ "queueUrl": world.create_queue(account, region, input.text("name")?) }))
        }
        "create-table" => {
            let (account, region) = input.place()?;
            world.create_table(account, region, input.text("name")?);
            Ok(json!({}))
        }
        "take-messages" => Ok(world.take_messages(input.text("queueUrl")?).into()),
        "forget" => {
            let (account, region) = input.place()?;
            world.forget(account, region);
            Ok(json!({}))
        }
        "records" => {
            world.set_records(input.flag("on"));
            Ok(json!({}))
        }
        "put-object" => {
            world.put_object(input.text("bucket")?, input.text("key")?, input.text("text")?);
            Ok(json!({}))
        }
        "fault" => {
            let nth = input.number("nth").and_then(|nth| nth.try_into().ok()).unwrap_or(0);
            let kind = fault_kind(input)?;
            world.inject(Fault { action: input.optional("action").map(Into::into), nth, kind });
            Ok(json!({}))
        }
        "deny" => {
            world.deny(input.text("account")?, input.text("action")?);
            Ok(json!({}))
        }
        "permit" => {
            world.permit(input.text("account")?, input.text("action")?);
            Ok(json!({}))
        }
        "throttling" => {
            world.set_throttling(input.flag("on"));
            Ok(json!({}))
        }
        _ => write_group(world, endpoint, input),
    }
}

fn fault_kind(input: &Input) -> Result<FaultKind, ApiError> {
    let error = || -> Result<(u16, String, String), ApiError> {
        let status = input.number("status").and_then(|status| status.try_into().ok()).unwrap_or(500);
        Ok((status, input.text("code")?.into(), input.optional("message").unwrap_or("injected").into()))
    };
    match input.text("kind")? {
        "error-before" => error().map(|(status, code, message)| FaultKind::ErrorBefore { status, code, message }),
        "error-after" => error().map(|(status, code, message)| FaultKind::ErrorAfter { status, code, message }),
        "throttle" => Ok(FaultKind::Throttle),
        "lost-before" => Ok(FaultKind::LostBefore),
        "lost-after" => Ok(FaultKind::LostAfter),
        "cut" => Ok(FaultKind::Cut),
        "slow" => {
            let millis = input.number("millis").and_then(|millis| millis.try_into().ok());
            Ok(FaultKind::Slow(Duration::from_millis(millis.ok_or_else(|| bad("`millis` is missing or no number"))?)))
        }
        "malformed-xml" => Ok(FaultKind::MalformedXml),
        "denied" => Ok(FaultKind::Denied),
        "expired" => Ok(FaultKind::ExpiredCredentials),
        unknown => Err(bad(format!("fault `{unknown}` is not known; see GET /_model/"))),
    }
}

/// A change to one group.
fn write_group(world: &World, endpoint: &str, input: &Input) -> Result<Value, ApiError> {
    let permissions = || input.list("permissions").iter().map(permission).collect::<Result<Vec<_>, _>>();
    let target = || input.place().and_then(|(account, region)| Ok((account, region, input.text("group")?)));
    match endpoint {
        "authorize" => {
            let (account, region, group) = target()?;
            Ok(json!({ "ruleIds": world.authorize(account, region, group, &permissions()?)? }))
        }
        "authorize-flat" => {
            let (account, region, group) = target()?;
            let permissions = permissions()?;
            let [permission] = permissions.as_slice() else { return Err(bad("`permissions` holds exactly one")) };
            Ok(json!({ "ruleIds": world.authorize_flat(account, region, group, permission)? }))
        }
        "modify" => {
            let (account, region, group) = target()?;
            let change = |value: &Value| {
                let rule = Input(value.clone()).text("rule")?.to_owned();
                let wanted = value.get("permission").ok_or_else(|| bad("`permission` is missing"))?;
                Ok(RuleChange { rule, permission: permission(wanted)? })
            };
            let changes = input.list("changes").iter().map(change).collect::<Result<Vec<_>, ApiError>>()?;
            world.modify_rules(account, region, group, &changes)?;
            Ok(json!({}))
        }
        "revoke" => {
            let (account, region, group) = target()?;
            Ok(json!({ "ruleIds": world.revoke(account, region, group, &input.texts("rules"))? }))
        }
        "delete-group" => {
            let (account, region, group) = target()?;
            world.delete_group(account, region, group)?;
            Ok(json!({}))
        }
        unknown => Err(ApiError::with_status(404, "NoSuchEndpoint", format!("`{unknown}`; see GET /_model/"))),
    }
}

fn read(world: &World, endpoint: &str, input: &Input) -> Result<Value, ApiError> {
    match endpoint {
        "rules" => {
            let (account, region) = input.place()?;
            Ok(world.rules(account, region, input.text("group")?).iter().map(show::rule).collect())
        }
        "records" => Ok(world.take_records().into()),
        "events" => Ok(world.take_records().iter().map(eventbridge).collect()),
        "calls" => Ok(world.calls().iter().map(show::call).collect()),
        "call-counts" => Ok(world.call_counts().into_iter().map(|(action, n)| (action, Value::from(n))).collect()),
        "published" => Ok(world.published().iter().map(show::message).collect()),
        unknown => Err(ApiError::with_status(404, "NoSuchEndpoint", format!("`{unknown}`; see GET /_model/"))),
    }
}
