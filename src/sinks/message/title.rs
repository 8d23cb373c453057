//! The title of a message, and its next step: what happened comes first, and is never cut.

use std::collections::BTreeSet;

use portcullis_domain::finding::{Finding, MOST_NAMED, Outcome, SweepFinding, Verdict};
use portcullis_domain::text::for_people;

use super::fight;
use super::text::{group_id, place};

/// A subject has at most this many characters (SNS API Reference, Publish).
pub(super) const LONGEST_SUBJECT: usize = 100;

/// What a title says: whether a port is open now, and what happened.
struct Headline {
    /// Whether a port is open that nobody has made lawful.
    is_open: bool,
    what: &'static str,
    next_step: &'static str,
}

fn headline(finding: &Finding) -> Headline {
    let open = |what, next_step| Headline { is_open: true, what, next_step };
    let over = |what, next_step| Headline { is_open: false, what, next_step };
    if finding.is_of_end() {
        return match finding.outcome {
            Outcome::Failed => open(
                "OPENING NOT ENDED",
                "Close it by hand now: what was opened for a while is open still. The function tries again.",
            ),
            Outcome::WouldRevert => open("OPENING OVERDUE", "End it: `portcullis close` with the waiver's id."),
            Outcome::Reverted => over(
                "OPENING ENDED",
                "Nothing to do. Who needs it for longer opens it again, or adds an exemption to the policy.",
            ),
            Outcome::AlreadyGone => over("OPENING ENDED, nothing was left", "Nothing to do."),
            Outcome::None => over("opening not ended", "Nothing to do where the opening was not to end yet."),
        };
    }
    match (finding.verdict, finding.outcome) {
        (Verdict::Undecided, _) if !finding.doubtful => over(
            "REFUSED",
            "Add the account to the function's accounts if it is yours. Otherwise find out who sends its events.",
        ),
        (Verdict::Undecided, _) => {
            over("CANNOT TELL", "Look at the group by hand: Portcullis could not tell what this change did.")
        }
        (_, Outcome::Failed) => open(
            "NOT CLOSED",
            "Close it by hand now, then find out why: the error names AWS's reason. The function tries again.",
        ),
        (_, Outcome::WouldRevert) => {
            open("OPEN, alert mode", "Close it, or add an exemption with a reason. Nothing is touched in alert mode.")
        }
        (Verdict::Exposed, Outcome::Reverted) if finding.is_open() => open(
            "STILL OPEN through other rules",
            "Close it by hand: it is open through rules that this event did not make. Then tell whoever opened it.",
        ),
        (_, Outcome::Reverted) => {
            over("CLOSED", "Tell whoever opened it. If it is lawful, add an exemption with a reason to the policy.")
        }
        (Verdict::Exposed, Outcome::AlreadyGone) if !finding.is_open() && finding.closed_by_another => over(
            "CLOSED by another delivery",
            "It is closed: Portcullis took it back for another event. Tell whoever opened it. If it is lawful, add an \
             exemption with a reason to the policy.",
        ),
        (Verdict::Exposed, Outcome::AlreadyGone) if !finding.is_open() && finding.is_by_nobody_known => over(
            "CLOSED",
            "It is closed. An attempt of Portcullis that came no further may have done that, or somebody else. Tell whoever \
             opened it. If it is lawful, add an exemption with a reason to the policy.",
        ),
        (Verdict::Exposed, Outcome::AlreadyGone) if !finding.is_open() => over(
            "CLOSED by someone else",
            "It is closed. Ask whoever opened it, and look in the flow logs who came in meanwhile.",
        ),
        (Verdict::Exposed, Outcome::AlreadyGone | Outcome::None) => open(
            "OPEN, not by this change alone",
            "Close it by hand: it is open through rules that this event did not make, and an event takes back its own only.",
        ),
        (Verdict::Exempt, _) if finding.exempt_by.is_some() => over(
            "EXEMPT for who made it",
            "Nothing to do where that was expected. Where it was not, ask who used the exempt principal.",
        ),
        (Verdict::Exempt, _) if finding.waiver.is_some() => over(
            "OPEN UNDER A WAIVER",
            "Nothing to do where that was expected. Where it was not, ask who wrote the waiver.",
        ),
        (Verdict::Exempt | Verdict::Safe | Verdict::Irrelevant, Outcome::AlreadyGone) => {
            over("nothing open", "Nothing to do.")
        }
        (Verdict::Exempt | Verdict::Safe | Verdict::Irrelevant, Outcome::None) => {
            over("nothing open", "Nothing to do.")
        }
    }
}

/// The title in at most `most` characters. Where it would be longer, services are left out, and after them that it is a fight;
/// never what happened or where.
pub(super) fn title(finding: &Finding, most: usize) -> String {
    if let Some(sweep) = &finding.sweep {
        let what = if sweep.digest.is_some() { "digest" } else { "sweep" };
        return format!("Portcullis {what}: {}", found(sweep));
    }
    let Headline { is_open, what, .. } = headline(finding);
    let guards = guards(finding, is_open);
    let group = group_id(finding.group.as_ref()).map(|id| id.to_string());
    let place = [group, place(finding.account.as_ref(), finding.region.as_ref())];
    let place = place.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let whats = fight::in_title(finding).map(|fight| format!("{what}{fight}")).into_iter().chain([what.to_owned()]);
    whats
        .flat_map(|what| (0..=guards.len()).map(move |left_out| (what.clone(), left_out)))
        .map(|(what, left_out)| whole(&what, &guards, left_out, &place))
        .find(|title| title.chars().count() <= most)
        .unwrap_or_else(|| format!("Portcullis {what}"))
}

fn whole(what: &str, guards: &[&str], left_out: usize, place: &str) -> String {
    let named = guards.len() - left_out;
    let mut services = guards.iter().take(named).copied().map(for_people).collect::<Vec<_>>();
    if left_out > 0 && named > 0 {
        services.push(format!("+{left_out}"));
    }
    let services = services.join(" ");
    match (services.is_empty(), place.is_empty()) {
        (true, true) => format!("Portcullis {what}"),
        (false, true) => format!("Portcullis {what}: {services}"),
        (true, false) => format!("Portcullis {what}: {place}"),
        (false, false) => format!("Portcullis {what}: {services} in {place}"),
    }
}

/// The services that the title is about. Of a port that others keep open nothing is said of the ports that are closed.
fn guards(finding: &Finding, is_open: bool) -> Vec<&str> {
    let stands = is_open && finding.exposures.iter().any(|exposure| exposure.standing);
    let is_own = matches!(finding.outcome, Outcome::Failed | Outcome::WouldRevert);
    let named = finding.exposures.iter().filter(|exposure| exposure.standing || !stands || is_own);
    let mut seen = BTreeSet::new();
    named.map(|exposure| exposure.guard.as_str()).filter(|guard| seen.insert(*guard)).collect()
}

/// What a sweep found, the gravest first.
fn found(sweep: &SweepFinding) -> String {
    let (open, or_more) = sweep.count_open();
    let parts = [
        // Of a single sweep those that the summary names: fifty may be more.
        (open, if or_more { "or more OPEN" } else { "OPEN" }),
        (sweep.failed, "NOT CLOSED"),
        (sweep.undecided, "undecided"),
        (
            sweep.unreachable.len(),
            if sweep.unreachable.len() < MOST_NAMED { "not looked at" } else { "or more not looked at" },
        ),
        (sweep.reverted, "closed"),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() { "nothing open".to_owned() } else { parts.join(", ") }
}

/// What the reader should do about it.
pub(super) fn next_step(finding: &Finding) -> &'static str {
    match &finding.sweep {
        None => headline(finding).next_step,
        Some(sweep) if !sweep.open.is_empty() => "Close what is open by hand, or add an exemption with a reason.",
        Some(sweep) if !sweep.unreachable.is_empty() => {
            "Find out why a place could not be looked at. The function tries again."
        }
        Some(sweep) if sweep.undecided > 0 => "Look by hand at the groups that could not be decided.",
        Some(sweep) if sweep.reverted > 0 => "Tell whoever opened it. The log has a finding for each group.",
        Some(_) => "Nothing to do.",
    }
}

/// Whether a port is open now that nobody has made lawful.
pub(super) fn is_open(finding: &Finding) -> bool {
    finding.sweep.is_none() && headline(finding).is_open
}
