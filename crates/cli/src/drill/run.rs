//! One drill, from the group to its end.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use jiff::Timestamp;
use portcullis::aws::{AwsError, Effect};
use tokio::time::{Instant, sleep};

use super::{Clock, Closed, Failure, Kind, Log, Looks, Place, Reported, group};
use crate::interrupt::Interrupt;

/// What a drill needs.
pub struct Drill<'a> {
    /// Where.
    pub place: &'a Place,
    /// The function's log, where it can be read.
    pub log: Option<&'a Log>,
    /// What is opened.
    pub kind: Kind,
    /// How long it is waited for.
    pub timeout: Duration,
    /// Whether to stop.
    pub interrupt: &'a Interrupt,
    /// The time of day.
    pub clock: Clock,
}

/// How a drill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The rule went.
    Closed,
    /// The function reported it and left it, as in alert mode; or a marker arrived.
    Reported,
    /// The function reported it and found that it may stay: the drill shows nothing then.
    Allowed,
    /// Nothing came in time.
    Nothing,
    /// It was interrupted.
    Interrupted,
}

impl Ended {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Reported => "reported",
            Self::Allowed => "allowed",
            Self::Nothing => "nothing",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What a drill came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The group, which is gone now.
    pub group: String,
    /// The rule.
    pub rule: String,
    /// When the answer of the call came that opened it.
    pub opened: Timestamp,
    /// How it ended.
    pub ended: Ended,
    /// When the rule ended.
    pub closed: Option<Closed>,
    /// What the function said.
    pub reported: Option<Reported>,
    /// Why the log could not be read.
    pub log_error: Option<AwsError>,
}

impl Run {
    /// From the call's answer to the finding, in seconds: by the function's clock and by this machine's.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a time of some minutes")]
    pub fn reported_seconds(&self) -> Option<f64> {
        self.reported.as_ref().map(|reported| (reported.at - self.opened.as_millisecond()) as f64 / 1000.0)
    }

    /// Portcullis' own share: from the beginning of its invocation to its finding.
    #[must_use]
    pub fn own_seconds(&self) -> Option<f64> {
        self.reported.as_ref().filter(|reported| reported.call != "Sweep").and_then(|reported| reported.own_seconds)
    }

    /// The share of CloudTrail and EventBridge: all but Portcullis' own.
    #[must_use]
    pub fn delivery_seconds(&self) -> Option<f64> {
        let whole = self.closed.map(|closed| closed.open_seconds).or_else(|| self.reported_seconds())?;
        Some((whole - self.own_seconds()?).max(0.0))
    }
}

/// A look at the group comes so soon after the one before. Ten a second are half of what EC2 gives an account back: the
/// other half is left to Portcullis.
const LOOK: Duration = Duration::from_millis(100);
/// And at the log.
const READ: Duration = Duration::from_secs(1);
/// How long the finding is waited for once the rule is gone: CloudWatch Logs shows a line some seconds after it was written.
const GRACE: Duration = Duration::from_secs(15);
/// The clocks of this machine and the function may differ by so much.
const SKEW_MILLIS: i64 = 300_000;

impl Drill<'_> {
    /// Runs it. Whatever happens, the group is deleted.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn run(&self) -> Result<Run, Failure> {
        let begun = (self.clock)();
        let until = begun + self.timeout + GRACE + Duration::from_secs(60);
        let name = format!("portcullis-drill-{}", begun.as_millisecond());
        let made = group::create(self.place, &name, until).await?;
        let run = self.in_group(&made).await;
        // Also after an error. What keeps the group from being deleted is the graver one; the other is told with it.
        match (group::delete(self.place, &made).await, run) {
            (Ok(()), run) => Ok(run?),
            (Err(Failure::NotDeleted { group, region, mut why }), Err(before)) => {
                why.message += &format!("; before that: {before}");
                Err(Failure::NotDeleted { group, region, why })
            }
            (Err(failure), _) => Err(failure),
        }
    }

    async fn in_group(&self, group: &str) -> Result<Run, AwsError> {
        let rule = group::open(self.place, group, self.kind).await?;
        let (opened, at) = (Instant::now(), (self.clock)());
        let watch = Watch {
            drill: self,
            group,
            rule: &rule,
            opened,
            at,
            looks: RefCell::default(),
            over: Cell::default(),
            reported: RefCell::default(),
            closed: Cell::default(),
        };
        let (looked, read) = futures_util::future::join(watch.look(), watch.read()).await;
        looked?;
        let (closed, reported) = (watch.closed.get(), watch.reported.take());
        let ended = match &reported {
            _ if closed.is_some() && self.kind == Kind::Exposure => Ended::Closed,
            Some(reported) if is_success(self.kind, reported) => Ended::Reported,
            Some(reported) if is_final(self.kind, reported) => Ended::Allowed,
            _ if self.interrupt.came() => Ended::Interrupted,
            _ => Ended::Nothing,
        };
        let group = group.to_owned();
        Ok(Run { group, rule, opened: at, ended, closed, reported, log_error: read.err() })
    }
}

/// Whether this is what the drill waits for: nothing but the end of the rule comes after it.
fn is_success(kind: Kind, reported: &Reported) -> bool {
    match kind {
        Kind::Exposure => reported.outcome == "would_revert",
        Kind::Marker => true,
    }
}

/// Whether nothing will come after it. What has been reverted is seen by a look, and what failed is tried again.
fn is_final(kind: Kind, reported: &Reported) -> bool {
    is_success(kind, reported) || reported.outcome == "none" && reported.verdict != "undecided"
}

/// The two that go on at the same time: looks at the group, and at the log.
struct Watch<'a> {
    drill: &'a Drill<'a>,
    group: &'a str,
    rule: &'a str,
    opened: Instant,
    at: Timestamp,
    looks: RefCell<Looks>,
    over: Cell<bool>,
    reported: RefCell<Option<Reported>>,
    closed: Cell<Option<Closed>>,
}

impl Watch<'_> {
    fn is_over(&self) -> bool {
        self.over.get() || self.drill.interrupt.came() || self.opened.elapsed() >= self.drill.timeout
    }

    /// Looks at the group until the rule is gone. An error that time may mend is not believed.
    async fn look(&self) -> Result<(), AwsError> {
        if self.drill.kind == Kind::Marker {
            return Ok(());
        }
        while !self.is_over() {
            let sent = Instant::now();
            match group::shows(self.drill.place, self.group, self.rule).await {
                Ok(shown) => {
                    let (sent, answered) = (sent - self.opened, self.opened.elapsed());
                    self.looks.borrow_mut().take(sent, answered, shown);
                }
                Err(error) if error.effect == Effect::Refused => {
                    self.over.set(true);
                    return Err(error);
                }
                Err(_) => {}
            }
            let says_closed = |reported: &Reported| matches!(reported.outcome.as_str(), "reverted" | "already_gone");
            let reported = self.reported.borrow().as_ref().is_some_and(says_closed);
            self.closed.set(self.looks.borrow().closed(self.opened.elapsed(), reported));
            if self.closed.get().is_some() {
                return Ok(());
            }
            sleep(LOOK.saturating_sub(sent.elapsed())).await;
        }
        Ok(())
    }

    /// Reads the log until the finding is there, and no longer than it may take once the rule is gone.
    async fn read(&self) -> Result<(), AwsError> {
        let Some(log) = self.drill.log else { return Ok(()) };
        let mut closed_at = None;
        loop {
            match log.finding(self.group, self.at.as_millisecond() - SKEW_MILLIS).await {
                Ok(Some(found)) => {
                    let last = is_final(self.drill.kind, &found) || self.closed.get().is_some();
                    let reverted = found.outcome == "reverted";
                    *self.reported.borrow_mut() = Some(found);
                    if last {
                        self.over.set(true);
                        return Ok(());
                    }
                    // The look that does not show the rule comes next.
                    if reverted {
                        return Ok(());
                    }
                }
                Ok(None) => {}
                Err(error) if error.effect == Effect::Refused => {
                    // Without the log a marker cannot be seen.
                    self.over.set(self.drill.kind == Kind::Marker);
                    return Err(error);
                }
                Err(_) => {}
            }
            let began = Instant::now();
            while began.elapsed() < READ {
                if self.closed.get().is_some() {
                    closed_at.get_or_insert_with(Instant::now);
                }
                let waited = closed_at.is_some_and(|at| at.elapsed() >= GRACE);
                if self.drill.interrupt.came() || waited || self.closed.get().is_none() && self.is_over() {
                    return Ok(());
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
