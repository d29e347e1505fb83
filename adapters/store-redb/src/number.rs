//! The store's number: drawn at random, kept in the tree, and known to nobody outside.

use crate::Damage;
use crate::record::truncated_hash;
use std::fmt;
use std::io::{self, ErrorKind};

/// What the frames of one store are bound to.
///
/// The journal is read block by block, and whoever stores values chooses the bytes of whole blocks. A header in a value that looked
/// like one of ours would count as a frame that is left of a lost chain. Without the number nobody can make one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number([u8; NUMBER_BYTES]);

impl Number {
    /// A new one.
    pub(crate) fn draw() -> io::Result<Self> {
        let mut bytes = [0; NUMBER_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| io::Error::from(ErrorKind::Other))?;
        Ok(Self(bytes))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        let (number, _) = bytes.split_first_chunk::<NUMBER_BYTES>().ok_or(Damage::State)?;
        let number = Self(*number);
        if number.encode() == *bytes { Ok(number) } else { Err(Damage::State) }
    }

    pub(crate) fn encode(&self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[..NUMBER_BYTES].copy_from_slice(&self.0);
        let checksum = truncated_hash(NUMBER_LABEL, [&self.0, &[], &[], &[]]);
        bytes[NUMBER_BYTES..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What tells frames of this store from those of another; nothing of the number can be learnt from it.
    pub(crate) fn short(&self) -> [u8; 4] {
        let hash = truncated_hash(SHORT_LABEL, [&self.0, &[], &[], &[]]).to_be_bytes();
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number(..)")
    }
}

const NUMBER_BYTES: usize = 32;
const ROW_BYTES: usize = NUMBER_BYTES + 16;
const NUMBER_LABEL: &[u8] = b"interbank/store-redb/number/v1\0";
const SHORT_LABEL: &[u8] = b"interbank/store-redb/number-short/v1\0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_the_number_is_noticed_and_none_is_printed() {
        let number = Number::draw().unwrap();
        assert_ne!(number, Number::draw().unwrap());
        assert_eq!(Number::parse(&number.encode()), Ok(number));
        for bit in 0..ROW_BYTES * 8 {
            let mut bytes = number.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Number::parse(&bytes), Err(Damage::State));
        }
        assert_eq!(Number::parse(&number.encode()[1..]), Err(Damage::State));
        assert_eq!(format!("{number:?}"), "Number(..)");
    }
}
