//! The attacks. Each attack knows the function's timings, and returns the time up to which it fights. Until then the
//! time counts that a port is open.

mod moving;
mod single;

use std::rc::Rc;
use std::time::Duration;

use ec2_model::{Permission, Vpc};

use super::run::{Run, Who};

/// The kinds of attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attack {
    /// One rule is modified again and again, each state different and wide open.
    Flip,
    /// A new rule is authorized and the old one revoked, again and again.
    Replace,
    /// Flip or Replace, by the variant, and each rule's description names a waiver of its own that nobody wrote: for each
    /// the memory is read.
    Marked,
    /// The attacker describes the group, and opens it again as soon as it is closed.
    React,
    /// Open from the call until just before its event arrives, again and again.
    Pulse,
    /// Two calls, each of which finds the port open without it.
    Split,
    /// A group filled to one address under the limit; then a developer's narrow rule.
    Fill,
    /// A list that many groups refer to is opened and closed again.
    List,
    /// A group is deleted, and another group gets its name.
    Name,
    /// A record without parameters. The rules that made the call large enough for it are removed again.
    Ballast,
    /// Many groups at once.
    Burst,
    /// Flips, and makes the rule lawful just before the last look.
    Silence,
    /// Flips, and uses up the account's buckets for describing and revoking.
    Starve,
    /// A developer's rule is opened and then gets its value back.
    Borrow,
    /// Two rules, of which only one is open at a time.
    Twins,
    /// One rule, and a list of the attacker's that has other blocks each time.
    Swap,
    /// From group to group.
    Hop,
    /// One open rule after the other, as fast as EC2 accepts them: each is a standing exposure for the others.
    Pile,
    /// Any of these moves, at moments derived from the function's timings.
    Improvise,
}

pub(super) const ATTACKS: [Attack; 19] = [
    Attack::Flip,
    Attack::Replace,
    Attack::Marked,
    Attack::React,
    Attack::Pulse,
    Attack::Split,
    Attack::Fill,
    Attack::List,
    Attack::Name,
    Attack::Ballast,
    Attack::Burst,
    Attack::Silence,
    Attack::Starve,
    Attack::Borrow,
    Attack::Twins,
    Attack::Swap,
    Attack::Hop,
    Attack::Pile,
    Attack::Improvise,
];

/// How fast and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Milliseconds between two moves.
    pub(super) every: u64,
    pub(super) moves: u64,
    /// A number from which an attack derives its other choices.
    pub(super) variant: u64,
}

const ANYONE: &str = "0.0.0.0/0";

/// SSH to anyone, in a different form for each number.
pub(super) fn state(n: u64) -> Permission {
    let number = i32::try_from(n).unwrap();
    Permission::new("tcp", number % 23, 1_000 + number, &[ANYONE])
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn ssh_from(sources: &[String]) -> Vec<Permission> {
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    vec![Permission::new("tcp", 22, 22, &sources)]
}

/// A group that somebody uses.
pub(super) async fn group(run: &Rc<Run>, name: &str) -> String {
    let group = run.create_group(name, Vpc::Other).await;
    let lawful = [Permission::tcp(443, ANYONE), Permission::tcp(22, "198.51.100.0/24")];
    run.authorize(Who::Developer, &group, &lawful).await;
    group
}

impl Attack {
    /// Fights to the end. Returns the time up to which open time counts.
    pub(super) async fn fight(self, run: &Rc<Run>, pace: Pace) -> u64 {
        match self {
            Self::Flip => moving::flip(run, pace).await,
            Self::Replace => moving::replace(run, pace).await,
            Self::Marked => moving::marked(run, pace).await,
            Self::React => moving::react(run, pace).await,
            Self::Pulse => moving::pulse(run, pace).await,
            Self::Silence => moving::silence(run, pace).await,
            Self::Starve => moving::starve(run, pace).await,
            Self::Borrow => moving::borrow(run, pace).await,
            Self::Twins => moving::twins(run, pace).await,
            Self::Swap => moving::swap(run, pace).await,
            Self::Hop => moving::hop(run, pace).await,
            Self::Pile => moving::pile(run, pace).await,
            Self::Improvise => moving::improvise(run, pace).await,
            Self::Split => single::split(run, pace).await,
            Self::Fill => single::fill(run, pace).await,
            Self::List => single::list(run, pace).await,
            Self::Name => single::name(run, pace).await,
            Self::Ballast => single::ballast(run, pace).await,
            Self::Burst => single::burst(run, pace).await,
        }
    }

    /// How often an attack of this kind moves, so that it goes on for some seconds after its events arrive.
    pub(super) fn moves(self, every: u64, late: u64, rng: &mut fastrand::Rng) -> u64 {
        match self {
            Self::Burst => rng.u64(20..60),
            Self::List => rng.u64(2..5),
            Self::Split | Self::Fill | Self::Name | Self::Ballast => 1,
            Self::Pulse => 5,
            Self::Improvise => rng.u64(4..12),
            Self::Flip
            | Self::Replace
            | Self::Marked
            | Self::React
            | Self::Silence
            | Self::Starve
            | Self::Borrow
            | Self::Twins
            | Self::Swap
            | Self::Hop
            | Self::Pile => (late * 5 / 4 + 3_000).div_ceil(every).max(4),
        }
    }
}
