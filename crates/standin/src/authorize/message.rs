//! Checks 1 and 2: is the message authentic and well formed, and is it new?

use super::{Answered, Authorize, Verdict};
use crate::switch::Kept;
use crate::{Entry, Error, Kind, MessageMac, Reason, Response};
use port::{
    Answers, Batch, Conclusion, Key, KeyAnswer, KeyQuestion, KeyRef, MacAlgorithm, Row, Step,
};
use seal::Audited;

impl Authorize {
    /// Check 1: what the key holder is asked about the message's authentication code.
    pub(super) fn message_question(&self) -> Option<KeyQuestion> {
        let key = self.setup.config.mac_keys.get(&self.request.initiator)?;
        let mac = self.request.mac.as_ref()?;
        Some(KeyQuestion::Mac {
            key: KeyRef::Held(*key),
            algorithm: MacAlgorithm::HmacSha256,
            message: mac.message.to_bytes(),
        })
    }

    /// Check 1.
    pub(super) fn authentic(&self, answers: &Answers) -> Result<(), Reason> {
        self.request.check().map_err(|_| Reason::Format)?;
        let Some(mac) = &self.request.mac else {
            let required = self.setup.config.mac_required;
            return if required { Err(Reason::NotAuthentic) } else { Ok(()) };
        };
        let sent = mac.tag.as_bytes();
        match answers.keys.first() {
            Some(KeyAnswer::Mac(right)) => {
                let right = right.as_bytes().get(..sent.len()).unwrap_or_default();
                let long_enough = sent.len() >= MessageMac::TAG_BYTES_MIN;
                if long_enough && seal::equal(right, sent) {
                    Ok(())
                } else {
                    Err(Reason::NotAuthentic)
                }
            }
            _ => Err(Reason::MacUnchecked),
        }
    }

    /// Check 2: a repeat gets the stored answer, byte for byte (spec Sd11). Another message that reverses the same original by the
    /// same amount gets the same code under its own key: both say what remains. One of another amount was not done, and whoever
    /// sent it must not take it for done.
    pub(super) fn repeated(&self, key: Key, row: &Row) -> Result<Option<Audited<Verdict>>, Error> {
        let entry = Entry::parse(&row.value).map_err(Error::Corrupt)?;
        let mut response = entry.response;
        if self.request.kind == Kind::Reversal && entry.request.key != self.request.key {
            if self.request.amount != entry.request.amount {
                return Ok(self.not_this(Reason::OtherReversal));
            }
            response = Response { approved: response.approved, ..self.response(response.code) };
        } else if !self.request.asks_the_same(&entry.request) {
            return Ok(self.not_this(Reason::KeyReused));
        }
        let reason = Reason::ALL.iter().find(|reason| reason.code() == entry.reason).copied();
        let audit = self.audit_apart("standin.authorize.repeated", reason);
        let key = Some(key);
        let answered = Answered { response, reason, rule: entry.rule, entry: key, repeated: true };
        Ok(Some(Audited { verdict: Verdict::Answered(answered), audit }))
    }

    /// What stands under the key is something else.
    fn not_this(&self, reason: Reason) -> Option<Audited<Verdict>> {
        match self.unrecorded(reason) {
            Step::Done(Conclusion { verdict, .. }) => Some(verdict),
            Step::Ask(_) => None,
        }
    }

    /// The accounting system decided, and the switch kept its answer: that is the answer (spec Sd11).
    pub(super) fn kept(&self, row: &Row) -> Result<Step<Audited<Verdict>>, Error> {
        let kept = Kept::parse(&row.value).map_err(Error::Corrupt)?;
        if !kept.answers(&self.request) {
            return Ok(self.unrecorded(Reason::KeyReused));
        }
        let audit = self.audit_apart("standin.authorize.repeated", None);
        let entry = Some(self.kept_key());
        let response = kept.response;
        let answered = Answered { response, reason: None, rule: 0, entry, repeated: true };
        let verdict = Audited { verdict: Verdict::Answered(answered), audit };
        Ok(Step::Done(Conclusion { verdict, batch: Batch::new() }))
    }

    /// Check 2: whether a first message of this request would still be known. One that was sent before the journal's retention
    /// may have been decided and forgotten.
    pub(super) fn in_time(&self) -> bool {
        let sent_at = self.request.key.sent_at();
        self.now.since_ms(sent_at) < self.setup.config.journal_kept_ms
            && sent_at.since_ms(self.now) <= AHEAD_MS_MAX
    }
}

/// Networks send local times without a zone: the year is guessed, and a day is what the zones of the earth differ by.
const AHEAD_MS_MAX: u64 = 86_400_000;
