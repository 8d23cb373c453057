//! The product as an attacker sees it. Only this module makes an instance and delivers to it. The other modules know
//! the product only by its JSON.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use portcullis::aws::FunctionIdentity;
use portcullis::pipeline::{self, Context, Invocation};
use portcullis::store::Store;
use serde_json::Value;
use tokio::time::Instant;

use crate::harness::{ACCOUNT, Between, Setup};

/// Where the clock of every run starts. It is far in the future, because the SDK compares sessions with the machine's
/// clock.
pub(super) const START: i64 = 4_102_444_800_000;

/// An instance of the function.
pub(super) struct Instance {
    context: Context,
    identity: Option<FunctionIdentity>,
}

/// The result of a delivery.
pub(super) struct Delivered {
    /// The findings as JSON.
    pub(super) findings: Vec<Value>,
    /// The items that are delivered again. An event has one item, without a name.
    pub(super) failed: BTreeSet<String>,
}

impl Instance {
    /// `between` answers the instance's calls, `out` receives its log lines, `started` is when the run's clock began.
    pub(super) async fn start(
        region: &str,
        (policy, memory, queue): (&'static str, Store, bool),
        started: Instant,
        between: Between,
        out: Box<dyn Fn(&str) + Send + Sync>,
    ) -> Self {
        let evidence = memory.is_some();
        let setup = Setup { policy, topic: true, evidence, memory, queue, ..Setup::default() };
        let clock = Box::new(move || Timestamp::from_millisecond(START).unwrap() + started.elapsed());
        let context = setup.context(region, between, clock, out).await;
        let identity = FunctionIdentity::of_arn(&format!("arn:aws:lambda:{region}:{ACCOUNT}:function:portcullis"));
        Self { context, identity }
    }

    /// Delivers with the function's timeout.
    pub(super) async fn deliver(&self, payload: &Value, timeout: Duration) -> Delivered {
        let invocation = Invocation { identity: self.identity.clone(), deadline: Instant::now() + timeout };
        let answer = pipeline::handle(&self.context, payload, &invocation).await;
        let findings = answer.findings.iter().map(|finding| serde_json::to_value(finding).unwrap()).collect();
        Delivered { findings, failed: answer.failed }
    }
}
