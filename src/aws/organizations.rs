//! What a sweep needs to know and to hand out: accounts, Regions, messages.

use aws_sdk_organizations::types::AccountState;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::{StreamExt, stream};
use portcullis_domain::ids::{AccountId, Region, escaped};

use super::{AccountRegion, Aws, AwsError, Effect, FunctionIdentity};

/// So many batches of messages are under way at a time: a sweep of a thousand accounts is 1,700 of them.
const MOST_SENT_AT_ONCE: usize = 8;

impl Aws {
    /// The Regions that are enabled in an account, asked in the function's own.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn regions(&self, account: &AccountId, own: &FunctionIdentity) -> Result<Vec<Region>, AwsError> {
        let call = "DescribeRegions";
        let home = AccountRegion { account: account.clone(), region: own.region.clone() };
        let answer = self.ec2(&home, own).await?.describe_regions().send().await;
        let answer = answer.map_err(|error| AwsError::from_sdk(call, &error))?;
        let name = |region: &aws_sdk_ec2::types::Region| parsed(call, region.region_name(), Region::parse);
        answer.regions().iter().map(name).collect()
    }

    /// The organisation's accounts, less those that are suspended or closed: their roles cannot be assumed.
    ///
    /// # Errors
    /// [`AwsError`]: a list that is not complete is none.
    pub async fn accounts(&self) -> Result<Vec<AccountId>, AwsError> {
        let call = "ListAccounts";
        let organizations = aws_sdk_organizations::Client::new(&self.base);
        let mut pages = organizations.list_accounts().into_paginator().send();
        let mut accounts = Vec::new();
        while let Some(page) = pages.next().await {
            for account in page.map_err(|error| AwsError::from_sdk(call, &error))?.accounts() {
                // In any other state an account may still run something.
                if !matches!(account.state(), Some(AccountState::Suspended | AccountState::Closed)) {
                    accounts.push(parsed(call, account.id(), AccountId::parse)?);
                }
            }
        }
        Ok(accounts)
    }

    /// Puts messages into a queue; those that it did not take come back in their order, each with why.
    pub async fn enqueue(&self, queue: &str, messages: &[String]) -> Vec<(String, AwsError)> {
        let sqs = aws_sdk_sqs::Client::new(&self.base);
        // SQS takes ten at a time (SQS API Reference, SendMessageBatch).
        let sent = messages.chunks(10).map(|batch| enqueue_batch(&sqs, queue, batch));
        let refused: Vec<_> = stream::iter(sent).buffered(MOST_SENT_AT_ONCE).collect().await;
        refused.into_iter().flatten().collect()
    }
}

/// Sends one batch; the messages that were not taken.
async fn enqueue_batch(sqs: &aws_sdk_sqs::Client, queue: &str, batch: &[String]) -> Vec<(String, AwsError)> {
    let call = "SendMessageBatch";
    let entry = |(n, body): (usize, &String)| {
        SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(body).build().ok()
    };
    let entries: Vec<_> = batch.iter().enumerate().filter_map(entry).collect();
    let answer = match sqs.send_message_batch().queue_url(queue).set_entries(Some(entries)).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let error = AwsError::from_sdk(call, &error);
            return batch.iter().map(|body| (body.clone(), error.clone())).collect();
        }
    };
    let refused = |(n, body): (usize, &String)| {
        let id = n.to_string();
        if answer.successful().iter().any(|taken| taken.id() == id) {
            return None;
        }
        let why = answer.failed().iter().find(|failed| failed.id() == id);
        let code = why.map_or("NotListed", |why| why.code()).to_owned();
        let message = escaped(why.and_then(|why| why.message()).unwrap_or("no message"));
        Some((body.clone(), AwsError { call, code, message, effect: Effect::NotYet }))
    };
    batch.iter().enumerate().filter_map(refused).collect()
}

fn parsed<T>(
    call: &'static str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, portcullis_domain::ids::IdError>,
) -> Result<T, AwsError> {
    parse(text.unwrap_or_default()).map_err(|error| AwsError {
        call,
        code: "BadAnswer".to_owned(),
        message: error.to_string(),
        effect: Effect::Unknown,
    })
}
