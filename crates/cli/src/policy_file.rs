//! The policy, read from the place that the command line names.

use std::io;
use std::path::Path;

use portcullis::config::PolicySource;
use portcullis::policy_source::{self, PolicySourceError};
use portcullis_domain::policy::{Mode, Policy};

use crate::operator::{Operator, explained};
use crate::{input, words};

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
/// Why it could not be read, or the policy's own with the lines around it.
pub fn read(path: &Path, operator: &Operator) -> io::Result<Policy> {
    let named = |why: String| io::Error::other(format!("{}: {why}", name(path)));
    let policy = match input::s3(path) {
        Some((bucket, key)) => from_s3(bucket, key, operator).map_err(named)?,
        None if is_stdin(path) => policy_source::read_stream(io::stdin()),
        None => policy_source::read_file(path),
    };
    policy.map_err(|error| match error {
        PolicySourceError::Policy(error) => named(error.snippet),
        PolicySourceError::File(_) | PolicySourceError::Object(_) => named(explained(&error.to_string())),
    })
}

/// The policy at a place, or the built-in one where none is named.
///
/// # Errors
/// Those of [`read`].
pub fn read_or_built_in(path: Option<&Path>, operator: &Operator) -> io::Result<Policy> {
    path.map_or_else(|| Ok(Policy::built_in()), |path| read(path, operator))
}

fn from_s3(bucket: &str, key: &str, operator: &Operator) -> Result<Result<Policy, PolicySourceError>, String> {
    if bucket.is_empty() || key.is_empty() {
        return Err("expected s3://BUCKET/KEY".to_owned());
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let source = PolicySource::S3 { bucket: bucket.to_owned(), key: key.to_owned() };
    runtime.block_on(async {
        let read = source.read(&operator.clients(None, Mode::Alert).await?).await;
        Ok(read.map(|(policy, _)| policy))
    })
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
            .map(|line| line.replacen(": []", ":", 1) + "\n")
            .collect();
        let policy = Policy::parse(&examples).unwrap_or_else(|error| panic!("{}", error.snippet));
        assert_eq!((policy.exemptions().len(), policy.scopes().len(), policy.trusted().len()), (1, 1, 1));
        assert_eq!(policy.guards().len(), Policy::built_in().guards().len() + 3);
    }
}
