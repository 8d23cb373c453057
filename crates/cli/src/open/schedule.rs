//! The schedule of an opening's end: EventBridge Scheduler, once, and then it deletes itself.

use aws_sdk_scheduler::types::{
    ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, Target,
};
use jiff::Timestamp;
use portcullis::aws::AwsError;
use portcullis::domain::facts::GroupLocation;
use portcullis::domain::ids::{AccountId, GroupId, Region};
use serde_json::json;

/// Where schedules are made, and what they do.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// EventBridge Scheduler, in the stack's Region.
    pub client: aws_sdk_scheduler::Client,
    /// The group of the schedules.
    pub group: String,
    /// The role with which they invoke the function.
    pub role: String,
    /// The function.
    pub function: String,
}

/// Why a schedule was not made or deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}{}", advice(.error).map_or_else(String::new, |advice| format!(" ({advice})")))]
pub struct ScheduleError {
    /// AWS's error.
    pub error: AwsError,
}

/// EventBridge Scheduler API Reference, CreateSchedule, "Errors"; the messages about roles are its User Guide's.
fn advice(error: &AwsError) -> Option<&'static str> {
    let says = |part: &str| error.message.contains(part);
    match error.code.as_str() {
        "ResourceNotFoundException" => {
            Some("the stack's group of schedules is gone: deploy the stack again with Openings=yes")
        }
        "ConflictException" => Some("there is a schedule of this name already: run it again, and it gets another"),
        "AccessDeniedException" if says("iam:PassRole") => {
            Some("you may not pass the schedules' role: attach the stack's OperatorPolicy to your own role")
        }
        "AccessDeniedException" => Some("attach the stack's OperatorPolicy to your own role"),
        "ValidationException" if says("assume the role") => {
            Some("EventBridge Scheduler may not assume the schedules' role: deploy the stack again with Openings=yes")
        }
        "ServiceQuotaExceededException" => Some("the account has too many schedules in this Region"),
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestExpired" if says("ignature") => {
            Some("is this machine's clock right?")
        }
        _ => None,
    }
}

/// The function is tried for a day, as for every event.
const TRIED_SECONDS: i32 = 86_400;

/// The most that EventBridge Scheduler tries.
const ATTEMPTS: i32 = 185;

impl Schedule {
    /// Makes the schedule of an opening's end. Alone it opens nothing and ends nothing.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub async fn make(&self, waiver: &str, at: &GroupLocation, until: Timestamp) -> Result<(), ScheduleError> {
        let call = "CreateSchedule";
        let GroupLocation { account, region, group, .. } = at;
        let input = json!({"end": {"account": account, "region": region, "group": group, "waiver": waiver}});
        let retries = RetryPolicy::builder().maximum_event_age_in_seconds(TRIED_SECONDS);
        let target = Target::builder()
            .arn(&self.function)
            .role_arn(&self.role)
            .input(input.to_string())
            .retry_policy(retries.maximum_retry_attempts(ATTEMPTS).build());
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build();
        let odd = |error: &dyn std::fmt::Display| ScheduleError { error: AwsError::bad_answer(call, &error) };
        let made = self
            .client
            .create_schedule()
            .name(waiver)
            .group_name(&self.group)
            .description(format!("The end of {waiver}, an opening of {group}"))
            .schedule_expression(until.strftime("at(%Y-%m-%dT%H:%M:%S)").to_string())
            .schedule_expression_timezone("UTC")
            .flexible_time_window(window.map_err(|error| odd(&error))?)
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(target.build().map_err(|error| odd(&error))?)
            .send()
            .await;
        made.map(|_| ()).map_err(|error| ScheduleError { error: AwsError::from_sdk(call, &error) })
    }

    /// The group whose opening it ends; nothing where there is no such schedule, or it is none of ours.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub async fn group_of(&self, waiver: &str) -> Result<Option<GroupLocation>, ScheduleError> {
        let asked = self.client.get_schedule().name(waiver).group_name(&self.group).send().await;
        let schedule = match asked.map_err(|error| AwsError::from_sdk("GetSchedule", &error)) {
            Ok(schedule) => schedule,
            Err(error) if error.code.as_str() == "ResourceNotFoundException" => return Ok(None),
            Err(error) => return Err(ScheduleError { error }),
        };
        let input = schedule.target().and_then(|target| target.input()).unwrap_or_default();
        let input: serde_json::Value = serde_json::from_str(input).unwrap_or_default();
        let text = |key: &str| input.pointer(&format!("/end/{key}")).and_then(serde_json::Value::as_str);
        let group = || {
            let (account, region) = (AccountId::parse(text("account")?).ok()?, Region::parse(text("region")?).ok()?);
            Some(GroupLocation { account, region, group: GroupId::parse(text("group")?).ok()?, vpc: None })
        };
        Ok(group())
    }

    /// Deletes it. One that is gone, for it has fired, is deleted.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub async fn delete(&self, waiver: &str) -> Result<(), ScheduleError> {
        let gone = self.client.delete_schedule().name(waiver).group_name(&self.group).send().await;
        match gone.map_err(|error| AwsError::from_sdk("DeleteSchedule", &error)) {
            Err(error) if error.code.as_str() != "ResourceNotFoundException" => Err(ScheduleError { error }),
            _ => Ok(()),
        }
    }
}
