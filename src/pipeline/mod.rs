//! The order of things: open, read, group, describe, judge, plan, revoke, report.
//!
//! The steps are functions over a [`Context`]. Data flows one way: `intake` fills a batch; `batch` works on its resources
//! and reports; `resource` describes a resource and hands each of its groups to `remediate`. `log_file` and `sweep` make
//! batches of their own.

mod batch;
mod budget;
mod context;
mod describe;
mod digest;
mod end;
mod evidence;
mod former;
mod gate;
mod give_back;
mod group;
mod insist;
mod intake;
mod journal;
mod later_look;
mod log_file;
mod overdue;
mod permission;
mod prefix_list;
mod recall;
mod recent;
mod region;
mod remediate;
mod resource;
mod revoking;
mod stand;
mod sweep;
mod task;
mod telling;
mod told_here;
mod waived;

use std::collections::BTreeSet;

use portcullis_domain::finding::Finding;
use portcullis_domain::json::Json;

use crate::envelope::{self, Kind, Payload};
use batch::DeliveryResult;
use context::InvocationScope;
pub use context::{Clock, Context, Invocation, Settings};
pub use end::close;
use intake::{Batch, Origin};
pub use sweep::{Places, places};

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// How it is answered.
    pub kind: Kind,
    /// All findings.
    pub findings: Vec<Finding>,
    /// The items that must be delivered again.
    pub failed: BTreeSet<String>,
}

/// Handles one delivery to the end. The answer lists what failed; nothing is lost on the way.
pub async fn handle<'a>(context: &Context, payload: impl Into<Json<'a>>, invocation: &Invocation) -> Answer {
    let payload = payload.into();
    let delivery = envelope::open(&payload);
    let scope = InvocationScope::new(context, invocation);
    let is_any_unwritten = context.unwritten.is_any();
    let (mut batch, mut result) = (Batch::default(), DeliveryResult::default());
    let (mut sweeps, mut files, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for item in &delivery.items {
        batch.count_unreadable(&item.id, item.more_unreadable);
    }
    let items = delivery.items.into_iter();
    let payloads = items.flat_map(|item| item.payloads.into_iter().map(move |payload| (item.id.clone(), payload)));
    for (index, (item, payload)) in payloads.enumerate() {
        let origin = Origin { index, item, record: None, later_look: None };
        match payload {
            Payload::Control(what) => tracing::debug!(what, "a control message was passed over"),
            Payload::SweepRequest(request) => sweeps.push((origin, request)),
            Payload::EndRequest(request) => ends.push((origin, request)),
            Payload::LogFile(file) => files.push((origin, file)),
            Payload::Record { record, envelope_origin, later_look } => {
                batch.add_record(context, Origin { later_look, ..origin }, &record, &envelope_origin);
            }
            Payload::Unrelated(why) => batch.add_unrelated(context, origin, why),
            Payload::Unreadable(why) => batch.add_unreadable(context, origin, why),
        }
        if batch.is_full() {
            batch::work(context, &scope, batch.take(), &mut result).await;
        }
    }
    // Log files are read one after the other, so that the memory they take does not depend on their number.
    for (origin, file) in files {
        log_file::read(context, &scope, (origin, file), &mut batch, &mut result).await;
    }
    batch.add_more_unreadable(context);
    batch::work(context, &scope, batch, &mut result).await;
    for (origin, request) in ends {
        end::run(context, &scope, (origin, request), &mut result).await;
    }
    for (origin, request) in sweeps {
        sweep::run(context, &scope, (origin, request), &mut result).await;
    }
    if is_any_unwritten {
        evidence::flush(context, scope.report_until()).await;
    }
    Box::pin(context.values.keep(context, scope.session, scope.report_until())).await;
    scope.news.report_the_others(&context.sinks(), scope.report_until()).await;
    // An instance that never has anything to act on would otherwise not learn of a stricter policy.
    Box::pin(context.policy.refresh(&context.aws)).await;
    result.findings.sort_by_key(|finding| finding.origin.index);
    let findings = result.findings.into_iter().map(|finding| finding.value).collect();
    Answer { kind: delivery.kind, findings, failed: result.failed }
}
