//! The policy, read from the place that the command line names.

use std::io;
use std::path::Path;

use portcullis::aws::Aws;
use portcullis_delivery::documents::utf8;
use portcullis_domain::policy::{Mode, Policy};

use crate::operator::{Operator, explained};
use crate::{input, policy_errors, words};

/// How messages call a policy's place.
#[must_use]
pub fn name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { words::path(path) }
}

/// Whether it is standard input.
#[must_use]
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A policy to begin with: the built-in one, with an example of everything.
pub const TEMPLATE: &str = include_str!("policy_template.yaml");

/// Reads a policy from a file, standard input or `s3://bucket/key`.
///
/// # Errors
/// Why it could not be read, or all mistakes in it, each where it is.
pub fn read(path: &Path, operator: &Operator) -> io::Result<Policy> {
    let text = text(path, operator).map_err(|why| io::Error::other(format!("{}: {why}", name(path))))?;
    Policy::parse(&text).map_err(|_| io::Error::other(policy_errors::explained(&name(path), &text)))
}

/// The text of a policy in a file, on standard input or at `s3://bucket/key`.
///
/// # Errors
/// Why it could not be read.
pub fn text(path: &Path, operator: &Operator) -> Result<String, String> {
    match input::s3(path) {
        Some((bucket, key)) => from_s3(bucket, key, operator),
        None if is_stdin(path) => io::read_to_string(io::stdin()).map_err(|error| error.to_string()),
        None => std::fs::read(path)
            .map(|bytes| String::from_utf8_lossy(&utf8(&bytes)).into_owned())
            .map_err(|error| error.to_string()),
    }
}

/// The policy at a place, or the built-in one where none is named.
///
/// # Errors
/// Those of [`read`].
pub fn read_or_built_in(path: Option<&Path>, operator: &Operator) -> io::Result<Policy> {
    path.map_or_else(|| Ok(Policy::built_in()), |path| read(path, operator))
}

/// Reads a policy from `s3://bucket/key` with clients that are there.
///
/// # Errors
/// Why it could not be read, or all mistakes in it.
pub async fn read_with(url: &str, aws: &Aws) -> io::Result<Policy> {
    let named = |why: String| io::Error::other(format!("{}: {why}", words::text(url)));
    let (bucket, key) = input::s3(Path::new(url)).ok_or_else(|| named("expected s3://BUCKET/KEY".to_owned()))?;
    let bytes = aws.object(bucket, key, LARGEST).await.map_err(|error| named(explained(&error.to_string())))?;
    let text = String::from_utf8_lossy(&utf8(&bytes)).into_owned();
    Policy::parse(&text).map_err(|_| io::Error::other(policy_errors::explained(url, &text)))
}

/// No sensible policy is larger.
const LARGEST: usize = 1 << 20;

fn from_s3(bucket: &str, key: &str, operator: &Operator) -> Result<String, String> {
    if bucket.is_empty() || key.is_empty() {
        return Err("expected s3://BUCKET/KEY".to_owned());
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let bytes = runtime.block_on(async {
        let aws = operator.clients(None, Mode::Alert).await?;
        aws.object(bucket, key, LARGEST).await.map_err(|error| explained(&error.to_string()))
    })?;
    Ok(String::from_utf8_lossy(&utf8(&bytes)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_the_built_in_policy_and_its_examples_are_lawful() {
        assert_eq!(Policy::parse(TEMPLATE).unwrap(), Policy::built_in());
        let examples: String = TEMPLATE
            .lines()
            .skip(3)
            .map(|line| line.replacen("# ", "", usize::from(line.trim_start().starts_with("# "))))
            // The examples stand below the empty lists.
            .map(|line| line.replacen(": []", ":", 1) + "\n")
            .collect();
        let policy = Policy::parse(&examples).unwrap_or_else(|error| panic!("{}", error.snippet));
        assert_eq!((policy.exemptions().len(), policy.scopes().len(), policy.trusted().len()), (1, 1, 1));
        assert_eq!(policy.guards().len(), Policy::built_in().guards().len() + 3);
    }
}
