//! Which findings of a group are news: the first of a fight, and what is new in it; a standing exposure once a day.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_domain::change::{Call, Change};
use portcullis_domain::finding::{Action, FightFinding, Finding, Outcome, Verdict};
use portcullis_domain::judge::Exposure;
use portcullis_domain::memory::{
    Close, Entries, Fight, FightKey, Memory, Telling, fight_name, tell as tell_fight, told_name, written,
};
use portcullis_domain::state::Remediation;

/// Who stands at the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Nobody.
    Free,
    /// This invocation.
    Held,
    /// Another one.
    HeldByAnother,
}

/// What the memory is to keep of what is told.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    /// What happened, whether anybody hears of it or not.
    pub(super) happened: Entries,
    /// That it was told: kept only when it was published. What nobody heard is news the next time.
    pub(super) heard: Entries,
}

/// Marks the findings that were told before, and says what the memory is to keep. What failed or cannot be decided is
/// always told.
pub(super) fn tell(
    findings: &mut [Finding],
    (changes, remediation): (&[&Change], &Remediation),
    (memory, gate): (&Memory, Gate),
    now: Timestamp,
) -> Told {
    let mut told = Told::default();
    if changes.iter().any(|change| change.call == Call::Sweep) {
        return told;
    }
    let (standing, closed): (Vec<&Exposure>, Vec<&Exposure>) =
        remediation.judgement.exposures.iter().partition(|exposure| exposure.standing);
    let key = |exposure: &&Exposure| FightKey { guard: exposure.guard.clone(), family: exposure.family };
    let past = remediation.past.iter().map(|past| FightKey { guard: past.exposure.guard.clone(), family: past.family });
    let closed: BTreeSet<FightKey> = closed.iter().map(key).chain(past).collect();
    let standing: BTreeSet<FightKey> = standing.iter().map(key).collect();

    // Who stays at the gate closes more than once.
    let is_taken = |action: &&Action| matches!(action, Action::Revoked | Action::Restored);
    let again = remediation.done.values().filter(is_taken).count().saturating_sub(1);
    let again = if gate == Gate::Held { again } else { 0 };
    let is_close = |finding: &Finding| matches!(finding.outcome, Outcome::Reverted | Outcome::WouldRevert);
    let mut fights: BTreeMap<FightKey, Fight> = BTreeMap::new();
    for key in &closed {
        let mut fight = memory.fights.get(key).cloned().unwrap_or_default();
        let mut closes =
            findings.iter().zip(changes).filter(|(finding, _)| is_close(finding)).map(|(_, change)| *change);
        if let Some(first) = closes.next() {
            fight.note(close(first, now));
            fight.note_more(again);
            closes.for_each(|change| fight.note_actor(actor(change)));
        } else if !memory.fights.contains_key(key) {
            // The holder tells when it leaves, which may be later than somebody should hear of it.
            let Some(first) = changes.first().filter(|_| gate == Gate::HeldByAnother) else { continue };
            fight.note(close(first, now));
        }
        fights.insert(key.clone(), fight);
    }
    let was_told = fights.values().all(|fight| fight.told.is_some());
    let loudest = fights.values().map(|fight| tell_fight(fight, now)).max_by_key(|telling| loudness(*telling));
    let greatest = fights.values().filter(|fight| fight.is_fight(now)).max_by_key(|fight| fight.count);
    let fight = greatest.map(FightFinding::of);
    let (mut is_fight_told, mut is_standing_told) = (false, false);
    for finding in findings.iter_mut().filter(|finding| finding.verdict == Verdict::Exposed) {
        finding.fight.clone_from(&fight);
        let is_of_fight = is_close(finding) || finding.outcome == Outcome::AlreadyGone;
        // What counts as told already is told by nobody here.
        if finding.needs_retry() || finding.doubtful || finding.is_told {
            continue;
        } else if is_of_fight && loudest.is_some() {
            // Of what the holder of the lease closes the holder tells.
            let is_the_holders = gate == Gate::HeldByAnother && !is_close(finding) && was_told;
            finding.is_told = loudest == Some(Telling::Silent) || is_the_holders;
            is_fight_told |= !finding.is_told;
        } else if finding.outcome == Outcome::None && !standing.is_empty() {
            finding.is_told = standing.iter().all(|key| memory.was_told(key, now));
            is_standing_told |= !finding.is_told;
        }
    }
    let has_close = findings.iter().any(is_close);
    for (key, mut fight) in fights {
        if has_close {
            told.happened.extend(written(&fight).map(|fight| (fight_name(&key), fight)));
        }
        if is_fight_told {
            fight.note_told(now);
            told.heard.extend(written(&fight).map(|fight| (fight_name(&key), fight)));
        }
    }
    if is_standing_told {
        told.heard.extend(standing.iter().filter_map(|key| Some((told_name(key), written(&now)?))));
    }
    told
}

/// Who opened it: the role where there is one, for a session's name is the caller's choice.
fn actor(change: &Change) -> Option<&str> {
    change.event.issuer.as_deref().or(change.event.actor.as_deref())
}

fn close<'a>(change: &'a Change, at: Timestamp) -> Close<'a> {
    Close { at, actor: actor(change), user_agent: change.event.user_agent.as_deref() }
}

const fn loudness(telling: Telling) -> u8 {
    match telling {
        Telling::Silent => 0,
        Telling::Digest => 1,
        Telling::Now => 2,
        Telling::Escalate => 3,
    }
}
