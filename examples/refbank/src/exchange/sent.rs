//! What a desk asked for, and what it was told: one row for each request.

use crate::rows::foreign;
use crate::trouble::Trouble;
use bytes::Bytes;
use interbank::filexfer::{
    JobId, Notice, NoticeKind, Registry, Request, SignedReceipt, SignedVerdict, Stage, State,
};
use interbank::port::wire::{Reader, Writer};
use interbank::port::{CrateTag, Key, KeyError, Tenant, WireError};

/// A request with all answers so far.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// The business day whose file it is; 0 where a person asked.
    pub(crate) day: u32,
    pub(crate) request: Request,
    pub(crate) verdict: Option<SignedVerdict>,
    pub(crate) result: Option<Notice>,
    pub(crate) handed_over: Option<Notice>,
}

impl Sent {
    pub(super) const fn new(day: u32, request: Request) -> Self {
        Self { day, request, verdict: None, result: None, handed_over: None }
    }

    /// Takes what was told; says whether that is news.
    pub(super) fn note(&mut self, notice: Notice) -> bool {
        let place = match notice.kind {
            NoticeKind::Result => &mut self.result,
            NoticeKind::HandedOver => &mut self.handed_over,
            // These desks ask for files to be sent, and get none.
            NoticeKind::Arrival => return false,
        };
        let is_news = place.is_none();
        *place = Some(notice);
        is_news
    }

    /// Where it stands; `None` while nobody has said anything.
    pub(crate) fn state(&self) -> Option<State> {
        if let Some(result) = &self.result {
            return Some(result.state);
        }
        match self.verdict.as_ref()?.verdict.outcome {
            Ok(()) => Some(State::Accepted),
            Err(why) => Some(State::Refused(why)),
        }
    }

    /// Root of the content: what was published, or what was asked for.
    pub(crate) fn root(&self) -> Option<[u8; 32]> {
        let published = self.result.as_ref().and_then(|notice| notice.file);
        published.map(|(_, root)| root).or(self.request.file.root)
    }

    /// All receipts, each with whether it is right: signed by a key of the registry, and about this request, this verdict and this
    /// content.
    pub(crate) fn receipts(&self, registry: &Registry) -> Vec<(SignedReceipt, bool)> {
        let notices = self.result.iter().chain(&self.handed_over);
        let parsed = notices.flat_map(|notice| &notice.receipts);
        let parsed = parsed.filter_map(|bytes| SignedReceipt::parse(bytes).ok());
        let mut all: Vec<_> = parsed
            .map(|signed| {
                let is_right = self.is_right(&signed, registry);
                (signed, is_right)
            })
            .collect();
        all.sort_by_key(|(signed, _)| signed.receipt.stage);
        all
    }

    /// Whether the verdict is signed by the forwarding server, and about this request.
    pub(crate) fn is_judged(&self, registry: &Registry) -> bool {
        let site = registry.forwarder(registry.site());
        let key = site.and_then(|id| registry.party(id)?.keys.get(&KEY_NUMBER));
        let (Some(signed), Some((key, _))) = (&self.verdict, key) else { return false };
        signed.is_signed_by(key)
            && self.request.digest().is_ok_and(|it| it == signed.verdict.request)
    }

    fn is_right(&self, signed: &SignedReceipt, registry: &Registry) -> bool {
        let receipt = &signed.receipt;
        let key = registry.party(&receipt.party).and_then(|one| one.keys.get(&signed.key_number));
        let is_signed = key.is_some_and(|(key, _)| signed.verify(key).is_ok());
        // The destination alone says that it has the file.
        let is_by = match receipt.stage {
            Stage::Origin => registry.forwarder(registry.site()) == Some(&receipt.party),
            _ => receipt.party.as_str() == self.request.destination,
        };
        let verdict = self.verdict.as_ref().and_then(|signed| signed.verdict.digest().ok());
        is_signed
            && is_by
            && receipt.id == self.request.id
            && self.request.digest().is_ok_and(|digest| digest == receipt.request)
            && verdict == Some(receipt.verdict)
            && self.root() == Some(receipt.root)
    }

    pub(super) fn key(&self) -> Result<Key, KeyError> {
        Self::table().number(self.request.made.as_ms())?.raw(&self.request.id.0)
    }

    pub(super) fn table() -> Key {
        Key::new(DESK, TENANT, SENT)
    }

    pub(super) fn encode(&self) -> Result<Bytes, WireError> {
        let mut bytes = Vec::with_capacity(1_024);
        let mut part = Vec::with_capacity(512);
        self.request.encode(&mut part)?;
        let mut writer = Writer::new(&mut bytes, 1);
        writer.u32(self.day).lp16(&part)?;
        part.clear();
        self.verdict.as_ref().map_or(Ok(()), |verdict| verdict.encode(&mut part))?;
        writer.lp16(&part)?;
        for notice in [&self.result, &self.handed_over] {
            part.clear();
            notice.as_ref().map_or(Ok(()), |notice| notice.encode(&mut part))?;
            writer.lp16(&part)?;
        }
        Ok(bytes.into())
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Trouble> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let (day, request) = (reader.u32()?, Request::parse(reader.lp16()?)?);
        let some = |part: &[u8]| (!part.is_empty()).then(|| part.to_vec());
        let verdict = some(reader.lp16()?).map(|part| SignedVerdict::parse(&part)).transpose()?;
        let result = some(reader.lp16()?).map(|part| Notice::parse(&part)).transpose()?;
        let handed_over = some(reader.lp16()?).map(|part| Notice::parse(&part)).transpose()?;
        reader.finish()?;
        Ok(Self { day, request, verdict, result, handed_over })
    }

    pub(crate) const fn id(&self) -> JobId {
        self.request.id
    }
}

/// Of the desks' own rows.
pub(super) const TENANT: Tenant = Tenant::new(2);
/// With which of its keys everybody signs.
pub(super) const KEY_NUMBER: u8 = 1;
const DESK: CrateTag = foreign(0x84);
const SENT: u8 = 1;
