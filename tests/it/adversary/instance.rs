//! The guard as an attacker meets it. This is the one place that makes an instance and the one that delivers to it: all
//! else here knows the product by its JSON alone.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use portcullis::aws::FunctionIdentity;
use portcullis::pipeline::{self, Context, Invocation};
use serde_json::Value;
use tokio::time::Instant;

use crate::harness::{ACCOUNT, Between, Setup};

/// Where the clock of every run starts. The SDK takes sessions for expired by the machine's clock, so it is far off.
pub(super) const START: i64 = 4_102_444_800_000;

/// A fresh instance of the function: no invocation before this one has left anything in it.
pub(super) struct Instance {
    context: Context,
    identity: Option<FunctionIdentity>,
}

/// What came of a delivery.
pub(super) struct Delivered {
    /// The findings, as their JSON.
    pub(super) findings: Vec<Value>,
    /// The items that are delivered again; for an event the one item without a name.
    pub(super) failed: BTreeSet<String>,
}

impl Instance {
    /// `between` answers its calls, `out` takes its log lines, `started` is when the run's clock began.
    pub(super) async fn start(
        region: &str,
        policy: &'static str,
        started: Instant,
        between: Between,
        out: Box<dyn Fn(&str) + Send + Sync>,
    ) -> Self {
        let setup = Setup { policy, topic: true, ..Setup::default() };
        let clock = Box::new(move || Timestamp::from_millisecond(START).unwrap() + started.elapsed());
        let context = setup.context(region, between, clock, out).await;
        let identity = FunctionIdentity::of_arn(&format!("arn:aws:lambda:{region}:{ACCOUNT}:function:portcullis"));
        Self { context, identity }
    }

    /// Delivers, with so much time as the function has.
    pub(super) async fn deliver(&self, payload: &Value, timeout: Duration) -> Delivered {
        let invocation = Invocation { identity: self.identity.clone(), deadline: Instant::now() + timeout };
        let answer = pipeline::handle(&self.context, payload, &invocation).await;
        let findings = answer.findings.iter().map(|finding| serde_json::to_value(finding).unwrap()).collect();
        Delivered { findings, failed: answer.failed }
    }
}
