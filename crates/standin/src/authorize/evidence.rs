//! Check 10: PIN, card verification number and cryptogram. What nobody here can check is declined, or passes up to the floor
//! amount where a rule says so.
//!
//! | treatment | not there | there: right | wrong | key holder cannot say |
//! |---|---|---|---|---|
//! | `refuse`, or no rule | unverified | declined unasked | declined unasked | declined unasked |
//! | `key:n` | unverified | verified | declined | declined |
//! | `floor` | unverified | unverified, unasked | the same | the same |
//! | `waive` | waived | waived, unasked | the same | the same |
//!
//! Unverified requests pass up to the floor amount, and none passes where no rule gives one. Of a chip a cryptogram is expected,
//! of what was typed in or kept a card verification number: a request without it is unverified, whatever else was right. Cash is
//! never paid without a PIN that was checked, unless a rule waives it.

use super::{Authorize, Failed, Weighing, fail, rule_of};
use crate::{
    Channel, EntryMode, Evidence, Kind, Limit, Parameters, Reason, Resolution, Verification,
};
use alloc::vec::Vec;
use bytes::Bytes;
use port::{EvidenceKind, KeyAnswer, KeyQuestion};

impl Authorize {
    /// What the key holder is asked; a failure where it need not be asked.
    pub(super) fn questions(
        &self,
        weighing: &Weighing,
    ) -> Result<Vec<(EvidenceKind, KeyQuestion)>, Failed> {
        let request = &self.request;
        let mut questions = Vec::new();
        if !self.needs_evidence() {
            return Ok(questions);
        }
        // Too often wrong before: no right one helps, or guessing would go on; nor may a card that was found be tried without.
        if weighing.state.pin_failures >= self.pin_tries() {
            return Err(fail(Reason::PinTries, 0));
        }
        let resolution = &weighing.resolution;
        for kind in KINDS {
            let treatment = treatment(resolution, kind);
            let way = treatment.map_or(Verification::Refuse, |found| found.value);
            match (self.sent(kind), way) {
                (Some(evidence), Verification::Delegated(key)) => {
                    let subject = Bytes::copy_from_slice(request.account.token.as_bytes());
                    let evidence = evidence.to_bytes();
                    questions.push((kind, KeyQuestion::Verify { key, kind, subject, evidence }));
                }
                (Some(_), Verification::Refuse) => {
                    return Err(fail(unchecked(kind), rule_of(treatment)));
                }
                (Some(_), Verification::Floor | Verification::Waive) | (None, _) => {}
            }
        }
        let cash = request.kind == Kind::Cash || request.channel == Channel::Atm;
        let waived = resolution.pin.is_some_and(|rule| rule.value == Verification::Waive);
        let asked = questions.iter().any(|(kind, _)| *kind == EvidenceKind::Pin);
        if cash && !asked && !waived {
            return Err(fail(Reason::PinUnchecked, rule_of(resolution.pin)));
        }
        Ok(questions)
    }

    /// What the key holder said, before anything else is weighed.
    pub(super) fn verified(
        &self,
        weighing: &mut Weighing,
        answers: &[KeyAnswer],
    ) -> Result<(), Failed> {
        let tries = self.pin_tries();
        let state = &mut weighing.state;
        let mut failed = None;
        for (at, kind) in weighing.asked.iter().enumerate() {
            let pin = *kind == EvidenceKind::Pin;
            let reason = match answers.get(at) {
                Some(KeyAnswer::Verified(true)) if pin => {
                    state.pin_failures = 0;
                    continue;
                }
                Some(KeyAnswer::Verified(true)) => continue,
                Some(KeyAnswer::Verified(false)) if pin => {
                    state.pin_failures = state.pin_failures.saturating_add(1);
                    if state.pin_failures >= tries { Reason::PinTries } else { Reason::WrongPin }
                }
                Some(KeyAnswer::Verified(false)) => Reason::WrongEvidence,
                _ => unchecked(*kind),
            };
            let rule = rule_of(treatment(&weighing.resolution, *kind));
            failed = failed.or(Some(fail(reason, rule)));
        }
        failed.map_or(Ok(()), Err)
    }

    /// The floor amount, for what was not verified.
    pub(super) fn floor(&self, weighing: &Weighing) -> Result<(), Failed> {
        let resolution = &weighing.resolution;
        if !self.needs_evidence() {
            return Ok(());
        }
        let waives = |kind| {
            treatment(resolution, kind).is_some_and(|found| found.value == Verification::Waive)
        };
        let something = !weighing.asked.is_empty() || KINDS.into_iter().any(waives);
        let lacking = expected(self.request.entry)
            .is_some_and(|kind| !weighing.asked.contains(&kind) && !waives(kind));
        let asked_minor = self.request.billed().minor();
        let above = resolution.floor_minor.is_none_or(|floor| asked_minor > floor.value);
        if above && (!something || lacking) {
            return Err(fail(Reason::AboveFloor, rule_of(resolution.floor_minor)));
        }
        Ok(())
    }

    /// Refunds take nothing; a completion's card was checked when its amount was held.
    fn needs_evidence(&self) -> bool {
        !matches!(self.request.kind, Kind::Refund | Kind::Completion)
    }

    fn pin_tries(&self) -> u8 {
        self.setup.config.parameters.as_ref().map_or(0, Parameters::pin_tries)
    }

    fn sent(&self, kind: EvidenceKind) -> Option<&Evidence> {
        let sent = &self.request.evidence;
        match kind {
            EvidenceKind::Pin => sent.pin.as_ref(),
            EvidenceKind::Cvn => sent.cvn.as_ref(),
            _ => sent.arqc.as_ref(),
        }
    }
}

fn treatment(resolution: &Resolution, kind: EvidenceKind) -> Option<Limit<Verification>> {
    match kind {
        EvidenceKind::Pin => resolution.pin,
        EvidenceKind::Cvn => resolution.cvn,
        _ => resolution.arqc,
    }
}

fn unchecked(kind: EvidenceKind) -> Reason {
    match kind {
        EvidenceKind::Pin => Reason::PinUnchecked,
        _ => Reason::EvidenceUnchecked,
    }
}

/// What a genuine card read in this way brings along.
fn expected(entry: EntryMode) -> Option<EvidenceKind> {
    match entry {
        EntryMode::Chip | EntryMode::Contactless => Some(EvidenceKind::Arqc),
        EntryMode::Keyed | EntryMode::Remote => Some(EvidenceKind::Cvn),
        // Card verification numbers may not be kept, and a stripe's is in the track, which is not passed on.
        EntryMode::OnFile | EntryMode::Stripe | EntryMode::Fallback | EntryMode::Unknown => None,
    }
}

const KINDS: [EvidenceKind; 3] = [EvidenceKind::Pin, EvidenceKind::Cvn, EvidenceKind::Arqc];
