//! What parties say to each other.

use crate::request::{optional, put_optional};
use crate::{
    Failure, FileName, HopList, OnConflict, Request, SignedReceipt, SignedVerdict, SiteId,
    TransferId,
};
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;
use port::WireError;
use port::outbox::{Answer, Entry};
use port::wire::{Reader, Writer};
use sha2::{Digest as _, Sha256};

/// A frame between two parties. Who may send which, each machine checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request: from a backstage server, or passed on by another site with what is known of the file.
    Submit {
        /// The request.
        request: Request,
        /// The sites that it passed.
        hops: HopList,
        /// Size and root, if it was passed on.
        file: Option<(u64, [u8; 32])>,
    },
    /// The verdict about a request.
    Answer(SignedVerdict),
    /// Something that is told until it is answered: a [`port::outbox::Entry`].
    Notice(Bytes),
    /// The answer: a [`port::outbox::Answer`].
    Noticed(Bytes),
    /// A file for a client.
    Offer(Offer),
    /// A range that is missing at the sender of this.
    Want {
        /// Of which transfer.
        transfer: TransferId,
        /// The groups.
        range: Range<u64>,
    },
    /// A range with its proof.
    Slice {
        /// Of which transfer.
        transfer: TransferId,
        /// The groups.
        range: Range<u64>,
        /// What [`crate::Slice`] encodes.
        bytes: Bytes,
    },
    /// What became of an offer.
    Taken {
        /// Of which transfer.
        transfer: TransferId,
        /// Published under this name, or why not.
        outcome: Result<FileName, Failure>,
        /// The client's own receipt, a [`crate::SignedReceipt`]; empty without one.
        receipt: Bytes,
    },
    /// A client is asked to describe a file.
    Fetch {
        /// For which transfer.
        transfer: TransferId,
        /// The file.
        name: FileName,
    },
    /// What the client says of it: size and root, or that there is none.
    Described {
        /// For which transfer.
        transfer: TransferId,
        /// Size and root.
        file: Option<(u64, [u8; 32])>,
    },
    /// The source is not what it was.
    Unstable {
        /// Of which transfer.
        transfer: TransferId,
    },
    /// Whether an access server's client is there.
    Presence(bool),
    /// The requester calls its job off.
    Cancel {
        /// Which.
        transfer: TransferId,
    },
    /// A client's application has taken a file.
    HandedOver {
        /// Of which transfer.
        transfer: TransferId,
        /// The client's receipt, a [`crate::SignedReceipt`].
        receipt: Bytes,
    },
    /// The answer: it is recorded.
    Recorded {
        /// Of which transfer.
        transfer: TransferId,
    },
    /// A client that collects its files asks for what waits, in both directions.
    Collect,
}

/// A file for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Of which transfer.
    pub transfer: TransferId,
    /// The request's digest.
    pub request: [u8; 32],
    /// The verdict's digest.
    pub verdict: [u8; 32],
    /// The job's id.
    pub id: crate::JobId,
    /// The name to publish it under.
    pub name: FileName,
    /// What to do if that is taken.
    pub on_conflict: OnConflict,
    /// Its size in bytes.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
    /// Not to be published at or after this moment.
    pub deadline: Option<port::Time>,
}

impl Message {
    /// The answer to a notice: it is taken.
    pub(crate) fn noticed(notice: &Entry) -> Result<Self, WireError> {
        Self::noticed_with(notice, Bytes::from_static(&[1]))
    }

    /// The same with the receipt of who took it.
    pub(crate) fn noticed_with(notice: &Entry, content: Bytes) -> Result<Self, WireError> {
        let mut bytes = Vec::with_capacity(48 + content.len());
        let answer = Answer { idempotency: notice.idempotency, content };
        answer.encode(&mut bytes)?;
        Ok(Self::Noticed(bytes.into()))
    }

    /// The frame.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn to_frame(&self) -> Result<Bytes, WireError> {
        let mut bytes = Vec::with_capacity(256);
        self.encode(&mut bytes)?;
        Ok(bytes.into())
    }

    /// The beginning of the frame of a [`Message::Slice`]: what [`crate::Slice::encode`] appends to it completes the frame, without
    /// a copy of the bytes.
    pub fn begin_slice(transfer: &TransferId, range: &Range<u64>, frame: &mut Vec<u8>) {
        let mut to = Writer::new(frame, 1);
        put_range(to.u8(7), transfer, range);
    }

    /// Appends the sent form: version 1, kind (1), then the fields in the order of their declaration.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, bytes: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(bytes, 1);
        match self {
            Self::Submit { request, hops, file } => {
                let mut body = Vec::with_capacity(256);
                request.encode(&mut body)?;
                to.u8(1).lp16(&body)?;
                hops.write(&mut to)?;
                put_file(&mut to, file.as_ref());
            }
            Self::Answer(verdict) => {
                let mut body = Vec::with_capacity(224);
                verdict.encode(&mut body)?;
                to.u8(2).fixed(&body);
            }
            Self::Notice(entry) => {
                to.u8(3).fixed(entry);
            }
            Self::Noticed(answer) => {
                to.u8(4).fixed(answer);
            }
            Self::Offer(offer) => {
                to.u8(5)
                    .fixed(&offer.transfer.0)
                    .fixed(&offer.request)
                    .fixed(&offer.verdict)
                    .fixed(&offer.id.0)
                    .lp16(offer.name.as_str().as_bytes())?
                    .u8(offer.on_conflict.as_u8())
                    .u64(offer.size)
                    .fixed(&offer.root);
                put_optional(&mut to, offer.deadline.map(port::Time::as_ms));
            }
            Self::Want { transfer, range } => put_range(to.u8(6), transfer, range),
            Self::Slice { transfer, range, bytes } => {
                put_range(to.u8(7), transfer, range);
                to.fixed(bytes);
            }
            Self::Taken { transfer, outcome, receipt } => {
                to.u8(8).fixed(&transfer.0);
                put_outcome(&mut to, outcome)?;
                to.lp16(receipt)?;
            }
            Self::Fetch { transfer, name } => {
                to.u8(9).fixed(&transfer.0).lp16(name.as_str().as_bytes())?;
            }
            Self::Described { transfer, file } => {
                to.u8(10).fixed(&transfer.0);
                put_file(&mut to, file.as_ref());
            }
            Self::Unstable { transfer } => {
                to.u8(11).fixed(&transfer.0);
            }
            Self::Presence(present) => {
                to.u8(12).u8(u8::from(*present));
            }
            Self::Cancel { transfer } => {
                to.u8(13).fixed(&transfer.0);
            }
            Self::HandedOver { transfer, receipt } => {
                to.u8(14).fixed(&transfer.0).lp16(receipt)?;
            }
            Self::Recorded { transfer } => {
                to.u8(15).fixed(&transfer.0);
            }
            Self::Collect => {
                to.u8(16);
            }
        }
        Ok(())
    }

    /// Reads a frame; the bytes of a [`Message::Slice`] are those of the frame, and not a copy.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse_frame(frame: &Bytes) -> Result<Self, WireError> {
        let mut from = Reader::new(frame);
        if (from.u8()?, from.u8()?) != (1, 7) {
            return Self::parse(frame);
        }
        let (transfer, range) = ranged(&mut from)?;
        Ok(Self::Slice { transfer, range, bytes: frame.slice_ref(from.rest()) })
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let kind = from.u8()?;
        let rest = |from: &Reader<'_>| Bytes::copy_from_slice(from.rest());
        let message = match kind {
            1 => {
                let request = Request::parse(from.lp16()?)?;
                let hops = HopList::read(&mut from)?;
                Self::Submit { request, hops, file: file(&mut from)? }
            }
            2 => return SignedVerdict::parse(from.rest()).map(Self::Answer),
            3 => return Ok(Self::Notice(rest(&from))),
            4 => return Ok(Self::Noticed(rest(&from))),
            5 => Self::Offer(Offer {
                transfer: TransferId(from.array()?),
                request: from.array()?,
                verdict: from.array()?,
                id: crate::JobId(from.array()?),
                name: name(&mut from)?,
                on_conflict: OnConflict::from_u8(from.u8()?)?,
                size: from.u64()?,
                root: from.array()?,
                deadline: optional(&mut from)?.map(port::Time::from_ms),
            }),
            6 => {
                let (transfer, range) = ranged(&mut from)?;
                Self::Want { transfer, range }
            }
            7 => {
                let (transfer, range) = ranged(&mut from)?;
                return Ok(Self::Slice { transfer, range, bytes: rest(&from) });
            }
            8 => Self::Taken {
                transfer: TransferId(from.array()?),
                outcome: outcome(&mut from)?,
                receipt: Bytes::copy_from_slice(from.lp16()?),
            },
            9 => Self::Fetch { transfer: TransferId(from.array()?), name: name(&mut from)? },
            10 => Self::Described { transfer: TransferId(from.array()?), file: file(&mut from)? },
            11 => Self::Unstable { transfer: TransferId(from.array()?) },
            12 => match from.u8()? {
                0 => Self::Presence(false),
                1 => Self::Presence(true),
                _ => return Err(WireError::Invalid),
            },
            13 => Self::Cancel { transfer: TransferId(from.array()?) },
            14 => Self::HandedOver {
                transfer: TransferId(from.array()?),
                receipt: Bytes::copy_from_slice(from.lp16()?),
            },
            15 => Self::Recorded { transfer: TransferId(from.array()?) },
            16 => Self::Collect,
            _ => return Err(WireError::Invalid),
        };
        from.finish()?;
        Ok(message)
    }
}

/// The result of a job, as its requester (or the site before) is told; and the arrival of a file, as its destination is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What is told.
    pub kind: NoticeKind,
    /// Of which transfer.
    pub transfer: TransferId,
    /// The job's id.
    pub id: crate::JobId,
    /// Who asked for it.
    pub requester: String,
    /// Where the job stands.
    pub state: crate::State,
    /// Size and root, if they are known.
    pub file: Option<(u64, [u8; 32])>,
    /// The name under which it was published; empty before.
    pub name: String,
    /// Receipts, each a [`crate::SignedReceipt`].
    pub receipts: Vec<Bytes>,
}

/// What a [`Notice`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// To the requester: what became of the job.
    Result,
    /// To the destination: a file is there.
    Arrival,
    /// To the requester: the destination's application has taken it. The only receipt is the destination's.
    HandedOver,
}

impl NoticeKind {
    /// The idempotency key of what a site tells of a transfer: under it a backstage server finds the notice in its inbox.
    pub fn idempotency(self, transfer: &TransferId, site: &SiteId) -> [u8; 32] {
        Sha256::new()
            .chain_update(b"interbank/filexfer/notice/v1\0")
            .chain_update([self.as_u8()])
            .chain_update(transfer.0)
            .chain_update(site.as_str())
            .finalize()
            .into()
    }

    /// The byte of stored, sent and digested forms.
    pub(crate) const fn as_u8(self) -> u8 {
        match self {
            Self::Result => 1,
            Self::Arrival => 2,
            Self::HandedOver => 3,
        }
    }
}

impl Notice {
    /// The receipt among its receipts that states this.
    pub fn receipt(&self, stage: crate::Stage) -> Option<SignedReceipt> {
        let mut receipts =
            self.receipts.iter().filter_map(|bytes| SignedReceipt::parse(bytes).ok());
        receipts.find(|signed| signed.receipt.stage == stage)
    }

    /// Appends the stored and sent form, version 1.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, bytes: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(bytes, 1);
        to.u8(self.kind.as_u8())
            .fixed(&self.transfer.0)
            .fixed(&self.id.0)
            .lp8(self.requester.as_bytes())?
            .fixed(&self.state.to_bytes());
        put_file(&mut to, self.file.as_ref());
        to.lp16(self.name.as_bytes())?;
        to.u8(u8::try_from(self.receipts.len()).map_err(|_| WireError::TooLong)?);
        for receipt in &self.receipts {
            to.lp16(receipt)?;
        }
        Ok(())
    }

    /// Reads the stored and sent form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let kind = match from.u8()? {
            1 => NoticeKind::Result,
            2 => NoticeKind::Arrival,
            3 => NoticeKind::HandedOver,
            _ => return Err(WireError::Invalid),
        };
        let notice = Self {
            kind,
            transfer: TransferId(from.array()?),
            id: crate::JobId(from.array()?),
            requester: Reader::text(from.lp8()?)?.into(),
            state: crate::State::from_bytes(from.array()?)?,
            file: file(&mut from)?,
            name: Reader::text(from.lp16()?)?.into(),
            receipts: {
                let count = from.u8()?;
                let one = |_| Ok(Bytes::copy_from_slice(from.lp16()?));
                (0..count).map(one).collect::<Result<_, WireError>>()?
            },
        };
        from.finish()?;
        Ok(notice)
    }
}

fn put_range(to: &mut Writer<'_>, transfer: &TransferId, range: &Range<u64>) {
    to.fixed(&transfer.0).u64(range.start).u64(range.end);
}

fn ranged(from: &mut Reader<'_>) -> Result<(TransferId, Range<u64>), WireError> {
    let transfer = TransferId(from.array()?);
    let range = from.u64()?..from.u64()?;
    if range.start < range.end { Ok((transfer, range)) } else { Err(WireError::Invalid) }
}

fn put_file(to: &mut Writer<'_>, file: Option<&(u64, [u8; 32])>) {
    put_optional(to, file.map(|(size, _)| *size));
    if let Some((_, root)) = file {
        to.fixed(root);
    }
}

fn file(from: &mut Reader<'_>) -> Result<Option<(u64, [u8; 32])>, WireError> {
    optional(from)?.map(|size| Ok((size, from.array()?))).transpose()
}

pub(crate) fn put_outcome(
    to: &mut Writer<'_>,
    outcome: &Result<FileName, Failure>,
) -> Result<(), WireError> {
    match outcome {
        Ok(name) => {
            to.u8(0).lp16(name.as_str().as_bytes())?;
        }
        Err(why) => {
            to.u8(1).fixed(&why.to_bytes());
        }
    }
    Ok(())
}

pub(crate) fn outcome(from: &mut Reader<'_>) -> Result<Result<FileName, Failure>, WireError> {
    match from.u8()? {
        0 => name(from).map(Ok),
        1 => Failure::from_bytes(from.array()?).map(Err),
        _ => Err(WireError::Invalid),
    }
}

fn name(from: &mut Reader<'_>) -> Result<FileName, WireError> {
    FileName::new(Reader::text(from.lp16()?)?).map_err(|_| WireError::Invalid)
}
