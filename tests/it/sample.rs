//! Which of its cases a long test takes. `make test` takes a part of them, always the same one; `make proof` takes all.

use std::collections::BTreeSet;

/// Whether all cases are taken: `PORTCULLIS_PROOF_WHOLE`, which `make proof` sets.
pub(crate) fn is_whole() -> bool {
    std::env::var_os("PORTCULLIS_PROOF_WHOLE").is_some()
}

/// The first case of each kind, and every so many-th of all.
pub(crate) struct Sample<K> {
    stride: usize,
    met: BTreeSet<K>,
    seen: usize,
}

impl<K: Ord> Sample<K> {
    pub(crate) fn one_in(stride: usize) -> Self {
        Self { stride, met: BTreeSet::new(), seen: 0 }
    }

    /// Whether the next case, which is of this kind, is taken.
    pub(crate) fn takes(&mut self, kind: K) -> bool {
        self.seen += 1;
        let is_first = self.met.insert(kind);
        is_whole() || is_first || self.seen.is_multiple_of(self.stride)
    }
}
