//! Small races in every order of their steps, with every death, power cut and fate of a commit.

use crate::bank::{Bank, START, cny, order, server};
use crate::view::View;
use interbank_qrpay::*;
use port::blocking::{Immediate, decide};
use port::outbox::Entry;
use port::{Decision, Key, MemoryStore, Row, Snapshot, Time};
use seal::AccountRef;
use simkit::{Ending, Fate, Faults, FaultyStore, Stage, TaskId, every};

/// Everything that can happen to the batches of two decisions.
#[derive(Clone, Debug)]
struct Trouble {
    faults: Faults,
    deaths: usize,
    cuts: usize,
}

impl Trouble {
    fn none() -> Self {
        Self { faults: Faults::None, deaths: 0, cuts: 0 }
    }

    fn all() -> Vec<Self> {
        let mut all = vec![
            Self::none(),
            Self { deaths: 1, ..Self::none() },
            Self { cuts: 1, ..Self::none() },
        ];
        let fates = [
            Fate::Conflict,
            Fate::NotApplied,
            Fate::UnknownApplied,
            Fate::UnknownLost,
            Fate::UnknownLate(0),
            Fate::UnknownLate(2),
            Fate::UnknownLate(5),
            Fate::CrashBefore,
            Fate::CrashAfter,
            Fate::CrashUnsynced,
        ];
        for fate in fates {
            for number in 1..=2 {
                all.push(Self { faults: Faults::commits([(number, fate)]), ..Self::none() });
            }
        }
        all
    }

    /// Whether everybody gets an answer.
    fn is_none(&self) -> bool {
        matches!(self.faults, Faults::None) && self.deaths == 0 && self.cuts == 0
    }
}

/// What a task was told; `None` if the store failed.
type Told<T> = Option<Verdict<T>>;

/// Plays in every order under every trouble; the check also learns whether there was any.
fn play<V: Send + 'static>(
    start: &Snapshot,
    cast: impl Fn(&mut Stage<'static, V>),
    check: impl Fn(&Ending<V>, bool) -> Result<(), String>,
) -> usize {
    let mut orders = 0;
    for trouble in Trouble::all() {
        let setup = || {
            let mut stage = Stage::new(FaultyStore::over(start, trouble.faults.clone()));
            stage.deaths(trouble.deaths);
            stage.power_cuts(trouble.cuts);
            cast(&mut stage);
            stage
        };
        let played = every(200_000, setup, |ending| {
            ending.store().settle();
            check(ending, trouble.is_none())
        });
        orders += played.unwrap_or_else(|failure| panic!("{trouble:?}: {failure}"));
    }
    orders
}

/// One bank whose rows begin every play.
struct Race {
    bank: &'static Bank,
    server: PaymentServer,
    store: MemoryStore,
    now: Time,
}

impl Race {
    fn new() -> Self {
        Self::with(Policy::default())
    }

    fn with(policy: Policy) -> Self {
        // A play borrows its bank for as long as the test runs.
        let bank: &'static Bank = Box::leak(Box::new(Bank::new()));
        let store = MemoryStore::restore(&bank.start);
        Self { bank, server: server(policy), store, now: START }
    }

    fn issued(&self, kind: Kind) -> Issued {
        self.bank.issued(&self.server, &self.store, kind)
    }

    fn decide<D: Decision>(&self, mut decision: D) -> D::Verdict {
        decide(&self.store, &self.bank.keys, &mut decision).unwrap()
    }

    /// A wrong reply of the first payer.
    fn guess(&self, code: &Code, byte: u8) -> Redeem {
        let holder = &self.bank.devices[0];
        let wrong = PaymentRequest { reply: Reply::Mac([byte; 32]), ..holder.answer(code) };
        self.server.redeem(self.now, wrong, holder.token)
    }

    fn redeem(&self, device: usize, code: &Code) -> Redeem {
        let holder = &self.bank.devices[device];
        self.server.redeem(self.now, holder.answer(code), holder.token)
    }

    /// An order that is accepted, and its debit's entry.
    fn accepted(&self) -> (Uid, PaymentId, Key, Row) {
        let issued = self.issued(Kind::Order);
        let verdict = self.decide(self.redeem(0, &issued.code)).verdict;
        let payment = verdict.granted().unwrap().payment;
        let prefix = self.server.outbox();
        let rows = self.store.snapshot().rows.into_iter();
        let (key, row) = rows.filter(|(key, _)| key.starts_with(&prefix)).last().unwrap();
        (issued.uid, payment, key, row)
    }

    fn settle(&self, key: &Key, row: &Row, answer: Settlement) -> Settle {
        let entry = Entry::parse(&row.value).unwrap();
        let bytes = answer.to_bytes();
        self.server.settle(self.now, key.clone(), row.version, &entry, &bytes).unwrap()
    }

    fn view(&self, ending: &Ending<impl Send>) -> View {
        View::of(&ending.snapshot(), &self.server).unwrap()
    }

    /// A task that decides once, and again where the answer was lost, as its client would.
    fn add<D, T, V>(
        &self,
        stage: &mut Stage<'static, V>,
        name: &'static str,
        decision: &D,
        told: fn(Told<T>) -> V,
    ) -> TaskId
    where
        D: Decision<Verdict = seal::Audited<Verdict<T>>> + Clone + 'static,
        T: 'static,
        V: Send + 'static,
    {
        let (keys, mut decision) = (&self.bank.keys, decision.clone());
        stage.spawn(name, move |gate| async move {
            for _ in 0..3 {
                match port::decide(&gate, &Immediate(keys), &mut decision).await {
                    Ok(audited) => return told(Some(audited.verdict)),
                    Err(port::DecideError::Unknown(_)) => {}
                    Err(_) => break,
                }
            }
            told(None)
        })
    }
}

fn ensure(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.into()) }
}

/// How many wrong replies are counted on an account.
fn failures(snapshot: &Snapshot, account: &AccountRef) -> usize {
    let table = Key::new(port::CrateTag::QRPAY, port::Tenant::new(1), 2);
    let own = table.raw(account.as_bytes()).unwrap();
    let (_, row) = snapshot.rows.iter().find(|(key, _)| *key == own).unwrap();
    Binding::parse(&row.value, account).unwrap().failures.len()
}

fn granted<T>(told: &Told<T>) -> bool {
    matches!(told, Some(Verdict::Granted(_)))
}

fn declined<T>(told: &Told<T>) -> Option<Refusal> {
    told.as_ref().and_then(Verdict::declined)
}

#[test]
fn qd02_two_payers_on_one_challenge_in_every_order() {
    let race = Race::new();
    for kind in [Kind::Order, Kind::Commodity] {
        let issued = race.issued(kind);
        let (one, two) = (race.redeem(0, &issued.code), race.redeem(2, &issued.code));
        let orders = play(
            &race.store.snapshot(),
            |stage| {
                race.add(stage, "one", &one, |told| told);
                race.add(stage, "two", &two, |told| told);
            },
            |ending, calm| {
                let view = race.view(ending);
                let won = ending.told().filter(|told| granted(told)).count();
                let of_it = view.payments.iter().filter(|row| row.uid == issued.uid).count();
                let owed = view.owed.iter().filter(|(_, owed)| owed.uid == issued.uid).count();
                ensure(of_it <= 1 && owed == of_it, "not one debit for one payment")?;
                ensure(won <= of_it, "told of a payment that is not there")?;
                let lost = ending.told().filter_map(declined);
                let mut lost = lost.filter(|why| *why != Refusal::AlreadyUsed);
                ensure(lost.next().is_none(), "refused for another reason than the race")?;
                ensure(!calm || won == 1, "nobody won")
            },
        );
        assert!(orders > 100, "{orders}");
    }
}

#[test]
fn qd01_an_identical_request_in_every_order_with_itself() {
    let race = Race::new();
    let issued = race.issued(Kind::Order);
    let redeem = race.redeem(0, &issued.code);
    play(
        &race.store.snapshot(),
        |stage| {
            race.add(stage, "first", &redeem, |told| told);
            race.add(stage, "again", &redeem, |told| told);
        },
        |ending, calm| {
            let view = race.view(ending);
            ensure(view.payments.len() <= 1 && view.owed.len() == view.payments.len(), "two")?;
            let told: Vec<_> = ending.told().flatten().cloned().collect();
            let mut ids = Vec::new();
            for verdict in &told {
                let Verdict::Granted(accepted) = verdict else {
                    return Err(format!("a right request got {verdict:?}"));
                };
                ids.push(accepted.payment);
            }
            ensure(ids.iter().all(|id| view.payment(*id).is_some()), "told before durable")?;
            ensure(!calm || ids.len() == 2, "somebody got no answer")
        },
    );
}

#[test]
fn qd06_two_wrong_replies_are_both_counted_in_every_order() {
    let race = Race::new();
    let issued = race.issued(Kind::Order);
    let (one, two) = (race.guess(&issued.code, 1), race.guess(&issued.code, 2));
    play(
        &race.store.snapshot(),
        |stage| {
            race.add(stage, "one", &one, |told| told);
            race.add(stage, "two", &two, |told| told);
        },
        |ending, calm| {
            let view = race.view(ending);
            let tries = usize::from(view.item(&issued.uid).unwrap().challenges[0].tries);
            let told = ending.told().filter_map(declined);
            let told = told.filter(|why| *why == Refusal::Refused).count();
            ensure(view.payments.is_empty(), "a guess paid")?;
            ensure(tries >= told, "somebody learnt more than was counted")?;
            // After a commit of unknown fate with another guess in between, one may count once more, never once less.
            ensure(tries <= if calm { 2 } else { 3 }, "a guess was counted twice")?;
            ensure(!calm || (told, tries) == (2, 2), "not both were answered and counted")
        },
    );
}

#[test]
fn two_guesses_at_an_answered_challenge_are_both_counted_in_every_order() {
    // Of a thief, who paid it himself, and at what the account has paid, once it ran out.
    for (payer, wait_ms, refusal) in [(2, 0, Refusal::Refused), (0, 121_000, Refusal::Expired)] {
        let mut race = Race::new();
        let issued = race.issued(Kind::Commodity);
        let paid = race.decide(race.redeem(payer, &issued.code));
        assert!(paid.verdict.granted().is_some());
        race.now = START.plus_ms(wait_ms);
        let holder = &race.bank.devices[0];
        let (one, two) = (race.guess(&issued.code, 1), race.guess(&issued.code, 2));
        play(
            &race.store.snapshot(),
            |stage| {
                race.add(stage, "one", &one, |told| told);
                race.add(stage, "two", &two, |told| told);
            },
            |ending, calm| {
                let view = race.view(ending);
                let displayed = view.item(&issued.uid).unwrap().challenges[0];
                let tries = usize::from(displayed.tries);
                let failures = failures(&ending.snapshot(), &holder.token);
                let told = ending.told().filter_map(declined);
                let told = told.filter(|why| *why == refusal).count();
                ensure(displayed.state == ChallengeState::Consumed, "answered no more")?;
                ensure(view.payments.len() == 1, "a guess paid")?;
                ensure(tries >= told && failures >= told, "somebody learnt more than was counted")?;
                ensure(tries == failures, "counted on one of challenge and account")?;
                ensure(tries <= if calm { 2 } else { 3 }, "a guess was counted twice")?;
                ensure(!calm || (told, tries) == (2, 2), "not both were answered and counted")
            },
        );
    }
}

#[test]
fn qd02_a_payer_and_a_cancelling_merchant_in_every_order() {
    let race = Race::new();
    let issued = race.issued(Kind::Order);
    let (redeem, cancel) =
        (race.redeem(0, &issued.code), race.server.cancel(race.now, issued.uid.clone()));
    play(
        &race.store.snapshot(),
        |stage| {
            race.add(stage, "payer", &redeem, |told| granted(&told));
            race.add(stage, "merchant", &cancel, |told| granted(&told));
        },
        |ending, calm| {
            let view = race.view(ending);
            let state = view.item(&issued.uid).unwrap().state;
            let paid = !view.payments.is_empty();
            let [payer, merchant] = [0, 1].map(|at| ending.operations[at].verdict() == Some(&true));
            ensure(paid == (state == State::Accepted), "an order with half a payment")?;
            ensure(!(paid && state == State::Cancelled), "paid and cancelled")?;
            ensure(!payer || paid, "told of a payment that is not there")?;
            ensure(!merchant || state == State::Cancelled, "told of a cancellation that is not")?;
            ensure(!calm || payer != merchant, "both or nobody")
        },
    );
}

#[test]
fn qd08_a_reply_and_its_revocation_in_every_order() {
    let race = Race::new();
    let issued = race.issued(Kind::Order);
    let holder = &race.bank.devices[0];
    let redeem = race.redeem(0, &issued.code);
    let revoke = Rebinding::Revoke(holder.name.clone());
    let revoke = race.server.rebind(race.now, holder.token, revoke);
    play(
        &race.store.snapshot(),
        |stage| {
            race.add(stage, "payer", &redeem, |told| (granted(&told), declined(&told)));
            race.add(stage, "operator", &revoke, |told| (granted(&told), declined(&told)));
        },
        |ending, _| {
            let snapshot = ending.snapshot();
            let view = race.view(ending);
            let table = Key::new(port::CrateTag::QRPAY, port::Tenant::new(1), 2);
            let own = table.raw(holder.token.as_bytes()).unwrap();
            let binding = snapshot.rows.iter().find(|(key, _)| *key == own).unwrap();
            let before = race.store.snapshot().last;
            let revoked = Some(binding.1.version).filter(|version| *version > before);
            for outcome in &view.outcomes {
                let late = revoked.is_some_and(|revoked| outcome.version > revoked);
                ensure(!late, "a reply was taken after its device was revoked")?;
            }
            let [payer, operator] = [0, 1].map(|at| &ending.operations[at]);
            if operator.verdict().is_some_and(|told| told.0) {
                ensure(revoked.is_some(), "told of a revocation that is not there")?;
                let after =
                    operator.returned.zip(payer.called).is_some_and(|(end, call)| end < call);
                let refused =
                    payer.verdict().is_none_or(|told| told.1 == Some(Refusal::Refused) || !told.0);
                ensure(!after || refused, "a later request of a revoked device was taken")?;
            }
            Ok(())
        },
    );
}

#[test]
fn qd07_a_reply_and_a_refresh_without_grace_in_every_order() {
    let mut policy = Policy::default();
    policy.grace_ms = 0;
    let race = Race::with(policy);
    let issued = race.issued(Kind::Order);
    let redeem = race.redeem(0, &issued.code);
    let refresh = race.server.refresh(race.now, &[9; 32], issued.uid.clone(), None);
    play(
        &race.store.snapshot(),
        |stage| {
            race.add(stage, "payer", &redeem, |told| (granted(&told), declined(&told)));
            race.add(stage, "display", &refresh, |told| (granted(&told), declined(&told)));
        },
        |ending, calm| {
            let view = race.view(ending);
            let item = view.item(&issued.uid).unwrap();
            let paid = item.state == State::Accepted;
            let refreshed = item.challenges.len() == 2;
            ensure(!(paid && refreshed), "an old challenge was taken beside its successor")?;
            let [payer, display] = [0, 1].map(|at| ending.operations[at].verdict().copied());
            let told = |one: Option<(bool, Option<Refusal>)>| one.is_some_and(|told| told.0);
            ensure(!told(payer) || paid, "told of a payment that is not there")?;
            ensure(!told(display) || refreshed, "told of a code that is not there")?;
            let why = payer.and_then(|told| told.1);
            ensure(why.is_none_or(|why| why == Refusal::Expired), "refused for another reason")?;
            ensure(!calm || (told(payer) != told(display)), "both or nobody")
        },
    );
}

#[test]
fn qd07_a_refresh_that_is_asked_again_opens_one_challenge() {
    let race = Race::new();
    for kind in [Kind::Order, Kind::Commodity] {
        let issued = race.issued(kind);
        let refresh = race.server.refresh(race.now, &[9; 32], issued.uid.clone(), None);
        play(
            &race.store.snapshot(),
            |stage| {
                race.add(stage, "display", &refresh, |told| told);
                race.add(stage, "again", &refresh, |told| told);
            },
            |ending, calm| {
                let view = race.view(ending);
                let open = view.item(&issued.uid).unwrap().challenges.len();
                let codes = ending.told().flatten().cloned().filter_map(Verdict::granted);
                let codes: Vec<Code> = codes.map(|issued| issued.code).collect();
                ensure(open <= 2, "one challenge is displayed twice")?;
                ensure(codes.windows(2).all(|two| two[0] == two[1]), "two codes for one refresh")?;
                ensure(!calm || codes.len() == 2, "somebody got no code")
            },
        );
    }
}

#[test]
fn two_refunds_that_exceed_the_payment_together_in_every_order() {
    let race = Race::new();
    let (uid, payment, key, row) = race.accepted();
    assert!(race.decide(race.settle(&key, &row, Settlement::Done)).verdict.granted().is_some());
    let refund = |id: &'static str, minor| {
        race.server.refund(race.now, uid.clone(), payment, id, cny(minor)).unwrap()
    };
    let (one, two) = (refund("one", 8_000), refund("two", 5_000));
    play(
        &race.store.snapshot(),
        |stage| {
            race.add(stage, "one", &one, |told| told);
            race.add(stage, "two", &two, |told| told);
        },
        |ending, calm| {
            let view = race.view(ending);
            let sum: i64 = view.refunds.iter().map(|row| row.refund.amount.minor()).sum();
            let owed: i64 = view.owed.iter().map(|(_, owed)| owed.amount.minor()).sum();
            let counted = view.payment(payment).unwrap().refunded_minor;
            ensure(sum <= 12_345 && sum == owed && sum == counted, "refunds do not add up")?;
            for refunded in ending.told().flatten().cloned().filter_map(Verdict::granted) {
                let there = view.refunds.iter().any(|row| row.refund == refunded.refund);
                ensure(there, "told of a refund that is not there")?;
            }
            let won = ending.told().filter(|told| granted(told)).count();
            ensure(!calm || won == 1, "both or nobody")
        },
    );
}

#[test]
fn the_same_refund_twice_in_every_order() {
    let race = Race::new();
    let (uid, payment, key, row) = race.accepted();
    assert!(race.decide(race.settle(&key, &row, Settlement::Done)).verdict.granted().is_some());
    let refund = race.server.refund(race.now, uid, payment, "one", cny(8_000)).unwrap();
    play(
        &race.store.snapshot(),
        |stage| {
            race.add(stage, "first", &refund, |told| told);
            race.add(stage, "again", &refund, |told| told);
        },
        |ending, calm| {
            let view = race.view(ending);
            ensure(view.refunds.len() <= 1 && view.owed.len() == view.refunds.len(), "two")?;
            let refused = ending.told().any(|told| declined(told).is_some());
            ensure(!refused, "a repeated refund was refused")?;
            let won = ending.told().filter(|told| granted(told)).count();
            ensure(won == 0 || view.refunds.len() == 1, "told of a refund that is not there")?;
            ensure(!calm || won == 2, "somebody got no answer")
        },
    );
}

#[test]
fn an_answer_and_its_lapse_in_every_order() {
    for answer in [Settlement::Done, Settlement::Declined(51)] {
        for late in [Late::Accept, Late::Reverse] {
            let mut policy = Policy::default();
            policy.late = late;
            let mut race = Race::with(policy);
            let (uid, payment, key, row) = race.accepted();
            race.now = START.plus_ms(policy.settle_ms);
            let settle = race.settle(&key, &row, answer);
            let lapse = race.server.lapse(race.now, uid.clone(), payment);
            play(
                &race.store.snapshot(),
                |stage| {
                    race.add(stage, "answer", &settle, |told| granted(&told));
                    race.add(stage, "lapse", &lapse, |told| granted(&told));
                },
                |ending, calm| {
                    let view = race.view(ending);
                    let state = view.payment(payment).unwrap().state;
                    let order = view.item(&uid).unwrap().state;
                    let owed = view.owed.first().map(|(_, owed)| owed.kind);
                    use InstructionKind::{Debit, Reversal};
                    let fits = match (answer, state, order, owed) {
                        // Before the answer.
                        (_, PaymentState::Accepted, State::Accepted, Some(Debit))
                        | (_, PaymentState::Lapsed, State::Lapsed, Some(Debit)) => !calm,
                        (Settlement::Done, PaymentState::Paid, State::Paid, None) => true,
                        (Settlement::Done, PaymentState::Reversing, State::Lapsed, owed) => {
                            late == Late::Reverse && owed == Some(Reversal)
                        }
                        (Settlement::Declined(_), PaymentState::Declined, order, None) => {
                            matches!(order, State::Open | State::Lapsed)
                        }
                        _ => false,
                    };
                    ensure(fits, &format!("{state:?}, {order:?}, {owed:?} is owed"))?;
                    let lapsed = ending.operations[1].verdict() == Some(&true);
                    let traces = state != PaymentState::Accepted;
                    ensure(!lapsed || traces, "told of a lapse that is not there")
                },
            );
        }
    }
}

#[test]
fn a_late_answer_and_a_cancellation_in_every_order() {
    let mut policy = Policy::default();
    policy.late = Late::Accept;
    let mut race = Race::with(policy);
    let (uid, payment, key, row) = race.accepted();
    race.now = START.plus_ms(policy.settle_ms);
    let lapse = race.server.lapse(race.now, uid.clone(), payment);
    assert!(race.decide(lapse).verdict.granted().is_some());
    let settle = race.settle(&key, &row, Settlement::Done);
    let cancel = race.server.cancel(race.now, uid.clone());
    play(
        &race.store.snapshot(),
        |stage| {
            race.add(stage, "answer", &settle, |told| granted(&told));
            race.add(stage, "merchant", &cancel, |told| granted(&told));
        },
        |ending, calm| {
            let view = race.view(ending);
            let state = view.payment(payment).unwrap().state;
            let order = view.item(&uid).unwrap().state;
            let fits = match (state, order) {
                (PaymentState::Paid, State::Paid) => view.owed.is_empty(),
                (PaymentState::Reversing, State::Cancelled) => {
                    view.owed[0].1.kind == InstructionKind::Reversal
                }
                (PaymentState::Lapsed, State::Lapsed | State::Cancelled) => !calm,
                _ => false,
            };
            ensure(fits, &format!("{state:?} and {order:?}"))?;
            let cancelled = ending.operations[1].verdict() == Some(&true);
            ensure(!cancelled || order == State::Cancelled, "told of a cancellation that is not")
        },
    );
}

#[test]
fn one_merchant_key_issues_one_order_in_every_order() {
    let race = Race::new();
    let issue = |entropy: u8| race.server.issue(race.now, &[entropy; 32], order("till-1")).unwrap();
    let (one, two) = (issue(41), issue(42));
    play(
        &race.store.snapshot(),
        |stage| {
            race.add(stage, "one", &one, |told| told);
            race.add(stage, "two", &two, |told| told);
        },
        |ending, calm| {
            let view = race.view(ending);
            ensure(view.items.len() <= 1, "one key issued two orders")?;
            let told = ending.told().flatten().cloned().filter_map(Verdict::granted);
            let codes: Vec<Code> = told.map(|issued| issued.code).collect();
            for code in &codes {
                let item = view.item(&code.uid).ok_or("told of an order that is not there")?;
                let open = item.challenges[0].challenge == code.challenge;
                ensure(open, "told a challenge that is not open")?;
            }
            ensure(!calm || codes.len() == 2, "somebody got no order")
        },
    );
}

#[test]
fn two_outboxes_settle_one_answer_in_every_order() {
    let race = Race::new();
    let (uid, payment, key, row) = race.accepted();
    let settle = race.settle(&key, &row, Settlement::Done);
    play(
        &race.store.snapshot(),
        |stage| {
            race.add(stage, "one", &settle, |told| granted(&told));
            race.add(stage, "two", &settle, |told| granted(&told));
        },
        |ending, calm| {
            let view = race.view(ending);
            let paid = view.payment(payment).unwrap().state == PaymentState::Paid;
            let order = view.item(&uid).unwrap().state == State::Paid;
            ensure(paid == order && paid == view.owed.is_empty(), "half settled")?;
            ensure(paid || !ending.told().any(|told| *told), "told before durable")?;
            ensure(!calm || paid, "not settled")
        },
    );
}

#[test]
fn a_refund_whose_payment_was_purged_is_settled() {
    for answer in [Settlement::Done, Settlement::Declined(51)] {
        let mut race = Race::new();
        let (uid, payment, key, row) = race.accepted();
        assert!(race.decide(race.settle(&key, &row, Settlement::Done)).verdict.granted().is_some());
        race.now = START.plus_ms(race.server.config().policy.record_kept_ms);
        let refund = race.server.refund(race.now, uid, payment, "late", cny(1)).unwrap();
        assert!(race.decide(refund).verdict.granted().is_some());
        let purged = race.decide(race.server.purge(race.now, PurgeTable::Payments, None));
        assert_eq!(purged.rows, 1);
        let prefix = race.server.outbox();
        let rows = race.store.snapshot().rows;
        let (key, row) = rows.iter().find(|(key, _)| key.starts_with(&prefix)).unwrap();
        for _ in 0..2 {
            let verdict = race.decide(race.settle(key, row, answer)).verdict;
            assert_eq!(verdict.declined(), Some(Refusal::UnknownPayment));
        }
        let view = View::of(&race.store.snapshot(), &race.server).unwrap();
        let expected = match answer {
            Settlement::Done => RefundState::Done,
            Settlement::Declined(_) => RefundState::Declined,
        };
        assert_eq!(view.refunds[0].refund.state, expected);
        assert!(view.owed.is_empty(), "the outbox would send it for ever");
    }
}

#[test]
fn a_declined_reversal_names_its_cause() {
    let mut race = Race::new();
    let (uid, payment, key, row) = race.accepted();
    race.now = START.plus_ms(race.server.config().policy.settle_ms);
    assert!(race.decide(race.server.lapse(race.now, uid, payment)).verdict.granted().is_some());
    assert!(race.decide(race.settle(&key, &row, Settlement::Done)).verdict.granted().is_some());
    let prefix = race.server.outbox();
    let rows = race.store.snapshot().rows;
    let (key, row) = rows.iter().find(|(key, _)| key.starts_with(&prefix)).unwrap();
    let settled = race.decide(race.settle(key, row, Settlement::Declined(14))).verdict;
    assert_eq!(settled.granted().unwrap().state, PaymentState::Unreversed);
    let view = View::of(&race.store.snapshot(), &race.server).unwrap();
    assert_eq!(view.payment(payment).unwrap().cause, 14);
    assert!(view.owed.is_empty());
}
