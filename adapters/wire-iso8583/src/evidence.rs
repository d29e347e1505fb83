//! What proves who asks, taken out of a message for the holder of keys, and nobody else.

use crate::{FieldError, Message, Usage};
use alloc::vec::Vec;
use standin::{Evidence, Evidences};

/// The fields in the bytes of an [`Evidence`], for the key holder: number and value, in the order of their numbers.
///
/// Each field is its number (one byte), its length (two, big-endian) and its value as [`Message::field`] has it. Field 2 is
/// always in front: the account number, wherever the message had it. Reading ends at bytes that are no field.
///
/// | evidence | fields beside the account number |
/// |---|---|
/// | PIN | 52, and 53 if it is there |
/// | card verification number | 14, 35, 45 and the [`Usage::cvn_fields`], as far as they are there |
/// | cryptogram | 23 if it is there, 55 |
///
/// ```
/// use interbank_wire_iso8583::EvidenceFields;
/// let mut fields = EvidenceFields::new(b"\x02\x00\x044111\x34\x00\x02\xAB\xCD");
/// assert_eq!(fields.next(), Some((2, &b"4111"[..])));
/// assert_eq!(fields.next(), Some((52, &b"\xAB\xCD"[..])));
/// assert_eq!(fields.next(), None);
/// ```
#[derive(Clone)]
pub struct EvidenceFields<'a>(&'a [u8]);

impl<'a> EvidenceFields<'a> {
    /// Of the evidence in a question to a key holder.
    pub const fn new(evidence: &'a [u8]) -> Self {
        Self(evidence)
    }
}

impl<'a> Iterator for EvidenceFields<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([field, high, low], rest) = self.0.split_first_chunk()?;
        let (value, rest) =
            rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        self.0 = rest;
        Some((*field, value))
    }
}

impl core::fmt::Debug for EvidenceFields<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("EvidenceFields(..)")
    }
}

impl Message {
    /// The PIN block, what the card's own number can be verified by, and the chip's cryptogram, as far as they came.
    pub(crate) fn evidences(&self, number: &[u8], usage: &Usage) -> Result<Evidences, FieldError> {
        self.pin_block()?;
        let with = |fields: &[u8]| self.evidence(number, fields);
        let mut cvn_fields = usage.cvn_fields().to_vec();
        cvn_fields.extend([35, 45]);
        let has_cvn = cvn_fields.iter().any(|field| self.has(*field));
        cvn_fields.push(14);
        cvn_fields.sort_unstable();
        cvn_fields.dedup();
        Ok(Evidences {
            pin: self.has(52).then(|| with(&[52, 53])),
            cvn: has_cvn.then(|| with(&cvn_fields)),
            arqc: self.has(55).then(|| with(&[23, 55])),
        })
    }

    fn evidence(&self, number: &[u8], fields: &[u8]) -> Evidence {
        let values = || {
            let others = fields.iter().filter_map(|field| Some((*field, self.field(*field)?)));
            core::iter::once((2, number)).chain(others)
        };
        // Room for all of it at once: a vector that grows leaves copies of its bytes behind.
        let mut bytes = Vec::with_capacity(values().map(|(_, value)| 3 + value.len()).sum());
        for (field, value) in values() {
            // A message has at most 65,535 bytes of values.
            let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
            bytes.push(field);
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend_from_slice(value);
        }
        Evidence::new(bytes)
    }
}
