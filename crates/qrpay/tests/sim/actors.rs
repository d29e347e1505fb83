//! Who does what in a schedule. Each runs the loops that integrators run, and asks again where they would.

use crate::bank::{cny, order};
use crate::place::Place;
use crate::world::World;
use interbank_qrpay::*;
use port::outbox::{Config, Event, Outbox};
use port::{Bytes, DecideError, Decision, Fault, Input, Key, Machine, Peer, StoreError, Version};
use simkit::Rng;

/// Who takes part in a schedule.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Pay { device: usize },
    Replay,
    Issue,
    Refresh,
    Cancel,
    Refund,
    Lapse,
    Revoke { device: usize },
    Lock { device: usize },
    Purge,
    Time,
    Deliver { turns: u32 },
}

impl Part {
    /// Every payer, the clock, two lives of a delivery, and some others.
    pub(crate) fn cast(world: &World<'_>, rng: &mut Rng) -> Vec<Self> {
        let devices = world.bank.devices.len();
        let mut cast: Vec<_> = (0..devices).map(|device| Self::Pay { device }).collect();
        cast.extend([Self::Deliver { turns: 12 }, Self::Deliver { turns: 8 }, Self::Time]);
        for _ in 0..2 + rng.index(7) {
            let device = rng.index(devices);
            cast.push(match rng.below(14) {
                0 | 1 => Self::Pay { device },
                2 | 3 => Self::Replay,
                4 => Self::Issue,
                5 | 6 => Self::Refresh,
                7 => Self::Cancel,
                8 | 9 => Self::Refund,
                10 => Self::Lapse,
                11 => Self::Revoke { device },
                12 => Self::Lock { device },
                _ => Self::Purge,
            });
        }
        cast
    }

    pub(crate) async fn play(self, world: &World<'_>, place: impl Place) {
        match self {
            Self::Pay { device } => pay(world, place, device).await,
            Self::Replay => replay(world, place).await,
            Self::Issue => issue(world, place).await,
            Self::Refresh => refresh(world, place).await,
            Self::Cancel => cancel(world, place).await,
            Self::Refund => refund(world, place).await,
            Self::Lapse => lapse(world, place).await,
            Self::Revoke { device } => revoke(world, place, device).await,
            Self::Lock { device } => lock(world, place, device).await,
            Self::Purge => purge(world, place).await,
            Self::Time => time(world, place).await,
            Self::Deliver { turns } => deliver(world, place, turns).await,
        }
    }
}

/// A payer scans what is displayed and answers it, rightly or not.
async fn pay(world: &World<'_>, place: impl Place, device: usize) {
    let Some(code) = displayed(world, &place).await else { return };
    let request = world.answer(device, &code);
    if let Some(wrong) = mistaken(world, request) {
        redeem(world, &place, wrong).await;
    }
    redeem(world, &place, request).await;
    if world.log.borrow_mut().rng.chance(1, 4) {
        redeem(world, &place, request).await;
    }
}

/// Somebody sends a request that was captured on its way.
async fn replay(world: &World<'_>, place: impl Place) {
    for _ in 0..6 {
        let captured = {
            let mut log = world.log.borrow_mut();
            let count = log.sent.len();
            log.rng.index(count)
        };
        if captured < world.log.borrow().sent.len() {
            return redeem(world, &place, captured).await;
        }
        place.pause().await;
    }
}

/// A merchant asks for an order, and asks again under the same key.
async fn issue(world: &World<'_>, place: impl Place) {
    let key = format!("key-{}", world.log.borrow_mut().rng.below(2));
    for _ in 0..2 {
        let entropy = world.log.borrow_mut().rng.bytes();
        let make = || world.server.issue(world.now(), &entropy, order(&key)).unwrap();
        let Some(found) = persist(world, &place, make).await else { continue };
        if let Some(issued) = found.verdict.granted() {
            let mut log = world.log.borrow_mut();
            log.issued.push((key.clone(), issued.uid));
            log.board.push(issued.code);
        }
    }
}

/// A display is refreshed.
async fn refresh(world: &World<'_>, place: impl Place) {
    let Some(code) = displayed(world, &place).await else { return };
    let (entropy, replaces) = {
        let mut log = world.log.borrow_mut();
        (log.rng.bytes(), code.challenge_ref.filter(|_| log.rng.chance(1, 2)))
    };
    let make = || world.server.refresh(world.now(), &entropy, code.uid.clone(), replaces);
    let Some(found) = persist(world, &place, make).await else { return };
    if let Some(issued) = found.verdict.granted() {
        world.log.borrow_mut().board.push(issued.code);
    }
}

/// A merchant withdraws an item.
async fn cancel(world: &World<'_>, place: impl Place) {
    let Some(code) = displayed(world, &place).await else { return };
    let make = || world.server.cancel(world.now(), code.uid.clone());
    let _ = persist(world, &place, make).await;
}

/// A merchant gives money back: all, some, too much, and the same once more.
async fn refund(world: &World<'_>, place: impl Place) {
    let Some((uid, payment)) = accepted(world, &place).await else { return };
    for _ in 0..4 {
        let (id, minor) = {
            let mut log = world.log.borrow_mut();
            let minor = *log.rng.pick(&[12_345, 12_346, 6_000, 345, 1]).unwrap();
            (format!("refund-{}", log.rng.below(3)), minor)
        };
        let make = || {
            let (uid, id) = (uid.clone(), id.clone());
            world.server.refund(world.now(), uid, payment, id, cny(minor)).unwrap()
        };
        let Some(found) = persist(world, &place, make).await else { continue };
        match found.verdict {
            Verdict::Granted(refunded) => {
                let told = (payment, Bytes::from(id), refunded.refund.amount);
                world.log.borrow_mut().refunded.push(told);
            }
            // Not settled yet: the merchant tries again later.
            Verdict::Declined(Refusal::NotNow) => pauses(&place, 3).await,
            Verdict::Declined(_) => {}
        }
    }
}

/// The bank gives up waiting for the accounting system; some merchants withdraw the order then.
async fn lapse(world: &World<'_>, place: impl Place) {
    let Some((uid, payment)) = accepted(world, &place).await else { return };
    for _ in 0..3 {
        let make = || world.server.lapse(world.now(), uid.clone(), payment);
        let lapsed = persist(world, &place, make).await;
        let lapsed = lapsed.is_some_and(|found| found.verdict.granted().is_some());
        if lapsed && world.log.borrow_mut().rng.chance(1, 2) {
            let _ = persist(world, &place, || world.server.cancel(world.now(), uid.clone())).await;
        }
        place.pause().await;
    }
}

/// A device is reported as lost.
async fn revoke(world: &World<'_>, place: impl Place, device: usize) {
    let holder = &world.bank.devices[device];
    let change = Rebinding::Revoke(holder.name.clone());
    let make = || world.server.rebind(world.now(), holder.token, change.clone());
    let Some(found) = persist(world, &place, make).await else { return };
    if found.verdict.granted().is_some() {
        let last = place.last().await;
        world.log.borrow_mut().revoked.entry(device).or_insert(last);
    }
}

/// An account is locked and unlocked again.
async fn lock(world: &World<'_>, place: impl Place, device: usize) {
    let token = world.bank.devices[device].token;
    for change in [Rebinding::Lock, Rebinding::Unlock] {
        let make = || world.server.rebind(world.now(), token, change.clone());
        let _ = persist(world, &place, make).await;
        place.pause().await;
    }
}

/// What policy says is over is deleted.
async fn purge(world: &World<'_>, place: impl Place) {
    use PurgeTable::{Items, MerchantKeys, Outcomes, Payments, Refunds};
    let mut tables = [Items, MerchantKeys, Outcomes, Payments, Refunds];
    world.log.borrow_mut().rng.shuffle(&mut tables);
    for table in tables {
        let make = || world.server.purge(world.now(), table, None);
        let _ = persist(world, &place, make).await;
    }
}

/// Time passes, and sometimes a clock is set back.
async fn time(world: &World<'_>, place: impl Place) {
    for _ in 0..6 {
        place.pause().await;
        let mut log = world.log.borrow_mut();
        match log.rng.below(12) {
            0 => world.tick(100_000),
            1 => world.tick(25_000),
            2 | 3 => world.step_back(2_000),
            4..=6 => world.tick(4_000),
            _ => world.tick(log.rng.below(1_500)),
        }
    }
}

/// One life of the process that delivers what is owed.
async fn deliver(world: &World<'_>, place: impl Place, turns: u32) {
    let mut outbox = Outbox::new(world.server.outbox(), PACE);
    for _ in 0..turns {
        place.pause().await;
        turn(world, &place, &mut outbox).await;
        world.tick(300);
    }
}

async fn turn(world: &World<'_>, place: &impl Place, outbox: &mut Outbox) {
    let now = world.now();
    if outbox.handle(now, Input::Tick).is_err() {
        world.fault("the outbox refuses a tick");
    }
    drain(world, place, outbox).await;
    for parcel in world.to_core.deliver(now) {
        let answer = world.log.borrow_mut().accounting.on_frame(&parcel.frame);
        match answer {
            // An answer that the link refuses is lost; the entry comes again.
            Ok(answer) => {
                let bank = Peer::new("bank").unwrap();
                let _ = port::blocking::Link::send(&world.to_bank, &bank, &answer);
            }
            Err(why) => world.fault(why),
        }
    }
    for parcel in world.to_bank.deliver(now) {
        let input = Input::Frame { from: &parcel.from, bytes: &parcel.frame };
        if outbox.handle(world.now(), input).is_err() {
            world.fault("the outbox refuses an answer");
        }
        drain(world, place, outbox).await;
    }
}

async fn drain(world: &World<'_>, place: &impl Place, outbox: &mut Outbox) {
    let keys = place.keys(&world.bank.keys);
    let Ok(drained) = port::drain(outbox, world.now(), place, &&world.to_core, &keys).await else {
        return world.fault("the outbox refuses its own effects");
    };
    for event in drained.events {
        match event {
            Event::Answered { key, version, entry, content } => {
                let settled = settle(world, place, &key, version, &entry, &content).await;
                if settled {
                    outbox.settled(&entry.idempotency);
                }
            }
            Event::Damaged { .. } => world.fault("an outbox row is damaged"),
            _ => {}
        }
    }
}

async fn settle(
    world: &World<'_>,
    place: &impl Place,
    key: &Key,
    version: Version,
    entry: &port::outbox::Entry,
    content: &[u8],
) -> bool {
    let settle = world.server.settle(world.now(), key.clone(), version, entry, content);
    let Ok(mut settle) = settle else {
        world.fault("an answer cannot be read");
        return false;
    };
    match port::decide(place, &place.keys(&world.bank.keys), &mut settle).await {
        Ok(_) => true,
        Err(why) => {
            blame(world, &why);
            false
        }
    }
}

async fn redeem(world: &World<'_>, place: &impl Place, number: usize) {
    let request = world.log.borrow().sent[number].clone();
    let holder = world.bank.devices.iter().find(|device| device.account == request.account);
    let token = holder.map(|device| device.token).unwrap();
    let make = || world.server.redeem(world.now(), request.clone(), token);
    let Some(found) = persist(world, place, make).await else { return };
    if let Some(accepted) = found.verdict.granted() {
        world.log.borrow_mut().accepted.push((number, accepted));
    }
}

/// Decides, and asks again as long as the store keeps failing; `None` where that did not help.
async fn persist<D: Decision<Error = Error>>(
    world: &World<'_>,
    place: &impl Place,
    mut make: impl FnMut() -> D,
) -> Option<D::Verdict> {
    for _ in 0..4 {
        let mut decision = make();
        match port::decide(place, &place.keys(&world.bank.keys), &mut decision).await {
            Ok(verdict) => return Some(verdict),
            Err(why) => blame(world, &why),
        }
        place.pause().await;
    }
    None
}

/// A store may fail and a clock may be behind; anything else is a finding.
fn blame<S: StoreError, K>(world: &World<'_>, why: &DecideError<Error, S, K>) {
    match why {
        DecideError::Store(store) if store.fault() == Fault::NotApplied => {}
        DecideError::Unknown(store) if store.fault() == Fault::Unknown => {}
        DecideError::Decision(Error::Clock(_)) => {}
        DecideError::Decision(why) => world.fault(format!("a decision failed: {why:?}")),
        DecideError::Busy => world.fault("a decision met conflicts without end"),
        _ => world.fault("a loop failed"),
    }
}

/// One of the codes that were ever displayed, the newest as likely as all others together.
async fn displayed(world: &World<'_>, place: &impl Place) -> Option<Code> {
    for _ in 0..6 {
        let found = {
            let mut log = world.log.borrow_mut();
            let newest = log.rng.chance(1, 2);
            let count = log.board.len();
            let at = log.rng.index(count);
            if newest { log.board.last().cloned() } else { log.board.get(at).cloned() }
        };
        if found.is_some() {
            return found;
        }
        place.pause().await;
    }
    None
}

async fn accepted(world: &World<'_>, place: &impl Place) -> Option<(Uid, PaymentId)> {
    for _ in 0..12 {
        let found = {
            let mut log = world.log.borrow_mut();
            let count = log.accepted.len();
            let at = log.rng.index(count);
            log.accepted.get(at).map(|(_, one)| (one.uid.clone(), one.payment))
        };
        if found.is_some() {
            return found;
        }
        place.pause().await;
    }
    None
}

async fn pauses(place: &impl Place, count: usize) {
    for _ in 0..count {
        place.pause().await;
    }
}

/// Sometimes a wrong request comes before the right one.
fn mistaken(world: &World<'_>, request: usize) -> Option<usize> {
    let mut log = world.log.borrow_mut();
    if !log.rng.chance(1, 5) {
        return None;
    }
    let by = log.rng.next_u64();
    let wrong = spoiled(&log.sent[request], by);
    Some(log.send(wrong))
}

/// The same request with another reply of its kind.
fn spoiled(request: &PaymentRequest, by: u64) -> PaymentRequest {
    let reply = match &request.reply {
        Reply::Mac(mac) => {
            let mut mac = *mac;
            // Sometimes only the part that the outcome's key does not hold.
            mac[if by.is_multiple_of(2) { 0 } else { 31 }] ^= by.to_be_bytes()[0] | 1;
            Reply::Mac(mac)
        }
        other => {
            let mut digits = crate::world::reply_bytes(other);
            digits[0] = b'0' + (digits[0] - b'0' + 1) % 10;
            Reply::Typed(TypedCode::new(&digits).unwrap())
        }
    };
    PaymentRequest { reply, ..request.clone() }
}

pub(crate) const PACE: Config = Config {
    in_flight_max: 3,
    page_rows: 2,
    poll_ms: 600,
    retry_ms: 500,
    retry_max_ms: 2_000,
    stuck_after: 4,
};
