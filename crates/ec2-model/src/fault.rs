//! Faults that a test puts in the way of a call.

use std::time::Duration;

/// A fault for one coming HTTP call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The API action it waits for, such as `RevokeSecurityGroupIngress`; `None` for any. `SendMessageBatchEntry` makes
    /// one entry of an SQS batch fail, by an error before or a throttle.
    pub action: Option<String>,
    /// How many matching calls pass unharmed first: 0 hits the next one. A fault that is due while another hits waits
    /// for the next matching call.
    pub nth: usize,
    /// What happens.
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
    /// This error, and nothing happened.
    ErrorBefore {
        /// The HTTP status.
        status: u16,
        /// The AWS error code.
        code: String,
        /// The message.
        message: String,
    },
    /// This error although it happened, as a server that fails after its commit answers.
    ErrorAfter {
        /// The HTTP status.
        status: u16,
        /// The AWS error code.
        code: String,
        /// The message.
        message: String,
    },
    /// `RequestLimitExceeded` (503), or the service's own word for it; nothing happened.
    Throttle,
    /// The connection closes; nothing happened.
    LostBefore,
    /// The connection closes; it happened.
    LostAfter,
    /// Half of the answer arrives; it happened.
    Cut,
    /// The answer is late; it happened.
    Slow(Duration),
    /// The answer is neither XML nor JSON; it happened.
    MalformedXml,
    /// `UnauthorizedOperation` (403), or the service's own word for it; nothing happened.
    Denied,
    /// The credentials have expired; nothing happened.
    ExpiredCredentials,
}

/// The faults that have not hit yet.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn inject(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// The fault that names `action` and hits now, if there is one: for what is only a part of a call.
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
