//! A queue and an organisation on a mock that others wrote, and on the model: both must answer the same.

use std::sync::Arc;

use aws_sdk_sqs::types::QueueAttributeName;
use ec2_model::World;
use ec2_model::serve::serve;
use portcullis::aws::AwsError;

use super::stores::{clients, post};
use super::*;

const QUEUE: &str = "sweep";
const MEMBERS: usize = 24;

/// What the queue and Organizations answer.
async fn answers(url: &str, queue: &str) -> Vec<String> {
    let aws = clients(url).await;
    let code = |error: AwsError| format!("{} {:?}", error.code, error.effect);
    let messages: Vec<String> = (0..12).map(|n| format!("{{\"n\": {n}, \"text\": \"ümlaut & <\"}}")).collect();
    let mut answers = vec![format!("refused: {:?}", aws.enqueue(queue, &messages).await)];
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    answers.push(format!("later: {:?}", aws.enqueue_later(queue, &[("later".to_owned(), 300)], until).await));
    let nowhere = aws.enqueue(&format!("{queue}-2"), &messages).await;
    answers.extend(nowhere.into_iter().map(|(_, error)| code(error)));
    answers.push(match aws.accounts().await {
        Ok(accounts) => {
            format!("{} accounts, this one: {}", accounts.len(), accounts.iter().any(|a| a.as_str() == ACCOUNT))
        }
        Err(error) => code(error),
    });
    answers
}

#[tokio::test]
#[ignore = "needs moto's server program: PORTCULLIS_TEST_MOTO"]
async fn the_queue_and_the_organisation_of_a_mock_that_others_wrote_answer_as_the_models_do() {
    let world = World::new(1);
    let queue = world.create_queue(ACCOUNT, REGION, QUEUE);
    let members: Vec<String> = (0..MEMBERS).map(|n| format!("2222333344{n:02}")).collect();
    let listed: Vec<(&str, &str)> = members.iter().map(|id| (id.as_str(), "ACTIVE")).collect();
    let handled = world.clone();
    let model = serve(loopback(), None, Arc::new(move |request| handled.handle(&request))).unwrap();
    let moto = Moto::start();
    let sqs = aws_sdk_sqs::Client::new(&config(&moto, REGION, key()).await);
    let made = sqs.create_queue().queue_name(QUEUE).send().await.unwrap();
    let theirs = made.queue_url().unwrap().to_owned();

    let call = |name: &str, body: &Value| {
        let target = format!("AWSOrganizationsV20161128.{name}");
        let answer = post(&moto.url, ("organizations", &target), &body.to_string());
        assert!(answer.contains("200 OK"), "{answer}");
    };
    call("CreateOrganization", &json!({"FeatureSet": "ALL"}));
    for id in &members {
        call("CreateAccount", &json!({"AccountName": id, "Email": format!("{id}@example.com")}));
    }
    world.set_organization(ACCOUNT, &listed);
    let told = answers(&moto.url, &theirs).await;
    assert_eq!(told, answers(&model.url(), &queue).await);
    assert_eq!(told.last().unwrap(), &format!("{} accounts, this one: true", MEMBERS + 1), "in two pages");

    let names =
        [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesDelayed];
    let asked = sqs.get_queue_attributes().queue_url(&theirs).set_attribute_names(Some(names.to_vec()));
    let counted = asked.send().await.unwrap();
    let count = |name| counted.attributes().and_then(|all| all.get(name)).map(String::as_str);
    assert_eq!(names.each_ref().map(count), [Some("12"), Some("1")]);
}
