//! From what is there to what should be there. What is missing is made. What is there and right is kept. What is there and
//! differs is told, and left as it is: somebody may have meant it.

use serde_json::{Value, json};

use super::command::quoted;
use super::{
    Bucket, BucketFacts, CreateTrail, Encryption, Found, Logged, Logging, Queue, Step, Topic, Trail, Versioning,
    Wanted, policies,
};

/// What is to be done, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// A trail that is there and serves; then there is nothing to do.
    pub serving: Option<String>,
    /// What is there and right.
    pub kept: Vec<String>,
    /// What is there and differs.
    pub wrong: Vec<Wrong>,
    /// What could not be seen.
    pub unclear: Vec<String>,
    /// The calls, in their order.
    pub steps: Vec<Step>,
}

/// Something that is there and differs from what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What differs, and how.
    pub what: String,
    /// The command of the AWS CLI that mends it.
    pub mend: Option<String>,
    /// Whether nothing can be made before it is mended.
    pub blocks: bool,
}

impl Plan {
    fn keep(&mut self, what: impl Into<String>) {
        self.kept.push(what.into());
    }

    fn differs(&mut self, what: impl Into<String>, mend: impl Into<Option<String>>) {
        self.wrong.push(Wrong { what: what.into(), mend: mend.into(), blocks: false });
    }

    fn blocked(&mut self, what: impl Into<String>, mend: impl Into<Option<String>>) {
        self.wrong.push(Wrong { what: what.into(), mend: mend.into(), blocks: true });
    }

    /// Whether something that is there keeps anything from being made.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.wrong.iter().any(|wrong| wrong.blocks)
    }
}

/// The plan.
#[must_use]
pub fn plan(wanted: &Wanted, found: &Found) -> Plan {
    let mut plan = Plan::default();
    let own = found.trails.iter().find(|trail| trail.arn == wanted.trail_arn());
    if own.is_none() {
        for trail in &found.trails {
            if other_serves(trail, wanted, &mut plan) {
                return plan;
            }
        }
    }
    bucket(wanted, &found.bucket, &mut plan);
    topic(wanted, found.topic.as_ref(), &mut plan);
    queue(wanted, found.queue.as_ref(), &mut plan);
    subscription(wanted, found.topic.as_ref(), &mut plan);
    trail(wanted, own, &mut plan);
    if plan.is_blocked() {
        plan.steps.clear();
    }
    plan
}

/// Whether a trail that somebody else has made serves. A second copy of the same events would be paid for.
fn other_serves(trail: &Trail, wanted: &Wanted, plan: &mut Plan) -> bool {
    let arn = &trail.arn;
    if !trail.multi_region || wanted.organization.is_some() && !trail.organization {
        return false;
    }
    match (&trail.logging, &trail.events) {
        (Ok(Logging::On { error, .. }), Ok(events)) if events.logged == Logged::Yes && trail.global_events => {
            plan.serving = Some(arn.clone());
            plan.keep(format!("trail {arn} logs the write events of all Regions to the bucket {}", trail.bucket));
            if let Some(error) = error {
                plan.differs(format!("trail {arn}: the last log file did not reach its bucket: {error}"), None);
            }
            return true;
        }
        (Ok(_), Ok(_)) => {}
        (Err(error), _) | (_, Err(error)) => {
            plan.unclear.push(format!("whether trail {arn} serves already cannot be told: {error}"));
        }
    }
    false
}

fn bucket(wanted: &Wanted, found: &Bucket, plan: &mut Plan) {
    let unset = BucketFacts {
        region: wanted.region.to_string(),
        blocks_public_access: None,
        versioning: Versioning::Unset,
        encryption: Encryption::Unset,
        policy: None,
    };
    let name = &wanted.bucket;
    let facts = match found {
        Bucket::NotYours => {
            let what = format!("bucket {name}: it is another account's, or you may not see it (take --bucket NAME)");
            return plan.blocked(what, None);
        }
        Bucket::Missing => {
            let (bucket, owner) = (name.clone(), wanted.account.clone());
            plan.steps.push(Step::CreateBucket { bucket, region: wanted.region.to_string(), owner });
            &unset
        }
        Bucket::There(facts) => {
            plan.keep(format!("bucket {name} in {}", facts.region));
            facts
        }
    };
    let (bucket, region, owner) = (name.clone(), facts.region.clone(), wanted.account.clone());
    let same = || (bucket.clone(), region.clone(), owner.clone());
    let (bucket, region, owner) = same();
    let step = Step::BlockPublicAccess { bucket, region, owner };
    match facts.blocks_public_access {
        None => plan.steps.push(step),
        Some(true) => plan.keep(format!("bucket {name} blocks public access")),
        Some(false) => plan.differs(format!("bucket {name} does not block all public access"), step.cli(None)),
    }
    let (bucket, region, owner) = same();
    let step = Step::EnableVersioning { bucket, region, owner };
    match facts.versioning {
        Versioning::Unset => plan.steps.push(step),
        Versioning::Enabled => plan.keep(format!("bucket {name} keeps former versions")),
        Versioning::Suspended => plan.differs(format!("bucket {name} no longer keeps former versions"), step.cli(None)),
    }
    let (bucket, region, owner) = same();
    let step = Step::Encrypt { bucket, region, owner, kms_key: wanted.kms_key.clone() };
    match (&facts.encryption, &wanted.kms_key) {
        (Encryption::Unset, _) | (Encryption::S3, Some(_)) => plan.steps.push(step),
        (Encryption::S3, None) => plan.keep(format!("bucket {name} encrypts with S3's own key")),
        (Encryption::Kms(there), asked) if asked.is_none() || there == asked => {
            let key = there.as_deref().unwrap_or("the account's aws/s3 key");
            plan.keep(format!("bucket {name} encrypts with {key}"));
        }
        (Encryption::Kms(there), _) => {
            let key = there.as_deref().unwrap_or("the account's aws/s3 key");
            plan.differs(format!("bucket {name} encrypts with another key: {key}"), step.cli(None));
        }
    }
    bucket_policy(wanted, facts, plan);
}

fn bucket_policy(wanted: &Wanted, facts: &BucketFacts, plan: &mut Plan) {
    let (bucket, region, owner) = (wanted.bucket.clone(), facts.region.clone(), wanted.account.clone());
    let step = |policy| Step::PutBucketPolicy { bucket, region, owner, policy };
    let Some(policy) = &facts.policy else { return plan.steps.push(step(policies::bucket(wanted))) };
    let (writes, tls) = (policies::bucket_writes(wanted), [policies::bucket_tls(wanted)]);
    let (writes, tls) = (policies::lacks(policy, &writes), policies::lacks(policy, &tls));
    let mend = || step(policies::with(Some(policy), &[writes.clone(), tls.clone()].concat())).cli(None);
    match (writes.is_empty(), tls.is_empty()) {
        (true, true) => plan.keep(format!("policy of the bucket {}", wanted.bucket)),
        (true, false) => {
            let mend = mend();
            plan.differs(format!("policy of the bucket {}: it does not refuse calls without TLS", wanted.bucket), mend);
        }
        (false, _) => {
            let mend = mend();
            let what = "it does not let CloudTrail write for this trail, or not for it alone";
            plan.blocked(format!("policy of the bucket {}: {what}", wanted.bucket), mend);
        }
    }
}

fn topic(wanted: &Wanted, found: Option<&Topic>, plan: &mut Plan) {
    let (name, region) = (wanted.name(), wanted.region.to_string());
    let policy = policies::topic(wanted);
    let Some(topic) = found else { return plan.steps.push(Step::CreateTopic { name, region, policy }) };
    let lacks = policies::lacks(topic.policy.as_ref().unwrap_or(&Value::Null), &policies::statements(&policy));
    if lacks.is_empty() {
        return plan.keep(format!("topic {name} in {region}"));
    }
    let whole = quoted(&policies::with(topic.policy.as_ref(), &lacks).to_string());
    let arn = wanted.topic_arn();
    let mend = format!(
        "aws sns set-topic-attributes --region {region} --topic-arn {arn} --attribute-name Policy --attribute-value {whole}"
    );
    plan.blocked(format!("topic {name} in {region}: its policy does not let CloudTrail publish for this trail"), mend);
}

fn queue(wanted: &Wanted, found: Option<&Queue>, plan: &mut Plan) {
    let (name, region) = (wanted.name(), wanted.region.to_string());
    let policy = policies::queue(wanted);
    let Some(queue) = found else { return plan.steps.push(Step::CreateQueue { name, region, policy }) };
    let lacks = policies::lacks(queue.policy.as_ref().unwrap_or(&Value::Null), &policies::statements(&policy));
    if lacks.is_empty() {
        return plan.keep(format!("queue {name} in {region}"));
    }
    let whole = json!({"Policy": policies::with(queue.policy.as_ref(), &lacks).to_string()}).to_string();
    let (url, whole) = (&queue.url, quoted(&whole));
    let mend = format!("aws sqs set-queue-attributes --region {region} --queue-url {url} --attributes {whole}");
    plan.differs(format!("queue {name} in {region}: its policy does not let the topic send"), mend);
}

fn subscription(wanted: &Wanted, topic: Option<&Topic>, plan: &mut Plan) {
    let (topic_arn, queue_arn) = (wanted.topic_arn(), wanted.queue_arn());
    let there = topic.is_some_and(|topic| {
        topic.subscriptions.iter().any(|(protocol, endpoint, _)| protocol == "sqs" && *endpoint == queue_arn)
    });
    match there {
        true => plan.keep("the queue's subscription to the topic"),
        false => plan.steps.push(Step::Subscribe { topic_arn, queue_arn, region: wanted.region.to_string() }),
    }
}

fn trail(wanted: &Wanted, found: Option<&Trail>, plan: &mut Plan) {
    let (name, region, trail_arn) = (wanted.name(), wanted.region.to_string(), wanted.trail_arn());
    let start = Step::StartLogging { trail_arn: trail_arn.clone(), region: region.clone() };
    let Some(trail) = found else {
        plan.steps.push(Step::CreateTrail(Box::new(CreateTrail {
            topic: name.clone(),
            name,
            region,
            bucket: wanted.bucket.clone(),
            kms_key: wanted.kms_key.clone(),
            organization: wanted.organization.is_some(),
        })));
        return plan.steps.push(start);
    };
    let before = plan.wrong.len();
    let update = |option: &str| format!("aws cloudtrail update-trail --region {region} --name {trail_arn} {option}");
    for (holds, what, option) in [
        (trail.multi_region, "it covers one Region only".to_owned(), "--is-multi-region-trail".to_owned()),
        (
            trail.global_events,
            "it leaves out global services such as IAM".to_owned(),
            "--include-global-service-events".to_owned(),
        ),
        (trail.validation, "its log files cannot be validated".to_owned(), "--enable-log-file-validation".to_owned()),
        (
            trail.organization == wanted.organization.is_some(),
            match trail.organization {
                true => "it covers the whole organisation".to_owned(),
                false => "it covers this account only".to_owned(),
            },
            if trail.organization { "--no-is-organization-trail" } else { "--is-organization-trail" }.to_owned(),
        ),
        (
            trail.bucket == wanted.bucket,
            format!("it writes to the bucket {}", trail.bucket),
            format!("--s3-bucket-name {}", quoted(&wanted.bucket)),
        ),
        (
            trail.topic_arn.as_deref() == Some(&wanted.topic_arn()),
            trail.topic_arn.as_ref().map_or("it has no topic".to_owned(), |arn| format!("its topic is {arn}")),
            format!("--sns-topic-name {}", wanted.name()),
        ),
        (
            wanted.kms_key.is_none() || trail.kms_key == wanted.kms_key,
            trail.kms_key.as_ref().map_or("no KMS key encrypts it".to_owned(), |key| format!("its key is {key}")),
            format!("--kms-key-id {}", wanted.kms_key.as_deref().unwrap_or_default()),
        ),
    ] {
        if !holds {
            plan.differs(format!("trail {name}: {what}"), update(&option));
        }
    }
    match &trail.events {
        Ok(events) if events.logged == Logged::Yes => {}
        Ok(events) => {
            let left_out = events.leaves_out.join("; ");
            let selectors = r#"'[{"ReadWriteType":"All","IncludeManagementEvents":true}]'"#;
            let mend = format!(
                "aws cloudtrail put-event-selectors --region {region} --trail-name {trail_arn} --event-selectors {selectors}"
            );
            plan.differs(format!("trail {name}: its selectors leave out {left_out}"), mend);
        }
        Err(error) => plan.unclear.push(format!("which events trail {name} logs cannot be told: {error}")),
    }
    match &trail.logging {
        Ok(Logging::On { error, .. }) => {
            if let Some(error) = error {
                plan.differs(format!("trail {name}: the last log file did not reach its bucket: {error}"), None);
            }
        }
        Ok(Logging::Never) => plan.steps.push(start),
        Ok(Logging::Stopped) => plan.differs(format!("trail {name}: somebody has stopped it"), start.cli(None)),
        Err(error) => plan.unclear.push(format!("whether trail {name} is on cannot be told: {error}")),
    }
    if plan.wrong.len() == before {
        plan.keep(format!("trail {name} in {region}, for all Regions"));
    }
}
