//! How the policy is read from where it is.

use std::io::{self, Read};
use std::path::Path;

use portcullis_domain::policy::{Policy, PolicyError};

use crate::aws::{Aws, AwsError};
use crate::config::PolicySource;
use crate::s3_url::S3Url;

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicySourceError {
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] io::Error),
    /// The object could not be read.
    #[error(transparent)]
    Object(#[from] AwsError),
    /// The policy does not parse.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// No sensible policy is larger.
const LARGEST_POLICY: usize = 1 << 20;

/// What tells one version of a policy from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// All of a file.
    Content(Vec<u8>),
    /// An object's entity tag.
    Tag(String),
}

impl PolicySource {
    /// How messages name it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::BuiltIn => "the built-in policy".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::S3 { bucket, key } => S3Url { bucket, key }.to_string(),
        }
    }

    /// Reads the policy.
    ///
    /// # Errors
    /// [`PolicySourceError`].
    pub async fn read(&self, aws: &Aws) -> Result<(Policy, Option<Mark>), PolicySourceError> {
        let read = self.read_again(aws, None).await?;
        // Without a mark there is nothing that could be as before.
        Ok(read.unwrap_or_else(|| (Policy::built_in(), None)))
    }

    /// Reads the policy unless it is as it was at the mark. Then there is nothing.
    ///
    /// # Errors
    /// [`PolicySourceError`].
    pub async fn read_again(
        &self,
        aws: &Aws,
        mark: Option<&Mark>,
    ) -> Result<Option<(Policy, Option<Mark>)>, PolicySourceError> {
        match self {
            Self::BuiltIn => Ok(None),
            Self::File(path) => {
                let bytes = std::fs::read(path)?;
                let same = matches!(mark, Some(Mark::Content(before)) if *before == bytes);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if same { Ok(None) } else { Ok(Some((Policy::parse(&text)?, Some(Mark::Content(bytes))))) }
            }
            Self::S3 { bucket, key } => {
                let tag = mark.and_then(|mark| match mark {
                    Mark::Tag(tag) => Some(tag.as_str()),
                    Mark::Content(_) => None,
                });
                let Some((bytes, tag)) = aws.object_unless(bucket, key, tag, LARGEST_POLICY).await? else {
                    return Ok(None);
                };
                Ok(Some((Policy::parse(&String::from_utf8_lossy(&bytes))?, tag.map(Mark::Tag))))
            }
        }
    }
}

/// Reads a policy from a file.
///
/// # Errors
/// [`PolicySourceError`], never of an object.
pub fn read_file(path: &Path) -> Result<Policy, PolicySourceError> {
    Ok(Policy::parse(&std::fs::read_to_string(path)?)?)
}

/// Reads a policy from an open stream, such as standard input.
///
/// # Errors
/// [`PolicySourceError`], never of an object.
pub fn read_stream(mut stream: impl Read) -> Result<Policy, PolicySourceError> {
    let mut yaml = String::new();
    stream.read_to_string(&mut yaml)?;
    Ok(Policy::parse(&yaml)?)
}
