//! Options that several commands have.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use portcullis::config::{EvidencePlace, MemberRole};
use portcullis::domain::ids::{AccountId, Region};
use portcullis_cli::acts::{Acts, NO_PLACE};
use portcullis_cli::operator::Operator;
use portcullis_cli::terminal::Terminal;
use portcullis_cli::when::{self, Window};
use portcullis_cli::words;

/// Whose credentials, and where.
#[derive(clap::Args)]
pub(crate) struct ProfileAndRegion {
    /// Use this profile of the AWS configuration
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Use this Region [default: the one that is configured]
    #[arg(long, value_name = "CODE", value_parser = region)]
    region: Option<Region>,
}

impl ProfileAndRegion {
    pub(crate) fn operator(&self) -> Operator {
        Operator { profile: self.profile.clone(), region: self.region.clone(), fallback: None }
    }

    /// The profile, if one is named.
    pub(crate) fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }
}

/// Where the evidence is.
#[derive(clap::Args)]
pub(crate) struct EvidenceArgs {
    /// Where the evidence is: s3://bucket/prefix or a folder [default: the variable PORTCULLIS_EVIDENCE]
    #[arg(long, value_name = "PLACE", value_parser = evidence_place)]
    evidence: Option<EvidencePlace>,
    #[command(flatten)]
    pub(crate) aws: ProfileAndRegion,
}

impl EvidenceArgs {
    /// The place, where one is named.
    ///
    /// # Errors
    /// The variable names none.
    pub(crate) fn place(&self) -> io::Result<Option<EvidencePlace>> {
        match &self.evidence {
            Some(place) => Ok(Some(place.clone())),
            None => evidence_of_environment(),
        }
    }

    /// The acts there, where a place is named.
    ///
    /// # Errors
    /// What keeps them from being read.
    pub(crate) async fn acts_if_named(&self) -> io::Result<Option<Acts>> {
        match self.place()? {
            Some(place) => Acts::at(&place, &self.aws.operator()).await.map(Some),
            None => Ok(None),
        }
    }

    /// The acts there.
    ///
    /// # Errors
    /// What keeps them from being read, or that no place is named.
    pub(crate) async fn acts(&self) -> io::Result<Acts> {
        self.acts_if_named().await?.ok_or_else(|| io::Error::other(NO_PLACE))
    }
}

pub(crate) fn evidence_place(text: &str) -> Result<EvidencePlace, String> {
    EvidencePlace::parse(text).ok_or_else(|| format!("expected {}", EvidencePlace::ACCEPTED))
}

/// The place that the function's own variable names.
///
/// # Errors
/// It names none.
pub(crate) fn evidence_of_environment() -> io::Result<Option<EvidencePlace>> {
    #[expect(clippy::disallowed_methods, reason = "an option of the command line, by its variable")]
    let value = std::env::var("PORTCULLIS_EVIDENCE").unwrap_or_default();
    if value.is_empty() {
        return Ok(None);
    }
    let wrong = |why| io::Error::other(format!("PORTCULLIS_EVIDENCE=`{}`: {why}", portcullis_cli::words::text(&value)));
    let place = evidence_place(&value).map_err(wrong)?;
    #[expect(clippy::disallowed_methods, reason = "an option of the command line, by its variable")]
    let days = std::env::var("PORTCULLIS_EVIDENCE_DAYS").unwrap_or_default();
    match (days.as_str(), place) {
        ("", place) => Ok(Some(place)),
        (days, place) => place.locked_for(days).map(Some).map_err(io::Error::other),
    }
}

/// Where what was found is written.
#[derive(clap::Args)]
pub(crate) struct OutputArgs {
    /// Write what was found to this file, and not to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl OutputArgs {
    /// The file, anew, or standard output.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Write>> {
        let Some(path) = &self.output else { return Ok(Box::new(io::stdout().lock())) };
        let named = |error| io::Error::other(format!("{}: {error}", words::path(path)));
        Ok(Box::new(File::create(path).map_err(named)?))
    }

    /// Whether it is a file.
    pub(crate) fn is_file(&self) -> bool {
        self.output.is_some()
    }

    /// What it looks like there.
    pub(crate) fn terminal(&self, terminal: Terminal) -> Terminal {
        if self.is_file() { Terminal::of_a_file() } else { terminal }
    }
}

/// How much is said beside what was found.
#[derive(clap::Args)]
pub(crate) struct QuietArgs {
    /// No progress and no summary: only what was found, and what went wrong
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// Of which time.
#[derive(clap::Args)]
pub(crate) struct WindowArgs {
    /// Only what is not before this time, or this day
    #[arg(long, value_name = "TIME", value_parser = when::beginning)]
    since: Option<jiff::Timestamp>,
    /// Only what is not after this time, or this day
    #[arg(long, value_name = "TIME", value_parser = when::end)]
    until: Option<jiff::Timestamp>,
    /// Only of the past time, such as 36h, 14d or 8w
    #[arg(long, value_name = "TIME", value_parser = when::span, conflicts_with_all = ["since", "until"])]
    last: Option<jiff::SignedDuration>,
}

impl WindowArgs {
    /// The window, and `usual` back from now where none is named.
    pub(crate) fn window(&self, usual: Option<jiff::SignedDuration>) -> Window {
        let span = self.last.or_else(|| usual.filter(|_| self.since.is_none() && self.until.is_none()));
        let since = span.and_then(|span| portcullis::now().checked_sub(span).ok());
        Window { since: since.or(self.since), until: self.until }
    }
}

pub(crate) fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).map_err(|error| format!("expected {}", error.accepted))
}

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on standard error, and waits for a yes.
pub(crate) fn confirmed(question: &str) -> io::Result<bool> {
    answered(question, "yes")
}

/// Asks on standard error, and waits for a word.
pub(crate) fn answered(question: &str, word: &str) -> io::Result<bool> {
    let mut err = io::stderr().lock();
    write!(err, "{question}")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == word)
}

pub(crate) fn account(text: &str) -> Result<AccountId, &'static str> {
    AccountId::parse(text).map_err(|_| "expected the twelve digits of an account id, such as 012345678901")
}

pub(crate) fn role(text: &str) -> Result<String, String> {
    MemberRole::is_name(text).then(|| text.to_owned()).ok_or_else(|| format!("expected {}", MemberRole::NAME))
}

pub(crate) fn external_id(text: &str) -> Result<String, String> {
    let accepted = || format!("expected {}", MemberRole::EXTERNAL_ID);
    MemberRole::is_external_id(text).then(|| text.to_owned()).ok_or_else(accepted)
}
