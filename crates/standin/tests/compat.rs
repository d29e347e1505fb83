//! `vectors/compat/0.1/standin.json`: what version 0.1 stored, signed and sent. It is still read, and it is still written the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use interbank_standin::*;
use port::blocking::{Keys as _, Store as _, decide};
use port::{
    Amount, Batch, Commit, Currency, Effect, Expect, Input, Key, KeyId, Machine, MemoryStore, Peer,
    ReadSet, Scan, Skew, Time, Zone,
};
use seal::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const STORED: &str = include_str!("../../../vectors/compat/0.1/standin.json");
const START: Time = Time::from_s(1_785_000_000);
const ISSUER: &str = "accounting.example";

/// An institution as it was when the bytes were written.
struct Place {
    store: MemoryStore,
    keys: SoftKeys,
    stand_in: StandIn,
    now: Time,
    trace: u64,
    /// What was signed and sent, by name.
    messages: BTreeMap<&'static str, Vec<u8>>,
    /// What was answered, by trace number.
    answers: BTreeMap<u64, (RequestDraft, Response)>,
}

impl Place {
    fn new() -> Self {
        let mut keys = SoftKeys::new();
        keys.add_signing(KeyId(9), &Secret::new([9; 32]));
        Self {
            store: MemoryStore::new(),
            keys,
            stand_in: StandIn::new(config(None)),
            now: START,
            trace: 0,
            messages: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    /// The same institution over what version 0.1 stored.
    fn over_stored_rows() -> Self {
        let mut place = Self::new();
        for row in stored()["rows"].as_array().unwrap() {
            let mut batch = Batch::new();
            let key = Key::from_bytes(&hex(&row["key"])).unwrap();
            batch.put(key, Expect::Absent, hex(&row["value"]));
            assert!(matches!(place.store.commit(&batch), Ok(Commit::Applied(_))));
        }
        place.now = START.plus_ms(1_000);
        let mut load = place.stand_in.load(place.now, &trust());
        let Loaded::InForce { parameters, .. } =
            decide(&place.store, &place.keys, &mut load).unwrap()
        else {
            panic!("no parameters")
        };
        place.stand_in = StandIn::new(config(Some(parameters)));
        place
    }

    fn draft(&mut self, account: u8, kind: Kind, minor: i64) -> RequestDraft {
        self.trace += 1;
        RequestDraft {
            institution: Some(institution(6_222)),
            initiator: Some(institution(1_111)),
            account: Some(account_info(account)),
            amount: Some(cny(minor)),
            kind: Some(kind),
            mti: Some(if kind == Kind::Reversal { Mti::REVERSAL } else { Mti::AUTHORIZATION }),
            trace: Some(self.trace),
            sent_at: Some(START),
            terminal: Some(Text::new("TERM0001").unwrap()),
            expiry: Expiry::from_yymm(2_912),
            risk_bp: Some(12),
            ..RequestDraft::default()
        }
    }

    fn decide(&mut self, host: HostOutcome, draft: RequestDraft) -> RequestKey {
        let request = TransactionRequest::new(draft.clone()).unwrap();
        let key = request.key;
        let mut authorize = self.stand_in.authorize(self.now, 3, host, request);
        match decide(&self.store, &self.keys, &mut authorize).unwrap().verdict {
            Verdict::Answered(answered) => {
                self.answers.insert(key.trace(), (draft, answered.response));
            }
            other => panic!("{other:?}"),
        }
        key
    }

    fn ask(&mut self, account: u8, kind: Kind, minor: i64) -> RequestKey {
        let draft = self.draft(account, kind, minor);
        self.decide(HostOutcome::NotAsked, draft)
    }

    fn about(&mut self, account: u8, kind: Kind, minor: i64, original: RequestKey) -> RequestKey {
        let draft = RequestDraft { original: Some(original), ..self.draft(account, kind, minor) };
        self.decide(HostOutcome::NotAsked, draft)
    }

    fn settle(&self, account: u8, request: RequestKey, settlement: Settlement) {
        let account = account_info(account).token;
        let entry = EntryRef { account, role: Role::Request, request };
        let mut settle = self.stand_in.settle(self.now.plus_ms(500), entry, settlement);
        let settled = decide(&self.store, &self.keys, &mut settle).unwrap().verdict;
        assert!(matches!(settled, Settled::Done { .. }), "{settled:?}");
    }

    fn install(&mut self, name: [&'static str; 2], offer: Offer, sealed: Vec<u8>) {
        let signer = Signer { name: "east".into(), key_id: 2, key: KeyId(9) };
        let mut install = self.stand_in.install(self.now, &trust(), offer).signed_by(signer);
        let installed = decide(&self.store, &self.keys, &mut install).unwrap().verdict;
        let InstallVerdict::Accepted { sealed: Some(acknowledged), .. } = installed else {
            panic!("{installed:?}")
        };
        let mut bytes = Vec::new();
        acknowledged.encode(&mut bytes).unwrap();
        self.messages.insert(name[0], sealed);
        self.messages.insert(name[1], bytes);
    }

    /// The accounting system answers a request itself, and the switch keeps the answer.
    fn keep(&mut self) {
        let hosts = vec![HostConfig::new(institution(6_222))];
        let config = SwitchConfig {
            mac_required: false,
            ..SwitchConfig::new(institution(9), Text::new("SW1").unwrap(), hosts)
        };
        let mut switch = Switch::new(START.minus_ms(60_000), config).unwrap();
        let draft = self.draft(9, Kind::Purchase, 77);
        let from = Peer::new("acquirer").unwrap();
        switch.request(self.now, from, draft).unwrap();
        let mut told = 0;
        loop {
            while let Some(effect) = switch.poll_effect() {
                let input = match effect {
                    Effect::Read { ticket, want } => {
                        Input::Rows { ticket, rows: self.store.read(&want).ok() }
                    }
                    Effect::Commit { ticket, batch } => {
                        let Ok(commit) = self.store.commit(&batch);
                        Input::Committed { ticket, fate: commit.into() }
                    }
                    Effect::Ask { ticket, questions } => {
                        Input::Keys { ticket, answers: self.keys.answer(&questions).ok() }
                    }
                    Effect::Send { .. } => panic!("a switch sends no frames"),
                };
                switch.handle(self.now, input).unwrap();
            }
            match switch.poll_event() {
                Some(SwitchEvent::AskHost { request, .. }) => {
                    let answer = Response {
                        mti: request.mti.response().unwrap(),
                        key: request.key,
                        code: ResponseCode::APPROVED,
                        approved: Some(request.amount),
                        auth_code: AuthCode::new(*b"H00001"),
                        source: Source::Host,
                        balance: Some(cny(900)),
                        retrieval_ref: Text::new("620617200001").ok(),
                    };
                    switch.host_answered(self.now, institution(6_222), answer).unwrap();
                }
                Some(SwitchEvent::Answer { .. }) => told += 1,
                Some(_) => {}
                None => break,
            }
        }
        assert_eq!(told, 1);
    }

    fn to_json(&self) -> Value {
        let rows = self.store.snapshot().rows.into_iter();
        let rows = rows.map(|(key, row)| {
            let means = MEANS[usize::from(key.as_bytes()[Key::HEAD_BYTES - 1])];
            json!({ "means": means, "key": text(key.as_bytes()), "value": text(&row.value) })
        });
        let messages = self.messages.iter();
        let messages = messages.map(|(name, bytes)| ((*name).into(), text(bytes).into()));
        let messages: serde_json::Map<String, Value> = messages.collect();
        json!({ "rows": rows.collect::<Vec<_>>(), "messages": messages })
    }
}

/// Everything that this crate stores and signs, each kind in each state.
fn story() -> Place {
    let mut place = Place::new();
    let (seven, eight) = (set(7, 0), set(8, 3_600_000));
    let whole = sealed(&seven);
    place.install(["set 7, whole", "set 7, acknowledged"], whole.clone().into(), bytes_of(&whole));
    place.stand_in = StandIn::new(config(Some(seven.clone())));
    let changes = ParametersDelta::between(&seven, &sealed(&eight)).unwrap();
    let mut bytes = Vec::new();
    changes.encode(&mut bytes).unwrap();
    place.install(["set 8, as changes", "set 8, acknowledged"], changes.into(), bytes);
    for (lane, wanted) in [(0, 40_000), (1, 50_000)] {
        let mut lease = place.stand_in.lease(START, lane, institution(1_111), wanted);
        let leased = decide(&place.store, &place.keys, &mut lease).unwrap();
        assert!(matches!(leased, Leased::Spendable(_)), "{leased:?}");
    }
    // Account 1: approvals of every end, with holds and counters.
    let ends = [
        Some(Settlement::Posted),
        Some(Settlement::AlreadyPosted),
        Some(Settlement::PostedNegative),
        Some(Settlement::Exception),
        None,
    ];
    for (at, end) in ends.into_iter().enumerate() {
        let request = place.ask(1, Kind::Purchase, 100 + i64::try_from(at).unwrap());
        if let Some(end) = end {
            place.settle(1, request, end);
        }
    }
    let resolved = place.ask(1, Kind::Purchase, 50);
    place.settle(1, resolved, Settlement::Exception);
    place.settle(1, resolved, Settlement::Resolved);
    // Account 2: what refers to something else.
    let held = place.ask(2, Kind::PreAuthorization, 500);
    place.about(2, Kind::Completion, 450, held);
    place.ask(2, Kind::PreAuthorization, 300);
    let bought = place.ask(2, Kind::Purchase, 200);
    place.about(2, Kind::Reversal, 200, bought);
    place.ask(2, Kind::Refund, 20);
    let unknown = RequestKey::new(
        Class::Financial,
        institution(1_111),
        900,
        START,
        Text::new("TERM0009").unwrap(),
    );
    place.about(2, Kind::Reversal, 5, unknown.unwrap());
    // Account 3: declines, one of them owed; everything that a request can say.
    place.ask(3, Kind::Purchase, 1_000_000);
    let draft = place.draft(3, Kind::Purchase, 999_999);
    place.decide(HostOutcome::Unknown, draft);
    let draft = RequestDraft {
        billing: Some(cny(70)),
        amount: Some(Amount::new(10, Currency::parse("EUR").unwrap())),
        retrieval_ref: Text::new("620617200001").ok(),
        merchant: Text::new("MERCHANT0000001").ok(),
        mcc: Mcc::new(5_411),
        country: Country::new(156),
        channel: Some(Channel::Pos),
        entry: Some(EntryMode::Chip),
        to: Some(account_info(4)),
        ..place.draft(3, Kind::Transfer, 10)
    };
    place.decide(HostOutcome::NotAsked, draft);
    // Lists and balances; account 4 is on both lists.
    let mut four = AccountUpdate::of(account_info(4).token);
    four.deny = Change::Set((ResponseCode::LOST, START.plus_ms(86_400_000)));
    four.vip = Change::Set(START.plus_ms(3_600_000));
    let mut two = AccountUpdate::of(account_info(2).token);
    two.balance =
        Some(BalanceUpdate { minor: 5_000, as_of: START, last: Some((Role::Request, held)) });
    let updates = vec![four, two];
    let page = FeedPage { institution: institution(6_222), number: 5, updates };
    let signature = accounting().sign(&SealedFeed::message(&page).unwrap());
    let page = SealedFeed::new(&page, ISSUER, 1, signature).unwrap();
    let mut take = place.stand_in.take_feed(START, &trust(), &page);
    let taken = decide(&place.store, &place.keys, &mut take).unwrap().verdict;
    assert_eq!(taken, FeedVerdict::Taken { number: 5, ignored: vec![] });
    let mut bytes = Vec::new();
    page.encode(&mut bytes).unwrap();
    place.messages.insert("page 5", bytes);
    place.keep();
    place
}

fn set(version: u64, later_ms: u64) -> Parameters {
    let issued = START.as_ms() - 10_000_000;
    let draft = json!({
        "schema": 1, "institution": 6222, "version": version, "currency": "CNY",
        "issued_at_ms": issued, "effective_from_ms": issued + later_ms * 4,
        "valid_until_ms": START.as_ms() + 864_000_000, "stale_after_ms": 864_000_000,
        "ranges": [
            { "from": 62000000, "to": 62009999, "product": "gold" },
            { "from": 62220000, "to": 62229999, "without_check_digit": true }
        ],
        "initiators": [1111, 2222],
        "counters": [
            { "id": 1, "window": "sliding", "length_ms": 86_400_000 },
            { "id": 2, "window": "month", "kinds": ["cash"] }
        ],
        "exposure": { "institution_minor": 90_000, "initiators": [{ "of": 1111, "sum_minor": 80_000 }] },
        "pin_tries": 4, "balance_haircut_bp_per_hour": 10, "balance_age_max_ms": 86_400_000,
        "completion_tolerance_bp": 1_500, "pre_authorization_ms": 864_000_000,
        "refunds_restore": true,
        "rules": [
            { "number": 1, "approve": true, "partial": true, "pin": "key:9", "cvn": "floor",
              "arqc": "waive", "limits": { "single_minor": 10_000, "floor_minor": 20_000,
                "risk_bp": 700, "velocity_count": 16, "velocity_ms": 60_000,
                "windows": [{ "of": 1, "count": 99, "sum_minor": 250_000 }] } },
            { "number": 2, "deny": "57", "until_ms": START.as_ms() + 1_000,
              "scope": { "mccs": [7995], "countries": [408], "kinds": ["purchase"],
                "channels": ["ecommerce"], "entries": ["remote"], "products": ["gold"],
                "initiators": [2222], "bins": [{ "from": 62000000, "to": 62000009 }],
                "accounts": ["0102030405060708090a0b0c0d0e0f10"], "vip": false } },
            { "number": version + 10, "approve": false, "scope": { "kinds": ["inquiry"] } }
        ]
    });
    Parameters::new(serde_json::from_value(draft).unwrap()).unwrap()
}

fn config(parameters: Option<Parameters>) -> StandInConfig {
    StandInConfig {
        institution: institution(6_222),
        zone: Zone::utc(),
        parameters,
        mac_keys: BTreeMap::new(),
        mac_required: false,
        lanes: 2,
        skew: Skew::default(),
        journal_kept_ms: 30 * 86_400_000,
    }
}

/// Even accounts have lane 0, odd ones lane 1.
fn account_info(number: u8) -> AccountInfo {
    let clear = Account::new("6200000000000005").unwrap();
    let mut token = [number; 16];
    token[0] = 0xA0;
    AccountInfo::new(&clear, AccountRef::from_bytes(token))
}

fn accounting() -> SigningKey {
    SigningKey::from_seed(&Secret::new([1; 32]))
}

fn trust() -> TrustList {
    let mut trust = TrustList::new();
    trust.add(ISSUER, 1, TrustedKey::new(accounting().verifying_key(), Validity::always()));
    trust
}

fn sealed(set: &Parameters) -> SealedParameters {
    let signature = accounting().sign(&SealedParameters::message(set).unwrap());
    SealedParameters::new(set, ISSUER, 1, signature).unwrap()
}

fn bytes_of(sealed: &SealedParameters) -> Vec<u8> {
    let mut bytes = Vec::new();
    sealed.encode(&mut bytes).unwrap();
    bytes
}

fn institution(number: u64) -> InstitutionId {
    InstitutionId::new(number).unwrap()
}

fn cny(minor: i64) -> Amount {
    Amount::new(minor, Currency::parse("CNY").unwrap())
}

fn stored() -> Value {
    serde_json::from_str(STORED).unwrap()
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// What the rows of each table are.
const MEANS: [&str; 12] = [
    "",
    "head",
    "part of a signed set",
    "account",
    "",
    "lane",
    "pool",
    "acknowledgement",
    "last page of the feed",
    "answer of the accounting system",
    "journal entry",
    "what counters stand for",
];

/// Writes the file anew, where a form has changed on purpose: `cargo test -p interbank-standin --test compat -- --ignored`.
#[test]
#[ignore = "writes vectors/compat/0.1/standin.json"]
#[expect(clippy::disallowed_methods, reason = "it is there to write a file")]
fn write_what_is_stored_now() {
    let text = serde_json::to_string_pretty(&story().to_json()).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/compat/0.1/standin.json");
    std::fs::write(path, text + "\n").unwrap();
}

#[test]
fn everything_is_still_written_alike() {
    let (written, stored) = (story().to_json(), stored());
    let rows = |value: &Value| value["rows"].as_array().unwrap().clone();
    assert_eq!(rows(&written).len(), rows(&stored).len());
    for (written, stored) in rows(&written).iter().zip(&rows(&stored)) {
        assert_eq!(written, stored);
    }
    assert_eq!(written["messages"], stored["messages"]);
}

#[test]
fn all_kinds_of_rows_are_there() {
    let mut tables = BTreeMap::new();
    let mut states = BTreeMap::new();
    for row in stored()["rows"].as_array().unwrap() {
        let key = Key::from_bytes(&hex(&row["key"])).unwrap();
        let table = key.as_bytes()[Key::HEAD_BYTES - 1];
        *tables.entry(table).or_insert(0) += 1;
        if table == 10 {
            let entry = Entry::parse(&hex(&row["value"])).unwrap();
            let place = key.as_bytes()[Key::HEAD_BYTES];
            assert_eq!(place, u8::from(!entry.state.waits()), "{:?}", entry.state);
            *states.entry(entry.state).or_insert(0) += 1;
        }
    }
    let expected =
        [(1, 1), (2, 2), (3, 4), (5, 2), (6, 1), (7, 2), (8, 1), (9, 1), (10, 16), (11, 1)];
    assert_eq!(tables, expected.into());
    assert!(EntryState::ALL.iter().all(|state| states.contains_key(state)), "{states:?}");
}

#[test]
fn rows_are_still_read_and_written_alike() {
    for row in stored()["rows"].as_array().unwrap() {
        let (key, value) = (Key::from_bytes(&hex(&row["key"])).unwrap(), hex(&row["value"]));
        let mut again = Vec::new();
        match key.as_bytes()[Key::HEAD_BYTES - 1] {
            2 => SealedParameters::parse(&value).unwrap().encode(&mut again).unwrap(),
            3 => again = AccountState::parse(&value).unwrap().encode().unwrap(),
            5 => again = Lane::parse(&value).unwrap().encode().unwrap(),
            7 => again = Acknowledgement::parse(&value).unwrap().encode(),
            10 => Entry::parse(&value).unwrap().encode(&mut again).unwrap(),
            // Head, pool, feed and kept answers are read by whoever decides over them: below.
            _ => continue,
        }
        assert_eq!(text(&again), text(&value), "{}", row["means"]);
    }
}

#[test]
fn sd07_what_was_signed_is_still_believed() {
    let messages = &stored()["messages"];
    let whole = SealedParameters::parse(&hex(&messages["set 7, whole"])).unwrap();
    let seven = whole.open(START, &trust(), institution(6_222), 6).unwrap();
    assert_eq!(seven, set(7, 0));
    let changes = ParametersDelta::parse(&hex(&messages["set 8, as changes"])).unwrap();
    let eight = changes.apply(&seven).unwrap().open(START, &trust(), institution(6_222), 7);
    assert_eq!(eight.unwrap(), set(8, 3_600_000));
    let page = SealedFeed::parse(&hex(&messages["page 5"])).unwrap();
    assert_eq!(page.open(START, &trust(), institution(6_222)).unwrap().updates.len(), 2);
    let mut east = TrustList::new();
    let key = SigningKey::from_seed(&Secret::new([9; 32])).verifying_key();
    east.add("east", 2, TrustedKey::new(key, Validity::always()));
    for (name, version) in [("set 7, acknowledged", 7), ("set 8, acknowledged", 8)] {
        let sealed = SealedAcknowledgement::parse(&hex(&messages[name])).unwrap();
        assert_eq!(sealed.open(START, &east).unwrap().mark.version, version);
    }
}

#[test]
fn sd11_stored_decisions_still_answer_a_repeat() {
    let told = story().answers;
    let place = Place::over_stored_rows();
    assert_eq!(told.len(), 16);
    for (draft, response) in told.into_values() {
        let request = TransactionRequest::new(draft).unwrap();
        let mut authorize = place.stand_in.authorize(place.now, 4, HostOutcome::NotAsked, request);
        let again = decide(&place.store, &place.keys, &mut authorize).unwrap().verdict;
        let Verdict::Answered(answered) = again else { panic!("{again:?}") };
        assert!(answered.repeated);
        assert_eq!(answered.response, response);
    }
    // The answer of the accounting system, too, and no other question under its key.
    let mut asked = Place::new();
    asked.trace = 16;
    for (minor, code) in [(77, ResponseCode::APPROVED), (78, ResponseCode::DUPLICATE)] {
        asked.trace = 16;
        let request = TransactionRequest::new(asked.draft(9, Kind::Purchase, minor)).unwrap();
        let mut authorize = place.stand_in.authorize(place.now, 4, HostOutcome::NotAsked, request);
        let again = decide(&place.store, &place.keys, &mut authorize).unwrap().verdict;
        let Verdict::Answered(answered) = again else { panic!("{again:?}") };
        assert_eq!(answered.response.code, code);
    }
}

#[test]
fn sd03_what_was_queued_still_gets_through() {
    let place = Place::over_stored_rows();
    let owed = |place: &Place| {
        let scan = Scan::first(place.stand_in.open_entries(), 1_000);
        let Ok(rows) = place.store.read(&ReadSet::scan(scan));
        rows.scans[0].iter().map(|(_, row)| Entry::parse(&row.value).unwrap()).collect::<Vec<_>>()
    };
    let waiting = owed(&place);
    assert_eq!(waiting.len(), 10);
    for entry in waiting {
        let mut settle = place.stand_in.settle(place.now, entry.reference(), Settlement::Posted);
        let settled = decide(&place.store, &place.keys, &mut settle).unwrap().verdict;
        assert!(matches!(settled, Settled::Done { .. }), "{settled:?}");
    }
    assert!(owed(&place).is_empty());
    // Pool and lanes: what was granted is given back, and no more was out than the one exception.
    for lane in 0..2 {
        let mut back = place.stand_in.give_back(place.now, lane);
        decide(&place.store, &place.keys, &mut back).unwrap();
        let Ok(rows) = place.store.read(&ReadSet::points([place.stand_in.lane_key(lane)]));
        let lane = Lane::parse(&rows.points[0].as_ref().unwrap().value).unwrap();
        for share in lane.shares {
            assert_eq!(share.granted_minor, share.out_minor);
        }
    }
}
