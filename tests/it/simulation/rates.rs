//! How often things happen in a world.

/// How often things happen in a run, chosen from its seed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rates {
    pub(super) faults: f64,
    /// The probability that someone acts before or after a call of the function.
    pub(super) between: f64,
    pub(super) lost: f64,
    pub(super) twice: f64,
    pub(super) late: f64,
    /// How long EC2 does not show a change, in milliseconds.
    pub(super) lag: i64,
    /// Whether the policy puts the member account in alert mode.
    pub(super) member_alert: bool,
    pub(super) verbose: bool,
}

impl Rates {
    pub(super) fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut often = |choices: [f64; 4]| choices[rng.usize(..4)];
        let (faults, between) = (often([0.0, 0.05, 0.2, 0.5]), often([0.0, 0.1, 0.2, 0.4]));
        let [lost, twice, late] = losses(rng);
        let lag = [0, 0, 2_000, 17_000][rng.usize(..4)];
        Self { faults, between, lost, twice, late, lag, member_alert: rng.u8(..4) == 0, verbose: false }
    }
}

/// How often events are lost, doubled and late in a world.
pub(crate) fn losses(rng: &mut fastrand::Rng) -> [f64; 3] {
    [[0.0, 0.0, 0.3, 1.0], [0.0, 0.1, 0.5, 1.0], [0.0, 0.1, 0.5, 1.0]].map(|choices| choices[rng.usize(..4)])
}
