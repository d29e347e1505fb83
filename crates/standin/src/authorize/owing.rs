//! A decline that was owed to nobody, of which the accounting system may have heard since.
//!
//! A decision may be so slow that nobody waits for it any more. The request comes again, the accounting system is asked and approves;
//! then the decline lands. The terminal is told no, so the books have to be told as well: the decline waits for delivery after all,
//! as a reversal, as the four-way table has it.

use super::places::Place;
use super::{Answered, Authorize, Stepped, Verdict};
use crate::{AccountState, Action, Entry, EntryState, Error, HostOutcome, Posting, StandInOutcome};
use alloc::vec::Vec;
use port::{Batch, Conclusion, Expect, Row, Step, WireError};
use seal::Audited;

impl Authorize {
    /// Whether a decline was owed to nobody when it was made, and is by what is known of the accounting system now. Where that may
    /// have been asked before already, it has said no since.
    pub(super) fn is_owed_now(&self, entry: &Entry) -> bool {
        let action = Action::of(self.host, StandInOutcome::Declined);
        entry.state == EntryState::NotOwed
            && entry.may_be_booked()
            && action.posting == Posting::Reversal
    }

    /// Answers a repeat; what is owed by now is moved to what waits for delivery, in the batch that the answer rests on.
    pub(super) fn answered_before(
        &self,
        mut verdict: Audited<Verdict>,
        row: &Row,
        account: Option<&Row>,
    ) -> Stepped {
        let mut batch = Batch::new();
        if let Verdict::Answered(Answered { entry: Some(at), .. }) = &mut verdict.verdict
            && matches!(self.host, HostOutcome::Approved | HostOutcome::Unknown)
        {
            let mut entry = Entry::parse(&row.value).map_err(Error::Corrupt)?;
            if self.is_owed_now(&entry) {
                // No entry is without its account.
                let account = account.ok_or(Error::Corrupt(WireError::Invalid))?;
                let mut state = AccountState::parse(&account.value).map_err(Error::Corrupt)?;
                state.undelivered = state.undelivered.checked_add(1).ok_or(Error::Busy)?;
                entry.state = EntryState::Queued;
                let mut bytes = Vec::with_capacity(row.value.len());
                entry.encode(&mut bytes).map_err(|_| Error::TooLong)?;
                let state = state.encode().map_err(|_| Error::TooLong)?;
                let open = self.own_key(Place::Open);
                batch.delete(at.clone(), Expect::At(row.version));
                batch.put(open.clone(), Expect::Absent, bytes);
                batch.put(self.account_key(), Row::unchanged(Some(account)), state);
                *at = open;
            }
        }
        Ok(Step::Done(Conclusion { verdict, batch }))
    }
}
