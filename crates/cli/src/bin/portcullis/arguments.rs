//! Options that several commands have.

use portcullis::config::MemberRole;
use portcullis::domain::ids::Region;
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
}

pub(crate) fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).map_err(|error| format!("expected {}", error.accepted))
}

pub(crate) fn role(text: &str) -> Result<String, String> {
    MemberRole::is_name(text).then(|| text.to_owned()).ok_or_else(|| format!("expected {}", MemberRole::NAME))
}

pub(crate) fn external_id(text: &str) -> Result<String, String> {
    let accepted = || format!("expected {}", MemberRole::EXTERNAL_ID);
    MemberRole::is_external_id(text).then(|| text.to_owned()).ok_or_else(accepted)
}
