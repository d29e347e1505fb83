//! One institution, its accounting system's key, a store, and short words for what the tests do over and over.

use interbank_standin::*;
use port::blocking::{Store, decide};
use port::{
    Amount, Batch, Commit, Currency, Expect, KeyAnswer, KeyQuestion, MemoryStore, ReadSet, Skew,
    Time, Zone,
};
use seal::*;
use std::collections::BTreeMap;

/// 2026-07-25T17:20:00Z.
pub(crate) const NOW: Time = Time::from_s(1_785_000_000);

pub(crate) fn cny(minor: i64) -> Amount {
    Amount::new(minor, Currency::parse("CNY").unwrap())
}

pub(crate) fn id(number: u64) -> InstitutionId {
    InstitutionId::new(number).unwrap()
}

/// The parameters of the tests, changed by `edit`.
pub(crate) fn draft(version: u64, edit: impl Fn(&mut serde_json::Value)) -> ParametersDraft {
    let mut json = serde_json::json!({
        "schema": 1, "institution": 6222, "version": version, "currency": "CNY",
        "issued_at_ms": 1_784_990_000_000_u64, "effective_from_ms": 1_784_990_000_000_u64,
        "valid_until_ms": 1_786_000_000_000_u64, "stale_after_ms": 86_400_000,
        "ranges": [{ "from": 62000000, "to": 62009999, "product": "gold" }],
        "counters": [{ "id": 1, "window": "sliding", "length_ms": 86_400_000 }],
        "exposure": { "institution_minor": 1_000_000 },
        "rules": [
            { "number": 1, "approve": true, "partial": true, "pin": "key:9", "limits": {
                "single_minor": 10_000, "floor_minor": 20_000,
                "windows": [{ "of": 1, "count": 3, "sum_minor": 25_000 }] } }
        ]
    });
    edit(&mut json);
    serde_json::from_value(json).unwrap()
}

pub(crate) fn set(version: u64, edit: impl Fn(&mut serde_json::Value)) -> Parameters {
    Parameters::new(draft(version, edit)).unwrap()
}

/// The accounting system's key is number 1.
pub(crate) fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([byte; 32]))
}

pub(crate) const ISSUER: &str = "accounting.example";

pub(crate) fn trust() -> TrustList {
    let mut trust = TrustList::new();
    trust.add(ISSUER, 1, TrustedKey::new(key(1).verifying_key(), Validity::always()));
    trust
}

pub(crate) fn sealed_by(set: &Parameters, by: &SigningKey, issuer: &str) -> SealedParameters {
    let signature = by.sign(&SealedParameters::message(set).unwrap());
    SealedParameters::new(set, issuer, 1, signature).unwrap()
}

pub(crate) fn sealed(set: &Parameters) -> SealedParameters {
    sealed_by(set, &key(1), ISSUER)
}

/// A key holder that gives the answers it was told to give, in turn; nothing else is asked of it.
pub(crate) struct Says(pub(crate) Vec<KeyAnswer>);

impl port::blocking::Keys for Says {
    type Error = std::convert::Infallible;

    fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Self::Error> {
        assert_eq!(questions.len(), self.0.len(), "{questions:?}");
        Ok(self.0.clone())
    }
}

/// One institution with parameters in force and all exposure leased to its one lane.
pub(crate) struct Bench {
    pub(crate) store: MemoryStore,
    pub(crate) stand_in: StandIn,
    pub(crate) account: AccountInfo,
}

impl Bench {
    pub(crate) fn new(edit: impl Fn(&mut serde_json::Value)) -> Self {
        Self::in_zone(Zone::utc(), edit)
    }

    pub(crate) fn in_zone(zone: Zone, edit: impl Fn(&mut serde_json::Value)) -> Self {
        let number = Account::new("6200000000000005").unwrap();
        let token = AccountTokens::new(&Secret::new([1; 32])).token(&number);
        let mut bench = Self {
            store: MemoryStore::new(),
            stand_in: StandIn::new(config(None)),
            account: AccountInfo::new(&number, token),
        };
        bench.stand_in = StandIn::new(StandInConfig { zone, ..config(None) });
        bench.install(NOW, &set(7, edit));
        bench.fill();
        bench
    }

    /// Installs a set, and decides by it from now on.
    pub(crate) fn install(&mut self, now: Time, set: &Parameters) {
        let mut install = self.stand_in.install(now, &trust(), sealed(set));
        let verdict = decide(&self.store, &Says(vec![]), &mut install).unwrap().verdict;
        assert!(matches!(verdict, InstallVerdict::Accepted { .. }), "{verdict:?}");
        self.use_set(Some(set.clone()));
    }

    pub(crate) fn use_set(&mut self, parameters: Option<Parameters>) {
        let config = self.stand_in.config().clone();
        self.stand_in = StandIn::new(StandInConfig { parameters, ..config });
    }

    /// Leases all that there is to lane 0.
    pub(crate) fn fill(&self) {
        let mut lease = self.stand_in.lease(NOW, 0, id(1111), i64::MAX / 2);
        let leased = decide(&self.store, &Says(vec![]), &mut lease).unwrap();
        assert!(matches!(leased, Leased::Spendable(_)), "{leased:?}");
    }

    pub(crate) fn draft(&self, trace: u64, minor: i64) -> RequestDraft {
        RequestDraft {
            institution: InstitutionId::new(6222),
            initiator: InstitutionId::new(1111),
            account: Some(self.account.clone()),
            amount: Some(cny(minor)),
            kind: Some(Kind::Purchase),
            mti: Some(Mti::AUTHORIZATION),
            trace: Some(trace),
            sent_at: Some(NOW),
            terminal: Some(Text::new("TERM0001").unwrap()),
            expiry: Expiry::from_yymm(2_912),
            ..RequestDraft::default()
        }
    }

    pub(crate) fn key_of(&self, trace: u64) -> RequestKey {
        TransactionRequest::new(self.draft(trace, 1)).unwrap().key
    }

    pub(crate) fn entry_of(&self, trace: u64) -> EntryRef {
        let account = self.account.token;
        EntryRef { account, role: Role::Request, request: self.key_of(trace) }
    }

    pub(crate) fn decide(
        &self,
        now: Time,
        host: HostOutcome,
        draft: RequestDraft,
        says: Vec<KeyAnswer>,
    ) -> Verdict {
        let request = TransactionRequest::new(draft).unwrap();
        let mut decision = self.stand_in.authorize(now, 1, host, request);
        // What asks no key holder gets none.
        decide(&self.store, &Says(says), &mut decision).unwrap().verdict
    }

    pub(crate) fn run(&self, now: Time, draft: RequestDraft) -> Answered {
        match self.decide(now, HostOutcome::NotAsked, draft, vec![]) {
            Verdict::Answered(answered) => answered,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn run_with(
        &self,
        now: Time,
        draft: RequestDraft,
        says: Vec<KeyAnswer>,
    ) -> Answered {
        match self.decide(now, HostOutcome::NotAsked, draft, says) {
            Verdict::Answered(answered) => answered,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn code_at(&self, now: Time, trace: u64, minor: i64) -> String {
        let draft = RequestDraft { sent_at: Some(now), ..self.draft(trace, minor) };
        self.run(now, draft).response.code.to_string()
    }

    pub(crate) fn code(&self, trace: u64, minor: i64) -> String {
        self.run(NOW, self.draft(trace, minor)).response.code.to_string()
    }

    pub(crate) fn reversal(&self, trace: u64, of: u64, minor: i64) -> RequestDraft {
        RequestDraft {
            kind: Some(Kind::Reversal),
            mti: Some(Mti::REVERSAL),
            original: Some(self.key_of(of)),
            ..self.draft(trace, minor)
        }
    }

    pub(crate) fn settle(&self, mut settle: Settle) -> Settled {
        decide(&self.store, &Says(vec![]), &mut settle).unwrap().verdict
    }

    pub(crate) fn row(&self, key: port::Key) -> Option<bytes::Bytes> {
        let rows = self.store.read(&ReadSet::points([key])).unwrap();
        rows.points[0].as_ref().map(|row| row.value.clone())
    }

    pub(crate) fn state(&self) -> AccountState {
        let row = self.row(self.stand_in.account_key(&self.account.token));
        row.map_or_else(AccountState::default, |row| AccountState::parse(&row).unwrap())
    }

    pub(crate) fn put_state(&self, state: &AccountState) {
        let key = self.stand_in.account_key(&self.account.token);
        self.put(key, state.encode().unwrap());
    }

    pub(crate) fn entry(&self, entry: &EntryRef) -> Option<Entry> {
        let rows = self.stand_in.entry_keys(entry).map(|key| self.row(key));
        assert!(rows.iter().flatten().count() <= 1, "an entry in two places");
        rows.into_iter().flatten().next().map(|row| Entry::parse(&row).unwrap())
    }

    /// What is out of lane 0, of the institution's cap.
    pub(crate) fn out_minor(&self) -> i64 {
        let lane = Lane::parse(&self.row(self.stand_in.lane_key(0)).unwrap()).unwrap();
        lane.shares.iter().find(|share| share.initiator.is_none()).unwrap().out_minor
    }

    pub(crate) fn put(&self, key: port::Key, value: Vec<u8>) {
        let mut batch = Batch::new();
        batch.put(key, Expect::Any, value);
        assert!(matches!(self.store.commit(&batch), Ok(Commit::Applied(_))));
    }
}

pub(crate) fn config(parameters: Option<Parameters>) -> StandInConfig {
    StandInConfig {
        institution: id(6222),
        zone: Zone::utc(),
        parameters,
        mac_keys: BTreeMap::new(),
        mac_required: false,
        lanes: 1,
        skew: Skew::default(),
        journal_kept_ms: 30 * 86_400_000,
    }
}
