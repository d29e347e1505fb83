//! Accepting parameters: signed by the accounting system, newer than what is held, and durable before they are acknowledged.

use crate::parameters::{Head, Installed, KnownCounters};
use crate::stand_in::Setup;
use crate::{
    Acknowledgement, Error, Parameters, ParametersDelta, SealError, SealedAcknowledgement,
    SealedParameters, Signer, StandIn, load, table,
};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{
    Answers, Ask, Batch, Conclusion, Decision, Expect, Key, KeyAnswer, KeyQuestion, ReadSet, Row,
    Scan, Step, Time,
};
use seal::{Audit, Audited, TrustList};

impl StandIn {
    /// Accepts a parameter set, whole or as changes to the newest one. It decides from its effective date on, on all instances at
    /// once: until they load it, they decide nothing ([`crate::Verdict::Outdated`]).
    ///
    /// A set that is offered again is acknowledged again, with the same bytes. [`Install::signed_by`] has the acknowledgement
    /// signed, so that the accounting system can believe it.
    pub fn install(&self, now: Time, trust: &TrustList, offer: impl Into<Offer>) -> Install {
        let offer = offer.into();
        let version = match &offer {
            Offer::Whole(sealed) => sealed.draft().map_or(0, |draft| draft.version),
            Offer::Delta(delta) => delta.result().version,
        };
        let institution = self.setup.config.institution;
        let keys = [
            table::head(institution),
            table::acknowledgement(institution, version),
            table::counters(institution),
        ];
        let trust = trust.clone();
        Install {
            setup: self.setup.clone(),
            now,
            trust,
            offer,
            keys,
            signer: None,
            read: None,
            unsigned: None,
            signed: None,
        }
    }
}

/// Parameters as they come from the accounting system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// All of them.
    Whole(SealedParameters),
    /// What has changed since the newest set.
    Delta(Box<ParametersDelta>),
}

impl From<SealedParameters> for Offer {
    fn from(sealed: SealedParameters) -> Self {
        Self::Whole(sealed)
    }
}

impl From<ParametersDelta> for Offer {
    fn from(delta: ParametersDelta) -> Self {
        Self::Delta(Box::new(delta))
    }
}

/// What came of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstallVerdict {
    /// It is durable: tell the accounting system so, and decide by it from its effective date on.
    Accepted {
        /// What to tell.
        acknowledgement: Acknowledgement,
        /// The same under a signature, if there is somebody who signs: send this.
        sealed: Option<SealedAcknowledgement>,
        /// The set, for [`crate::StandInConfig::parameters`].
        parameters: Parameters,
    },
    /// It was accepted before, or while this ran: tell the accounting system so again.
    Repeated {
        /// What to tell.
        acknowledgement: Acknowledgement,
        /// The same under a signature, if there is somebody who signs: send this.
        sealed: Option<SealedAcknowledgement>,
    },
    /// Nothing of it was believed, and nothing has changed.
    Refused(SealError),
}

/// The decision over one offer.
#[derive(Clone, Debug)]
pub struct Install {
    setup: Arc<Setup>,
    now: Time,
    trust: TrustList,
    offer: Offer,
    keys: [Key; 3],
    signer: Option<Signer>,
    /// What was read before the sets that are needed.
    read: Option<Held>,
    /// What is decided, but for the signature.
    unsigned: Option<Conclusion<Audited<InstallVerdict>>>,
    signed: Option<SealedAcknowledgement>,
}

/// What is held already.
#[derive(Clone, Debug)]
struct Held {
    head: Option<Head>,
    head_expect: Expect,
    counters: KnownCounters,
    counters_expect: Expect,
}

type Stepped = Result<Step<Audited<InstallVerdict>>, Error>;

impl Install {
    /// Has the acknowledgement signed by the key holder, before anything is durable: what the accounting system is told rests on
    /// a key. Where the key holder refuses, nothing is accepted ([`Error::Unsigned`]).
    #[must_use]
    pub fn signed_by(self, signer: Signer) -> Self {
        Self { signer: Some(signer), ..self }
    }

    fn conclude(&self, sealed: &SealedParameters, held: Held) -> Stepped {
        let institution = self.setup.config.institution;
        let head = held.head.as_ref();
        let newest = head.map_or(0, |head| head.newest().mark.version);
        let parameters = match sealed.open(self.now, &self.trust, institution, newest) {
            Ok(parameters) => parameters,
            Err(why) => return Ok(self.refused(why)),
        };
        if !self.setup.config.has_room(&parameters) {
            return Ok(self.refused(SealError::Lanes));
        }
        let counters = match held.counters.with(&parameters) {
            Ok(counters) => counters,
            Err(id) => return Ok(self.refused(SealError::Counter(id))),
        };
        let mut bytes = Vec::with_capacity(2_048);
        sealed.encode(&mut bytes).map_err(|_| Error::TooLong)?;
        if bytes.len() > SealedParameters::BYTES_MAX {
            return Ok(self.refused(SealError::TooLarge));
        }
        let bytes = Bytes::from(bytes);
        let version = parameters.version();
        let mut batch = Batch::new();
        let installed = Installed::new(&parameters, self.now);
        let [head_key, acknowledgement_key, counters_key] = self.keys.clone();
        batch.put(head_key, held.head_expect, Head::with(head, self.now, installed).encode());
        batch.put(counters_key, held.counters_expect, counters.encode());
        for (part, from) in (0..=u8::MAX).zip((0..bytes.len()).step_by(PART_BYTES)) {
            let to = bytes.len().min(from + PART_BYTES);
            let key = table::part_of_set(institution, version, part);
            batch.put(key, Expect::Absent, bytes.slice(from..to));
        }
        let acknowledgement = Acknowledgement::new(&parameters, self.now);
        batch.put(acknowledgement_key, Expect::Absent, acknowledgement.encode());
        let verdict = InstallVerdict::Accepted { acknowledgement, sealed: None, parameters };
        Ok(self.done(verdict, "standin.install.accepted", batch))
    }

    fn refused(&self, why: SealError) -> Step<Audited<InstallVerdict>> {
        self.done(InstallVerdict::Refused(why), "standin.install.refused", Batch::new())
    }

    fn done(
        &self,
        verdict: InstallVerdict,
        action: &'static str,
        batch: Batch,
    ) -> Step<Audited<InstallVerdict>> {
        let (reasons, policy) = match &verdict {
            InstallVerdict::Refused(why) => (vec![why.code()], [0; 32]),
            InstallVerdict::Accepted { acknowledgement, .. }
            | InstallVerdict::Repeated { acknowledgement, .. } => {
                (vec![], acknowledgement.mark.digest)
            }
        };
        let issuer = match &self.offer {
            Offer::Whole(sealed) => sealed.issuer(),
            Offer::Delta(delta) => delta.issuer(),
        };
        let audit = Audit {
            at: self.now,
            tenant: self.setup.config.institution.tenant(),
            action: action.into(),
            actor: Bytes::copy_from_slice(issuer.as_bytes()),
            correlation: [0; 16],
            subject: Bytes::copy_from_slice(self.keys[1].as_bytes()),
            reasons,
            policy,
        };
        Step::Done(Conclusion { verdict: Audited { verdict, audit }, batch })
    }

    /// Whether the offer is of the set that was acknowledged.
    fn is_of(&self, acknowledgement: &Acknowledgement) -> bool {
        let digest = match &self.offer {
            Offer::Whole(sealed) => sealed.digest(),
            Offer::Delta(delta) => delta.result().digest,
        };
        digest == acknowledgement.mark.digest
    }
}

impl Held {
    fn of(head: Option<&Row>, counters: Option<&Row>) -> Result<Self, Error> {
        let parsed = head.map(|row| Head::parse(&row.value)).transpose();
        let known = counters.map(|row| KnownCounters::parse(&row.value)).transpose();
        Ok(Self {
            head: parsed.map_err(Error::Corrupt)?,
            head_expect: Row::unchanged(head),
            counters: known.map_err(Error::Corrupt)?.unwrap_or_default(),
            counters_expect: Row::unchanged(counters),
        })
    }

    /// The sets that have to be read first, the newest last: that to which changes apply; and where nobody wrote down yet what
    /// counters stand for, those of the head, which say it.
    fn needs(&self, offer: &Offer) -> Vec<Installed> {
        let Some(head) = &self.head else { return Vec::new() };
        if self.counters_expect == Expect::Absent {
            return [Some(head.first), head.next].into_iter().flatten().collect();
        }
        match offer {
            Offer::Whole(_) => Vec::new(),
            Offer::Delta(_) => vec![head.newest()],
        }
    }

    /// Takes what counters stand for out of the sets of the head, the one in force first: by that accounts have counted. A set that
    /// cannot be read says nothing; the new one takes its place.
    fn learn(&mut self, now: Time, parts: &[Vec<(Key, Row)>]) {
        let Some(head) = self.head.as_ref().filter(|_| self.counters_expect == Expect::Absent)
        else {
            return;
        };
        let draft = |parts: &Vec<_>| load::joined(parts).ok()?.draft().ok();
        let sets = parts.iter().filter_map(draft).filter_map(|draft| Parameters::new(draft).ok());
        let accepted = [Some(head.first), head.next].map(|one| one.map(|one| one.mark));
        let mut sets: Vec<_> = sets.filter(|set| accepted.contains(&Some(set.mark()))).collect();
        sets.sort_by_key(|set| set.mark() != head.in_force(now));
        for set in sets {
            if let Ok(known) = self.counters.clone().with(&set) {
                self.counters = known;
            }
        }
    }
}

impl Install {
    /// Has the acknowledgement of a conclusion signed, if there is one and somebody to sign it.
    fn sign(&mut self, stepped: Step<Audited<InstallVerdict>>) -> Step<Audited<InstallVerdict>> {
        let Some(signer) = &self.signer else { return stepped };
        let mut conclusion = match stepped {
            Step::Done(conclusion) => conclusion,
            ask @ Step::Ask(_) => return ask,
        };
        let Some((acknowledgement, _)) = acknowledged(&mut conclusion.verdict.verdict) else {
            return Step::Done(conclusion);
        };
        let message = SealedAcknowledgement::message(acknowledgement).into();
        self.unsigned = Some(conclusion);
        Step::Ask(Ask::keys(vec![KeyQuestion::Sign { key: signer.key, message }]))
    }

    fn join(
        &mut self,
        mut conclusion: Conclusion<Audited<InstallVerdict>>,
        answers: &Answers,
    ) -> Stepped {
        let signature = match &answers.keys[..] {
            [KeyAnswer::Signature(signature)] => *signature,
            [KeyAnswer::Refused(why)] => return Err(Error::Unsigned(*why)),
            _ => return Err(Error::Answers),
        };
        let (Some(signer), Some((acknowledgement, sealed))) =
            (&self.signer, acknowledged(&mut conclusion.verdict.verdict))
        else {
            return Err(Error::Answers);
        };
        let Signer { name, key_id, .. } = signer;
        let joined = SealedAcknowledgement::new(acknowledgement, name, *key_id, signature);
        let joined = joined.map_err(|_| Error::TooLong)?;
        *sealed = Some(joined.clone());
        self.signed = Some(joined);
        Ok(Step::Done(conclusion))
    }

    fn rows(&mut self, answers: &Answers) -> Stepped {
        let (points, scans) = (&answers.rows.points[..], &answers.rows.scans[..]);
        if let Some(mut held) = self.read.take() {
            held.learn(self.now, scans);
            return self.on_sets(held, scans);
        }
        let [head, acknowledged, counters] = points else { return Err(Error::Answers) };
        if let Some(row) = acknowledged
            && let Some(verdict) = self.repeated(row)?
        {
            return Ok(Step::Done(Conclusion { verdict, batch: Batch::new() }));
        }
        let held = Held::of(head.as_ref(), counters.as_ref())?;
        if let Offer::Delta(delta) = &self.offer
            && held.head.as_ref().map(|head| head.newest().mark) != Some(delta.base())
        {
            return Ok(self.refused(SealError::Base));
        }
        let needs = held.needs(&self.offer);
        if needs.is_empty() {
            return self.on_sets(held, &[]);
        }
        self.read = Some(held);
        let institution = self.setup.config.institution;
        let scan =
            |set: &Installed| Scan::first(table::set(institution, set.mark.version), PARTS_MAX);
        let scans = needs.iter().map(scan).collect();
        Ok(Step::Ask(Ask::rows(ReadSet { points: Vec::new(), scans })))
    }

    /// With the sets that were needed, the newest last.
    fn on_sets(&self, held: Held, sets: &[Vec<(Key, Row)>]) -> Stepped {
        let delta = match &self.offer {
            Offer::Whole(sealed) => return self.conclude(sealed, held),
            Offer::Delta(delta) => delta,
        };
        let base = load::joined(sets.last().ok_or(Error::Answers)?)?;
        let at = held.head.as_ref().map_or(self.now, |head| head.newest().at);
        let applied = base.reopen(self.now, at, &self.trust).and_then(|base| delta.apply(&base));
        match applied {
            Ok(sealed) => self.conclude(&sealed, held),
            Err(why) => Ok(self.refused(why)),
        }
    }

    fn repeated(&self, row: &Row) -> Result<Option<Audited<InstallVerdict>>, Error> {
        let acknowledgement = Acknowledgement::parse(&row.value).map_err(Error::Corrupt)?;
        if !self.is_of(&acknowledgement) {
            return Ok(None);
        }
        let verdict = InstallVerdict::Repeated { acknowledgement, sealed: None };
        match self.done(verdict, "standin.install.repeated", Batch::new()) {
            Step::Done(Conclusion { verdict, .. }) => Ok(Some(verdict)),
            Step::Ask(_) => Ok(None),
        }
    }
}

impl Decision for Install {
    type Verdict = Audited<InstallVerdict>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        (self.read, self.unsigned) = (None, None);
        Ask::rows(ReadSet::points(self.keys.clone()))
    }

    fn step(&mut self, answers: Answers) -> Stepped {
        if let Some(conclusion) = self.unsigned.take() {
            return self.join(conclusion, &answers);
        }
        let stepped = self.rows(&answers)?;
        Ok(self.sign(stepped))
    }

    fn outcome(&self) -> Option<Key> {
        let [_, acknowledgement, _] = &self.keys;
        Some(acknowledgement.clone())
    }

    fn recall(&mut self, row: &Row) -> Result<Option<Self::Verdict>, Self::Error> {
        let Some(mut verdict) = self.repeated(row)? else { return Ok(None) };
        let Some((acknowledgement, sealed)) = acknowledged(&mut verdict.verdict) else {
            return Ok(None);
        };
        if self.signer.is_some() {
            // Another's, accepted at another moment, is signed in another attempt.
            let same = |signed: &&SealedAcknowledgement| signed.is_of(acknowledgement);
            *sealed = self.signed.as_ref().filter(same).cloned();
            if sealed.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(verdict))
    }
}

/// What a verdict tells the accounting system, and where its signed form goes.
fn acknowledged(
    verdict: &mut InstallVerdict,
) -> Option<(&Acknowledgement, &mut Option<SealedAcknowledgement>)> {
    match verdict {
        InstallVerdict::Accepted { acknowledgement, sealed, .. }
        | InstallVerdict::Repeated { acknowledgement, sealed } => Some((acknowledgement, sealed)),
        InstallVerdict::Refused(_) => None,
    }
}

/// A row is at most 64 KiB.
pub(crate) const PART_BYTES: usize = 60 * 1024;
/// As many parts as the largest set has.
pub(crate) const PARTS_MAX: usize = SealedParameters::BYTES_MAX / PART_BYTES;
