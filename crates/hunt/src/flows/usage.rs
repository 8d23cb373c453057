//! Whether rules were used: the four answers.

use std::collections::BTreeMap;

use datafusion::common::HashMap;
use portcullis_delivery::flowlog::{Field, Flow};
use portcullis_delivery::logfile::Scratch;

use super::attribute::{Attribution, Attributor, Initiator};
use super::compiled::CompiledInterface;
use super::coverage::{Counting, Coverage, Covered};
use super::{is_wanted, may_hold_flows, read};
use crate::know::{Direction, Interface, Knowledge, Membership, RuleLife};
use crate::read::{Inputs, Kind};
use crate::trail::Wanted;

/// What the logs say of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A connection from outside was accepted that this rule alone admits.
    Used,
    /// Traffic was accepted that this rule may have admitted.
    Perhaps,
    /// No such traffic, and the logs cover the whole time.
    Unused,
    /// The logs do not suffice for any of these.
    CannotTell,
}

impl Answer {
    /// The words for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Perhaps => "perhaps used",
            Self::Unused => "unused",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// Records that are due to a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// For certain.
    pub certain: u64,
    /// Perhaps.
    pub perhaps: u64,
    /// Why only perhaps: the least word of those met, so that it is the same one every time.
    pub doubt: Option<&'static str>,
    /// The first and last time of either.
    pub span: Option<(i64, i64)>,
}

impl Count {
    fn add(&mut self, other: &Self) {
        self.certain += other.certain;
        self.perhaps += other.perhaps;
        // Most of them have the same one.
        if self.doubt != other.doubt {
            self.doubt = self.doubt.into_iter().chain(other.doubt).min();
        }
        let spans = self.span.into_iter().chain(other.span);
        self.span = spans.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
    }
}

/// The answer for one life of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Index into [`Knowledge::rules`].
    pub life: usize,
    /// The answer.
    pub answer: Answer,
    /// Why it is no better one.
    pub reason: Option<String>,
    /// What was counted.
    pub count: Count,
    /// The time that the answer is about.
    pub since: Option<i64>,
    /// Its end.
    pub until: Option<i64>,
}

/// What one pass over the flow logs counts.
#[derive(Debug, Default)]
pub struct Counted {
    /// By the life of the rule.
    pub counts: BTreeMap<usize, Count>,
    /// What is covered.
    pub coverage: Coverage,
    /// Accepted connections from outside that no known rule admits.
    pub unexplained: u64,
    /// Lines of flow logs that could not be read.
    pub unread: u64,
}

/// Counts all records of the flow logs in a window.
#[must_use]
pub fn counted(inputs: &Inputs, attributor: &Attributor, window: &Wanted) -> Counted {
    let files: Vec<usize> = (0..inputs.sources.len()).collect();
    let wanted = |n: &&usize| inputs.sources.get(**n).is_some_and(|s| !s.is_copy && may_hold_flows(s.kind));
    let files: Vec<usize> = files.iter().filter(wanted).copied().collect();
    inputs.fetch_ahead(|source| is_wanted(source, window));
    let size = files.len().div_ceil(inputs.threads.max(1)).max(1);
    let parts = std::thread::scope(|scope| {
        let count = |files| move || of_files(inputs, files, attributor, window);
        let threads: Vec<_> = files.chunks(size).map(|files| scope.spawn(count(files))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect::<Vec<_>>()
    });
    let read = |n: &usize| inputs.sources.get(*n).is_some_and(|source| source.kind != Kind::Json);
    let unread = inputs.tally.troubled().into_iter().filter(|(n, _)| files.contains(n) && read(n));
    let unread = unread.map(|(_, tally)| tally.bad).sum();
    let mut counted = Counted { unread, ..Counted::default() };
    parts.into_iter().for_each(|part| counted.join(part));
    counted
}

fn of_files(inputs: &Inputs, files: &[usize], attributor: &Attributor, window: &Wanted) -> Counted {
    let (mut counting, mut scratch) = (CountingAll::new(attributor), Scratch::default());
    let each = |counting: &mut CountingAll<'_>, flow: &Flow<'_>| {
        if window.from.is_none_or(|from| flow.end >= from) && window.to.is_none_or(|to| flow.start <= to) {
            counting.add(flow);
        }
        true
    };
    let mut counted = Counted::default();
    for file in files {
        let fresh = || CountingAll::new(attributor);
        let others = read((inputs, *file, window), &mut scratch, &mut counting, fresh, each);
        others.into_iter().for_each(|other| counted.join(other.into()));
    }
    counted.join(counting.into());
    counted
}

/// What one thread counts.
#[derive(Debug)]
struct CountingAll<'k> {
    attributor: &'k Attributor,
    /// What is known of each interface, and its records. It is looked up once for each record.
    interfaces: HashMap<String, (Option<&'k CompiledInterface>, Counting)>,
    /// By the life of the rule.
    counts: Vec<Count>,
    unexplained: u64,
    due: Attribution,
}

impl<'k> CountingAll<'k> {
    fn new(attributor: &'k Attributor) -> Self {
        let (interfaces, counts, due) = (HashMap::new(), Vec::new(), Attribution::default());
        Self { attributor, interfaces, counts, unexplained: 0, due }
    }

    fn add(&mut self, flow: &Flow<'_>) {
        let known = match flow.text(Field::InterfaceId) {
            None => None,
            Some(id) => {
                let (known, counting) = match self.interfaces.get_mut(id) {
                    Some(interface) => interface,
                    None => {
                        self.interfaces.entry(id.to_owned()).or_insert((self.attributor.named(id), Counting::default()))
                    }
                };
                counting.add(flow);
                *known
            }
        };
        let (counts, due) = (&mut self.counts, &mut self.due);
        if !self.attributor.attribute_to(flow, known, due) {
            return;
        }
        if due.candidates.is_empty() && due.initiator == Initiator::Remote {
            self.unexplained += 1;
        }
        let certain = u64::from(due.doubt.is_none());
        let one = Count { certain, perhaps: 1 - certain, doubt: due.doubt, span: Some((flow.start, flow.end)) };
        for life in &due.candidates {
            if counts.len() <= *life {
                counts.resize_with(life + 1, Count::default);
            }
            counts.get_mut(*life).into_iter().for_each(|count| count.add(&one));
        }
    }
}

impl From<CountingAll<'_>> for Counted {
    fn from(all: CountingAll<'_>) -> Self {
        let met = all.counts.into_iter().enumerate().filter(|(_, count)| count.span.is_some());
        let coverage = all.interfaces.into_iter().map(|(id, (_, counting))| (id, counting.into()));
        let (counts, coverage) = (met.collect(), Coverage(coverage.collect()));
        Self { counts, coverage, unexplained: all.unexplained, unread: 0 }
    }
}

impl Counted {
    fn join(&mut self, other: Self) {
        for (life, count) in other.counts {
            self.counts.entry(life).or_default().add(&count);
        }
        self.coverage.join(other.coverage);
        self.unexplained += other.unexplained;
    }
}

/// The answers for all ingress rules that were there in the window.
#[must_use]
pub fn usage(knowledge: &Knowledge, counted: &Counted, window: &Wanted) -> Vec<Usage> {
    let ask = Question::new(knowledge, counted);
    let lives = knowledge.rules.iter().enumerate().filter(|(_, life)| life.direction != Some(Direction::Egress));
    lives.filter_map(|(n, life)| ask.answer(n, life, window)).collect()
}

struct Question<'a> {
    knowledge: &'a Knowledge,
    counted: &'a Counted,
    logged: Option<(i64, i64)>,
    /// Interfaces in the flow logs whose groups are not known, or not from the beginning on: since when they are.
    unknown: Vec<(&'a String, &'a Covered, Option<i64>)>,
    /// Which interfaces ever had a group, and when.
    members: HashMap<&'a str, Vec<(&'a str, &'a Interface, &'a Membership)>>,
}

impl<'a> Question<'a> {
    fn new(knowledge: &'a Knowledge, counted: &'a Counted) -> Self {
        let unknown = counted.coverage.0.iter().filter_map(|(id, covered)| {
            let Some(known) = knowledge.interfaces.get(id) else { return Some((id, covered, None)) };
            match known.groups.first() {
                Some(_) if known.created.is_some() => None,
                Some(first) => first.from.map(|from| (id, covered, Some(from))),
                None => Some((id, covered, None)),
            }
        });
        let mut members: HashMap<&str, Vec<_>> = HashMap::new();
        for (id, interface) in &knowledge.interfaces {
            for one in &interface.groups {
                one.groups
                    .iter()
                    .for_each(|group| members.entry(group).or_default().push((id.as_str(), interface, one)));
            }
        }
        Self { knowledge, counted, logged: counted.coverage.span(), unknown: unknown.collect(), members }
    }

    fn answer(&self, n: usize, life: &RuleLife, window: &Wanted) -> Option<Usage> {
        let covered = self.knowledge.span(life.account.as_deref(), life.region.as_deref());
        let begin = life.from.or(covered.map(|(first, _)| first));
        let since = [begin, window.from].into_iter().flatten().max();
        let end = self.logged.map(|(_, last)| last);
        let until = [life.to, window.to, end].into_iter().flatten().min();
        let is_outside = |one: Option<i64>, other: Option<i64>| one.zip(other).is_some_and(|(one, other)| one > other);
        if is_outside(window.from, life.to) || is_outside(life.from, window.to) {
            return None;
        }
        let count = self.counted.counts.get(&n).cloned().unwrap_or_default();
        let (answer, reason) = if count.certain > 0 {
            (Answer::Used, None)
        } else if count.perhaps > 0 {
            (Answer::Perhaps, count.doubt.map(str::to_owned))
        } else {
            match self.why_unknown(life, since, until) {
                None => (Answer::Unused, None),
                Some(why) => (Answer::CannotTell, Some(why)),
            }
        };
        Some(Usage { life: n, answer, reason, count, since, until })
    }

    /// Why the logs do not show that the rule was never used. `None`: they do.
    fn why_unknown(&self, life: &RuleLife, since: Option<i64>, until: Option<i64>) -> Option<String> {
        if self.logged.is_none() {
            return Some("no flow log was read".to_owned());
        }
        if life.direction.is_none() {
            return Some("no record says whether it is an ingress rule".to_owned());
        }
        let (Some(since), Some(until)) = (since, until) else {
            return Some("nobody knows since when it was there: no record of CloudTrail was read".to_owned());
        };
        if since > until {
            return Some("the flow logs end before it was opened".to_owned());
        }
        let group = self.knowledge.groups.get(&life.group);
        let account = life.account.as_deref();
        let of_account =
            |known: &Option<String>| known.as_deref().is_none_or(|known| account.is_none_or(|own| own == known));
        let snapshots = &self.knowledge.interface_snapshots;
        let is_shown = snapshots.contains("") || account.is_some_and(|account| snapshots.contains(account));
        if group.is_none_or(|group| group.created.is_none()) && !is_shown {
            return Some(format!(
                "{} is older than the records: an interface from before may have it (add describe-network-interfaces)",
                life.group
            ));
        }
        if let Some(why) = self.knowledge.not_understood.first() {
            return Some(format!("not everything about rules and interfaces was understood: {why}"));
        }
        if self.counted.unread > 0 {
            return Some(format!("{} lines of the flow logs could not be read", self.counted.unread));
        }
        if self.knowledge.omitted > 0 {
            return Some("CloudTrail left out the parameters of a call".to_owned());
        }
        let unknown = self.unknown.iter().find(|(_, covered, from)| {
            from.is_none_or(|from| from > since) && of_account(&covered.account) && covered.times.touch(since, until)
        });
        if let Some((id, ..)) = unknown {
            return Some(format!("the groups of {id} are not known (add describe-network-interfaces)"));
        }
        self.members.get(life.group.as_str())?.iter().find_map(|(id, interface, one)| {
            let from = one.from.map_or(since, |from| from.max(since));
            let end = [one.to, interface.deleted].into_iter().flatten().fold(until, i64::min);
            if from > end { None } else { self.why_not_covered(id, from, end) }
        })
    }

    fn why_not_covered(&self, id: &str, from: i64, to: i64) -> Option<String> {
        let Some(covered) = self.counted.coverage.0.get(id) else { return Some(format!("{id} has no flow log")) };
        if covered.skipped.touch(from, to) {
            return Some(format!("the flow log of {id} skipped records (SKIPDATA)"));
        }
        if !covered.times.cover(from, to) {
            return Some(format!("the flow log of {id} does not cover the whole time"));
        }
        (covered.accepted == 0).then(|| {
            format!("the flow log of {id} has no accepted traffic at all: it may be one for rejected traffic only")
        })
    }
}
