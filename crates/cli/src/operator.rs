//! The operator's own credentials and Region, from where the AWS CLI takes them too: the environment, a profile with keys,
//! a role, IAM Identity Center or a `credential_process`, the container or the instance.

mod process;

use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region as SdkRegion};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::os_shim_internal::{Env, Fs};
use portcullis::aws::Aws;
use portcullis::config::MemberRole;
use portcullis_domain::ids::Region;
use portcullis_domain::policy::Mode;
use portcullis_domain::text::escaped;

/// What to do where there are no credentials.
const NO_CREDENTIALS: &str = "no AWS credentials: name a profile with --profile or AWS_PROFILE, or put credentials into the \
    environment; with IAM Identity Center run aws sso login first; for any other kind of profile \
    eval \"$(aws configure export-credentials --format env)\"";

/// The same, with the SDK's words where they say more.
#[must_use]
pub fn no_credentials(why: &str) -> String {
    let why = why.trim_end_matches(" Attempted:");
    let says_nothing = ["no credentials found in chain", "the credential provider was not enabled"];
    // The SDK says this once for each of its layers.
    let cause = why.rsplit("an error occurred while loading credentials: ").next().unwrap_or(why);
    if why.is_empty() || says_nothing.iter().any(|words| cause.contains(words)) {
        return NO_CREDENTIALS.to_owned();
    }
    format!("{NO_CREDENTIALS} ({cause})")
}

/// An error of a call that was perhaps never sent, for want of credentials: then with what to do about it.
#[must_use]
pub fn explained(error: &str) -> String {
    let lacks = error.contains("credential provider") || error.contains("credentials provider");
    match lacks || error.contains("no credentials") {
        true => no_credentials(error),
        false => error.to_owned(),
    }
}

/// The principal by which CloudTrail knows what a caller does: the role behind a session, for its name is anybody's.
#[must_use]
pub fn principal(arn: &str) -> String {
    let role = arn.split_once(":sts::").and_then(|(head, rest)| {
        let (account, rest) = rest.split_once(":assumed-role/")?;
        Some(format!("{head}:iam::{account}:role/{}", rest.split_once('/')?.0))
    });
    role.unwrap_or_else(|| arn.to_owned())
}

/// The name of a session that a caller opens, by which CloudTrail tells who it was: the last part of their own name, as far
/// as STS takes it (STS API Reference, AssumeRole, `RoleSessionName`: 2 to 64 of `[\w+=,.@-]`).
#[must_use]
pub fn session_name(arn: &str) -> String {
    let takes = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let last = arn.rsplit('/').next().unwrap_or_default();
    let name: String = last.chars().map(|c| if takes(c) { c } else { '-' }).take(64).collect();
    if name.len() < 2 { format!("portcullis-{name}") } else { name }
}

/// What the command line says about them.
#[derive(Debug, Clone, Default)]
pub struct Operator {
    /// The profile; else the one that AWS_PROFILE names, or `default`.
    pub profile: Option<String>,
    /// The Region, whatever else names one.
    pub region: Option<Region>,
    /// The Region where nothing else names one.
    pub fallback: Option<Region>,
}

/// The Region that is asked where neither the operator nor the configuration names one. Every account has it.
const HOME: &str = "us-east-1";

impl Operator {
    /// Clients for them.
    ///
    /// # Errors
    /// Why the profile cannot be used.
    pub async fn clients(&self, member_role: Option<MemberRole>, mode: Mode) -> Result<Aws, String> {
        Ok(Aws::load(self.loader().await?, member_role, mode).await)
    }

    /// What every client is made of: the credentials and the Region.
    ///
    /// # Errors
    /// Why the profile cannot be used.
    pub async fn loader(&self) -> Result<ConfigLoader, String> {
        let set = profiles(self.profile.as_deref()).await?;
        let name = set.selected_profile().to_owned();
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let config = ProviderConfig::without_region().with_http_client(http.clone());
        // An empty variable names none, as in the AWS CLI.
        let is_named = |name| Env::real().get(name).is_ok_and(|region| !region.is_empty());
        let variable = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find(|name| is_named(name));
        let region = RegionProviderChain::first_try(self.region.as_ref().map(sdk_region))
            .or_else(variable.and_then(|name| Env::real().get(name).ok()).map(SdkRegion::new))
            .or_else(ProfileFileRegionProvider::builder().profile_name(&name).build())
            .or_else(ImdsRegionProvider::builder().configure(&config).build())
            .or_else(self.fallback.as_ref().map_or_else(|| SdkRegion::from_static(HOME), sdk_region));
        let region = region.region().await;
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .region(region.clone().unwrap_or_else(|| SdkRegion::from_static(HOME)))
            .profile_name(&name);
        // Keys in the environment come before a profile, unless the profile is named on the command line.
        let by_profile = self.profile.is_some() || Env::real().get("AWS_ACCESS_KEY_ID").is_err();
        Ok(match process::of(&set).filter(|_| by_profile) {
            Some(process) => loader.credentials_provider(process),
            None if self.profile.is_some() => from_profile(loader, &config.with_region(region), &name),
            None => loader,
        })
    }
}

fn from_profile(loader: ConfigLoader, config: &ProviderConfig, name: &str) -> ConfigLoader {
    let provider = ProfileFileCredentialsProvider::builder().configure(config).profile_name(name);
    loader.credentials_provider(provider.build())
}

fn sdk_region(region: &Region) -> SdkRegion {
    SdkRegion::new(region.to_string())
}

/// The profiles of the AWS configuration, with one selected.
async fn profiles(named: Option<&str>) -> Result<ProfileSet, String> {
    let environment = Env::real();
    let selected = named.map(|name| name.to_owned().into());
    let set = aws_config::profile::load(&Fs::real(), &environment, &Default::default(), selected).await;
    let set = set.map_err(|error| format!("the AWS configuration cannot be read: {error}"))?;
    let (name, asked_for) = (set.selected_profile(), named.is_some() || environment.get("AWS_PROFILE").is_ok());
    if !asked_for || set.get_profile(name).is_some() || (set.is_empty() && name == "default") {
        return Ok(set);
    }
    let mut names: Vec<String> = set.profiles().map(|name| format!("`{}`", escaped(name))).collect();
    names.sort();
    let there = if names.is_empty() { "it has none".to_owned() } else { format!("there are {}", names.join(", ")) };
    Err(format!("there is no profile `{}` in the AWS configuration: {there}", escaped(name)))
}
