//! Faults that a test injects into calls.

use std::time::Duration;

/// A fault for one later HTTP call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The API action that the fault hits, such as `RevokeSecurityGroupIngress`; `None` for any.
    /// `SendMessageBatchEntry` makes one entry of an SQS batch fail, and `PutEventsEntry` one of EventBridge's, with an error
    /// before the effect or a throttle.
    pub action: Option<String>,
    /// How many matching calls pass first: 0 hits the next one. If two faults are due for the same call, the second
    /// waits for the next matching call.
    pub nth: usize,
    /// The kind of fault.
    pub kind: FaultKind,
}

impl Fault {
    /// `kind` for the next call of `action`.
    pub fn next(action: &str, kind: FaultKind) -> Self {
        Self { action: Some(action.into()), nth: 0, kind }
    }
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// This error, without the call's effect.
    ErrorBefore {
        /// The HTTP status.
        status: u16,
        /// The AWS error code.
        code: String,
        /// The message.
        message: String,
    },
    /// This error, although the call had its effect: a server may fail after its commit.
    ErrorAfter {
        /// The HTTP status.
        status: u16,
        /// The AWS error code.
        code: String,
        /// The message.
        message: String,
    },
    /// `RequestLimitExceeded` (503), or the service's own code for it, without the call's effect.
    Throttle,
    /// The connection closes, without the call's effect.
    LostBefore,
    /// The connection closes after the call's effect.
    LostAfter,
    /// Half of the answer arrives, after the call's effect.
    Cut,
    /// The answer is late. The call had its effect.
    Slow(Duration),
    /// The answer is neither XML nor JSON. The call had its effect.
    MalformedXml,
    /// `UnauthorizedOperation` (403), or the service's own code for it, without the call's effect.
    Denied,
    /// The credentials have expired. The call has no effect.
    ExpiredCredentials,
}

/// The faults that have not hit yet.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn inject(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// The fault that names `action` and hits now, if there is one. For a part of a call, such as an entry of a batch.
    pub(crate) fn hit_named(&mut self, action: &str) -> Option<FaultKind> {
        let (named, others) =
            std::mem::take(&mut self.0).into_iter().partition(|fault| fault.action.as_deref() == Some(action));
        let mut named = Self(named);
        let kind = named.hit(action);
        self.0 = [others, named.0].concat();
        kind
    }

    /// The fault that hits this call of `action`, if one does.
    pub(crate) fn hit(&mut self, action: &str) -> Option<FaultKind> {
        let matches = |fault: &Fault| fault.action.as_deref().is_none_or(|wanted| wanted == action);
        let due = self.0.iter().position(|fault| matches(fault) && fault.nth == 0).map(|at| self.0.remove(at));
        for fault in self.0.iter_mut().filter(|fault| matches(fault)) {
            fault.nth = fault.nth.saturating_sub(1);
        }
        due.map(|fault| fault.kind)
    }
}
