//! The function's own pipeline on what the command line opened: it lets it be, and ends it.

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder as Client;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use portcullis::aws::{Aws, FunctionIdentity};
use portcullis::config::Accounts;
use portcullis::domain::finding::{Finding, Outcome, Verdict};
use portcullis::domain::policy::{Mode, Policy};
use portcullis::pipeline::{self, Context, Invocation, Settings};
use portcullis::store::Store;

use super::*;

/// What the function makes of a payload, so long from now.
fn function(stack: &Stack, mode: Mode, payload: &Value, later: SignedDuration) -> Vec<Finding> {
    let (url, payload) = (stack.server.url(), payload.clone());
    let work = move || async move {
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Client::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
            .endpoint_url(url)
            .region(aws_config::Region::new(REGION))
            .credentials_provider(Credentials::new(ACCOUNT, "secret", None, None, "test"));
        let aws = Aws::load(loader, None, mode).await;
        let memory = Store::Table(stage::TABLE.to_owned());
        let settings = Settings { mode, accounts: Accounts::Own, topic: None, queue: None, memory, restores: false };
        let clock = Box::new(move || portcullis::now() + later);
        let context = Context::new(aws, Policy::parse("version: 1").unwrap(), settings, clock, Box::new(|_: &str| {}));
        let invocation = Invocation {
            identity: FunctionIdentity::of_arn(stage::FUNCTION),
            deadline: tokio::time::Instant::now() + std::time::Duration::from_secs(60),
        };
        pipeline::handle(&context, &payload, &invocation).await.findings
    };
    // The function's futures are large in a development build.
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work());
    std::thread::Builder::new().stack_size(32 << 20).spawn(run).unwrap().join().unwrap()
}

#[test]
fn the_function_lets_an_opening_be_and_ends_it_at_its_time_in_every_mode() {
    for mode in [Mode::Enforce, Mode::Alert] {
        let stack = Stack::new();
        let web = stack.group("web");
        stack.world.take_records();
        let ran = stack.open(&web, &["--port", "ssh", "--from", WIDE, "--wide", "--for", "2h", "--reason", "INC-1"]);
        is(&ran, 0);
        let id = stack.waiver(&ran);
        let is_opening = |record: &&Value| record["eventName"] == "AuthorizeSecurityGroupIngress";
        let records = stack.world.take_records();
        let event = ec2_model::eventbridge(records.iter().find(is_opening).unwrap());
        let found = function(&stack, mode, &event, SignedDuration::ZERO);
        assert_eq!((found[0].verdict, found[0].outcome), (Verdict::Exempt, Outcome::None), "{found:#?}");
        assert_eq!(found[0].waiver.as_ref(), Some(&id));
        let schedule = &stack.schedules()[0].1;
        let input: Value = serde_json::from_str(schedule["Target"]["Input"].as_str().unwrap()).unwrap();
        let early = function(&stack, mode, &input, SignedDuration::from_mins(119));
        assert_eq!(early[0].outcome, Outcome::None, "{early:#?}");
        assert_eq!(stack.rules(&web).len(), 1);
        let ended = function(&stack, mode, &input, SignedDuration::from_mins(120));
        assert_eq!((ended[0].verdict, ended[0].outcome), (Verdict::Exempt, Outcome::Reverted), "{ended:#?}");
        assert!(stack.rules(&web).is_empty() && stack.listed().is_empty());
        let closed = stack.run(&["close", &id]);
        assert!(is(&closed, 0).stdout.contains(&format!("{id} was ended at 2")), "{}", closed.stdout);
    }
}
