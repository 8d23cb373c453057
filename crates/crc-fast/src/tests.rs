use aws_smithy_checksums::ChecksumAlgorithm;
use proptest::prelude::*;

use super::*;

const ALL: [CrcAlgorithm; 3] = [CrcAlgorithm::Crc32IsoHdlc, CrcAlgorithm::Crc32Iscsi, CrcAlgorithm::Crc64Nvme];

fn of<'a>(algorithm: CrcAlgorithm, parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut digest = Digest::new(algorithm);
    parts.into_iter().for_each(|part| digest.update(part));
    digest.finalize()
}

/// The definition: bit by bit, with the polynomial reversed (CRC RevEng, "Catalogue of parametrised CRC algorithms").
fn by_definition(algorithm: CrcAlgorithm, bytes: &[u8]) -> u64 {
    let (polynomial, ones) = match algorithm {
        CrcAlgorithm::Crc32IsoHdlc => (0xedb8_8320, u64::from(u32::MAX)),
        CrcAlgorithm::Crc32Iscsi => (0x82f6_3b78, u64::from(u32::MAX)),
        CrcAlgorithm::Crc64Nvme => (0x9a6c_9329_ac4b_c9b5, u64::MAX),
    };
    let mut crc = ones;
    for byte in bytes {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ polynomial } else { crc >> 1 };
        }
    }
    crc ^ ones
}

/// Source: the same catalogue's check values, of the nine digits.
#[test]
fn the_check_values_are_those_of_the_catalogue() {
    let expected = [0xcbf4_3926, 0xe306_9283, 0xae8b_1486_0a79_9888];
    for (algorithm, expected) in ALL.into_iter().zip(expected) {
        assert_eq!(of(algorithm, [b"123456789".as_slice()]), expected, "{algorithm:?}");
        assert_eq!(of(algorithm, []), 0, "{algorithm:?}");
    }
}

/// The SDK asks this crate, and sends the bytes in the order that S3 expects.
#[test]
fn the_sdk_computes_its_checksums_with_this_crate() {
    let expected = [
        ("CRC32", vec![0xcb, 0xf4, 0x39, 0x26]),
        ("CRC32C", vec![0xe3, 0x06, 0x92, 0x83]),
        ("CRC64NVME", vec![0xae, 0x8b, 0x14, 0x86, 0x0a, 0x79, 0x98, 0x88]),
    ];
    for (name, bytes) in expected {
        let mut checksum = name.parse::<ChecksumAlgorithm>().unwrap().into_impl();
        checksum.update(b"12345");
        checksum.update(b"6789");
        assert_eq!(checksum.finalize().to_vec(), bytes, "{name}");
    }
}

proptest! {
    #[test]
    fn bytes_in_any_pieces_have_the_checksum_of_the_definition(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..6)
    ) {
        for algorithm in ALL {
            let whole = pieces.concat();
            prop_assert_eq!(of(algorithm, pieces.iter().map(Vec::as_slice)), by_definition(algorithm, &whole));
        }
    }
}
