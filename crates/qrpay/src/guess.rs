//! Guesses at a reply: which are counted, and where.
//!
//! A thief who has a device's secret and not its PIN computes one reply for each PIN. So wherever an answer depends on the
//! reply, a wrong one is counted on the account, which is locked at its limit. There are two such places: a reply that is
//! compared with what keys say, and one that is compared with what was accepted before (an identical retry).

use crate::binding_row::BindingRow;
use crate::item_row::ItemRow;
use crate::redeem::{Accepted, Redeem, Stage, Weighing};
use crate::table;
use crate::{Binding, ChallengeState, Displayed, Error, Item, Misuse, Refusal, Verdict};
use port::{Answers, Ask, Batch, Expect, ReadSet, Row, Scan, Step, Time};
use seal::Audited;
use sha2::{Digest as _, Sha256};

/// So many payments of one account for one item are looked through; who has more is taken to have paid under every reference.
const OUTCOMES_MAX: usize = 64;

/// A request that nothing on display answers, until it is known whether the account has paid for the item before.
#[derive(Clone, Debug)]
pub(crate) struct Unanswerable {
    pub(crate) refusal: Refusal,
    pub(crate) now: Time,
    /// `None` where it is unknown, or was purged before what was paid for it.
    pub(crate) item: Option<(ItemRow, Row)>,
    pub(crate) binding_row: Option<Row>,
}

impl Redeem {
    /// Asks what this account has paid for this item with replies of this kind. Unknown accounts are asked for too, so that they
    /// take as long as those that have not paid. One that has paid takes longer: `SECURITY.md` states it as a limit.
    pub(crate) fn ask_past(
        &mut self,
        unanswerable: Unanswerable,
    ) -> Step<Audited<Verdict<Accepted>>> {
        self.stage = Stage::Past(unanswerable);
        let kind = self.request.reply.kind();
        let paid = table::outcomes(&self.keys.item, &self.account, kind);
        Step::Ask(Ask::rows(ReadSet::scan(Scan::first(paid, OUTCOMES_MAX))))
    }

    /// Only who has paid with a reply of this kind and under this reference could be told of a repeated payment: to everybody else
    /// all replies get the same answer. For who has, this request was no retry, which tells something of its reply: it is weighed,
    /// and counted if it is wrong.
    pub(crate) fn past(
        &mut self,
        unanswerable: Unanswerable,
        answers: &Answers,
    ) -> Result<Step<Audited<Verdict<Accepted>>>, Error> {
        self.stage = Stage::Rows;
        let Unanswerable { refusal, now, item, binding_row } = unanswerable;
        let outcomes = answers.rows.scans.first().ok_or(Error::Misuse(Misuse::Answers))?;
        let reference = self.request.challenge_ref;
        let is_told = outcomes.iter().any(|(key, _)| table::is_under(key, reference));
        // Of what a full page leaves out nothing is known.
        let is_guess = is_told || outcomes.len() >= OUTCOMES_MAX;
        // A locked account is told nothing, and its locking is written already.
        if !is_guess || BindingRow::is_locked(binding_row.as_ref()).map_err(Error::Corrupt)? {
            return Ok(self.decline(refusal));
        }
        if let Some((item, item_row)) = item {
            return self.weigh(now, item, item_row, binding_row, Some(refusal));
        }
        let mut batch = Batch::with_capacity(2);
        batch.require(self.keys.item.clone(), Expect::Absent);
        self.fail(now, binding_row.as_ref(), &mut batch)?;
        Ok(self.decline_with(now, refusal, batch))
    }

    /// Counts the wrong reply and refuses it, in the same words for every cause.
    pub(crate) fn refuse(
        &self,
        weighing: &Weighing,
    ) -> Result<Step<Audited<Verdict<Accepted>>>, Error> {
        let mut item = Item::parse(&weighing.item_row.value)?;
        let mut batch = Batch::with_capacity(2);
        if self.is_new_guess(weighing, &mut item) {
            let expect = Expect::At(weighing.item_row.version);
            batch.put(self.keys.item.clone(), expect, item.encode());
            self.fail(weighing.now, weighing.binding_row.as_ref(), &mut batch)?;
        }
        let refusal = weighing.answer.unwrap_or(Refusal::Refused);
        Ok(self.decline_with(weighing.now, refusal, batch))
    }

    /// Counts the wrong reply on the challenges that it was tried against, or where it was tried against none, on those that it
    /// names; says whether it is another than the last one of some of them.
    fn is_new_guess(&self, weighing: &Weighing, item: &mut Item) -> bool {
        let (mark, tries_max) = (self.wrong_mark(), self.setup.policy().tries_per_challenge);
        let is_meant = |at: usize, displayed: &Displayed| match weighing.trials.len() {
            0 => displayed.is_named(self.request.challenge_ref),
            _ => weighing.trials.iter().any(|trial| trial.challenge_at == at),
        };
        let (mut is_anywhere, mut is_new) = (false, false);
        for (at, displayed) in item.challenges.iter_mut().enumerate() {
            if !is_meant(at, displayed) {
                continue;
            }
            is_anywhere = true;
            if displayed.last_wrong == mark {
                continue;
            }
            is_new = true;
            displayed.last_wrong = mark;
            displayed.tries = displayed.tries.saturating_add(1);
            if displayed.state == ChallengeState::Open && displayed.tries >= tries_max {
                displayed.state = ChallengeState::Killed;
            }
        }
        // Where its challenge is gone from the item, nothing tells a repetition.
        is_new || !is_anywhere
    }

    /// Counts the wrong reply on the account.
    fn fail(&self, now: Time, binding_row: Option<&Row>, batch: &mut Batch) -> Result<(), Error> {
        if let Some(row) = binding_row {
            let mut binding = Binding::parse(&row.value, &self.account)?;
            binding.fail(now, self.setup.policy());
            batch.put(self.keys.binding.clone(), Expect::At(row.version), binding.encode());
        }
        Ok(())
    }

    /// Tells one wrong request from another, without keeping it.
    fn wrong_mark(&self) -> [u8; 8] {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(b"interbank/qrpay/wrong/v1\0")
            .chain_update(self.account.as_bytes())
            .chain_update([self.request.reply.kind()])
            .chain_update(self.request.reply.as_bytes())
            .finalize()
            .into();
        digest.first_chunk().copied().unwrap_or_default()
    }
}
