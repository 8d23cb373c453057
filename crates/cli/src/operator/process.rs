//! A profile's `credential_process`: a command that writes credentials (AWS SDKs and Tools Reference Guide, "Process
//! credential provider").
//!
//! The SDK's own provider would turn on a feature of tokio on which everything else is built.

use std::process::{Command, Stdio};

use aws_config::profile::ProfileSet;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use jiff::Timestamp;
use serde_json::Value;

/// The command.
#[derive(Debug)]
pub(super) struct Process(String);

/// What comes before a `credential_process` in a profile.
const BEFORE: [&str; 5] = ["role_arn", "sso_session", "sso_start_url", "web_identity_token_file", "aws_access_key_id"];

/// The selected profile's, if its credentials come from one.
pub(super) fn of(set: &ProfileSet) -> Option<Process> {
    let profile = set.get_profile(set.selected_profile())?;
    let others = BEFORE.iter().any(|key| profile.get(key).is_some());
    profile.get("credential_process").filter(|_| !others).map(|command| Process(command.to_owned()))
}

impl ProvideCredentials for Process {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.run())
    }
}

impl Process {
    /// It may ask on the terminal, for a code or a finger: standard error and input are left to it.
    fn run(&self) -> provider::Result {
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", &self.0]).stderr(Stdio::inherit()).stdin(Stdio::inherit()).output();
        let output = output.map_err(CredentialsError::provider_error)?;
        if !output.status.success() {
            let why = format!("the profile's credential_process ended with {}", output.status);
            return Err(CredentialsError::provider_error(why));
        }
        // What it wrote may hold a secret, and is never shown.
        credentials(&output.stdout)
            .map_err(|why| CredentialsError::provider_error(format!("the profile's credential_process: {why}")))
    }
}

fn credentials(written: &[u8]) -> Result<Credentials, &'static str> {
    let value: Value = serde_json::from_slice(written).map_err(|_| "it wrote no JSON")?;
    let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if value.get("Version").and_then(Value::as_u64) != Some(1) {
        return Err("its Version is not 1");
    }
    let key = text("AccessKeyId").ok_or("it wrote no AccessKeyId")?;
    let secret = text("SecretAccessKey").ok_or("it wrote no SecretAccessKey")?;
    let until = text("Expiration").map(|until| until.parse::<Timestamp>().map(Into::into));
    let until = until.transpose().map_err(|_| "its Expiration is no time")?;
    Ok(Credentials::new(key, secret, text("SessionToken").map(str::to_owned), until, "credential_process"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_writes_is_read_as_aws_describes_it() {
        let whole = r#"{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "secret", "SessionToken": "token",
            "Expiration": "2026-11-25T22:00:00Z"}"#;
        let read = credentials(whole.as_bytes()).unwrap();
        assert_eq!((read.access_key_id(), read.session_token()), ("AKID", Some("token")));
        assert_eq!(read.expiry(), Some("2026-11-25T22:00:00Z".parse::<Timestamp>().unwrap().into()));
        for (text, why) in [
            ("", "it wrote no JSON"),
            (&whole.replace(": 1", ": 2"), "its Version is not 1"),
            (&whole.replace("AKID", ""), "it wrote no AccessKeyId"),
            (&whole.replace("SecretAccessKey", "Secret"), "it wrote no SecretAccessKey"),
            (&whole.replace("22:00:00Z", "soon"), "its Expiration is no time"),
        ] {
            assert_eq!(credentials(text.as_bytes()).unwrap_err(), why, "{text}");
        }
    }
}
