//! What members and supervision nodes say to each other.

use crate::{Block, FileId, Height, Refusal, Rejected, Transaction};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use port::WireError;
use port::wire::{Reader, Writer};

/// A frame between a member and a supervision node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// To a supervision node: a transaction for the chain. Repeated until it is answered; the same one is taken once.
    Submit(Box<Transaction>),
    /// To who submitted: the transaction stands in a block.
    Decided {
        /// [`Transaction::digest`].
        digest: [u8; 32],
        /// In which block.
        height: Height,
        /// At which place there.
        place: u32,
    },
    /// To who submitted: the transaction is refused, by the state as it is now.
    Refused {
        /// [`Transaction::digest`].
        digest: [u8; 32],
        /// Why.
        why: Refusal,
    },
    /// To the member that asked for a registration, and to nobody else: what the audit came to (spec L6).
    Concluded {
        /// Which file.
        file: FileId,
        /// At which height.
        height: Height,
        /// Registered, or why not.
        outcome: Result<(), Rejected>,
    },
    /// To a node that holds the chain: which block is wanted. It is silent if it does not have it: because it joined by a
    /// snapshot later on.
    Want(Height),
    /// To who wanted it.
    Block(Box<Block>),
    /// To who wanted one that is not there yet: the height of the block that comes next.
    Next(Height),
}

impl Message {
    /// Appends the sent form: version 1, kind (1), and the fields in their order; a transaction behind a `u16` length, a block
    /// behind a `u32` one, an outcome as 0, or the number of the reason.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(to, 1);
        match self {
            Self::Submit(transaction) => {
                to.u8(1).lp16(&transaction.to_bytes()?)?;
            }
            Self::Decided { digest, height, place } => {
                to.u8(2).fixed(digest).u64(height.0).u32(*place);
            }
            Self::Refused { digest, why } => {
                to.u8(3).fixed(digest).u8(why.as_u8());
            }
            Self::Concluded { file, height, outcome } => {
                let reason = outcome.map_or_else(Rejected::as_u8, |()| 0);
                to.u8(4).fixed(&file.0).u64(height.0).u8(reason);
            }
            Self::Want(height) => {
                to.u8(5).u64(height.0);
            }
            Self::Block(block) => {
                let mut bytes = Vec::new();
                block.encode(&mut bytes)?;
                to.u8(6).lp32(&bytes)?;
            }
            Self::Next(height) => {
                to.u8(7).u64(height.0);
            }
        }
        Ok(())
    }

    /// The sent form.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn to_frame(&self) -> Result<Bytes, WireError> {
        let mut bytes = Vec::with_capacity(128);
        self.encode(&mut bytes)?;
        Ok(bytes.into())
    }

    /// Reads the sent form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let message = match from.u8()? {
            1 => Self::Submit(Box::new(Transaction::parse(from.lp16()?)?)),
            2 => Self::Decided {
                digest: from.array()?,
                height: Height(from.u64()?),
                place: from.u32()?,
            },
            3 => Self::Refused {
                digest: from.array()?,
                why: Refusal::from_u8(from.u8()?).ok_or(WireError::Invalid)?,
            },
            4 => Self::Concluded {
                file: FileId(from.array()?),
                height: Height(from.u64()?),
                outcome: match from.u8()? {
                    0 => Ok(()),
                    reason => Err(Rejected::from_u8(reason)?),
                },
            },
            5 => Self::Want(Height(from.u64()?)),
            6 => Self::Block(Box::new(Block::parse(from.lp32()?)?)),
            7 => Self::Next(Height(from.u64()?)),
            _ => return Err(WireError::Invalid),
        };
        from.finish()?;
        Ok(message)
    }
}
