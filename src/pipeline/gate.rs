//! How often a remediation looks: pauses that grow while it waits for EC2, and short ones, a bounded number of times,
//! while somebody changes rules under its eyes.
//!
//! Every event is an instance of its own. Without a memory none knows of the others. One look a second by thirty of them
//! would be thirty looks a second, and EC2 refills 20. So an instance stays for [`MOST_LOOKS`] looks only, and chance
//! spreads them: as the events come, so come the instances, and together they look that many times for each change.

use std::time::Duration;

use tokio::time::Instant;

/// This many looks are made while rules change. More would exceed EC2's bucket when rules change faster than twice a
/// second; fewer would leave a port open for longer.
const MOST_LOOKS: u32 = 12;

/// The mean pause between two looks while rules change.
const PACE: Duration = Duration::from_millis(600);

/// This many looks tell whether rules change in a group whose ports stay open through others.
const CURIOUS: u32 = 3;

/// After this many looks in a row that show nothing open nobody is fighting any more.
const QUIET: u32 = 5;

/// Two looks within this time, and a new rule between them: rules change faster than looks can follow.
const SOON: Duration = Duration::from_millis(400);

/// This many times a look follows at once after a revoke that came too late.
const MOST_HURRIES: u32 = 2;

/// When the next look comes.
#[derive(Debug, Default)]
pub(super) struct Gate {
    turn: u32,
    /// The next pause is at most this long.
    at_most: Option<Duration>,
    looks: u32,
    hurries: u32,
    /// This many looks showed a new rule although the look before was a moment ago: rules change so fast that so many
    /// instances come as to exceed EC2's buckets.
    fast: u32,
    last_look: Option<Instant>,
    /// This many looks in a row showed nothing open.
    closed: u32,
    /// How often EC2 refused a look for want of a token.
    throttled: u32,
    /// The next pause is as long as this.
    rest: Option<Duration>,
    /// Whether this invocation holds the lease: no other stands at the gate.
    is_holder: bool,
    /// When a look last showed something open.
    last_open: Option<Instant>,
    /// The time from one opening to the next, smoothed.
    gap: Option<Duration>,
}

/// Who holds the lease looks this many times from one opening to the next, at a pause between these two. EC2 refills 20
/// looks a second, and the other deliveries of the fight need some.
const LOOKS_A_GAP: u32 = 15;
const HOLDERS_PACE: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

/// Who holds the lease stays until nothing was open for some gaps, within these two.
const QUIET_GAPS: u32 = 4;
const HOLDERS_QUIET: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));

impl Gate {
    /// Makes the next pause at most this long.
    pub(super) fn limit_next(&mut self, at_most: Duration) {
        self.at_most = Some(at_most);
    }

    /// The next look comes after this time.
    pub(super) fn rest(&mut self, time: Duration) {
        self.rest = Some(time);
    }

    /// The next look comes at once.
    pub(super) fn hurry(&mut self) {
        self.hurries += 1;
        if self.hurries <= MOST_HURRIES {
            self.limit_next(Duration::ZERO);
        }
    }

    /// The next look is one of those while rules change.
    pub(super) fn use_look(&mut self) {
        self.looks += 1;
        let pace = if self.is_holder { self.holders_pace() } else { PACE };
        let pace = pace.saturating_mul(2u32.saturating_pow(self.throttled.min(4)));
        let spread = if self.is_holder { 0.75 + 0.5 * fastrand::f64() } else { 0.25 + 1.5 * fastrand::f64() };
        let pause = pace.mul_f64(spread);
        self.at_most = Some(self.at_most.map_or(pause, |at_most| at_most.min(pause)));
    }

    /// Takes in a look: whether it showed nothing open, and whether it showed a rule that the look before did not.
    pub(super) fn note(&mut self, is_closed: bool, is_new: bool) {
        self.closed = if is_closed { self.closed + 1 } else { 0 };
        let is_soon = self.last_look.is_some_and(|last| last.elapsed() < SOON);
        self.fast += u32::from(is_new && is_soon);
        if !is_closed && (self.closed == 0 || is_new) {
            let gap = self.last_open.filter(|_| is_new).map(|last| last.elapsed());
            let smoothed = |gap: Duration| self.gap.map_or(gap, |before| (before * 3 + gap) / 4);
            self.gap = gap.map(smoothed).or(self.gap);
            self.last_open = Some(Instant::now());
        }
        self.last_look = Some(Instant::now());
    }

    /// Whether a look or two more may tell that rules change.
    pub(super) const fn is_curious(&self) -> bool {
        self.looks < CURIOUS
    }

    /// From now on this invocation alone stands at the gate.
    pub(super) fn hold(&mut self, gap: Option<Duration>) {
        self.is_holder = true;
        self.gap = self.gap.or(gap);
        self.last_open.get_or_insert_with(Instant::now);
    }

    fn holders_pace(&self) -> Duration {
        let (least, most) = HOLDERS_PACE;
        self.gap.map_or(least, |gap| (gap / LOOKS_A_GAP).clamp(least, most))
    }

    /// Whether nothing has been open for some looks: whoever changed rules has stopped, or the next change brings an
    /// instance of its own.
    pub(super) fn is_quiet(&self) -> bool {
        if !self.is_holder {
            return self.closed >= QUIET;
        }
        let (least, most) = HOLDERS_QUIET;
        let quiet = self.gap.map_or(least, |gap| (gap * QUIET_GAPS).clamp(least, most));
        self.last_open.is_none_or(|last| last.elapsed() >= quiet)
    }

    /// Whether all looks while rules change are used up. Who holds the lease stays as long as its time allows.
    pub(super) const fn is_spent(&self) -> bool {
        !self.is_holder && self.looks + 2 * self.throttled + 2 * self.fast >= MOST_LOOKS
    }

    /// EC2 refused a look: all instances together look too often.
    pub(super) fn throttled(&mut self) {
        self.throttled += 1;
    }

    /// EC2 answered again: a holder goes back to its pace.
    pub(super) fn answered(&mut self) {
        if self.is_holder {
            self.throttled = self.throttled.saturating_sub(1);
        }
    }

    /// The pause before the next look: from 200 ms doubled each turn to at most 4 s, half of it by chance, so that
    /// throttled invocations do not keep in step.
    pub(super) fn pause(&mut self) -> Duration {
        if let Some(rest) = self.rest.take() {
            self.at_most = None;
            return rest;
        }
        let at_most = self.at_most.take().unwrap_or(Duration::MAX);
        // No pause at all is no turn.
        if at_most.is_zero() {
            return at_most;
        }
        self.turn = self.turn.saturating_add(1);
        let doubled = Duration::from_millis(100).saturating_mul(2u32.saturating_pow(self.turn));
        doubled.min(Duration::from_secs(4)).mul_f64(0.5 + fastrand::f64() / 2.0).min(at_most)
    }
}
