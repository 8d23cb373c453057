//! The memory and the shelf on a mock that others wrote, and on the model, step by step: both must answer the same.
//!
//! One call at a time. At once the mock is no witness: of two updates that create an item at the same time, neither may see
//! the other, where DynamoDB is atomic.

use std::sync::Arc;

use ec2_model::World;
use ec2_model::serve::serve;
use portcullis::aws::Aws;
use portcullis::domain::memory::Entries;
use portcullis::domain::policy::Mode;
use portcullis::shelf::ShelfError;
use portcullis::store::{Condition, Store, StoreError, Update};
use tokio::time::Instant;

use super::*;

const TABLE: &str = "memory";
const BUCKET: &str = "kept";
const ITEM: &str = "123456789012/eu-west-1/sg-0a1b2c3d4e5f60718";

pub(super) async fn clients(url: &str) -> Aws {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .endpoint_url(url)
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(ACCOUNT, "secret", None, None, "test"));
    Aws::load(loader, None, Mode::Enforce).await
}

/// Makes a call that the function never makes.
pub(super) fn post(url: &str, (service, target): (&str, &str), body: &str) -> String {
    let host = url.trim_start_matches("http://");
    let mut connection = TcpStream::connect(host).unwrap();
    let credential = format!("{ACCOUNT}/20261121/{REGION}/{service}/aws4_request");
    let request = format!(
        "POST / HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: {target}\r\n\
         Content-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=x\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

fn entries(pairs: &[(&str, Value)]) -> Entries {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn said(answer: Result<Entries, StoreError>) -> String {
    match answer {
        Ok(entries) => format!("{entries:?}"),
        Err(StoreError::NotMet(entries)) => format!("not met: {entries:?}"),
        Err(error) => error.code().to_owned(),
    }
}

/// What a group's item goes through, in the forms in which the function calls.
fn steps() -> Vec<(&'static str, Update)> {
    let lease = |holder: &str, until: i64| entries(&[("lease_holder", json!(holder)), ("lease_until", json!(until))]);
    let free = |holder: &str, now| Some(Condition::LeaseIsFree { holder: holder.to_owned(), now });
    let claim = json!({"change": {"call": "Authorize"}, "saw": [{"description": "a \"quoted\" text, ümlaut"}]});
    let ttl = Some("2026-12-01T00:00:00Z".parse().unwrap());
    vec![
        (
            "a claim makes the item",
            Update { set_if_absent: entries(&[("claim#1", claim.clone())]), ttl, ..Update::default() },
        ),
        (
            "the first claim is kept",
            Update {
                set_if_absent: entries(&[("claim#1", json!({"saw": []})), ("claim#2", claim.clone())]),
                ttl,
                ..Update::default()
            },
        ),
        ("a lease is taken", Update { set: lease("a", 1_000), condition: free("a", 500), ..Update::default() }),
        ("it is renewed", Update { set: lease("a", 2_000), condition: free("a", 900), ..Update::default() }),
        ("another finds it held", Update { set: lease("b", 3_000), condition: free("b", 1_500), ..Update::default() }),
        (
            "and takes it when it is over",
            Update { set: lease("b", 4_000), condition: free("b", 2_001), ..Update::default() },
        ),
        (
            "who lost it cannot give it back",
            Update {
                remove: vec!["lease_holder".to_owned(), "lease_until".to_owned()],
                condition: Some(Condition::LeaseIs("a".to_owned())),
                ..Update::default()
            },
        ),
        (
            "a claim that is not there is not settled",
            Update {
                set: entries(&[("closed#sgr-1", json!("2026-11-26T00:00:00Z"))]),
                condition: Some(Condition::Exists("claim#9".to_owned())),
                ..Update::default()
            },
        ),
        (
            "it is settled",
            Update {
                set: entries(&[
                    ("closed#sgr-1", json!("2026-11-26T00:00:00Z")),
                    ("fight#ssh/ipv4", json!({"count": 1})),
                ]),
                remove: vec!["claim#1".to_owned(), "claim#9".to_owned()],
                condition: Some(Condition::Exists("claim#1".to_owned())),
                ttl,
                ..Update::default()
            },
        ),
        ("rules are counted", Update { add: [("old_rules".to_owned(), 7)].into(), ..Update::default() }),
        ("and given back", Update { add: [("old_rules".to_owned(), -3)].into(), ..Update::default() }),
        ("nothing but what goes", Update { remove: vec!["claim#2".to_owned()], ..Update::default() }),
    ]
}

/// What the memory answers, step by step.
async fn remembered(url: &str) -> Vec<String> {
    let (aws, store) = (clients(url).await, Store::Table(TABLE.to_owned()));
    let until = || Instant::now() + Duration::from_secs(10);
    let mut answers = vec![format!("nothing yet: {}", said(store.read(&aws, ITEM, until()).await))];
    for (what, update) in steps() {
        answers.push(format!("{what}: {}", said(store.update(&aws, ITEM, &update, until()).await)));
    }
    answers.push(format!("read: {}", said(store.read(&aws, ITEM, until()).await)));
    let first = Update {
        set: entries(&[("told#ssh/ipv4", json!("2026-11-26T00:00:00Z"))]),
        condition: Some(Condition::Exists("claim#1".to_owned())),
        ..Update::default()
    };
    answers.push(format!("no item, and a condition: {}", said(store.update(&aws, "other", &first, until()).await)));
    let none = Store::Table("none".to_owned());
    answers.push(format!("no table: {}", said(none.read(&aws, ITEM, until()).await)));
    answers.push(format!("no table: {}", said(none.update(&aws, ITEM, &steps()[0].1, until()).await)));
    answers
}

/// What the shelf answers, step by step.
async fn kept(url: &str) -> Vec<String> {
    let aws = clients(url).await;
    let shelf = |bucket: &str| {
        let place = EvidencePlace::S3 { bucket: bucket.to_owned(), prefix: "p/".to_owned(), days: None };
        Shelf::at(Some(&place), &aws)
    };
    let (now, until) = (portcullis::now(), Instant::now() + Duration::from_secs(60));
    let document = |bytes| Document { key: "evidence/v1/account=1/x.json", bytes, is_evidence: true };
    let put = |answer: Result<Put, ShelfError>| match answer {
        Ok(put) => format!("{put:?}"),
        Err(ShelfError::Bucket(error)) => error.code.to_string(),
        Err(error) => error.to_string(),
    };
    let mut answers = Vec::new();
    for bytes in [b"first".as_slice(), b"second", b"first"] {
        answers.push(put(shelf(BUCKET).put(document(bytes), now, until).await));
    }
    answers.push(format!("{:?}", shelf(BUCKET).get("evidence/v1/account=1/x.json").await.unwrap()));
    answers.push(format!("{:?}", shelf(BUCKET).keys("evidence/v1/").await.unwrap()));
    answers.push(
        shelf(BUCKET).get("evidence/v1/none.json").await.map_or_else(|error| put(Err(error)), |_| "there".to_owned()),
    );
    answers.push(put(shelf("nowhere").put(document(b"first"), now, until).await));
    answers
}

#[tokio::test]
#[ignore = "needs moto's server program: PORTCULLIS_TEST_MOTO"]
async fn the_memory_and_the_shelf_of_a_mock_that_others_wrote_answer_as_the_models_do() {
    let world = World::new(1);
    world.set_now(portcullis::now().as_millisecond());
    world.create_table(ACCOUNT, REGION, TABLE);
    world.create_bucket(BUCKET);
    let handled = world.clone();
    let model = serve(loopback(), None, Arc::new(move |request| handled.handle(&request))).unwrap();

    let moto = Moto::start();
    let table = json!({"TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]});
    let made = post(&moto.url, ("dynamodb", "DynamoDB_20120810.CreateTable"), &table.to_string());
    assert!(made.contains("200 OK"), "{made}");
    let sdk = config(&moto, REGION, key()).await;
    let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build());
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
        .location_constraint(aws_sdk_s3::types::BucketLocationConstraint::EuWest1)
        .build();
    s3.create_bucket().bucket(BUCKET).create_bucket_configuration(place).send().await.unwrap();

    let (theirs, ours) = (remembered(&moto.url).await, remembered(&model.url()).await);
    assert_eq!(theirs, ours);
    assert!(theirs[5].contains("not met: {\"claim#1\""), "the item comes with the refusal: {}", theirs[5]);
    let (theirs, ours) = (kept(&moto.url).await, kept(&model.url()).await);
    assert_eq!(theirs, ours);
    assert_eq!(theirs[..3], ["Written", "Already", "Already"]);
}
