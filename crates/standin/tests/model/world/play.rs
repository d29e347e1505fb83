//! What is the same in every run: parameters, configuration, requests.

use super::store::NoKeys;
use interbank_standin::*;
use port::blocking::{Store, decide};
use port::{Amount, Currency, Skew, Time, Zone};
use seal::{Account, AccountTokens, Secret, SigningKey, TrustList, TrustedKey, Validity};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const START: Time = Time::from_s(1_785_000_000);
/// What stand-in may have out together.
pub(crate) const BUDGET_MINOR: i64 = 160;

/// What is the same in every run: parameters, configuration, requests.
#[derive(Debug)]
pub(crate) struct Play {
    pub(crate) stand_in: StandIn,
    pub(crate) switch: SwitchConfig,
    pub(crate) forwarder: ForwarderConfig,
    pub(crate) requests: Vec<RequestDraft>,
}

impl Play {
    /// From this trace on a purchase is told and not asked for: an advice.
    pub(crate) const TOLD: u64 = 900;

    pub(crate) fn new(requests: &[Ask], thresholds: Thresholds, sweep_ms: u64) -> Arc<Self> {
        let institution = institution();
        let parameters = Parameters::new(parameters()).unwrap();
        let stand_in = StandIn::new(StandInConfig {
            institution,
            zone: Zone::utc(),
            parameters: Some(parameters),
            mac_keys: BTreeMap::new(),
            mac_required: false,
            lanes: 1,
            skew: Skew::default(),
            journal_kept_ms: 86_400_000,
        });
        let host = HostConfig { thresholds, ..HostConfig::new(institution) };
        let switch = SwitchConfig {
            mac_required: false,
            skew: Skew { max_ms: 0 },
            ..SwitchConfig::new(
                InstitutionId::new(9).unwrap(),
                Text::new("SW1").unwrap(),
                vec![host],
            )
        };
        let forwarder = ForwarderConfig {
            window_first: 2,
            answer_within_ms: 3_000,
            sweep_ms,
            page_rows: 3,
            settle_max: 2,
            ..ForwarderConfig::default()
        };
        let requests = requests.iter().map(|one| request(*one)).collect();
        Arc::new(Self { stand_in, switch, forwarder, requests })
    }

    pub(crate) fn key(&self, request: usize) -> RequestKey {
        TransactionRequest::new(self.requests[request].clone()).unwrap().key
    }

    /// What is there before anything happens: parameters in force, and all exposure leased to the one lane.
    pub(crate) fn furnish(&self, store: &impl Store) {
        let set = self.stand_in.config().parameters.as_ref().unwrap();
        let key = SigningKey::from_seed(&Secret::new([1; 32]));
        let mut trust = TrustList::new();
        let trusted = TrustedKey::new(key.verifying_key(), Validity::always());
        trust.add("accounting.example", 1, trusted);
        let signature = key.sign(&SealedParameters::message(set).unwrap());
        let sealed = SealedParameters::new(set, "accounting.example", 1, signature).unwrap();
        let mut install = self.stand_in.install(START, &trust, sealed);
        let installed = decide(store, &NoKeys, &mut install).unwrap().verdict;
        assert!(matches!(installed, InstallVerdict::Accepted { .. }), "{installed:?}");
        let initiator = InstitutionId::new(1_111).unwrap();
        let mut lease = self.stand_in.lease(START, 0, initiator, i64::MAX / 2);
        let leased = decide(store, &NoKeys, &mut lease).unwrap();
        assert_eq!(leased, Leased::Spendable(BUDGET_MINOR));
    }
}

/// Account (a number), trace, amount, and the trace of what it reverses.
pub(crate) type Ask = (u8, u64, i64, Option<u64>);

fn request((account, trace, minor, reverses): Ask) -> RequestDraft {
    let number = Account::new(format!("62000000000000{account:02}")).unwrap();
    let token = AccountTokens::new(&Secret::new([1; 32])).token(&number);
    let mut info = AccountInfo::new(&number, token);
    // What check digits are for is tested elsewhere.
    info.check_digit = CheckDigit::Right;
    let draft = RequestDraft {
        institution: Some(institution()),
        initiator: InstitutionId::new(1_111),
        account: Some(info),
        amount: Some(Amount::new(minor, Currency::parse("CNY").unwrap())),
        kind: Some(Kind::Purchase),
        mti: Some(if trace < Play::TOLD { Mti::FINANCIAL } else { Mti::FINANCIAL_ADVICE }),
        trace: Some(trace),
        sent_at: Some(START.plus_ms(1 + trace)),
        terminal: Some(Text::new("TERM0001").unwrap()),
        expiry: Expiry::from_yymm(2_912),
        ..RequestDraft::default()
    };
    let Some(of) = reverses else { return draft };
    let original = TransactionRequest::new(request((account, of, minor, None))).unwrap().key;
    RequestDraft {
        kind: Some(Kind::Reversal),
        mti: Some(Mti::REVERSAL),
        original: Some(original),
        ..draft
    }
}

pub(crate) fn institution() -> InstitutionId {
    InstitutionId::new(6_222).unwrap()
}

fn parameters() -> ParametersDraft {
    serde_json::from_value(serde_json::json!({
        "schema": 1, "institution": 6222, "version": 7, "currency": "CNY",
        "issued_at_ms": 1_784_990_000_000_u64, "effective_from_ms": 1_784_990_000_000_u64,
        "valid_until_ms": 1_796_000_000_000_u64, "stale_after_ms": 8_640_000_000_u64,
        "ranges": [{ "from": 62000000, "to": 62009999, "product": "gold" }],
        "counters": [],
        "exposure": { "institution_minor": BUDGET_MINOR },
        "rules": [{ "number": 1, "approve": true,
            "limits": { "single_minor": 10_000, "floor_minor": 20_000 } }]
    }))
    .unwrap()
}
