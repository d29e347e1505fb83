//! Where requests go, and why: two institutions, one switch, nothing behind it.

use crate::setting::{NOW, cny, id};
use interbank_standin::*;
use port::blocking::{Keys as _, Store as _};
use port::{
    CrateTag, Effect, Input, Key, KeyId, MacAlgorithm, MacTag, Machine, MemoryStore, Peer, Time,
};
use seal::*;

const A: u64 = 6_222;
const B: u64 = 6_333;

struct Desk {
    switch: Switch,
    store: MemoryStore,
    keys: SoftKeys,
    now: Time,
    trace: u64,
    seen: Vec<SwitchEvent>,
}

impl Desk {
    fn new(edit: impl Fn(&mut SwitchConfig)) -> Self {
        let hosts = vec![HostConfig::new(id(A)), HostConfig::new(id(B))];
        let mut config = SwitchConfig {
            mac_required: false,
            ..SwitchConfig::new(id(9), Text::new("SW1").unwrap(), hosts)
        };
        edit(&mut config);
        Self {
            switch: Switch::new(NOW, config).unwrap(),
            store: MemoryStore::new(),
            keys: SoftKeys::new(),
            // Nothing was sent by a switch that is gone.
            now: NOW.plus_ms(10_000),
            trace: 0,
            seen: Vec::new(),
        }
    }

    fn draft(&self, institution: u64) -> RequestDraft {
        let number = Account::new("6200000000000005").unwrap();
        let mut token = [0; 16];
        token[..8].copy_from_slice(&self.trace.to_be_bytes());
        RequestDraft {
            institution: Some(id(institution)),
            initiator: Some(id(1_111)),
            account: Some(AccountInfo::new(&number, AccountRef::from_bytes(token))),
            amount: Some(cny(100)),
            kind: Some(Kind::Purchase),
            mti: Some(Mti::FINANCIAL),
            trace: Some(self.trace),
            sent_at: Some(self.now),
            terminal: Some(Text::new("TERM0001").unwrap()),
            ..RequestDraft::default()
        }
    }

    /// A request of an account of its own; what came out.
    fn ask(&mut self, institution: u64) -> Vec<SwitchEvent> {
        self.trace += 1;
        let draft = self.draft(institution);
        self.send(draft)
    }

    fn send(&mut self, draft: RequestDraft) -> Vec<SwitchEvent> {
        self.switch.request(self.now, Peer::new("acquirer").unwrap(), draft).unwrap();
        self.turn()
    }

    fn turn(&mut self) -> Vec<SwitchEvent> {
        while let Some(effect) = self.switch.poll_effect() {
            let input = match effect {
                Effect::Ask { ticket, questions } => {
                    Input::Keys { ticket, answers: self.keys.answer(&questions).ok() }
                }
                Effect::Commit { ticket, batch } => {
                    let Ok(commit) = self.store.commit(&batch);
                    Input::Committed { ticket, fate: commit.into() }
                }
                Effect::Read { ticket, want } => {
                    Input::Rows { ticket, rows: self.store.read(&want).ok() }
                }
                Effect::Send { .. } => panic!("a switch sends no frames"),
            };
            self.switch.handle(self.now, input).unwrap();
        }
        let mut events = Vec::new();
        while let Some(event) = self.switch.poll_event() {
            events.push(event);
        }
        self.seen.extend(events.iter().cloned());
        events
    }

    fn pass(&mut self, ms: u64) -> Vec<SwitchEvent> {
        self.now = self.now.plus_ms(ms);
        self.switch.handle(self.now, Input::Tick).unwrap();
        self.turn()
    }

    /// Time passes, and the probes of those institutions are answered.
    fn probed(&mut self, ms: u64, alive: &[u64]) {
        for _ in 0..ms / 100 {
            for event in self.pass(100) {
                if let SwitchEvent::Probe { institution, request } = event
                    && alive.contains(&institution.as_u64())
                {
                    self.switch.probe_answered(self.now, institution, &request.key).unwrap();
                    self.turn();
                }
            }
        }
    }

    fn answer(&mut self, institution: u64, key: RequestKey, code: &[u8; 2]) -> Vec<SwitchEvent> {
        let response = response(key, code, Source::Host);
        self.switch.host_answered(self.now, id(institution), response).unwrap();
        self.turn()
    }

    fn state(&self, institution: u64) -> HealthState {
        self.switch.standing(id(institution)).unwrap().state
    }

    fn key(&self) -> RequestKey {
        TransactionRequest::new(self.draft(A)).unwrap().key
    }

    fn cut(&mut self, institution: u64) {
        self.switch.link(self.now, id(institution), false).unwrap();
        self.turn();
    }
}

fn response(key: RequestKey, code: &[u8; 2], source: Source) -> Response {
    Response {
        mti: Mti::FINANCIAL.response().unwrap(),
        key,
        code: ResponseCode::new(*code).unwrap(),
        approved: None,
        auth_code: None,
        source,
        balance: None,
        retrieval_ref: None,
    }
}

fn at_host(events: &[SwitchEvent]) -> usize {
    events.iter().filter(|one| matches!(one, SwitchEvent::AskHost { .. })).count()
}

fn at_stand_in(events: &[SwitchEvent]) -> usize {
    events.iter().filter(|one| matches!(one, SwitchEvent::AskStandIn { .. })).count()
}

fn answers(events: &[SwitchEvent]) -> Vec<String> {
    let codes = events.iter().filter_map(|one| match one {
        SwitchEvent::Answer { response, .. } => Some(response.code.to_string()),
        _ => None,
    });
    codes.collect()
}

fn why(events: &[SwitchEvent]) -> Option<(Diverted, HostOutcome)> {
    events.iter().find_map(|one| match one {
        SwitchEvent::AskStandIn { why, host, .. } => Some((*why, *host)),
        _ => None,
    })
}

#[test]
fn s04_two_targets_and_no_third() {
    let mut desk = Desk::new(|_| {});
    let online = desk.ask(A);
    assert_eq!((at_host(&online), at_stand_in(&online), online.len()), (1, 0, 1));
    desk.cut(A);
    let away = desk.ask(A);
    assert_eq!((at_host(&away), at_stand_in(&away), away.len()), (0, 1, 1));
    // Who is neither is not reached at all.
    let nobody = desk.ask(4_711);
    assert_eq!(answers(&nobody), ["92"]);
    assert_eq!(nobody.len(), 1);
}

#[test]
fn s05_while_it_is_down_the_accounting_system_sees_nothing() {
    let mut desk = Desk::new(|_| {});
    desk.cut(A);
    let all: Vec<SwitchEvent> = (0..200).flat_map(|_| desk.ask(A)).collect();
    assert_eq!((at_host(&all), at_stand_in(&all)), (0, 200));
}

#[test]
fn s06_while_it_is_up_the_stand_in_module_sees_nothing() {
    let mut desk = Desk::new(|_| {});
    let all: Vec<SwitchEvent> = (0..200)
        .flat_map(|_| {
            let mut events = desk.ask(A);
            let key = desk.key();
            events.extend(desk.answer(A, key, b"00"));
            events
        })
        .collect();
    assert_eq!((at_host(&all), at_stand_in(&all), answers(&all).len()), (200, 0, 200));
}

#[test]
fn s08_what_lacks_a_field_or_is_not_authentic_is_not_routed() {
    let mut desk = Desk::new(|config| {
        config.mac_required = true;
        config.mac_keys.insert(id(1_111), KeyId(5));
    });
    desk.keys.add_mac(KeyId(5), MacAlgorithm::HmacSha256, &[7; 32]);
    let strip: [fn(&mut RequestDraft); 4] = [
        |draft| draft.account = None,
        |draft| draft.institution = None,
        |draft| draft.initiator = None,
        |draft| draft.amount = None,
    ];
    for take in strip {
        let mut draft = desk.draft(A);
        take(&mut draft);
        let refused = desk.switch.request(desk.now, Peer::new("acquirer").unwrap(), draft);
        assert!(matches!(refused, Err(SwitchError::Refused(_))));
        assert!(desk.turn().is_empty());
    }
    assert_eq!(answers(&desk.ask(A)), ["63"]);
    let message = b"the bytes of the message".to_vec();
    let right = PreparedMac::new(MacAlgorithm::HmacSha256, &[7; 32]).tag(&message);
    for (tag, code) in [
        (&right.as_bytes()[..8], None),
        (&right.as_bytes()[..7], Some("63")),
        (&[0; 8], Some("63")),
    ] {
        desk.trace += 1;
        let message = Evidence::new(message.clone());
        let mac = Some(MessageMac { message, tag: MacTag::new(tag).unwrap() });
        let events = desk.send(RequestDraft { mac, ..desk.draft(A) });
        assert_eq!(answers(&events), Vec::from_iter(code));
        assert_eq!(at_host(&events), usize::from(code.is_none()));
    }
}

#[test]
fn s05_nothing_that_comes_back_diverts_what_is_in_flight() {
    let mut desk = Desk::new(|_| {});
    for _ in 0..20 {
        desk.ask(A);
    }
    // A standstill of a second, long before the first time-out at four.
    let all = desk.pass(1_000);
    assert_eq!((desk.state(A), at_stand_in(&all)), (HealthState::StandIn, 20));
    assert!(
        all.iter()
            .all(|one| !matches!(one, SwitchEvent::AskStandIn { host: HostOutcome::NotAsked, .. }))
    );
}

#[test]
fn sd05_changes_are_bounded_by_the_dwells() {
    // Whatever a flapping link and a moody host do: a stay as suspect takes 2 s, one with stand-in 10 s.
    for seed in 0..20 {
        let mut rng = simkit::Rng::new(seed);
        let mut desk = Desk::new(|_| {});
        desk.switch.drained(desk.now, id(A), true).unwrap();
        let mut changes = 0;
        for _ in 0..3_000 {
            match rng.below(6) {
                0 => desk.switch.link(desk.now, id(A), rng.chance(1, 3)).unwrap(),
                1 => drop(desk.ask(A)),
                _ => {}
            }
            for event in desk.pass(50) {
                match event {
                    SwitchEvent::Probe { institution, request } if rng.chance(5, 6) => {
                        let key = request.key;
                        desk.switch.probe_answered(desk.now, institution, &key).unwrap();
                    }
                    SwitchEvent::Changed(change) => {
                        let ours = change.institution == id(A) && change.from != change.to;
                        changes += usize::from(ours);
                    }
                    _ => {}
                }
            }
            desk.seen.clear();
        }
        let (span_ms, suspect_ms, dwell_ms) = (150_000, 2_000, 10_000);
        let bound = 2 * (span_ms / suspect_ms + 1) + 4 * (span_ms / dwell_ms + 1);
        assert!(changes <= bound && changes > 0, "{changes} of {bound}");
    }
}

#[test]
fn sd13_orders_go_before_detection_and_name_who_and_why() {
    let mut desk = Desk::new(|_| {});
    desk.cut(A);
    let order = |desk: &mut Desk, forced| {
        desk.switch.force(desk.now, id(A), forced, "olga", "test of the way back").unwrap();
        let events = desk.turn();
        let Some(SwitchEvent::Changed(change)) = events.first() else { panic!("{events:?}") };
        change.audit()
    };
    let audit = order(&mut desk, Some(Forced::Online));
    assert_eq!(audit.action, "standin.switch.forced-online");
    assert_eq!(
        (&audit.actor[..], &audit.subject[..]),
        (&b"olga"[..], &b"test of the way back"[..])
    );
    assert_eq!(at_host(&desk.ask(A)), 1);
    order(&mut desk, Some(Forced::StandIn));
    assert_eq!(at_stand_in(&desk.ask(A)), 1);
    // The release gives the word back to detection: it is away.
    let audit = order(&mut desk, None);
    assert_eq!(audit.action, "standin.switch.released");
    assert_eq!(desk.state(A), HealthState::StandIn);
    assert_eq!(at_stand_in(&desk.ask(A)), 1);
}

fn signs(desk: &mut Desk, function: NetworkFunction) -> Vec<SwitchEvent> {
    desk.switch.host_signed(desk.now, id(A), function).unwrap();
    desk.turn()
}

fn actions(events: &[SwitchEvent]) -> Vec<(String, Vec<u32>)> {
    let audits = events.iter().filter_map(|one| match one {
        SwitchEvent::Changed(change) => Some(change.audit()),
        _ => None,
    });
    audits.map(|audit| (audit.action.to_string(), audit.reasons)).collect()
}

#[test]
fn a_host_that_signed_off_is_asked_nothing_until_it_signs_on() {
    let mut desk = Desk::new(|_| {});
    desk.ask(A);
    let off = signs(&mut desk, NetworkFunction::SignOff);
    assert_eq!(actions(&off), [("standin.switch.signed-off".to_owned(), vec![4_549])]);
    assert_eq!(why(&off), Some((Diverted::Away, HostOutcome::Unknown)));
    // It answers echoes for five minutes, and says once more that it is away.
    for _ in 0..5 {
        desk.probed(60_000, &[A, B]);
        assert!(actions(&signs(&mut desk, NetworkFunction::SignOff)).is_empty());
        assert_eq!((desk.state(A), at_host(&desk.ask(A))), (HealthState::StandIn, 0));
        assert_eq!(at_host(&desk.ask(B)), 1);
    }
    assert!(desk.switch.standing(id(A)).unwrap().signed_off);
    let on = signs(&mut desk, NetworkFunction::SignOn);
    assert_eq!(actions(&on), [("standin.switch.signed-on".to_owned(), vec![4_550])]);
    assert!(!desk.switch.standing(id(A)).unwrap().signed_off);
    desk.probed(3_000, &[A]);
    assert_eq!((desk.state(A), at_host(&desk.ask(A))), (HealthState::StandIn, 0));
    desk.probed(3_000, &[A]);
    assert_eq!(desk.state(A), HealthState::Draining);
}

#[test]
fn an_order_goes_before_a_sign_off_and_one_to_go_online_ends_it() {
    let mut desk = Desk::new(|_| {});
    let order = |desk: &mut Desk, forced| {
        desk.switch.force(desk.now, id(A), forced, "olga", "").unwrap();
        desk.turn();
    };
    signs(&mut desk, NetworkFunction::SignOff);
    // Stand-in by order, and released: it is signed off still.
    order(&mut desk, Some(Forced::StandIn));
    desk.probed(20_000, &[A]);
    order(&mut desk, None);
    desk.probed(20_000, &[A]);
    assert_eq!((desk.state(A), at_host(&desk.ask(A))), (HealthState::StandIn, 0));
    // Online by order, and released: detection decides.
    order(&mut desk, Some(Forced::Online));
    assert_eq!(at_host(&desk.ask(A)), 1);
    order(&mut desk, None);
    assert_eq!(at_host(&desk.ask(A)), 0);
    desk.probed(20_000, &[A]);
    assert_eq!(desk.state(A), HealthState::Draining);
    // It may sign off during the order; the order goes before, and after it the sign-off holds.
    order(&mut desk, Some(Forced::Online));
    signs(&mut desk, NetworkFunction::SignOff);
    desk.probed(20_000, &[A]);
    assert_eq!((desk.state(A), at_host(&desk.ask(A))), (HealthState::StandIn, 1));
    order(&mut desk, None);
    desk.probed(20_000, &[A]);
    assert_eq!((desk.state(A), at_host(&desk.ask(A))), (HealthState::StandIn, 0));
}

#[test]
fn sd15_an_outage_of_one_does_not_touch_the_other() {
    let mut desk = Desk::new(|_| {});
    desk.cut(A);
    let epoch = desk.switch.standing(id(B)).unwrap().epoch;
    desk.probed(30_000, &[B]);
    for _ in 0..50 {
        assert_eq!(at_stand_in(&desk.ask(A)), 1);
        let events = desk.ask(B);
        assert_eq!((at_host(&events), at_stand_in(&events)), (1, 0));
        let key = TransactionRequest::new(desk.draft(B)).unwrap().key;
        desk.answer(B, key, b"00");
    }
    assert_eq!(desk.state(B), HealthState::Online);
    assert_eq!(desk.switch.standing(id(B)).unwrap().epoch, epoch);
    // And an answer under another institution's name is nobody's.
    desk.ask(B);
    let key = TransactionRequest::new(desk.draft(B)).unwrap().key;
    let events = desk.answer(A, key, b"00");
    assert!(answers(&events).is_empty());
}

#[test]
fn s06_the_way_back_takes_growing_shares_and_falls_back() {
    let mut desk = Desk::new(|_| {});
    desk.cut(A);
    desk.switch.drained(desk.now, id(A), true).unwrap();
    let mut shares = Vec::new();
    while desk.state(A) != HealthState::Online {
        desk.probed(500, &[A]);
        let share_bp = desk.switch.standing(id(A)).unwrap().host_share_bp;
        if shares.last() != Some(&share_bp) {
            shares.push(share_bp);
            let went = (0..400)
                .filter(|_| {
                    let events = desk.ask(A);
                    let key = desk.key();
                    desk.answer(A, key, b"00");
                    at_host(&events) == 1
                })
                .count();
            assert!(went.abs_diff(usize::from(share_bp) * 400 / 10_000) < 40, "{share_bp}: {went}");
        }
    }
    assert_eq!(shares, [0, 1_000, 2_500, 5_000, 10_000]);
    desk.cut(A);
    while desk.state(A) != HealthState::Draining {
        desk.probed(500, &[A]);
    }
    desk.probed(3_000, &[]);
    assert_eq!(desk.state(A), HealthState::StandIn);
}

#[test]
fn s05_a_host_that_delegates_or_fails_has_its_request_decided() {
    let mut desk = Desk::new(|_| {});
    for (code, right) in [
        (b"N0", (Diverted::Delegated, HostOutcome::NotAsked)),
        (b"91", (Diverted::Delegated, HostOutcome::NotAsked)),
        (b"96", (Diverted::Failed, HostOutcome::Unknown)),
    ] {
        desk.ask(A);
        let key = desk.key();
        let events = desk.answer(A, key, code);
        assert_eq!(why(&events), Some(right));
        assert!(answers(&events).is_empty());
    }
    desk.ask(A);
    let key = desk.key();
    desk.switch.host_unsent(desk.now, &key).unwrap();
    assert_eq!(why(&desk.turn()), Some((Diverted::Unsent, HostOutcome::NotAsked)));
}

#[test]
fn s05_a_slow_host_is_relieved_of_a_class() {
    let diversion = Diversion {
        p99_ms: 500,
        share_bp: 5_000,
        kinds: vec![Kind::Purchase],
        channels: Vec::new(),
        amount_max_minor: Some(100),
    };
    let mut desk = Desk::new(|config| config.hosts[0].diversions.push(diversion.clone()));
    let mut diverted = 0;
    for n in 0..600 {
        let events = desk.ask(A);
        let key = desk.key();
        desk.now = desk.now.plus_ms(600);
        desk.answer(A, key, b"00");
        if n >= 200 {
            diverted += usize::from(why(&events).is_some_and(|(why, _)| why == Diverted::Capacity));
        }
    }
    assert!(diverted.abs_diff(200) < 40, "{diverted}");
    // Larger amounts are not in the class.
    let large: usize = (0..50)
        .map(|_| {
            desk.trace += 1;
            let draft = RequestDraft { amount: Some(cny(101)), ..desk.draft(A) };
            at_stand_in(&desk.send(draft))
        })
        .sum();
    assert_eq!(large, 0);
}

/// Requests one after another, this far apart, each answered in its time where the accounting system is asked; how many were
/// diverted because it is slow.
fn at_a_pace(desk: &mut Desk, requests: u32, apart_ms: u64, took_ms: u64) -> u32 {
    let mut diverted = 0;
    for _ in 0..requests {
        let events = desk.ask(A);
        let key = desk.key();
        if at_host(&events) == 1 {
            desk.now = desk.now.plus_ms(took_ms);
            desk.answer(A, key, b"00");
        } else {
            diverted += u32::from(why(&events).is_some_and(|(why, _)| why == Diverted::Capacity));
            let answered = Answered {
                response: response(key, b"00", Source::Switch),
                reason: None,
                rule: 0,
                entry: Some(Key::new(CrateTag::STANDIN, id(A).tenant(), 3)),
                repeated: false,
            };
            desk.switch.stand_in_answered(desk.now, &answered).unwrap();
            desk.turn();
        }
        desk.seen.clear();
        desk.now = desk.now.plus_ms(apart_ms);
    }
    diverted
}

fn diverting(share_bp: u16) -> Desk {
    let (kinds, channels) = (Vec::new(), Vec::new());
    let all = Diversion { p99_ms: 500, share_bp, kinds, channels, amount_max_minor: None };
    Desk::new(|config| config.hosts[0].diversions.push(all.clone()))
}

#[test]
fn a_diversion_ends_two_minutes_after_the_last_slow_answer_at_any_pace_and_share() {
    for share_bp in [5_000, 10_000] {
        for apart_ms in [10, 1_000, 10_000, 60_000] {
            let mut desk = diverting(share_bp);
            at_a_pace(&mut desk, 400, 10, 600);
            assert!(desk.switch.standing(id(A)).unwrap().p99_ms.unwrap() >= 500);
            let fast_from = desk.now;
            at_a_pace(&mut desk, u32::try_from(120_000 / apart_ms).unwrap(), apart_ms, 5);
            desk.now = desk.now.max(fast_from.plus_ms(120_000));
            assert_eq!(at_a_pace(&mut desk, 200, apart_ms, 5), 0, "{share_bp} {apart_ms}");
        }
    }
}

#[test]
fn what_is_diverted_in_full_is_seen_all_the_same_while_it_is_slow() {
    let mut desk = diverting(10_000);
    at_a_pace(&mut desk, 200, 10, 600);
    // Long after two minutes it is still known to be slow, at ten requests a second and at one.
    for (apart_ms, most) in [(100, 3), (1_000, 25)] {
        let requests = 600_000 / apart_ms;
        let diverted = at_a_pace(&mut desk, u32::try_from(requests).unwrap(), apart_ms, 600);
        let asked = u32::try_from(requests).unwrap() - diverted;
        assert!(asked > 0 && asked * 100 <= u32::try_from(requests).unwrap() * most, "{asked}");
    }
}

#[test]
fn a_clock_that_stands_or_jumps_keeps_no_diversion_up() {
    // It was set back: for this machine no time passes until it is where it was, and answers alone tell.
    let mut desk = diverting(10_000);
    at_a_pace(&mut desk, 400, 10, 600);
    desk.now = desk.now.minus_ms(86_400_000);
    assert!((985..=990).contains(&at_a_pace(&mut desk, 1_000, 0, 0)));
    let mut desk = diverting(9_000);
    at_a_pace(&mut desk, 2_000, 10, 600);
    desk.now = desk.now.minus_ms(86_400_000);
    let diverted: Vec<u32> = (0..40).map(|_| at_a_pace(&mut desk, 1_000, 0, 0)).collect();
    assert!(diverted[0] > 800 && diverted[39] == 0, "{diverted:?}");
    // It was set forward: what it knew is old.
    let mut desk = diverting(10_000);
    at_a_pace(&mut desk, 400, 10, 600);
    desk.now = desk.now.plus_ms(86_400_000);
    assert_eq!(at_a_pace(&mut desk, 99, 10, 5), 0);
}

#[test]
fn s05_a_planned_window_diverts_a_healthy_host() {
    let from = NOW.plus_ms(20_000);
    let window = PlannedWindow { from, until: from.plus_ms(60_000) };
    let mut desk = Desk::new(|config| config.hosts[0].planned.push(window));
    desk.probed(9_900, &[A, B]);
    assert_eq!(at_host(&desk.ask(A)), 1);
    desk.probed(200, &[A, B]);
    assert_eq!(at_stand_in(&desk.ask(A)), 1);
    desk.probed(59_000, &[A, B]);
    assert_eq!(desk.state(A), HealthState::StandIn);
    desk.probed(3_000, &[A, B]);
    assert_eq!(desk.state(A), HealthState::Draining);
    let actions: Vec<String> = desk
        .seen
        .iter()
        .filter_map(|one| match one {
            SwitchEvent::Changed(change) => Some(change.audit().action.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(actions, ["standin.switch.stand-in", "standin.switch.draining"]);
}

#[test]
fn sd11_epochs_fence_what_is_not_delivered_and_not_journalled() {
    let mut desk = Desk::new(|_| {});
    desk.switch.drained(desk.now, id(A), true).unwrap();
    desk.cut(A);
    let events = desk.ask(A);
    let Some(SwitchEvent::AskStandIn { epoch, .. }) = events.first() else { panic!() };
    let (key, epoch) = (desk.key(), *epoch);
    assert!(desk.switch.is_current(id(A), epoch));
    // The accounting system is back before the decision was run (it waited in a queue all the time).
    let forced = Some(Forced::Online);
    desk.switch.force(desk.now, id(A), forced, "op", "").unwrap();
    desk.switch.force(desk.now, id(A), None, "op", "").unwrap();
    assert!(desk.switch.is_current(id(A), epoch));
    while desk.state(A) != HealthState::Online {
        // Nothing in flight may run out meanwhile.
        desk.probed(500, &[A]);
    }
    assert!(!desk.switch.is_current(id(A), epoch));
    let refused = desk
        .seen
        .iter()
        .any(|one| matches!(one, SwitchEvent::Unanswered { why: Silence::StandIn, .. }));
    // Its time was over by then: nobody was told anything.
    assert!(refused && desk.switch.stand_in_failed(desk.now, &key).is_err());
}

#[test]
fn sd11_a_key_with_another_question_is_refused() {
    let mut desk = Desk::new(|_| {});
    desk.ask(A);
    let key = desk.key();
    let other = RequestDraft { amount: Some(cny(101)), ..desk.draft(A) };
    assert_eq!(answers(&desk.send(other.clone())), ["94"]);
    assert_eq!(answers(&desk.answer(A, key, b"00")), ["00"]);
    assert_eq!(answers(&desk.send(other)), ["94"]);
    assert_eq!(answers(&desk.send(desk.draft(A))), ["00"]);
}

#[test]
fn sd11_a_repeat_whose_rows_were_read_too_early_looks_again() {
    let mut desk = Desk::new(|_| {});
    desk.ask(A);
    let key = desk.key();
    // A repeat: its rows are read now, and handed over only after the first was answered.
    let from = Peer::new("acquirer").unwrap();
    desk.switch.request(desk.now, from, desk.draft(A)).unwrap();
    let Some(Effect::Read { ticket, want }) = desk.switch.poll_effect() else { panic!() };
    let rows = desk.store.read(&want).ok();
    assert_eq!(answers(&desk.answer(A, key, b"00")), ["00"]);
    desk.cut(A);
    desk.switch.handle(desk.now, Input::Rows { ticket, rows }).unwrap();
    let events = desk.turn();
    assert_eq!((answers(&events), at_stand_in(&events)), (vec!["00".into()], 0));
}

#[test]
fn a_late_commit_of_one_answer_does_not_let_another_out() {
    let mut desk = Desk::new(|_| {});
    desk.ask(A);
    let key = desk.key();
    // The store takes its time with the first answer of the accounting system: nobody gets it.
    desk.switch.host_answered(desk.now, id(A), response(key, b"00", Source::Host)).unwrap();
    let Some(Effect::Commit { ticket, batch }) = desk.switch.poll_effect() else { panic!() };
    assert!(answers(&desk.pass(10_000)).is_empty());
    // A repeat is asked anew, and answered otherwise; now the first commit lands.
    let repeat = RequestDraft {
        mti: Some(Mti::FINANCIAL.repeat()),
        sent_at: Some(key.sent_at()),
        ..desk.draft(A)
    };
    assert_eq!(at_host(&desk.send(repeat)), 1);
    desk.switch.host_answered(desk.now, id(A), response(key, b"05", Source::Host)).unwrap();
    let Ok(commit) = desk.store.commit(&batch);
    desk.switch.handle(desk.now, Input::Committed { ticket, fate: commit.into() }).unwrap();
    // What is kept is what is said.
    assert_eq!(answers(&desk.turn()), ["00"]);
}

#[test]
fn who_left_a_request_to_stand_in_is_not_asked_again() {
    let mut desk = Desk::new(|_| {});
    // By order it is taken for there, whatever it does.
    desk.switch.force(desk.now, id(A), Some(Forced::Online), "op", "").unwrap();
    for unsent in [false, true] {
        desk.ask(A);
        let key = desk.key();
        if unsent {
            desk.switch.host_unsent(desk.now, &key).unwrap();
        } else {
            let delegated = response(key, b"N0", Source::Host);
            desk.switch.host_answered(desk.now, id(A), delegated).unwrap();
        }
        assert_eq!(at_stand_in(&desk.turn()), 1);
        desk.switch.stand_in_failed(desk.now, &key).unwrap();
        let events = desk.turn();
        let silent = |one: &SwitchEvent| {
            matches!(one, SwitchEvent::Unanswered { why: Silence::StandIn, .. })
        };
        assert_eq!((at_host(&events), events.iter().filter(|one| silent(one)).count()), (0, 1));
    }
}

#[test]
fn s09_what_is_under_way_is_bounded() {
    let mut desk = Desk::new(|config| config.pending_max = 3);
    (0..3).for_each(|_| drop(desk.ask(A)));
    let draft = desk.draft(A);
    let from = Peer::new("acquirer").unwrap();
    assert_eq!(desk.switch.request(desk.now, from, draft), Err(SwitchError::Busy));
    assert_eq!(desk.switch.pending(), 3);
    // Answers make room again.
    let key = desk.key();
    desk.answer(A, key, b"00");
    assert_eq!(at_host(&desk.ask(A)), 1);
}

#[test]
fn sd11_kept_answers_end() {
    let mut desk = Desk::new(|_| {});
    for _ in 0..60 {
        desk.ask(A);
        let key = desk.key();
        desk.answer(A, key, b"00");
        desk.now = desk.now.plus_ms(1);
    }
    let purge = |before| {
        let mut purge = PurgeAnswers::new(id(A), before);
        port::blocking::decide(&desk.store, &desk.keys, &mut purge).unwrap()
    };
    let before = desk.now.minus_ms(5);
    assert_eq!([purge(before), purge(before), purge(before)], [50, 5, 0]);
    assert_eq!(desk.store.len(), 5);
}
