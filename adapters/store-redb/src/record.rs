//! What one row is in the file: version, checksum, value.

use crate::Damage;
use bytes::Bytes;
use port::{Row, Version};

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

/// A row in memory; as stored it is a [`Record`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) version: u64,
    pub(crate) checksum: u128,
    pub(crate) value: Bytes,
}

impl Held {
    /// A row that is about to be written.
    pub(crate) fn new(key: &[u8], version: u64, value: Bytes) -> Self {
        let checksum = checksum_of(key, version.to_be_bytes(), &value);
        Self { version, checksum, value }
    }

    /// How many bytes its record has.
    pub(crate) const fn bytes(&self) -> usize {
        8 + 16 + self.value.len()
    }

    /// Appends its record.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.checksum.to_be_bytes());
        out.extend_from_slice(&self.value);
    }

    pub(crate) fn row(&self) -> Row {
        Row { version: Version::new(self.version), value: self.value.clone() }
    }
}

impl From<Record<'_>> for Held {
    fn from(record: Record<'_>) -> Self {
        let Record { version, checksum, value } = record;
        Self { version, checksum, value: Bytes::copy_from_slice(value) }
    }
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

    fn encode(key: &[u8], version: u64, value: &[u8], out: &mut Vec<u8>) -> u128 {
        let held = Held::new(key, version, Bytes::copy_from_slice(value));
        held.encode(out);
        assert_eq!(out.len(), held.bytes());
        held.checksum
    }

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
