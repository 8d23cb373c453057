//! The checksums that S3 knows, with the interface of the crate `crc-fast`, as far as the AWS SDK uses it.
//!
//! aws-smithy-checksums, and with it aws-sdk-s3, asks `crc-fast` for three checksums. That crate knows a hundred, and as it
//! chooses among them while it runs, the linker keeps all its tables: 680 KB that no zip makes smaller, a ninth of what the
//! function uploads. `[patch.crates-io]` in the workspace's `Cargo.toml` puts this crate in its place. The checksums
//! themselves are those of the crates `crc32fast`, which is linked for gzip anyway, and `crc`.
//!
//! The table of CRC-64 is sixteen times as large as it must be, for S3 gives every new object one and the function checks it
//! on every log file. Nothing of ours is under CRC-32C.

use std::fmt;

use crc::{CRC_32_ISCSI, CRC_64_NVME, Crc, Table};

static CRC32C: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);
static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_NVME);

/// A checksum (Amazon S3 User Guide, "Checking object integrity").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrcAlgorithm {
    /// CRC-32.
    Crc32IsoHdlc,
    /// CRC-32C.
    Crc32Iscsi,
    /// CRC-64/NVME.
    Crc64Nvme,
}

/// A checksum of the bytes so far.
#[derive(Clone)]
pub struct Digest(State);

#[derive(Clone)]
enum State {
    Crc32(crc32fast::Hasher),
    Crc32c(crc::Digest<'static, u32, Table<1>>),
    Crc64(crc::Digest<'static, u64, Table<16>>),
}

impl Digest {
    /// The checksum of no bytes.
    #[must_use]
    pub fn new(algorithm: CrcAlgorithm) -> Self {
        Self(match algorithm {
            CrcAlgorithm::Crc32IsoHdlc => State::Crc32(crc32fast::Hasher::new()),
            CrcAlgorithm::Crc32Iscsi => State::Crc32c(CRC32C.digest()),
            CrcAlgorithm::Crc64Nvme => State::Crc64(CRC64.digest()),
        })
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Crc32(hasher) => hasher.update(bytes),
            State::Crc32c(digest) => digest.update(bytes),
            State::Crc64(digest) => digest.update(bytes),
        }
    }

    /// The checksum. One of 32 bits is in the lower half.
    #[must_use]
    pub fn finalize(&self) -> u64 {
        match &self.0 {
            State::Crc32(hasher) => hasher.clone().finalize().into(),
            State::Crc32c(digest) => digest.clone().finalize().into(),
            State::Crc64(digest) => digest.clone().finalize(),
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Digest").field(&self.finalize()).finish()
    }
}

#[cfg(test)]
mod tests;
