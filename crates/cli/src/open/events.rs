//! Whether the function hears of what is called in an account and Region. An opening ends there all the same: the role for
//! ends holds in every Region. But what is opened beside it is seen by the next sweep only.

use portcullis::aws::{AccountRegion, AwsError};

use super::Stack;

/// The call, and its permission.
const CALL: &str = "DescribeRule";
const PERMISSION: &str = "events:DescribeRule";

/// How events of a group's account and Region come to the function.
#[derive(Debug)]
pub enum Events {
    /// They are the stack's own, or log files bring them.
    Come,
    /// They do not, and why.
    DoNot(String),
    /// The rule of `member.yaml` forwards them, where it is there.
    By(Forwarding),
}

/// The rule that forwards events.
#[derive(Debug)]
pub struct Forwarding {
    /// EventBridge there.
    client: aws_sdk_eventbridge::Client,
    rule: String,
    place: AccountRegion,
}

impl Events {
    /// How they come from a place. `own` is where the stack is, `client` is EventBridge in the place.
    #[must_use]
    pub fn of(
        stack: &Stack,
        (place, own): (&AccountRegion, &AccountRegion),
        client: impl FnOnce() -> aws_sdk_eventbridge::Client,
    ) -> Self {
        // Log files are those of every account and Region that the trail logs in.
        if place == own || stack.parameter("LogBucket").is_some() {
            return Self::Come;
        }
        if stack.optional("BusArn").is_none() {
            let why = "the stack takes no events but those of its own account and Region: it has no OrganizationId";
            return Self::DoNot(said(place, why));
        }
        let role = stack.parameter("MemberRole").unwrap_or("portcullis");
        Self::By(Forwarding { client: client(), rule: format!("{role}-forward"), place: place.clone() })
    }

    /// What to say to whoever opens there; nothing where all is right.
    pub async fn warning(&self) -> Option<String> {
        match self {
            Self::Come => None,
            Self::DoNot(why) => Some(why.clone()),
            Self::By(forwarding) => forwarding.warning().await,
        }
    }
}

impl Forwarding {
    async fn warning(&self) -> Option<String> {
        let Self { client, rule, place } = self;
        match client.describe_rule().name(rule).send().await {
            Ok(answer) if answer.state().is_some_and(|state| state.as_str() == "DISABLED") => {
                Some(said(place, &format!("its rule {rule} is disabled")))
            }
            Ok(_) => None,
            Err(error) => match AwsError::from_sdk(CALL, &error) {
                error if error.code.as_str() == "ResourceNotFoundException" => {
                    let why = format!("it has no rule {rule}: member.yaml is not deployed in this account and Region");
                    Some(said(place, &why))
                }
                error => {
                    let AccountRegion { account, region } = place;
                    Some(format!(
                        "whether calls in account {account}, Region {region} come to the function cannot be told: \
                         {error}; it takes {PERMISSION}, which the newest OperatorPolicy allows"
                    ))
                }
            },
        }
    }
}

fn said(AccountRegion { account, region }: &AccountRegion, why: &str) -> String {
    format!(
        "no call in account {account}, Region {region} comes to the function: {why}. The opening ends at its time all the \
         same; what else is opened there is seen by the next sweep only"
    )
}
