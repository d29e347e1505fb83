//! What one row is in the file: version, checksum, value.

use crate::Damage;
use crate::overlay::Held;

/// A row as stored, its checksum verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) version: u64,
    pub(crate) checksum: u128,
    pub(crate) value: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads a record and verifies that it is the one that was written under this key.
    pub(crate) fn parse(key: &[u8], bytes: &'a [u8]) -> Result<Self, Damage> {
        let (version, rest) = bytes.split_first_chunk::<8>().ok_or(Damage::Record)?;
        let (checksum, value) = rest.split_first_chunk::<16>().ok_or(Damage::Record)?;
        let record = Self {
            version: u64::from_be_bytes(*version),
            checksum: u128::from_be_bytes(*checksum),
            value,
        };
        if record.checksum == checksum_of(key, *version, value) {
            Ok(record)
        } else {
            Err(Damage::Record)
        }
    }
}

/// Replaces `out` by the record of this row, and returns its checksum.
pub(crate) fn encode(key: &[u8], version: u64, value: &[u8], out: &mut Vec<u8>) -> u128 {
    let version = version.to_be_bytes();
    let checksum = checksum_of(key, version, value);
    out.clear();
    out.extend_from_slice(&version);
    out.extend_from_slice(&checksum.to_be_bytes());
    out.extend_from_slice(value);
    checksum
}

/// The same of a row whose checksum is known.
pub(crate) fn encode_held(held: &Held, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&held.version.to_be_bytes());
    out.extend_from_slice(&held.checksum.to_be_bytes());
    out.extend_from_slice(&held.value);
}

/// The first 16 bytes of a BLAKE3 hash over a label and the parts of known length before the last.
pub(crate) fn truncated_hash(label: &[u8], parts: [&[u8]; 4]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(label);
    for part in parts {
        hasher.update(part);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_be_bytes(first)
}

fn checksum_of(key: &[u8], version: [u8; 8], value: &[u8]) -> u128 {
    let key_len = u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes();
    truncated_hash(ROW_LABEL, [&key_len, key, &version, value])
}

const ROW_LABEL: &[u8] = b"interbank/store-redb/row/v1\0";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_is_written_as_specified() {
        let mut bytes = Vec::new();
        encode(b"key", 7, b"value", &mut bytes);
        let mut hashed = b"interbank/store-redb/row/v1\0\0\x03key".to_vec();
        hashed.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 7]);
        hashed.extend_from_slice(b"value");
        let mut expected = vec![0, 0, 0, 0, 0, 0, 0, 7];
        expected.extend_from_slice(&blake3::hash(&hashed).as_bytes()[..16]);
        expected.extend_from_slice(b"value");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_record_is_bound_to_its_key() {
        let mut bytes = Vec::new();
        encode(b"key", 7, b"value", &mut bytes);
        assert!(Record::parse(b"key", &bytes).is_ok());
        assert_eq!(Record::parse(b"kez", &bytes), Err(Damage::Record));
        assert_eq!(Record::parse(b"keyv", &bytes), Err(Damage::Record));
    }

    proptest! {
        #[test]
        fn any_change_of_a_record_is_noticed(
            key in prop::collection::vec(any::<u8>(), 0..64),
            value in prop::collection::vec(any::<u8>(), 0..64),
            version: u64,
            at: prop::sample::Index,
            mask in 1_u8..,
        ) {
            let mut bytes = Vec::new();
            let checksum = encode(&key, version, &value, &mut bytes);
            prop_assert_eq!(
                Record::parse(&key, &bytes),
                Ok(Record { version, checksum, value: &value })
            );
            let position = at.index(bytes.len());
            bytes[position] ^= mask;
            prop_assert_eq!(Record::parse(&key, &bytes), Err(Damage::Record));
            bytes[position] ^= mask;
            bytes.truncate(position);
            prop_assert_eq!(Record::parse(&key, &bytes), Err(Damage::Record));
        }
    }
}
