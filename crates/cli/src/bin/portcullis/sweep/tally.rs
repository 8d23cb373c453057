//! What a sweep found, and what it reports: while it runs, and in the end.

use std::collections::BTreeMap;
use std::io::{self, Write};

use portcullis::aws::AccountRegion;
use portcullis::domain::change::EventMetadata;
use portcullis::domain::finding::{Action, Finding, Outcome, SweepFinding, Verdict};
use portcullis::domain::policy::Mode;
use portcullis::pipeline::{Context, Places};
use portcullis_cli::aws::advice;
use portcullis_cli::show::{self, FindingFormat as Format};
use portcullis_cli::terminal::Terminal;
use portcullis_cli::words::{count, place};

/// Reports a group at once about which something was done.
pub(super) fn revoked(finding: &Finding) {
    if finding.rules.iter().any(|rule| rule.action == Action::Revoked) {
        eprintln!("{}: {}", place(finding), show::done(finding));
    }
}

/// Where what was found is written, and how.
pub(super) struct Page {
    pub(super) format: Format,
    pub(super) terminal: Terminal,
    /// Whether nothing is said beside it but what went wrong.
    pub(super) quiet: bool,
    pub(super) out: Box<dyn Write>,
}

/// What has been found so far.
pub(super) struct Tally {
    accounts: usize,
    places: usize,
    found: BTreeMap<AccountRegion, Vec<Finding>>,
    /// Accounts whose Regions are not known, as findings.
    unknown: Vec<Finding>,
    /// After how many of how many Regions an interrupt came.
    interrupted: Option<(usize, usize)>,
    /// Why it is not known of some groups what uses them.
    unseen: Unseen,
}

/// By AWS's code: in how many places it came, and its words in the first of them.
pub(super) type Unseen = BTreeMap<String, (usize, String)>;

impl Tally {
    pub(super) fn of(accounts: usize, places: &Places) -> Self {
        let unknown = places.unknown.iter().map(|(account, why)| {
            let account = Some(account.to_string());
            let event = EventMetadata { account, call: Some("Sweep".to_owned()), ..EventMetadata::default() };
            Finding::plain(&event, Verdict::Undecided, Outcome::Failed, Mode::Alert, why.to_string())
        });
        let (places, unknown) = (places.targets.len(), unknown.collect());
        Self { accounts, places, found: BTreeMap::new(), unknown, interrupted: None, unseen: Unseen::new() }
    }

    /// Takes in what came of a place, instead of what an earlier look found there.
    pub(super) fn take(&mut self, target: AccountRegion, mut findings: Vec<Finding>) {
        findings.sort_by(|one, other| one.group.cmp(&other.group));
        self.found.insert(target, findings);
    }

    /// Notes that an interrupt came after `looked_at` of all Regions.
    pub(super) fn interrupted(&mut self, looked_at: usize, total: usize) {
        self.interrupted = Some((looked_at, total));
    }

    /// Notes why it is not known of some groups what uses them.
    pub(super) fn unseen(&mut self, unseen: Unseen) {
        self.unseen.extend(unseen);
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.is_some()
    }

    /// The findings by account, Region and group, without the summaries of places.
    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        let found = self.found.values().flatten().filter(|finding| finding.sweep.is_none());
        self.unknown.iter().chain(found)
    }

    fn summary(&self) -> SweepFinding {
        let mut summary = SweepFinding { accounts: self.accounts, places: self.places, ..SweepFinding::default() };
        for finding in self.found.values().flatten() {
            match &finding.sweep {
                Some(place) => {
                    summary.groups += place.groups;
                    summary.note_nearly_open(&place.nearly_open);
                }
                None => summary.note(finding),
            }
        }
        let whole = self.unknown.iter().map(|finding| format!("{}: {}", place(finding), finding.reason));
        summary.unreachable.extend(whole);
        summary
    }

    /// Groups that --enforce left in a place because of the cap.
    fn past_the_cap(&self, most: u32) -> usize {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let in_place = |findings: &Vec<Finding>| {
            let mut left = most;
            let mut groups = 0;
            for finding in findings {
                let with = |action: Action| finding.rules.iter().filter(|rule| rule.action == action).count();
                groups += usize::from(with(Action::WouldRevoke) > left);
                left = left.saturating_sub(with(Action::Revoked));
            }
            groups
        };
        self.found.values().map(in_place).sum()
    }

    /// What could not be looked at, each reason once.
    fn input_errors(&self) -> Vec<String> {
        let mut regions: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for finding in self.findings().filter(|finding| finding.group.is_none()) {
            let account = finding.account.as_deref().unwrap_or("?");
            regions.entry((account, &finding.reason)).or_default().extend(finding.region.as_deref());
        }
        let error = |((account, why), regions): (&(&str, &str), &Vec<&str>)| {
            let regions = if regions.is_empty() { String::new() } else { format!(", {}", regions.join(", ")) };
            format!("account {account}{regions}: not looked at: {}", advice::with(why, "sweep"))
        };
        regions.iter().map(error).collect()
    }

    /// Writes the table.
    pub(super) fn table(&self, terminal: Terminal, out: &mut impl Write) -> io::Result<()> {
        let findings: Vec<Finding> = self.findings().cloned().collect();
        show::swept(&findings, terminal, out)
    }

    /// Shows what was found, and on standard error what it comes to.
    pub(super) fn show(&self, page: &mut Page, context: &Context, streamed: bool) -> io::Result<()> {
        let out = &mut page.out;
        let written = match page.format {
            Format::Table => self.table(page.terminal, out),
            // What was found in places is out already.
            Format::Json if streamed => show::json(&self.unknown, out),
            Format::Json => show::json(self.findings(), out),
            Format::Csv => show::csv(self.findings(), out),
            Format::Ocsf => show::ocsf(self.findings(), out),
        };
        // Reported even where nobody reads the rest.
        self.conclude(context, page.quiet);
        written.and_then(|()| page.out.flush())
    }

    /// What it comes to, on standard error.
    pub(super) fn conclude(&self, context: &Context, quiet: bool) {
        let is_to_tell = |finding: &&Finding| finding.group.is_some() && (finding.needs_retry() || finding.doubtful);
        for finding in self.findings().filter(is_to_tell) {
            eprintln!("portcullis: {}: {}", place(finding), finding.reason);
        }
        self.input_errors().iter().for_each(|why| eprintln!("portcullis: {why}"));
        for (places, why) in self.unseen.values() {
            let (places, why) = (count(*places, "Region"), advice::with(why, "sweep"));
            eprintln!("portcullis: what uses the groups is not known in {places}: {why}");
        }
        // What --enforce did not do is no summary.
        let is_enforcing = context.settings.mode == Mode::Enforce;
        if !quiet {
            self.summary().nearly_open.iter().for_each(|group| eprintln!("Nearly open: {group}"));
            eprintln!("{}", self.sentence());
        }
        if !quiet || is_enforcing {
            self.left(context).iter().for_each(|line| eprintln!("{line}"));
        }
        if let Some((looked_at, total)) = self.interrupted {
            eprintln!("Interrupted after {looked_at} of {}: the others were not looked at.", count(total, "Region"));
        }
    }

    fn sentence(&self) -> String {
        // What is open stands in the table, group by group.
        let SweepFinding { accounts, places, groups, exposed, reverted, failed, undecided, unreachable, .. } =
            self.summary();
        let not_seen = match unreachable.len() {
            0 => String::new(),
            n => format!("; {n} not looked at"),
        };
        format!(
            "{} of {}, {}: {exposed} exposed, {reverted} reverted, {failed} failed, {undecided} undecided{not_seen}",
            count(places, "Region"),
            count(accounts, "account"),
            count(groups, "group"),
        )
    }

    /// Why groups are still open, where nothing failed.
    fn left(&self, context: &Context) -> Vec<String> {
        let left = self.findings().filter(|finding| finding.outcome == Outcome::WouldRevert).count();
        if left == 0 {
            return Vec::new();
        }
        if context.settings.mode == Mode::Alert {
            return vec!["Nothing was changed: --enforce revokes.".to_owned()];
        }
        let most = context.policy.now().sweep().max_revocations;
        let past_the_cap = self.past_the_cap(most);
        let by_policy = left.saturating_sub(past_the_cap);
        let mut lines = Vec::new();
        if past_the_cap > 0 {
            let groups = count(past_the_cap, "group");
            lines.push(format!(
                "Left open: {groups}, past the {most} revocations in one account and Region: sweep again, or raise \
                 --max-revocations."
            ));
        }
        if by_policy > 0 {
            lines.push(format!(
                "Left open: {}, where the policy's `mode` or `scopes` say alert.",
                count(by_policy, "group")
            ));
        }
        lines
    }

    /// The exit status.
    pub(super) fn status(&self) -> u8 {
        if self.is_interrupted() {
            return crate::INTERRUPTED;
        }
        let SweepFinding { exposed, failed, undecided, unreachable, .. } = self.summary();
        let is_without_evidence = self.findings().any(|finding| finding.is_without_evidence);
        crate::status(is_without_evidence || failed + unreachable.len() > 0, exposed > 0, undecided > 0)
    }
}
