//! That the application has taken a file: who says so, what is kept of it, and who is told.

use super::Forwarder;
use super::event::ForwarderEvent;
use super::rows::{HANDED, Next, Reading, table};
use crate::trail::hand_over_record;
use crate::{
    End, Error, Job, Message, Misuse, Notice, NoticeKind, PartyId, Receipt, Role, Route,
    SignedReceipt, Stage, TransferId,
};
use alloc::vec::Vec;
use bytes::Bytes;
use port::wire::{Reader, Writer};
use port::{Key, Peer, ReadSet, Rows, Tenant, Time, WireError};

/// A receipt of a hand-over, and what is done once it is recorded, or was before.
#[derive(Clone, Debug)]
pub(super) struct HandOver {
    pub(super) transfer: TransferId,
    pub(super) receipt: Bytes,
    pub(super) rows: Vec<(Key, Option<Bytes>)>,
    pub(super) then: Vec<Next>,
}

impl Forwarder {
    /// The prefix of files that were published, and whether they were taken: transfer.
    pub(crate) fn hand_overs(tenant: Tenant) -> Key {
        table(tenant, HANDED)
    }

    /// Looks for what the receipt has to follow. Whoever sent it does so until it is answered.
    pub(super) fn hand_over(&mut self, over: HandOver) -> Result<(), Error> {
        if self.handing.contains(&over.transfer) {
            return Ok(());
        }
        if self.handing.len() >= HANDING_MAX {
            return Err(Error::Busy);
        }
        self.handing.insert(over.transfer);
        let want = ReadSet::points([self.handed_key(&over.transfer)?]);
        self.read(Reading::HandOver(over), want);
        Ok(())
    }

    /// From a client, through its access server.
    pub(super) fn on_handed_over(
        &mut self,
        from: &Peer,
        transfer: TransferId,
        receipt: Bytes,
    ) -> Result<(), Error> {
        let access = PartyId::new(from.as_str()).map_err(|_| Error::Stranger)?;
        let signed = SignedReceipt::parse(&receipt)?;
        let is_its = self.registry.role(&access) == Ok(Role::Access)
            && self.registry.partner(&access) == Some(&signed.receipt.party);
        if !is_its {
            return Err(Error::Stranger);
        }
        let frame = Message::Recorded { transfer }.to_frame()?;
        let then = alloc::vec![Next::Send(from.clone(), frame)];
        self.hand_over(HandOver { transfer, receipt, rows: Vec::new(), then })
    }

    pub(super) fn on_handed_row(&mut self, over: HandOver, rows: &Rows) -> Result<(), Error> {
        let Some(row) = rows.points.first().and_then(Option::as_ref) else {
            if self.jobs.get(&over.transfer).is_some() {
                // Its delivery is not recorded yet: the hand-over comes again.
                self.abandon_hand_over(&over.transfer);
                return Ok(());
            }
            // It is forgotten by now.
            return self.handed(over, Vec::new());
        };
        let Some(job) = parse_handed(&row.value).map_err(Error::Corrupt)? else {
            // It was recorded before.
            return self.handed(over, Vec::new());
        };
        let verified = Self::receipts(self.config.tenant)
            .raw(&over.transfer.0)?
            .raw(&[Stage::Verified.as_u8()])?;
        self.read(Reading::HandOverJob(over), ReadSet::points([job, verified]));
        Ok(())
    }

    pub(super) fn on_handed_job(
        &mut self,
        now: Time,
        mut over: HandOver,
        rows: &Rows,
    ) -> Result<(), Error> {
        let value = |at: usize| rows.points.get(at).and_then(Option::as_ref).map(|row| &row.value);
        let (Some(job), Some(verified)) = (value(0), value(1)) else {
            return self.handed(over, Vec::new());
        };
        let job = Job::parse(job).map_err(Error::Corrupt)?;
        let verified = SignedReceipt::parse(verified).map_err(Error::Corrupt)?.receipt;
        self.check_hand_over(now, &job, &verified, &over.receipt)?;
        let stage = [Stage::HandedOver.as_u8()];
        let key = Self::receipts(self.config.tenant).raw(&over.transfer.0)?.raw(&stage)?;
        over.rows.push((key, Some(over.receipt.clone())));
        over.rows.push((self.handed_key(&over.transfer)?, Some(HANDED_OVER)));
        let receipts = alloc::vec![over.receipt.clone()];
        let notice =
            Notice { kind: NoticeKind::HandedOver, ..self.result(&job, over.transfer, receipts) };
        let (key, entry) = self.entry(now, self.upstream(&job)?, &notice)?;
        over.rows.push((key, Some(entry)));
        over.then.push(Next::Nudge);
        over.then.push(Next::Tell(ForwarderEvent::HandedOver { transfer: over.transfer }));
        let record = hand_over_record(now, &job, self.config.tenant);
        self.handed(over, alloc::vec![record])
    }

    /// Nothing of it comes to pass; it comes again.
    pub(super) fn abandon_hand_over(&mut self, transfer: &TransferId) {
        self.handing.remove(transfer);
    }

    fn handed(&mut self, mut over: HandOver, records: Vec<seal::Audit>) -> Result<(), Error> {
        over.then.push(Next::Handed(over.transfer));
        self.journal()?.add(over.rows, records, over.then);
        Ok(())
    }

    /// It has to be about this transfer in all that it says, by who should have the file, and follow its verification.
    fn check_hand_over(
        &self,
        now: Time,
        job: &Job,
        verified: &Receipt,
        receipt: &[u8],
    ) -> Result<(), Error> {
        let invalid = Error::Peer(WireError::Invalid);
        let signed = SignedReceipt::parse(receipt)?;
        let parties = [&job.request.sender, &job.request.destination];
        let [Ok(sender), Ok(party)] = parties.map(|party| PartyId::new(party)) else {
            return Err(invalid);
        };
        let right = Receipt {
            stage: Stage::HandedOver,
            party: party.clone(),
            at: signed.receipt.at,
            content: signed.receipt.content,
            follows: Some(verified.digest()?),
            ..verified.clone()
        };
        // Keys of another site's parties may be known to that site alone, which has checked then.
        let route = Route::find(&self.registry, &sender, &party, job.hops.last());
        let is_anothers = matches!(route, Ok(Route { sink: End::Site(_), .. }));
        let is_signed = match self.registry.key(&party, signed.key_number, now) {
            Ok(key) => signed.verify(key).is_ok(),
            Err(_) => is_anothers,
        };
        if signed.receipt == right && is_signed { Ok(()) } else { Err(invalid) }
    }
}

/// The row of a file that was published and is not known to be taken: the key of its job.
pub(super) fn waits_to_be_taken(job: &Key) -> Result<Bytes, Error> {
    let mut row = Vec::with_capacity(96);
    Writer::new(&mut row, 2).lp16(job.as_bytes()).map_err(|_| Misuse::TooLong)?;
    Ok(row.into())
}

/// `None` once it was taken.
fn parse_handed(row: &[u8]) -> Result<Option<Key>, WireError> {
    if *row == HANDED_OVER[..] {
        return Ok(None);
    }
    let mut from = Reader::new(row);
    from.version(2)?;
    let key = Key::from_bytes(from.lp16()?).map_err(|_| WireError::Invalid)?;
    from.finish()?;
    Ok(Some(key))
}

/// The row of a file that was taken.
pub(super) const HANDED_OVER: Bytes = Bytes::from_static(&[1]);
const HANDING_MAX: usize = 4_096;
