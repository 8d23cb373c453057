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
    pub async fn read(&self, aws: &Aws) -> Result<Policy, PolicySourceError> {
        match self {
            Self::BuiltIn => Ok(Policy::built_in()),
            Self::File(path) => read_file(path),
            Self::S3 { bucket, key } => {
                let bytes = aws.object(bucket, key, LARGEST_POLICY).await?;
                Ok(Policy::parse(&String::from_utf8_lossy(&bytes))?)
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
