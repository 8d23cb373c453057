//! `portcullis undo`: puts back what an act took away, with the operator's own credentials.

mod back;
mod set_back;
mod waive;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use portcullis::aws::{AccountRegion, KnownLists, ListAge, Wanted};
use portcullis::config::MemberRole;
use portcullis::domain::change::Resource;
use portcullis::domain::evidence::{ActOutcome, Evidence, Kind};
use portcullis::domain::facts::Facts;
use portcullis::domain::judge::needs_prefix_list;
use portcullis::domain::policy::{Mode, Policy};
use portcullis::domain::rule::{Permission, Rule};
use portcullis::domain::text::escaped;
use portcullis::domain::undo::{self, Now};
use portcullis_cli::operator::explained;
use portcullis_cli::{acts, policy_file, when};
use tokio::time::Instant;

use crate::arguments::EvidenceArgs;
use back::{Back, How};
pub(crate) use waive::{memory_of_environment, store_named};

#[derive(clap::Args)]
pub(crate) struct UndoArgs {
    /// The act's id, a file with its evidence or with a line of the log, or - for standard input
    #[arg(value_name = "ACT")]
    act: String,
    /// Put back what the rules were before the ModifySecurityGroupRules that opened them
    #[arg(long)]
    former: bool,
    /// Let it be for this time, although the policy forbids it: 90m, 8h, at most the policy's `waivers.most`
    #[arg(long, value_name = "TIME", value_parser = when::span, requires = "reason")]
    waive: Option<SignedDuration>,
    /// Why, such as a ticket: it is kept in the evidence
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    /// Where the function's memory is: a table's name, or a folder [default: the variable PORTCULLIS_MEMORY]
    #[arg(long, value_name = "TABLE|DIR")]
    memory: Option<String>,
    /// The policy that holds now, - for standard input, or s3://bucket/key [default: the one that decided]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The role to assume where the group is in another account than your credentials
    #[arg(long, value_name = "NAME", value_parser = crate::arguments::role)]
    role: Option<String>,
    /// The external id that the role asks for
    #[arg(long, value_name = "ID", requires = "role", value_parser = crate::arguments::external_id)]
    external_id: Option<String>,
    /// Only say what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Do it without asking
    #[arg(long, short = 'y')]
    yes: bool,
    #[command(flatten)]
    evidence: EvidenceArgs,
}

pub(crate) const HELP: &str = "\
Examples:
  portcullis undo 20261125T180002Z-111122223333-eu-west-1-sg-0a1b2c3d-9f3c1e77a2b0 --dry-run
  portcullis undo 20261125T180002Z-111122223333-eu-west-1-sg-0a1b2c3d-9f3c1e77a2b0 --waive 8h --reason INC-123
  portcullis undo act.json --former --yes

The rules come back as they were, with their descriptions and tags, and with new ids: EC2 gives no id twice. Tags that \
begin with aws: cannot be put back; they are listed. What Terraform must import is printed.

A rule that was gone before the act could revoke it (already_gone) is not put back: somebody else may have closed it. \
What the group has of it now is shown.

With --former each rule comes back as it was before the ModifySecurityGroupRules that opened it, as far as the act's evidence \
knows that: 443 that was changed to 22 comes back as 443. Of an act in alert mode nothing is missing: then the rule itself \
is set back, if it still is what the act saw, and keeps its id.

First the group is judged with the rules in it. Where the policy forbids them, nothing is done and it says what forbids \
them. With --waive a waiver is written to the function's memory: an exemption for this group, with a reason, your name and \
an end, at most the policy's `waivers.most`. When it has ended, the next sweep finds the port open.

The order is: the waiver, the evidence of what is about to be done, the calls, a look that confirms them, the evidence of \
what was done. Doing it twice is doing it once.

Needs ec2:DescribeSecurityGroupRules, ec2:AuthorizeSecurityGroupIngress and, for rules with tags, ec2:CreateTags; for an \
act in alert mode ec2:ModifySecurityGroupRules; \
s3:GetObject and s3:PutObject on the evidence's bucket; for --waive dynamodb:UpdateItem on the table.

Exit status: 0 the rules are there; 1 the policy forbids it: nothing was done; 2 trouble, or no yes.";

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn reason(text: &str) -> Result<String, &'static str> {
    let is_one = !text.trim().is_empty() && text.len() <= 500 && !text.contains(char::is_control);
    is_one.then(|| text.trim().to_owned()).ok_or("expected a reason of at most 500 characters, such as INC-123")
}

/// Undoes an act; the exit status.
///
/// # Errors
/// What keeps it from being undone.
pub(crate) fn run(arguments: &UndoArgs) -> io::Result<u8> {
    let operator = arguments.evidence.aws.operator();
    let given = arguments.policy.as_ref().map(|path| policy_file::read(path, &operator)).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(undone(arguments, given))
}

async fn undone(arguments: &UndoArgs, given: Option<Policy>) -> io::Result<u8> {
    if !(arguments.yes || arguments.dry_run || io::stdin().is_terminal() && io::stderr().is_terminal()) {
        let why =
            "undo asks before it opens anything, and there is no terminal to ask on: give --yes; nothing was done";
        return Err(io::Error::other(why));
    }
    let kept = arguments.evidence.acts_if_named().await?;
    let evidence = acts::load(&arguments.act, kept.as_ref()).await?.whole()?;
    let would = arguments.former && evidence.outcome == ActOutcome::WouldRevert;
    let taken = match (would, arguments.former) {
        (true, _) => Vec::new(),
        (false, true) => former_of(&evidence)?,
        (false, false) => rules_of(&evidence)?,
    };
    let policy = acts::policy_of(given.as_ref(), kept.as_ref(), &evidence.guard.policy).await?;
    let external_id = arguments.external_id.clone();
    let role = arguments.role.clone().map(|name| MemberRole { name, external_id });
    let has_role = role.is_some();
    let aws = arguments.evidence.aws.operator().clients(role, Mode::Enforce).await.map_err(io::Error::other)?;
    let caller = aws.caller().await.map_err(|error| io::Error::other(explained(&error.to_string())))?;
    let location = &evidence.location;
    let own = &caller.identity.account;
    if *own != location.account && !has_role {
        let why = format!("the group is in account {}, and your credentials are those of {own}", location.account);
        return Err(io::Error::other(format!("{why}: name the role to assume there, --role NAME")));
    }
    let back = Back {
        arguments,
        kept: kept.as_ref(),
        session: aws.session(&caller.identity, Instant::now() + PATIENCE),
        aws: &aws,
        target: AccountRegion { account: location.account.clone(), region: location.region.clone() },
        caller: &caller,
        evidence: &evidence,
        policy: &policy,
        how: if would { How::InPlace } else { How::Anew },
    };
    let facts = back.look().await?;
    if would {
        return back.set_back(&facts).await;
    }
    let gone = undo::already_gone(&evidence);
    tell_gone(&gone, &facts);
    if taken.is_empty() {
        return Err(io::Error::other(format!("{}: there is nothing to undo: it took no rule away", evidence.id)));
    }
    let missing = undo::missing(&taken, &facts);
    for (was, is) in &missing.there {
        eprintln!("{was} is there already, as {is}");
    }
    if missing.rules.is_empty() {
        println!("Nothing to do: every rule of the act is there.");
        return Ok(0);
    }
    back.put(&facts, &missing).await
}

/// What the group has now of the rules that were gone before the act could revoke them. They are not put back.
fn tell_gone(gone: &[Rule], facts: &Facts) {
    for rule in gone {
        let now = match undo::now(rule, facts) {
            Now::Same(same) => format!("the group has it as {same}"),
            Now::Changed(now) => format!("it is now {}", acts::rule(&now)),
            Now::Nothing => "the group has no such rule".to_owned(),
        };
        eprintln!(
            "portcullis: {} was gone before the act could revoke it, and whose doing that was is not known: {now}. It is \
             not put back",
            acts::rule(rule)
        );
    }
}

/// The rules that the act took away. None of an act whose rules were gone before it could revoke them.
fn rules_of(evidence: &Evidence) -> io::Result<Vec<Rule>> {
    let taken = undo::taken(evidence);
    if evidence.kind == Kind::End {
        let why = "it is the end of an opening: `portcullis open` opens it again";
        return Err(io::Error::other(format!("{}: there is nothing to undo: {why}", evidence.id)));
    }
    if !taken.is_empty() || !undo::already_gone(evidence).is_empty() {
        return Ok(taken);
    }
    let why = match evidence.outcome {
        ActOutcome::WouldRevert => {
            "nothing was taken away: it was in alert mode; --former sets a modified rule back to what it was"
        }
        ActOutcome::Intended | ActOutcome::PutBack => "it is an undo itself",
        ActOutcome::Opened => "it opened a port: `portcullis close` with its waiver ends that",
        ActOutcome::Reverted | ActOutcome::AlreadyGone | ActOutcome::Failed => "it took no rule away",
    };
    Err(io::Error::other(format!("{}: there is nothing to undo: {why}", evidence.id)))
}

/// What the rules that the act took away were before they were opened.
fn former_of(evidence: &Evidence) -> io::Result<Vec<Rule>> {
    if rules_of(evidence)?.is_empty() {
        return Ok(Vec::new());
    }
    let (rules, unknown) = undo::former(evidence);
    let why = unknown.iter().map(|(rule, why)| format!("what {rule} was before is not known: {}", escaped(why)));
    let why: Vec<String> = why.collect();
    if rules.is_empty() {
        return Err(io::Error::other(format!("{}: {}: nothing was done", evidence.id, why.join("; "))));
    }
    why.iter().for_each(|why| eprintln!("portcullis: {why}: it is left out"));
    Ok(rules)
}

impl Back<'_> {
    /// The group as EC2 shows it now.
    async fn look(&self) -> io::Result<Facts> {
        let policy = self.policy;
        let prefix_list_of = |permission: &Permission| needs_prefix_list(permission, policy);
        let lists = KnownLists::default();
        let wanted = Wanted {
            vpc: policy.needs_vpc(),
            prefix_list_of: &prefix_list_of,
            lists: (&lists, ListAge::Now),
            now: portcullis::now(),
        };
        let group = &self.evidence.location.group;
        let resource = Resource::Group(group.clone());
        let looked = self.session.describe(&self.target, &resource, wanted).await;
        let looked = looked.map_err(|error| io::Error::other(explained(&error.to_string())))?;
        let facts = looked.groups.into_iter().find(|facts| facts.location.group == *group);
        facts.ok_or_else(|| io::Error::other(format!("{group} is no longer there")))
    }
}
