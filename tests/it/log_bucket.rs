//! Log files across accounts and Regions: where the bucket may be, who may read it, and what its keys look like.

use ec2_model::Permission;
use portcullis::config::LogRole;
use portcullis::domain::finding::{Outcome, Verdict};
use portcullis::pipeline::Answer;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Setup, Watch, sqs};

const BUCKET: &str = "aws-controltower-logs";
const ARCHIVE: &str = "444455556666";
const READER: &str = "log-reader";

/// The keys of a trail, of an organisation's trail, and of Control Tower's.
const KEYS: [&str; 4] = [
    "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/21/a.json.gz",
    "AWSLogs/o-exampleorgid/111122223333/CloudTrail/eu-west-1/2026/11/21/a.json.gz",
    "o-exampleorgid/AWSLogs/o-exampleorgid/111122223333/CloudTrail/eu-west-1/2026/11/21/a.json.gz",
    "our trail/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/21/a+b.json.gz",
];

fn reader() -> LogRole {
    LogRole { arn: format!("arn:aws:iam::{ARCHIVE}:role/{READER}"), external_id: None }
}

/// The function, with a bucket in a Region that lets a role in or everyone.
async fn stage(region: &str, is_locked: bool, log_role: Option<LogRole>) -> Watch {
    let watch = Setup { log_role, ..Setup::default() }.start().await;
    watch.world.allow_role(ARCHIVE, READER, None);
    watch.world.set_bucket_region(BUCKET, region);
    if is_locked {
        watch.world.lock_bucket(BUCKET, &reader().arn);
    }
    watch
}

/// Opens the group, and delivers the log file that tells of it, as CloudTrail announces it.
async fn delivered(watch: &Watch, key: &str) -> Answer {
    watch.world.authorize(ACCOUNT, REGION, &watch.group, &[Permission::tcp(22, "0.0.0.0/0")]).unwrap();
    let record = watch.world.take_records().pop().unwrap();
    watch.world.put_object(BUCKET, key, json!({"Records": [record]}).to_string());
    let notice = json!({"s3Bucket": BUCKET, "s3ObjectKey": [key]}).to_string();
    let notification: Value = json!({"Type": "Notification", "Message": notice});
    watch.deliver(&sqs(&[notification.to_string()])).await
}

#[tokio::test(start_paused = true)]
async fn a_log_file_is_read_wherever_its_bucket_is_whoever_may_read_it_and_whatever_its_key_is() {
    for region in [REGION, "us-east-1", "eu-south-2"] {
        for (is_locked, log_role) in [(false, None), (false, Some(reader())), (true, Some(reader()))] {
            for key in KEYS {
                let watch = stage(region, is_locked, log_role.clone()).await;
                let answer = delivered(&watch, key).await;
                let place = format!("{region}, locked: {is_locked}, {key}");
                assert!(answer.failed.is_empty(), "{place}: {:#?}", answer.findings);
                let finding = &answer.findings[0];
                assert_eq!((finding.verdict, finding.outcome), (Verdict::Exposed, Outcome::Reverted), "{place}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_region_of_a_bucket_is_asked_for_once() {
    let watch = stage("us-east-1", false, None).await;
    for _ in 0..3 {
        assert!(delivered(&watch, KEYS[0]).await.failed.is_empty());
    }
    let asked = watch.world.calls().into_iter().filter(|call| call.action == "GetObject");
    let regions: Vec<String> = asked.map(|call| call.region).collect();
    assert_eq!(regions, [REGION, "us-east-1", "us-east-1", "us-east-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_lets_nobody_in_is_named_with_both_regions() {
    let watch = stage("us-east-1", true, None).await;
    let answer = delivered(&watch, KEYS[0]).await;
    assert_eq!(answer.failed.len(), 1, "the notice comes again, and ends in the dead-letter queue");
    let reason = &answer.findings[0].reason;
    assert!(reason.contains(&format!("s3://{BUCKET}/{}: GetObject: AccessDenied", KEYS[0])), "{reason}");
    assert!(reason.ends_with("(the bucket was asked in eu-west-1, and then in us-east-1, where it is)"), "{reason}");
    // A role that does not trust the function.
    let none = LogRole { arn: format!("arn:aws:iam::{ARCHIVE}:role/none"), external_id: None };
    let watch = stage(REGION, true, Some(none)).await;
    let reason = &delivered(&watch, KEYS[0]).await.findings[0].reason;
    assert!(reason.contains("AssumeRole: AccessDenied"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn the_role_reads_the_bucket_and_may_do_nothing_else() {
    let watch = stage(REGION, true, Some(reader())).await;
    delivered(&watch, KEYS[0]).await;
    let assumed = watch.world.calls().into_iter().find(|call| call.action == "AssumeRole").unwrap();
    let parameter = |name: &str| assumed.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    assert_eq!(parameter("RoleArn"), Some(reader().arn));
    let policy: Value = serde_json::from_str(&parameter("Policy").unwrap()).unwrap();
    assert_eq!(policy["Statement"][0]["Action"], "s3:GetObject");
    assert_eq!(policy["Statement"][0]["Resource"], format!("arn:aws:s3:::{BUCKET}/*"));
    assert_eq!(policy["Statement"][1]["Action"], "kms:Decrypt");
}
