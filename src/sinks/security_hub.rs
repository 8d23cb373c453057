//! Security Hub: what is and what was exposed, as one finding for each guard of a group, in the group's own account and
//! Region.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use portcullis_domain::finding::Finding;
use portcullis_domain::finding::asff::{self, SecurityHubFinding};
use serde_json::Value;
use tokio::time::Instant;

use crate::aws::{AccountRegion, MOST_IMPORTED, Session, is_not_enabled, within};

/// This many accounts and Regions are told at a time.
const MOST_TOLD_AT_ONCE: usize = 8;

/// How many findings Security Hub does not have now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct NotImported {
    /// It is not enabled in their account and Region.
    pub(super) not_enabled: usize,
    /// Something else went wrong.
    pub(super) failed: usize,
}

/// The documents of findings by their account and Region, each in batches that one call takes.
pub(super) fn documents<'a>(
    findings: impl Iterator<Item = &'a Finding>,
    session: Session<'_>,
    now: Timestamp,
) -> Vec<(AccountRegion, Vec<Value>)> {
    let partition = &session.identity().partition;
    let all = findings.flat_map(|finding| asff::of(finding, partition, now)).collect();
    let mut places: BTreeMap<AccountRegion, Vec<Value>> = BTreeMap::new();
    for SecurityHubFinding { account, region, document, .. } in asff::merged(all) {
        places.entry(AccountRegion { account, region }).or_default().push(document);
    }
    let batches = |(target, documents): (AccountRegion, Vec<Value>)| {
        let batches: Vec<Vec<Value>> = documents.chunks(MOST_IMPORTED).map(<[Value]>::to_vec).collect();
        batches.into_iter().map(move |batch| (target.clone(), batch))
    };
    places.into_iter().flat_map(batches).collect()
}

/// Imports documents. What fails is logged and counted, and changes nothing else.
pub(super) async fn import(
    session: Session<'_>,
    documents: Vec<(AccountRegion, Vec<Value>)>,
    until: Instant,
) -> NotImported {
    let calls = documents.into_iter().map(|(target, batch)| async move {
        let answer = within(until, "BatchImportFindings", session.import_findings(&target, &batch)).await;
        let AccountRegion { account, region } = target;
        match answer {
            Ok(failed) => NotImported { failed, ..NotImported::default() },
            Err(error) if is_not_enabled(&error) => {
                tracing::warn!(%account, %region, "Security Hub is not enabled: it does not have the findings");
                NotImported { not_enabled: batch.len(), ..NotImported::default() }
            }
            Err(error) => {
                let (code, message) = (&error.code, &error.message);
                tracing::error!(%account, %region, %code, message, "findings were not imported into Security Hub");
                NotImported { failed: batch.len(), ..NotImported::default() }
            }
        }
    });
    let add = |sum: NotImported, more: NotImported| async move {
        NotImported { not_enabled: sum.not_enabled + more.not_enabled, failed: sum.failed + more.failed }
    };
    stream::iter(calls).buffer_unordered(MOST_TOLD_AT_ONCE).fold(NotImported::default(), add).await
}
