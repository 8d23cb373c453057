//! `s3://bucket/key`: read and written in one place.

use std::fmt;

/// A place in S3, as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct S3Url<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// The object's key, or the beginning of the keys of several objects; may be empty.
    pub key: &'a str,
}

impl<'a> S3Url<'a> {
    /// The parts of `s3://bucket/key`; nothing where the text does not begin with `s3://`. Both parts may be empty.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let place = text.strip_prefix("s3://")?;
        let (bucket, key) = place.split_once('/').unwrap_or((place, ""));
        Some(Self { bucket, key })
    }
}

impl fmt::Display for S3Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_s3_has_a_bucket_and_a_key() {
        for (text, expected) in [
            ("s3://bucket/path/key", Some(("bucket", "path/key"))),
            ("s3://bucket/", Some(("bucket", ""))),
            ("s3://bucket", Some(("bucket", ""))),
            ("s3:///key", Some(("", "key"))),
            ("bucket/key", None),
            ("https://bucket/key", None),
        ] {
            assert_eq!(S3Url::parse(text).map(|url| (url.bucket, url.key)), expected, "{text}");
        }
        assert_eq!(S3Url { bucket: "bucket", key: "path/key" }.to_string(), "s3://bucket/path/key");
    }
}
