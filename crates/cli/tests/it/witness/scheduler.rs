//! The schedule of an opening's end on moto and on the model, step by step: both must answer the same.
//!
//! moto 5.2.5 answers a CreateSchedule in a group that is not there with an error of its own making; AWS answers with
//! ResourceNotFoundException, as the model does (API Reference, CreateSchedule, "Errors"). Our code lists no schedules.

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::config::{BehaviorVersion, Builder, Credentials, Region};
use ec2_model::serve::serve;
use ec2_model::{World, control};
use jiff::Timestamp;
use portcullis_cli::open::Schedule;
use portcullis_domain::facts::GroupLocation;

use super::moto::Proxy;
use crate::loopback;

const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-west-1";
const GROUP: &str = "portcullis";

fn client(url: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = Builder::new().behavior_version(BehaviorVersion::latest()).endpoint_url(url).http_client(http);
    let config = config.region(Region::from_static(REGION));
    Client::from_conf(config.credentials_provider(Credentials::new(ACCOUNT, "secret", None, None, "test")).build())
}

fn schedule(client: &Client, group: &str) -> Schedule {
    Schedule {
        client: client.clone(),
        group: group.to_owned(),
        role: format!("arn:aws:iam::{ACCOUNT}:role/portcullis-SchedulerRole"),
        function: format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:portcullis"),
    }
}

/// All that EventBridge Scheduler keeps of a schedule, but for its times of making.
async fn kept(client: &Client, name: &str) -> String {
    let schedule = match client.get_schedule().group_name(GROUP).name(name).send().await {
        Ok(schedule) => schedule,
        Err(error) => return error.into_service_error().meta().code().unwrap_or_default().to_owned(),
    };
    let target = schedule.target().unwrap();
    let retries = target.retry_policy().unwrap();
    format!(
        "{:?} {:?} {:?} {:?} {:?} | {} {} {:?} {:?} {:?}",
        schedule.description(),
        schedule.schedule_expression(),
        schedule.schedule_expression_timezone(),
        schedule.flexible_time_window().map(|window| window.mode().as_str()),
        schedule.action_after_completion().map(|action| action.as_str()),
        target.arn(),
        target.role_arn(),
        target.input(),
        retries.maximum_event_age_in_seconds(),
        retries.maximum_retry_attempts(),
    )
}

/// What a life of schedules answers, a line for each step.
async fn life(client: &Client) -> Vec<String> {
    let ours = schedule(client, GROUP);
    let at = GroupLocation {
        account: "444455556666".parse().unwrap(),
        region: "us-east-2".parse().unwrap(),
        group: "sg-0a1b2c3d4e5f60718".parse().unwrap(),
        vpc: None,
    };
    let until: Timestamp = "2030-01-31T20:00:05Z".parse().unwrap();
    let code = |done: Result<(), portcullis_cli::open::ScheduleError>| match done {
        Ok(()) => "done".to_owned(),
        Err(error) => error.error.code.as_str().to_owned(),
    };
    let group_of = async |of: &Schedule, waiver: &str| match of.group_of(waiver).await {
        Ok(Some(at)) => format!("{} {} {}", at.account, at.region, at.group),
        Ok(None) => "none".to_owned(),
        Err(error) => error.error.code.as_str().to_owned(),
    };
    vec![
        format!("a schedule that is not there: {}", group_of(&ours, "w-7q2m").await),
        format!("it is made: {}", code(ours.make("w-7q2m", &at, until).await)),
        format!("and kept as it was asked for: {}", kept(client, "w-7q2m").await),
        format!("a second of the same name: {}", code(ours.make("w-7q2m", &at, until).await)),
        format!("another: {}", code(ours.make("w-0000", &at, until).await)),
        format!("its group: {}", group_of(&ours, "w-7q2m").await),
        format!("it is deleted: {}", code(ours.delete("w-7q2m").await)),
        format!("twice: {}", code(ours.delete("w-7q2m").await)),
        format!("it is gone: {} {}", group_of(&ours, "w-7q2m").await, kept(client, "w-7q2m").await),
        format!("the other is there: {}", group_of(&ours, "w-0000").await),
        format!("where there is no such group: {}", group_of(&schedule(client, "other"), "w-0000").await),
        format!("nothing is deleted there: {}", code(schedule(client, "other").delete("w-0000").await)),
        format!("it can be made again: {}", code(ours.make("w-7q2m", &at, until).await)),
    ]
}

#[test]
#[ignore = "needs moto's server program: PORTCULLIS_TEST_MOTO"]
fn the_schedule_of_an_end_lives_on_a_mock_that_others_wrote_as_it_does_on_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::new(5);
        world.create_schedule_group(ACCOUNT, REGION, GROUP);
        let now = || portcullis::now().as_millisecond();
        let model = serve(loopback(), None, control::handler(world, now)).unwrap();
        let moto = Proxy::start();
        let theirs = client(&moto.url());
        theirs.create_schedule_group().name(GROUP).send().await.unwrap();
        let (of_model, of_moto) = (life(&client(&model.url())).await, life(&theirs).await);
        assert_eq!(of_model, of_moto);
        assert!(of_moto[1].ends_with("done") && of_moto[3].ends_with("ConflictException"), "{of_moto:#?}");
        assert_eq!(of_moto[5], "its group: 444455556666 us-east-2 sg-0a1b2c3d4e5f60718");
    });
}
