//! Checkpoints: the log's size and root, signed (C2SP `tlog-checkpoint`).

use crate::{Log, Note, ProofError};
use alloc::format;
use alloc::string::String;
use base64ct::{Base64, Encoding as _};

/// How large the log of some origin is, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log ([`crate::Genesis::origin`]).
    pub origin: String,
    /// How many records it has.
    pub size: u64,
    /// The root over all of them.
    pub root: [u8; 32],
}

impl Checkpoint {
    /// Of a log as it is now.
    pub fn of(origin: &str, log: &Log) -> Self {
        Self { origin: origin.into(), size: log.size(), root: log.root() }
    }

    /// What is signed: origin, size, and root in base64, a line each.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, Base64::encode_string(&self.root))
    }

    /// Reads what was signed. Further lines, which other logs may have, are refused: nobody could check them.
    ///
    /// # Errors
    /// [`ProofError::Form`].
    pub fn parse(note: &Note) -> Result<Self, ProofError> {
        let mut lines = note.text().split_terminator('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(ProofError::Form);
        };
        let mut hash = [0; 32];
        let decoded = Base64::decode(root, &mut hash).map_err(|_| ProofError::Form)?;
        if origin.is_empty() || decoded.len() != 32 {
            return Err(ProofError::Form);
        }
        Ok(Self { origin: origin.into(), size: number(size)?, root: hash })
    }
}

/// A decimal number without leading zeros.
pub(crate) fn number(text: &str) -> Result<u64, ProofError> {
    let is_canonical =
        text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    if is_canonical { text.parse().map_err(|_| ProofError::Form) } else { Err(ProofError::Form) }
}
