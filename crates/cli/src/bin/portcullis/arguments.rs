//! Options that several commands have.

use std::io::{self, IsTerminal, Write};

use portcullis::config::MemberRole;
use portcullis::domain::ids::{AccountId, Region};
use portcullis_cli::operator::Operator;

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

pub(crate) fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).map_err(|error| format!("expected {}", error.accepted))
}

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on standard error, and waits for a yes.
pub(crate) fn confirmed(question: &str) -> io::Result<bool> {
    let mut err = io::stderr().lock();
    write!(err, "{question}")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
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
