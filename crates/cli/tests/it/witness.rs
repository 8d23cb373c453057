//! `portcullis trail` against moto, a mock that others wrote, with a proxy before it that counts the calls, cuts them off and
//! refuses them.
//!
//! moto 5.2.5 is right on trails, topics and queues, their tags and policies. It differs from AWS in this: the answer of
//! GetBucketVersioning has another root element, which the SDK does not read, so the proxy renames it. DeleteTrail with an ARN does
//! nothing, so the proxy sends the name. A new bucket has no
//! settings, where AWS blocks public access and encrypts. A log file has always just been delivered. ministack 1.5.33 forgets
//! a trail's topic and tags, so it cannot stand in here.
//!
//! `PORTCULLIS_TEST_MOTO` is the path of its server. `make test` installs it, sets the variable, and runs these tests by
//! name.

mod moto;
mod scheduler;

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::cli::{Ran, run};
use moto::{Fault, Proxy};

impl Proxy {
    fn portcullis(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.env_clear().args(arguments).envs(self.variables());
        run(command, "")
    }

    fn variables(&self) -> [(&'static str, String); 7] {
        let url = self.url();
        [
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
    }

    /// What is there: what a plan keeps, and what the trail does.
    fn state(&self) -> (String, Value) {
        let plan = self.portcullis(&["trail", "create", "-n"]);
        let shown = self.portcullis(&["trail", "show", "--region", "eu-west-1", "--format", "json"]);
        let mut shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        shown.as_object_mut().unwrap().remove("last_delivery");
        (plan.stdout, shown)
    }
}

/// The calls that change something, in their order.
const CREATES: [&str; 10] = [
    "CreateBucket",
    "PutPublicAccessBlock",
    "PutBucketVersioning",
    "PutBucketEncryption",
    "PutBucketPolicy",
    "CreateTopic",
    "CreateQueue",
    "Subscribe",
    "CreateTrail",
    "StartLogging",
];
const DELETES: [&str; 4] = ["DeleteTrail", "Unsubscribe", "DeleteQueue", "DeleteTopic"];

#[test]
#[ignore = "needs moto's server program: PORTCULLIS_TEST_MOTO"]
fn a_trail_is_made_once_and_interrupted_after_each_call_comes_to_the_same_end() {
    let proxy = Proxy::start();
    let create = ["trail", "create", "-y"];
    let ran = proxy.portcullis(&create);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(proxy.take_changes(), CREATES);
    let whole = proxy.state();
    assert!(whole.0.lines().all(|line| line.starts_with("# ")), "a second run would make nothing: {}", whole.0);
    assert_eq!(whole.1["write_events"], "yes");
    let again = proxy.portcullis(&create);
    assert_eq!((again.code, again.stdout), (0, ran.stdout), "{}", again.stderr);
    assert!(again.stderr.ends_with("nothing to make: everything is there\n"), "{}", again.stderr);
    assert_eq!(proxy.take_changes(), [""; 0]);
    for (n, call) in CREATES.iter().enumerate() {
        // The call is not made, or it is made and its answer is lost. The program is tried no further.
        for fault in [Fault::CutBefore(call), Fault::CutAfter(call)] {
            proxy.reset();
            proxy.set(Some(fault.clone()));
            let ran = proxy.portcullis(&create);
            assert_eq!(ran.code, 2, "{fault:?}: {}", ran.stderr);
            let made = format!("portcullis: {n} call{} of 10 made; run it again", if n == 1 { "" } else { "s" });
            assert!(ran.stderr.contains(&made), "{fault:?}: {}", ran.stderr);
            proxy.set(None);
            let ran = proxy.portcullis(&create);
            assert_eq!(ran.code, 0, "{fault:?}: {}", ran.stderr);
            assert_eq!(proxy.state(), whole, "{fault:?}");
        }
    }
}

#[test]
#[ignore = "needs moto's server program: PORTCULLIS_TEST_MOTO"]
fn it_is_taken_down_by_its_tags_and_the_bucket_stays() {
    let proxy = Proxy::start();
    assert_eq!(proxy.portcullis(&["trail", "create", "-y"]).code, 0);
    proxy.take_changes();
    let delete = ["trail", "delete", "-y"];
    let ran = proxy.portcullis(&delete);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(proxy.take_changes(), DELETES);
    assert!(ran.stderr.contains("warning: no other trail logs the write events of all Regions"), "{}", ran.stderr);
    assert!(ran.stderr.contains("kept:    bucket 123456789012-cloudtrail, with the log files"), "{}", ran.stderr);
    let again = proxy.portcullis(&delete);
    assert!(again.code == 0 && again.stderr.ends_with("nothing to take down\n"), "{}", again.stderr);
    for call in DELETES {
        proxy.reset();
        assert_eq!(proxy.portcullis(&["trail", "create", "-y"]).code, 0);
        proxy.set(Some(Fault::CutAfter(call)));
        assert_eq!(proxy.portcullis(&delete).code, 2);
        proxy.set(None);
        assert_eq!(proxy.portcullis(&delete).code, 0);
        let again = proxy.portcullis(&delete);
        assert!(again.stderr.ends_with("nothing to take down\n"), "{call}: {}", again.stderr);
    }
}

#[test]
#[ignore = "needs moto's server program: PORTCULLIS_TEST_MOTO"]
fn the_words_that_trail_writes_are_those_of_its_transcript() {
    let proxy = Proxy::start();
    let cases = crate::golden::transcripts("trail/*.trycmd");
    for (name, value) in proxy.variables() {
        cases.env(name, value);
    }
    cases.run();
}

#[test]
#[ignore = "needs moto's server program: PORTCULLIS_TEST_MOTO"]
fn a_dry_run_changes_nothing_and_needs_no_yes() {
    let proxy = Proxy::start();
    let ran = proxy.portcullis(&["trail", "create", "--dry-run", "--profile", "default"]);
    assert_eq!(ran.code, 2, "the profile is not there: {}", ran.stderr);
    let ran = proxy.portcullis(&["trail", "create", "--dry-run"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let commands = ran.stdout.lines().filter(|line| line.starts_with("aws ")).count();
    assert_eq!((commands, proxy.take_changes().len()), (10, 0), "{}", ran.stdout);
    let ran = proxy.portcullis(&["trail", "create"]);
    assert!(ran.code == 2 && ran.stderr.contains("no terminal to ask on: give --yes or --dry-run"), "{}", ran.stderr);
}

#[test]
#[ignore = "needs moto's server program: PORTCULLIS_TEST_MOTO"]
fn every_call_that_aws_refuses_gets_its_line() {
    let proxy = Proxy::start();
    // Every call that each command makes, also of what is there already.
    let commands: [&[&str]; 4] = [
        &["trail", "create", "-y"],
        &["trail", "create", "-y"],
        &["trail", "show", "--region", "eu-west-1"],
        &["trail", "delete", "-y"],
    ];
    let mut refused = BTreeSet::new();
    for (n, arguments) in commands.iter().enumerate() {
        let before = || {
            proxy.set(None);
            proxy.reset();
            for before in &commands[..n.min(1)] {
                assert_eq!(proxy.portcullis(before).code, 0);
            }
            proxy.take_calls();
        };
        before();
        proxy.portcullis(arguments);
        let calls: BTreeSet<String> = proxy.take_calls().into_iter().collect();
        for call in calls {
            before();
            proxy.set(Some(Fault::Refused(call.clone())));
            let ran = proxy.portcullis(arguments);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            // Of what belongs to a trail that serves anyway it is said that it cannot be told.
            let line = match call.as_str() {
                "HeadBucket" if n < 2 => "it is another account's, or you may not see it".to_owned(),
                "GetMetricStatistics" => "about 0 messages".to_owned(),
                "ListTags" if n < 3 => continue,
                // What is deleted may do what it will.
                "GetTrailStatus" | "GetEventSelectors" | "HeadBucket" if n == 3 => continue,
                "GetTrailStatus" | "GetEventSelectors" if n < 2 => format!("cannot be told: {call}: A"),
                _ => format!("{call}: A"),
            };
            assert!(said.contains(&line), "{arguments:?} {call}: {said}");
            let softly = ["GetMetricStatistics", "ListTags", "GetTrailStatus", "GetEventSelectors"];
            let softly = softly.contains(&call.as_str()) || n == 2;
            assert!(ran.code == 2 || softly, "{arguments:?} {call}: {}", ran.code);
            refused.insert(call);
        }
    }
    for call in CREATES.iter().chain(&DELETES) {
        assert!(refused.contains(*call), "{call} was never refused");
    }
    let helps: String = ["create", "show", "delete"]
        .iter()
        .map(|command| {
            proxy.portcullis(&["help", "trail", command]).stdout.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect();
    for call in refused.iter().filter(|call| *call != "GetCallerIdentity") {
        // IAM's word for it, where that is another (Service Authorization Reference, "Actions defined by Amazon S3").
        let action = match call.as_str() {
            "HeadBucket" => "ListBucket",
            "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
            "PutPublicAccessBlock" => "PutBucketPublicAccessBlock",
            "GetBucketEncryption" => "GetEncryptionConfiguration",
            "PutBucketEncryption" => "PutEncryptionConfiguration",
            call => call,
        };
        assert!(helps.contains(action), "the help does not name {action}");
    }
    println!("{} calls refused: {refused:?}", refused.len());
}
