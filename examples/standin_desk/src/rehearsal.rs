//! A stand-in module on rows in memory: the very decisions of the crate, driven here and forgotten.

use crate::failure::Failure;
use crate::keys;
use crate::options::Said;
use port::blocking::{Keys, Store, decide};
use port::{KeyAnswer, KeyId, KeyQuestion, KeyRefusal, MemoryStore, ReadSet, Skew, Time, Zone};
use seal::{Secret, SigningKey, TrustList, TrustedKey, Validity};
use standin::{
    AccountUpdate, Answered, Entry, EntryRef, Evidence, FeedPage, FeedVerdict, HostOutcome,
    InstallVerdict, Lane, Offer, Parameters, SealedFeed, SealedParameters, Settlement, Signer,
    StandIn, StandInConfig, TransactionRequest, Verdict,
};
use std::convert::Infallible;
use std::fmt;

/// One institution, one lane, and whatever was decided so far.
pub(crate) struct Rehearsal {
    store: MemoryStore,
    stand_in: StandIn,
    pages: u64,
}

impl Rehearsal {
    /// With a set in force. It is signed here by a key of this rehearsal: nothing that is decided here leaves the process.
    pub(crate) fn new(parameters: &Parameters, zone: Zone) -> Result<Self, Failure> {
        let mut rehearsal = Self::empty(parameters, zone);
        let message = SealedParameters::message(parameters).map_err(run)?;
        let sealed = SealedParameters::new(parameters, ISSUER, 1, key().sign(&message));
        let issued = Time::from_ms(parameters.draft().issued_at_ms);
        match rehearsal.install(issued, &trust(), sealed.map_err(run)?)? {
            InstallVerdict::Accepted { .. } => {}
            InstallVerdict::Refused(why) => return Err(Failure::Refused(why.to_string())),
            other => return Err(Failure::Run(format!("unforeseen: {other:?}"))),
        }
        let config = rehearsal.stand_in.config().clone();
        let parameters = Some(parameters.clone());
        rehearsal.stand_in = StandIn::new(StandInConfig { parameters, ..config });
        Ok(rehearsal)
    }

    /// Without any set in force.
    pub(crate) fn empty(parameters: &Parameters, zone: Zone) -> Self {
        let stand_in = StandIn::new(StandInConfig {
            institution: parameters.institution(),
            zone,
            parameters: None,
            mac_keys: Default::default(),
            mac_required: false,
            // One lane has all of the exposure: none is idle elsewhere.
            lanes: 1,
            skew: Skew::default(),
            journal_kept_ms: 400 * 86_400_000,
        });
        Self { store: MemoryStore::new(), stand_in, pages: 0 }
    }

    /// Offers a signed set.
    pub(crate) fn install(
        &self,
        now: Time,
        trust: &TrustList,
        offer: impl Into<Offer>,
    ) -> Result<InstallVerdict, Failure> {
        let mut install = self.stand_in.install(now, trust, offer);
        decide(&self.store, &Recorded, &mut install).map(|audited| audited.verdict).map_err(run)
    }

    /// Offers a signed set, and has what is acknowledged signed.
    pub(crate) fn install_signed(
        &self,
        now: Time,
        trust: &TrustList,
        offer: impl Into<Offer>,
        signer: &keys::Signer,
    ) -> Result<InstallVerdict, Failure> {
        let by = Signer { name: signer.issuer.clone(), key_id: signer.key_id, key: KeyId(1) };
        let mut install = self.stand_in.install(now, trust, offer).signed_by(by);
        let installed = decide(&self.store, &Signs(&signer.key), &mut install);
        installed.map(|audited| audited.verdict).map_err(run)
    }

    /// Takes lists and balances.
    pub(crate) fn feed(&mut self, now: Time, updates: Vec<AccountUpdate>) -> Result<(), Failure> {
        self.pages += 1;
        let institution = self.stand_in.config().institution;
        let page = FeedPage { institution, number: self.pages, updates };
        let signature = key().sign(&SealedFeed::message(&page).map_err(run)?);
        let sealed = SealedFeed::new(&page, ISSUER, 1, signature).map_err(run)?;
        let mut take = self.stand_in.take_feed(now, &trust(), &sealed);
        match decide(&self.store, &Recorded, &mut take).map_err(run)?.verdict {
            FeedVerdict::Taken { ignored, .. } if ignored.is_empty() => Ok(()),
            FeedVerdict::Taken { .. } => {
                Err(Failure::Usage("a balance is of a time after the first request".into()))
            }
            other => Err(Failure::Run(format!("unforeseen: {other:?}"))),
        }
    }

    /// Decides over a request.
    pub(crate) fn authorize(
        &self,
        now: Time,
        host: HostOutcome,
        request: &TransactionRequest,
    ) -> Result<Answered, Failure> {
        for _ in 0..ROUNDS_MAX {
            let mut authorize = self.stand_in.authorize(now, EPOCH, host, request.clone());
            match decide(&self.store, &Recorded, &mut authorize).map_err(run)?.verdict {
                Verdict::Answered(answered) => return Ok(answered),
                Verdict::NeedsLease { lane, minor } => {
                    let mut lease = self.stand_in.lease(now, lane, request.initiator, minor);
                    decide(&self.store, &Recorded, &mut lease).map_err(run)?;
                }
                other => return Err(Failure::Run(format!("unforeseen: {other:?}"))),
            }
        }
        Err(Failure::Run("the exposure is leased and never enough".into()))
    }

    /// What became of an entry after the outage.
    pub(crate) fn settle(
        &self,
        now: Time,
        entry: EntryRef,
        settlement: Settlement,
    ) -> Result<(), Failure> {
        let mut settle = self.stand_in.settle(now, entry, settlement);
        decide(&self.store, &Recorded, &mut settle).map(|_| ()).map_err(run)
    }

    /// A journal entry.
    pub(crate) fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, Failure> {
        let rows = self.store.read(&ReadSet::points(self.stand_in.entry_keys(entry)));
        let rows = rows.map_err(run)?;
        let row = rows.points.into_iter().flatten().next();
        row.map(|row| Entry::parse(&row.value)).transpose().map_err(run)
    }

    /// How much is out of the institution's cap now.
    pub(crate) fn out_minor(&self) -> Result<i64, Failure> {
        let rows = self.store.read(&ReadSet::points([self.stand_in.lane_key(LANE)]));
        let rows = rows.map_err(run)?;
        let row = rows.points.into_iter().next().flatten();
        let lane = row.map(|row| Lane::parse(&row.value)).transpose().map_err(run)?;
        let lane = lane.unwrap_or_default();
        let whole = lane.shares.iter().find(|share| share.initiator.is_none());
        Ok(whole.map_or(0, |share| share.out_minor))
    }
}

/// The key holder of an instance, which signs and nothing else.
struct Signs<'a>(&'a SigningKey);

impl Keys for Signs<'_> {
    type Error = Infallible;

    fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        let answers = questions.iter().map(|question| match question {
            KeyQuestion::Sign { message, .. } => KeyAnswer::Signature(self.0.sign(message)),
            _ => KeyAnswer::Refused(KeyRefusal::NotAllowed),
        });
        Ok(answers.collect())
    }
}

/// The key holder of a rehearsal: says what was recorded, which stands in place of the evidence itself.
struct Recorded;

impl Keys for Recorded {
    type Error = Infallible;

    fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        let answer = |question: &KeyQuestion| match question {
            KeyQuestion::Verify { evidence, .. } if evidence[..] == RIGHT => {
                KeyAnswer::Verified(true)
            }
            KeyQuestion::Verify { evidence, .. } if evidence[..] == WRONG => {
                KeyAnswer::Verified(false)
            }
            _ => KeyAnswer::Refused(KeyRefusal::UnknownKey),
        };
        Ok(questions.iter().map(answer).collect())
    }
}

/// What stands in place of evidence.
pub(crate) fn evidence(said: Option<Said>) -> Option<Evidence> {
    let mark: &[u8] = match said? {
        Said::Right => &RIGHT,
        Said::Wrong => &WRONG,
        Said::Unchecked => &UNCHECKED,
    };
    Some(Evidence::new(mark.to_vec()))
}

fn key() -> SigningKey {
    SigningKey::from_seed(&Secret::new([1; 32]))
}

fn trust() -> TrustList {
    let mut trust = TrustList::new();
    trust.add(ISSUER, 1, TrustedKey::new(key().verifying_key(), Validity::always()));
    trust
}

fn run(why: impl fmt::Display) -> Failure {
    Failure::Run(why.to_string())
}

const ISSUER: &str = "rehearsal";
const LANE: u16 = 0;
const EPOCH: u64 = 1;
const ROUNDS_MAX: u8 = 4;
const RIGHT: [u8; 1] = [1];
const WRONG: [u8; 1] = [2];
const UNCHECKED: [u8; 1] = [3];
