//! What the store knows about all of its rows, kept with them.

use crate::Damage;
use crate::record::truncated_hash;

/// The last version, the number of rows, and a digest over all of them.
///
/// The digest is the wrapping sum of the rows' checksums: it does not depend on their order, one write changes it in constant
/// time, and a row that vanished or came back makes it differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) last: u64,
    pub(crate) rows: u64,
    pub(crate) digest: u128,
}

impl State {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        let bytes: &[u8; STATE_BYTES] = bytes.try_into().map_err(|_| Damage::State)?;
        let (last, rest) = bytes.split_first_chunk::<8>().ok_or(Damage::State)?;
        let (rows, rest) = rest.split_first_chunk::<8>().ok_or(Damage::State)?;
        let (digest, _) = rest.split_first_chunk::<16>().ok_or(Damage::State)?;
        let state = Self {
            last: u64::from_be_bytes(*last),
            rows: u64::from_be_bytes(*rows),
            digest: u128::from_be_bytes(*digest),
        };
        if state.encode() == *bytes { Ok(state) } else { Err(Damage::State) }
    }

    pub(crate) fn encode(&self) -> [u8; STATE_BYTES] {
        let mut bytes = [0; STATE_BYTES];
        bytes[..8].copy_from_slice(&self.last.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.rows.to_be_bytes());
        bytes[16..32].copy_from_slice(&self.digest.to_be_bytes());
        bytes[32..].copy_from_slice(&self.checksum().to_be_bytes());
        bytes
    }

    /// Stands for the whole state, and with it for all rows.
    pub(crate) fn checksum(&self) -> u128 {
        let (last, rows) = (self.last.to_be_bytes(), self.rows.to_be_bytes());
        truncated_hash(STATE_LABEL, [&last, &rows, &self.digest.to_be_bytes(), &[]])
    }

    /// A row came.
    pub(crate) fn add(&mut self, checksum: u128) {
        self.rows = self.rows.wrapping_add(1);
        self.digest = self.digest.wrapping_add(checksum);
    }

    /// A row went.
    pub(crate) fn remove(&mut self, checksum: u128) {
        self.rows = self.rows.wrapping_sub(1);
        self.digest = self.digest.wrapping_sub(checksum);
    }
}

/// The format row: the number of this file format.
pub(crate) fn encode_format(format: u32) -> [u8; FORMAT_BYTES] {
    let mut bytes = [0; FORMAT_BYTES];
    bytes[..4].copy_from_slice(&format.to_be_bytes());
    let checksum = truncated_hash(FORMAT_LABEL, [&format.to_be_bytes(), &[], &[], &[]]);
    bytes[4..].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

pub(crate) fn parse_format(bytes: &[u8]) -> Result<u32, Damage> {
    let (format, _) = bytes.split_first_chunk::<4>().ok_or(Damage::State)?;
    let format = u32::from_be_bytes(*format);
    if encode_format(format) == *bytes { Ok(format) } else { Err(Damage::State) }
}

/// The format that this version writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 3;

pub(crate) const STATE_BYTES: usize = 48;
const FORMAT_BYTES: usize = 20;
const STATE_LABEL: &[u8] = b"interbank/store-redb/state/v1\0";
const FORMAT_LABEL: &[u8] = b"interbank/store-redb/format/v1\0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_the_meta_rows_is_noticed() {
        let state = State { last: 9, rows: 2, digest: u128::MAX / 3 };
        assert_eq!(State::parse(&state.encode()), Ok(state));
        for bit in 0..STATE_BYTES * 8 {
            let mut bytes = state.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(State::parse(&bytes), Err(Damage::State));
        }
        assert_eq!(parse_format(&encode_format(7)), Ok(7));
        for bit in 0..FORMAT_BYTES * 8 {
            let mut bytes = encode_format(7);
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse_format(&bytes), Err(Damage::State));
        }
    }

    #[test]
    fn the_digest_does_not_depend_on_the_order_of_writes() {
        let (mut one, mut two) = (State::default(), State::default());
        for checksum in [5, u128::MAX, 7] {
            one.add(checksum);
        }
        one.remove(u128::MAX);
        for checksum in [7, 5] {
            two.add(checksum);
        }
        assert_eq!(one, two);
    }
}
