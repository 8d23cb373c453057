//! What was, or would have been, taken back over some time: by whom, in which groups, which ports, and for how long they
//! were open. It is made from evidence alone.

mod html;
mod lines;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis::domain::evidence::{ActId, ActOutcome, Evidence};
use portcullis::domain::finding::Action;
use serde::Serialize;

pub use html::html;
pub use lines::csv;
pub use text::text;

use crate::acts::Row;
use crate::when::Window;
use crate::words;

/// What was, or would have been, taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Not before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Not after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Everything together.
    pub total: Line,
    /// By who made the change.
    pub actors: Vec<Line>,
    /// By the security group.
    pub groups: Vec<Line>,
    /// By the port.
    pub ports: Vec<Line>,
    /// How much evidence could not be read.
    pub unreadable: usize,
    /// The acts themselves, the oldest first.
    pub acts: Vec<Told>,
}

/// Counts of acts that have something in common.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Line {
    /// What they have in common.
    pub name: String,
    /// How many acts. The counts below add up to it.
    pub acts: usize,
    /// Closed: every rule is gone.
    pub reverted: usize,
    /// What alert mode would have closed.
    pub would_revert: usize,
    /// Gone before it could be closed.
    pub already_gone: usize,
    /// Could not be closed.
    pub failed: usize,
    /// How many of the acts were undone by an operator.
    pub undone: usize,
    /// How many rules were, or would have been, revoked: each counts once.
    pub rules: usize,
    /// How long the closed ports were open, in seconds: half of them for no longer than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_open_seconds: Option<u64>,
    /// The longest of these times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_open_seconds: Option<u64>,
}

/// One act of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its columns.
    #[serde(flatten)]
    pub row: Row,
    /// The program that made the call, by its own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// All of it in a sentence.
    pub reason: String,
    /// Whether an operator undid it.
    pub is_undone: bool,
}

/// Counts under way.
#[derive(Default)]
struct Counting {
    line: Line,
    rules: BTreeSet<String>,
    times: Vec<u64>,
}

impl Counting {
    fn add(&mut self, evidence: &Evidence, told: &Told) {
        let line = &mut self.line;
        line.acts += 1;
        line.reverted += usize::from(evidence.outcome == ActOutcome::Reverted);
        line.would_revert += usize::from(evidence.outcome == ActOutcome::WouldRevert);
        line.already_gone += usize::from(evidence.outcome == ActOutcome::AlreadyGone);
        line.failed += usize::from(evidence.outcome == ActOutcome::Failed);
        line.undone += usize::from(told.is_undone);
        let is_act = |action: &Action| {
            matches!(action, Action::Revoked | Action::WouldRevoke | Action::Restored | Action::WouldRestore)
        };
        let place = format!("{} {}", evidence.location.account, evidence.location.region);
        let rules = evidence.rules.iter().filter(|taken| is_act(&taken.action));
        self.rules.extend(rules.map(|taken| format!("{place} {}", taken.rule.id)));
        self.times.extend(told.row.open_seconds);
    }

    fn line(mut self, name: String) -> Line {
        self.times.sort_unstable();
        let median = self.times.get(self.times.len().saturating_sub(1) / 2).copied();
        let longest_open_seconds = self.times.last().copied();
        Line { name, rules: self.rules.len(), median_open_seconds: median, longest_open_seconds, ..self.line }
    }
}

impl Report {
    /// The report of these acts.
    #[must_use]
    pub fn of(acts: &[Evidence], unreadable: usize, window: Window) -> Self {
        let put_back = acts.iter().filter(|evidence| evidence.outcome == ActOutcome::PutBack);
        let undone: BTreeSet<ActId> =
            put_back.filter_map(|evidence| Some(evidence.undo.as_ref()?.act.clone())).collect();
        let mut total = Counting::default();
        let [mut actors, mut groups, mut ports] = [const { BTreeMap::<String, Counting>::new() }; 3];
        let mut told = Vec::new();
        let is_close = |evidence: &&Evidence| evidence.undo.is_none() && evidence.opening.is_none();
        for evidence in acts.iter().filter(is_close) {
            let row = Row::of(evidence);
            let one = Told {
                user_agent: evidence.who.user_agent.clone(),
                reason: evidence.decided.reason.clone(),
                is_undone: undone.contains(&evidence.id),
                row,
            };
            total.add(evidence, &one);
            let row = &one.row;
            let actor = row.actor.clone().unwrap_or_else(|| row.actor());
            actors.entry(actor).or_default().add(evidence, &one);
            let group = format!("{} {} {}", row.account, row.region, row.group);
            groups.entry(group).or_default().add(evidence, &one);
            for port in &row.ports {
                ports.entry(port.clone()).or_default().add(evidence, &one);
            }
            told.push(one);
        }
        let Window { since, until } = window;
        let total = total.line(String::new());
        let [actors, groups, ports] = [actors, groups, ports].map(sorted);
        Self { since, until, total, actors, groups, ports, unreadable, acts: told }
    }

    /// The answer to "may we enforce?", as far as evidence can give it: a sentence each.
    #[must_use]
    pub fn decision(&self) -> Vec<String> {
        let Line { acts, would_revert, reverted, failed, undone, already_gone, .. } = self.total;
        let mut lines = Vec::new();
        if acts == 0 {
            lines.push("Nothing was, or would have been, closed in this time.".to_owned());
        }
        if would_revert > 0 {
            let of = |lines: &[Line]| lines.iter().filter(|line| line.would_revert > 0).count();
            let (actors, groups) = (words::count(of(&self.actors), "caller"), words::count(of(&self.groups), "group"));
            let acts = words::count(would_revert, "act");
            lines.push(format!(
                "In enforce mode, {acts} would have closed ports of {groups} that {actors} opened. Look at each of them: \
                 what must stay open needs an exemption first."
            ));
        }
        if reverted > 0 {
            lines.push(format!("{} closed ports that were open to the internet.", words::count(reverted, "act")));
        }
        if undone > 0 {
            lines.push(format!(
                "{} undone by an operator: what is undone again and again wants an exemption.",
                words::count(undone, "act")
            ));
        }
        if failed > 0 {
            lines.push(format!(
                "{} failed: the function could not close something. See to that before you rely on it.",
                words::count(failed, "act")
            ));
        }
        if already_gone > 0 {
            lines.push(format!(
                "In {} the rules were gone before they could be revoked; by whom cannot be told.",
                words::count(already_gone, "act")
            ));
        }
        if self.unreadable > 0 {
            lines.push(format!(
                "{} could not be read, and the counts lack it.",
                words::count_as(self.unreadable, "piece of evidence", "pieces of evidence")
            ));
        }
        lines
    }
}

/// The most acts first, then by name.
fn sorted(counts: BTreeMap<String, Counting>) -> Vec<Line> {
    let mut lines: Vec<Line> = counts.into_iter().map(|(name, counting)| counting.line(name)).collect();
    lines.sort_by(|one, other| other.acts.cmp(&one.acts).then_with(|| one.name.cmp(&other.name)));
    lines
}

/// How long something was open: `3 s`, `12 min`, `5 h`.
#[must_use]
pub fn open_for(seconds: Option<u64>) -> String {
    match seconds {
        None => "not known".to_owned(),
        Some(seconds @ ..=119) => format!("{seconds} s"),
        Some(seconds @ ..=7199) => format!("{} min", seconds / 60),
        Some(seconds @ ..=172_799) => format!("{} h", seconds / 3600),
        Some(seconds) => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
