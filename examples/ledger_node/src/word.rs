//! What nodes say to each other beside the messages of the ledger: documents, offers, the newest checkpoint.
//!
//! Every frame begins with the number of its channel: 1 for the ledger's messages, 2 for these. A word is `01`, kind (1), fields.

use bytes::{BufMut as _, Bytes, BytesMut};
use ledger::{Height, Note, Transaction};
use link_tls::TlsLink;
use port::wire::{Reader, Writer};
use port::{Link, Peer, WireError};

/// A word between two nodes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Word {
    /// To nodes that follow: which block comes next, and the newest checkpoint if there is one.
    Head { next: Height, checkpoint: Option<Box<Note>> },
    /// To a node that orders: say your head.
    WantHead,
    /// Send the sealed document with this digest.
    WantDocument([u8; 32]),
    /// A sealed document.
    Document(Bytes),
    /// It is not here, or not for you.
    NoDocument([u8; 32]),
    /// From member to member: what its owner has signed, for the other side to sign.
    Offer(Box<Transaction>),
    /// The offer is kept.
    OfferKept([u8; 32]),
    /// The other side has signed, too.
    Accepted(Box<Transaction>),
    /// To a supervision node: who shall join or leave, and who has signed that so far.
    Motion(Box<Transaction>),
    /// To any node: a snapshot, if your chain has more blocks than this.
    WantSnapshot { above: u64 },
    /// What a snapshot is of, and what changed among those who vouch for blocks since the public file was made.
    Snapshot { manifest: Bytes, changes: Bytes },
    /// None is given: the chain is not that long, or this node serves none.
    NoSnapshot { is_short: bool },
    /// One chunk of the snapshot of this name.
    WantChunk { snapshot: [u8; 32], number: u64 },
    /// A chunk.
    Chunk { snapshot: [u8; 32], number: u64, chunk: Bytes },
    /// That snapshot is not here, or not any more.
    NoChunk { snapshot: [u8; 32] },
}

impl Word {
    /// The frame, with its channel.
    pub(crate) fn to_frame(&self) -> Result<Bytes, WireError> {
        let mut bytes = vec![Channel::WORDS];
        let mut to = Writer::new(&mut bytes, 1);
        match self {
            Self::Head { next, checkpoint } => {
                let text = checkpoint.as_ref().map_or_else(String::new, |note| note.to_string());
                to.u8(1).u64(next.0).lp32(text.as_bytes())?;
            }
            Self::WantHead => {
                to.u8(2);
            }
            Self::WantDocument(digest) => {
                to.u8(3).fixed(digest);
            }
            Self::Document(sealed) => {
                to.u8(4).lp32(sealed)?;
            }
            Self::NoDocument(digest) => {
                to.u8(5).fixed(digest);
            }
            Self::Offer(transaction) => {
                to.u8(6).lp16(&transaction.to_bytes()?)?;
            }
            Self::OfferKept(digest) => {
                to.u8(7).fixed(digest);
            }
            Self::Accepted(transaction) => {
                to.u8(8).lp16(&transaction.to_bytes()?)?;
            }
            Self::Motion(transaction) => {
                to.u8(9).lp16(&transaction.to_bytes()?)?;
            }
            Self::WantSnapshot { above } => {
                to.u8(10).u64(*above);
            }
            Self::Snapshot { manifest, changes } => {
                to.u8(11).lp32(manifest)?.lp32(changes)?;
            }
            Self::NoSnapshot { is_short } => {
                to.u8(12).u8(u8::from(*is_short));
            }
            Self::WantChunk { snapshot, number } => {
                to.u8(13).fixed(snapshot).u64(*number);
            }
            Self::Chunk { snapshot, number, chunk } => {
                to.u8(14).fixed(snapshot).u64(*number).lp32(chunk)?;
            }
            Self::NoChunk { snapshot } => {
                to.u8(15).fixed(snapshot);
            }
        }
        Ok(bytes.into())
    }

    /// Reads a frame behind its channel.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let word = match from.u8()? {
            1 => {
                let next = Height(from.u64()?);
                let text = Reader::text(from.lp32()?)?;
                let checkpoint = match text {
                    "" => None,
                    text => Some(Box::new(Note::parse(text).map_err(|_| WireError::Invalid)?)),
                };
                Self::Head { next, checkpoint }
            }
            2 => Self::WantHead,
            3 => Self::WantDocument(from.array()?),
            4 => Self::Document(Bytes::copy_from_slice(from.lp32()?)),
            5 => Self::NoDocument(from.array()?),
            6 => Self::Offer(Box::new(Transaction::parse(from.lp16()?)?)),
            7 => Self::OfferKept(from.array()?),
            8 => Self::Accepted(Box::new(Transaction::parse(from.lp16()?)?)),
            9 => Self::Motion(Box::new(Transaction::parse(from.lp16()?)?)),
            10 => Self::WantSnapshot { above: from.u64()? },
            11 => Self::Snapshot {
                manifest: Bytes::copy_from_slice(from.lp32()?),
                changes: Bytes::copy_from_slice(from.lp32()?),
            },
            12 => Self::NoSnapshot {
                is_short: match from.u8()? {
                    0 => false,
                    1 => true,
                    _ => return Err(WireError::Invalid),
                },
            },
            13 => Self::WantChunk { snapshot: from.array()?, number: from.u64()? },
            14 => Self::Chunk {
                snapshot: from.array()?,
                number: from.u64()?,
                chunk: Bytes::copy_from_slice(from.lp32()?),
            },
            15 => Self::NoChunk { snapshot: from.array()? },
            _ => return Err(WireError::Invalid),
        };
        from.finish()?;
        Ok(word)
    }
}

/// One channel of a link: puts its number before each frame.
#[derive(Clone, Copy)]
pub(crate) struct Channel<'a> {
    pub(crate) link: &'a TlsLink,
    pub(crate) number: u8,
}

impl Channel<'_> {
    /// The ledger's messages.
    pub(crate) const LEDGER: u8 = 1;
    /// Words.
    pub(crate) const WORDS: u8 = 2;
}

impl Link for Channel<'_> {
    type Error = link_tls::Error;

    async fn send(&self, to: &Peer, frame: &Bytes) -> Result<(), Self::Error> {
        let mut bytes = BytesMut::with_capacity(frame.len() + 1);
        bytes.put_u8(self.number);
        bytes.put_slice(frame);
        self.link.send(to, &bytes.freeze()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_and_nothing_else_is_taken() {
        let note = Note::new("origin\n1\nroot\n").unwrap();
        let key = seal::SigningKey::from_seed(&seal::Secret::new([1; 32]));
        let note = note.signed_by("origin", &key);
        for word in [
            Word::Head { next: Height(7), checkpoint: Some(Box::new(note)) },
            Word::Head { next: Height(0), checkpoint: None },
            Word::WantHead,
            Word::WantDocument([1; 32]),
            Word::Document(Bytes::from_static(b"sealed")),
            Word::NoDocument([2; 32]),
            Word::OfferKept([3; 32]),
            Word::WantSnapshot { above: 1_000 },
            Word::Snapshot {
                manifest: Bytes::from_static(b"manifest"),
                changes: Bytes::from_static(b"[]"),
            },
            Word::NoSnapshot { is_short: true },
            Word::WantChunk { snapshot: [4; 32], number: 7 },
            Word::Chunk { snapshot: [5; 32], number: 7, chunk: Bytes::from_static(b"chunk") },
            Word::NoChunk { snapshot: [6; 32] },
        ] {
            let frame = word.to_frame().unwrap();
            assert_eq!(frame[0], Channel::WORDS);
            assert_eq!(Word::parse(&frame[1..]).as_ref(), Ok(&word));
            assert!(Word::parse(&frame[1..frame.len() - 1]).is_err());
            let more = [&frame[1..], &[0]].concat();
            assert!(Word::parse(&more).is_err());
        }
        assert_eq!(Word::parse(&[1, 12, 2]), Err(WireError::Invalid));
        assert_eq!(Word::parse(&[1, 16]), Err(WireError::Invalid));
    }
}
