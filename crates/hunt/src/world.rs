//! What one hunt reads, and what is known from it. What is known is gathered once, when a table first asks for it.

use std::sync::{Arc, OnceLock};

use portcullis_domain::policy::Policy;

use crate::flows::attribute::Attributor;
use crate::flows::{Usage, usage};
use crate::know::judge::{Judged, judged};
use crate::know::{Knowledge, gather};
use crate::read::Inputs;
use crate::trail::Wanted;

/// The files of a hunt, its window of time, and what is known.
pub struct World {
    /// The files.
    pub inputs: Arc<Inputs>,
    /// The window: events in it, flow records that touch it, rules that were there in it.
    pub window: Wanted,
    /// What counts as dangerous.
    pub policy: Policy,
    knowledge: OnceLock<Arc<Knowledge>>,
    attributor: OnceLock<Arc<Attributor>>,
    judged: OnceLock<Arc<Judged>>,
    counted: OnceLock<Arc<usage::Counted>>,
}

impl World {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(inputs: Arc<Inputs>, window: Wanted, policy: Policy) -> Self {
        Self {
            inputs,
            window,
            policy,
            knowledge: OnceLock::new(),
            attributor: OnceLock::new(),
            judged: OnceLock::new(),
            counted: OnceLock::new(),
        }
    }

    /// What the records and snapshots tell.
    pub fn knowledge(&self) -> Arc<Knowledge> {
        Arc::clone(self.knowledge.get_or_init(|| Arc::new(gather(&self.inputs))))
    }

    /// The same, if a table has asked for it.
    #[must_use]
    pub fn knowledge_if_any(&self) -> Option<&Knowledge> {
        self.knowledge.get().map(|knowledge| &**knowledge)
    }

    /// What holds records of flow logs against the rules.
    pub fn attributor(&self) -> Arc<Attributor> {
        Arc::clone(self.attributor.get_or_init(|| Arc::new(Attributor::new(&self.knowledge()))))
    }

    /// The guard's judgement.
    pub fn judged(&self) -> Arc<Judged> {
        Arc::clone(self.judged.get_or_init(|| Arc::new(judged(&self.knowledge(), &self.policy))))
    }

    /// What one pass over the flow logs counts.
    pub fn counted(&self) -> Arc<usage::Counted> {
        let count = || Arc::new(usage::counted(&self.inputs, &self.attributor(), &self.window));
        Arc::clone(self.counted.get_or_init(count))
    }

    /// The same, if a table has asked for it.
    #[must_use]
    pub fn counted_if_any(&self) -> Option<&usage::Counted> {
        self.counted.get().map(|counted| &**counted)
    }

    /// The four answers.
    pub fn usage(&self) -> Vec<Usage> {
        usage(&self.knowledge(), &self.counted(), &self.window)
    }

    /// Whether a flow record touches the window.
    #[must_use]
    pub fn has_flow(&self, start: i64, end: i64) -> bool {
        self.window.from.is_none_or(|from| end >= from) && self.window.to.is_none_or(|to| start <= to)
    }
}
