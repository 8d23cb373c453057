//! The real SDK clients read the answers of the modelled services next to EC2: their shapes, pages and error codes.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::Credentials;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_organizations::types::{AccountState, AccountStatus};
use aws_sdk_s3::types::EncodingType;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use ec2_model::{Fault, FaultKind, Request, World};
use portcullis::aws::{Aws, Code};
use portcullis::domain::policy::Mode;

use crate::harness::{ACCOUNT, Between, REGION, Wire, straight};

async fn clients(world: &World) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(Wire(straight(world.clone())))
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(ACCOUNT, "secret", None, None, "test"))
        .load()
        .await
}

fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
}

#[tokio::test]
async fn sqs_takes_messages_and_says_what_it_could_not_take() {
    let world = World::new(1);
    let url = world.create_queue(ACCOUNT, REGION, "sweep");
    let sqs = aws_sdk_sqs::Client::new(&clients(&world).await);
    let sent = sqs.send_message().queue_url(&url).message_body("hello world").send().await.unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("5eb63bbbe01eeed093cb22bb8f5acdc3"));

    let kind = FaultKind::ErrorBefore { status: 500, code: "InternalError".into(), message: "try again".into() };
    world.inject(Fault { action: Some("SendMessageBatchEntry".into()), nth: 1, kind });
    let entries = Some(vec![entry("a", "one"), entry("b", "two")]);
    let answer = sqs.send_message_batch().queue_url(&url).set_entries(entries).send().await.unwrap();
    assert_eq!((answer.successful().len(), answer.successful()[0].id()), (1, "a"));
    let failed = &answer.failed()[0];
    assert_eq!((failed.id(), failed.code(), failed.sender_fault()), ("b", "InternalError", false));
    assert_eq!(world.take_messages(&url), ["hello world", "one"]);

    let eleven = (0..11).map(|n| entry(&format!("id-{n}"), "m")).collect();
    let error = sqs.send_message_batch().queue_url(&url).set_entries(Some(eleven)).send().await.unwrap_err();
    assert!(error.into_service_error().is_too_many_entries_in_batch_request());
    let lost = sqs.send_message().queue_url(format!("{url}-2")).message_body("m").send().await.unwrap_err();
    assert_eq!(lost.code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    assert!(lost.into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn organizations_lists_its_accounts_in_pages_from_us_east_1() {
    let world = World::new(1);
    let ids = (0..44).map(|n| format!("1111222244{n:02}")).collect::<Vec<_>>();
    let mut accounts = ids.iter().map(|id| (id.as_str(), "ACTIVE")).collect::<Vec<_>>();
    accounts[7].1 = "SUSPENDED";
    world.set_organization(ACCOUNT, &accounts);
    let config = clients(&world).await;
    let organizations = aws_sdk_organizations::Client::new(&config);
    let pages = organizations.list_accounts().into_paginator().send().collect::<Result<Vec<_>, _>>().await.unwrap();
    let listed = pages.iter().flat_map(|page| page.accounts()).collect::<Vec<_>>();
    assert_eq!(listed.iter().skip(1).filter_map(|account| account.id()).collect::<Vec<_>>(), ids);
    assert_eq!(
        (listed[8].status(), listed[8].state()),
        (Some(&AccountStatus::Suspended), Some(&AccountState::Suspended))
    );
    let calls = world.calls();
    assert_eq!(calls.iter().map(|call| call.region.as_str()).collect::<Vec<_>>(), ["us-east-1"; 3]);

    world.set_organization("000011112222", &[(ACCOUNT, "ACTIVE")]);
    let error = organizations.list_accounts().send().await.unwrap_err().into_service_error();
    assert!(error.is_access_denied_exception(), "{error:?}");
    world.set_organization("000011112222", &[]);
    let error = organizations.list_accounts().send().await.unwrap_err().into_service_error();
    assert!(error.is_aws_organizations_not_in_use_exception(), "{error:?}");
}

/// Whoever stands between could hide accounts from a sweep, by the first page again and again.
#[tokio::test(start_paused = true)]
async fn a_page_of_accounts_that_comes_again_is_no_end_of_the_list() {
    let world = World::new(1);
    let ids = (0..44).map(|n| format!("1111222244{n:02}")).collect::<Vec<_>>();
    world.set_organization(ACCOUNT, &ids.iter().map(|id| (id.as_str(), "ACTIVE")).collect::<Vec<_>>());
    let answer = straight(world.clone());
    let first_page: Between = Arc::new(move |request| answer(&Request { body: b"{}".to_vec(), ..request.clone() }));
    let listed = async |between: Between| {
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Wire(between))
            .region(Region::from_static(REGION))
            .credentials_provider(Credentials::new(ACCOUNT, "secret", None, None, "test"));
        Aws::load(loader, None, Mode::Enforce).await.accounts().await
    };
    assert_eq!(listed(straight(world.clone())).await.unwrap().len(), 45);
    let error = listed(first_page).await.unwrap_err();
    assert_eq!((error.code, &*error.message), (Code::BadAnswer, "a page comes again"));
}

#[tokio::test]
async fn s3_lists_its_objects_in_pages() {
    let world = World::new(1);
    let keys = (0..1100).map(|n| format!("AWSLogs/a b+{n:04}.json")).collect::<Vec<_>>();
    keys.iter().for_each(|key| world.put_object("logs", key, b"x".to_vec()));
    let s3 = aws_sdk_s3::Client::new(&clients(&world).await);
    let listed = s3.list_objects_v2().bucket("logs").prefix("AWSLogs/").into_paginator().send();
    let pages = listed.collect::<Result<Vec<_>, _>>().await.unwrap();
    let found = pages.iter().flat_map(|page| page.contents()).filter_map(|object| object.key());
    assert_eq!((pages.len(), found.collect::<Vec<_>>()), (2, keys.iter().map(String::as_str).collect()));
    let object = &pages[0].contents()[0];
    assert_eq!((object.size(), object.last_modified().map(|time| time.secs())), (Some(1), Some(world.now() / 1000)));
    let encoded =
        s3.list_objects_v2().bucket("logs").max_keys(1).encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(encoded.contents()[0].key(), Some("AWSLogs/a+b%2B0000.json"));
    let error = s3.list_objects_v2().bucket("none").send().await.unwrap_err();
    assert!(error.into_service_error().is_no_such_bucket());
}

#[tokio::test]
async fn ec2_tells_which_regions_and_prefix_lists_there_are() {
    let world = World::new(1);
    world.disable_region(ACCOUNT, "eu-west-3");
    world.set_prefix_list_lag(1_000);
    let list = world.create_aws_prefix_list(REGION, "com.amazonaws.global.open", &["0.0.0.0/0"]);
    let own = world.create_prefix_list(ACCOUNT, REGION, "own", 3, &["10.0.0.0/8"]).unwrap();
    let config = clients(&world).await;
    let ec2 = aws_sdk_ec2::Client::new(&config);
    let regions = ec2.describe_regions().send().await.unwrap();
    assert_eq!(regions.regions().len(), 16);
    let lists = ec2.describe_managed_prefix_lists().send().await.unwrap();
    let states = lists
        .prefix_lists()
        .iter()
        .map(|list| (list.prefix_list_id().unwrap(), list.owner_id().unwrap(), list.state().unwrap().as_str()));
    let wanted = [(list.as_str(), "AWS", "create-complete"), (own.as_str(), ACCOUNT, "create-in-progress")];
    assert_eq!(states.collect::<Vec<_>>(), wanted);

    let away = aws_sdk_ec2::config::Builder::from(&config).region(Region::from_static("eu-west-3")).build();
    let error = aws_sdk_ec2::Client::from_conf(away).describe_security_groups().send().await.unwrap_err();
    assert_eq!(error.code(), Some("AuthFailure"));
}
