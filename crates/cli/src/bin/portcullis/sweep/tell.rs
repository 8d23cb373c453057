//! What a sweep tells: while it runs, and in the end.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use portcullis::domain::finding::{Action, Finding, Outcome, SweepFinding};
use portcullis::domain::policy::Mode;
use portcullis::pipeline::{Context, Places};
use portcullis::sinks;
use portcullis_cli::check::show::{self, Format};

use super::advice;
use crate::{EXPOSED, TROUBLE};

/// So many of these: `1 Region`, `2 Regions`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Over the accounts' Regions, on a terminal only.
pub(super) fn progress(places: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(places.try_into().unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{bar:24} {pos} of {len} Regions  {msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn place(finding: &Finding) -> String {
    let parts = [&finding.account, &finding.region, &finding.group];
    parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")
}

/// Tells at once of a group that something was done about.
pub(super) fn revoked(finding: &Finding) {
    if finding.rules.iter().any(|rule| rule.action == Action::Revoked) {
        eprintln!("{}: {}", place(finding), show::done(finding));
    }
}

/// What has been found so far.
pub(super) struct Tally {
    findings: Vec<Finding>,
    summary: SweepFinding,
    /// Groups that --enforce left because of the cap.
    past_the_cap: usize,
    /// Accounts whose Regions are not known, and why.
    unknown: Vec<(String, String)>,
}

impl Tally {
    pub(super) fn of(accounts: usize, places: &Places) -> Self {
        let unknown = places.unknown.iter().map(|(account, why)| (account.to_string(), why.to_string())).collect();
        let unreachable = places.unknown.iter().map(|(account, why)| format!("{account}: {why}")).collect();
        let places = places.targets.len();
        let summary = SweepFinding { accounts, places, unreachable, ..SweepFinding::default() };
        Self { findings: Vec::new(), summary, past_the_cap: 0, unknown }
    }

    /// Takes in what came of a place, in which at most so many rules were to be revoked.
    pub(super) fn take(&mut self, findings: Vec<Finding>, most: u32) {
        let mut left = usize::try_from(most).unwrap_or(usize::MAX);
        for finding in findings {
            if let Some(summary) = &finding.sweep {
                self.summary.groups += summary.groups;
                continue;
            }
            self.summary.note(&finding);
            let with = |action: Action| finding.rules.iter().filter(|rule| rule.action == action).count();
            self.past_the_cap += usize::from(with(Action::WouldRevoke) > left);
            left = left.saturating_sub(with(Action::Revoked));
            self.findings.push(finding);
        }
    }

    /// What could not be looked at, each reason once.
    fn input_errors(&self) -> Vec<String> {
        let mut regions: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for finding in self.findings.iter().filter(|finding| finding.group.is_none()) {
            let account = finding.account.as_deref().unwrap_or("?");
            let there = regions.entry((account, &finding.reason)).or_default();
            there.push(finding.region.as_deref().unwrap_or("?"));
        }
        let whole = self
            .unknown
            .iter()
            .map(|(account, why)| format!("account {account}: not looked at: {}", advice::with(why)));
        let parts = regions.iter().map(|((account, why), regions)| {
            format!("account {account}, {}: not looked at: {}", regions.join(", "), advice::with(why))
        });
        whole.chain(parts).collect()
    }

    /// Shows what was found on standard output, and what it comes to on standard error.
    pub(super) fn show(&mut self, format: Format, context: &Context, out: &mut impl Write) -> io::Result<()> {
        let of = |finding: &Finding| (finding.account.clone(), finding.region.clone(), finding.group.clone());
        self.findings.sort_by_key(of);
        let written = self.write(format, context, out);
        // Told even where nobody reads the rest.
        for finding in self.findings.iter().filter(|finding| finding.group.is_some() && finding.needs_retry()) {
            eprintln!("portcullis: {}: {}", place(finding), finding.reason);
        }
        self.input_errors().iter().for_each(|why| eprintln!("portcullis: {why}"));
        eprintln!("{}", self.sentence());
        self.left(context).iter().for_each(|line| eprintln!("{line}"));
        written
    }

    fn write(&self, format: Format, context: &Context, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Table => show::swept(&self.findings, out)?,
            // The findings are out already.
            Format::Json => {
                let summary = Finding::swept(context.now(), self.summary.clone(), context.settings.mode);
                writeln!(out, "{}", sinks::log::line(&summary))?;
            }
            Format::Csv => show::write(&self.findings, format, out)?,
        }
        out.flush()
    }

    fn sentence(&self) -> String {
        // What is open stands in the table, group by group.
        let SweepFinding { accounts, places, groups, exposed, reverted, failed, undecided, unreachable, open: _ } =
            &self.summary;
        let not_seen = match unreachable.len() {
            0 => String::new(),
            n => format!("; {n} not looked at"),
        };
        format!(
            "{} of {}, {}: {exposed} exposed, {reverted} reverted, {failed} failed, {undecided} undecided{not_seen}",
            count(*places, "Region"),
            count(*accounts, "account"),
            count(*groups, "group"),
        )
    }

    /// Why groups are still open, where nothing failed.
    fn left(&self, context: &Context) -> Vec<String> {
        let left = self.findings.iter().filter(|finding| finding.outcome == Outcome::WouldRevert).count();
        if left == 0 {
            return Vec::new();
        }
        if context.settings.mode == Mode::Alert {
            return vec!["Nothing was changed: --enforce revokes.".to_owned()];
        }
        let most = context.policy.sweep().max_revocations;
        let by_policy = left.saturating_sub(self.past_the_cap);
        let mut lines = Vec::new();
        if self.past_the_cap > 0 {
            let groups = count(self.past_the_cap, "group");
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
        let SweepFinding { exposed, failed, undecided, unreachable, .. } = &self.summary;
        if failed + undecided + unreachable.len() > 0 {
            TROUBLE
        } else if *exposed > 0 {
            EXPOSED
        } else {
            0
        }
    }
}
