//! What one schedule shares: clock, network, accounting system, and what everybody did and was told.

use crate::accounting::Accounting;
use crate::bank::{Bank, payment_id};
use crate::invariant::Past;
use crate::view::View;
use interbank_qrpay::*;
use port::{Amount, Bytes, MemoryStore, Peer, Snapshot, Time, Version};
use seal::AccountRef;
use simkit::{LossyLink, Rng, SimClock, Weather};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

pub(crate) struct World<'b> {
    pub(crate) bank: &'b Bank,
    pub(crate) server: PaymentServer,
    pub(crate) to_core: LossyLink,
    pub(crate) to_bank: LossyLink,
    pub(crate) log: RefCell<Log>,
    clock: SimClock,
    latest: Cell<Time>,
    pub(crate) past: RefCell<Past>,
}

/// What happened outside of the store.
pub(crate) struct Log {
    pub(crate) rng: Rng,
    pub(crate) accounting: Accounting,
    /// Every code that was ever displayed.
    pub(crate) board: Vec<Code>,
    /// Every request that was ever sent, wrong ones too.
    pub(crate) sent: Vec<PaymentRequest>,
    /// Which device computed which right reply.
    pub(crate) computed: BTreeMap<Vec<u8>, Computed>,
    /// What payers were told was accepted: which request, and what.
    pub(crate) accepted: Vec<(usize, Accepted)>,
    pub(crate) issued: Vec<(String, Uid)>,
    pub(crate) refunded: Vec<(PaymentId, Bytes, Amount)>,
    /// Devices whose revocation was acknowledged, and the last commit at that time.
    pub(crate) revoked: BTreeMap<usize, Version>,
    /// What no task should have met.
    pub(crate) faults: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Computed {
    pub(crate) device: usize,
    pub(crate) uid: Uid,
    pub(crate) challenge: Challenge,
    pub(crate) payment: PaymentId,
    pub(crate) account: AccountRef,
    pub(crate) expires_s: Option<u64>,
}

impl<'b> World<'b> {
    pub(crate) fn new(bank: &'b Bank, server: PaymentServer, rng: &Rng, start: Time) -> Self {
        let link = |name: &str| {
            let me = Peer::new(name).unwrap();
            LossyLink::new(me, rng.fork(name), Weather { delay_max_ms: 1_500, ..Weather::STORM })
        };
        Self {
            bank,
            server,
            to_core: link("bank"),
            to_bank: link("accounting"),
            clock: SimClock::new(start, 2_000),
            latest: Cell::new(start),
            past: RefCell::default(),
            log: RefCell::new(Log {
                accounting: Accounting::new(rng.fork("accounting")),
                rng: rng.fork("actors"),
                board: Vec::new(),
                sent: Vec::new(),
                computed: BTreeMap::new(),
                accepted: Vec::new(),
                issued: Vec::new(),
                refunded: Vec::new(),
                revoked: BTreeMap::new(),
                faults: Vec::new(),
            }),
        }
    }

    /// The rows of a bank that displays two orders and a commodity.
    pub(crate) fn opened(&self) -> MemoryStore {
        let store = MemoryStore::restore(&self.bank.start);
        for kind in [Kind::Order, Kind::Order, Kind::Commodity] {
            let issued = self.bank.issued(&self.server, &store, kind);
            self.log.borrow_mut().board.push(issued.code);
        }
        store
    }

    pub(crate) fn now(&self) -> Time {
        let now = self.clock.now();
        self.latest.set(self.latest.get().max(now));
        now
    }

    pub(crate) fn tick(&self, ms: u64) {
        self.clock.tick(ms);
        self.now();
    }

    pub(crate) fn step_back(&self, ms: u64) {
        self.clock.step_back(ms);
    }

    /// The latest time that anybody saw: what policy keeps until later must be there.
    pub(crate) fn latest(&self) -> Time {
        self.latest.get()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.server.config().policy
    }

    /// A device answers a code; the request is on its way and can be captured.
    pub(crate) fn answer(&self, device: usize, code: &Code) -> usize {
        let holder = &self.bank.devices[device];
        let request = holder.answer(code);
        let computed = Computed {
            device,
            uid: code.uid.clone(),
            challenge: code.challenge,
            payment: payment_id(&code.uid, &code.challenge, &holder.token),
            account: holder.token,
            expires_s: code.terms.expires_s,
        };
        let mut log = self.log.borrow_mut();
        log.computed.insert(reply_bytes(&request.reply), computed);
        log.send(request)
    }

    /// Something happened that nothing explains; the schedule fails at its next check.
    pub(crate) fn fault(&self, why: impl Into<String>) {
        self.log.borrow_mut().faults.push(why.into());
    }

    /// Checks every invariant against rows that have just changed.
    pub(crate) fn check(&self, snapshot: &Snapshot) -> Result<(), String> {
        let view = View::of(snapshot, &self.server)?;
        self.now();
        let log = self.log.borrow();
        if let Some(fault) = log.faults.first() {
            return Err(fault.clone());
        }
        crate::invariant::always(self, &view, &log, &mut self.past.borrow_mut())
    }

    /// Checks what must hold once everything that was owed got through.
    pub(crate) fn check_at_rest(&self, snapshot: &Snapshot) -> Result<(), String> {
        self.check(snapshot)?;
        let view = View::of(snapshot, &self.server)?;
        crate::invariant::at_rest(&view, &self.log.borrow())
    }
}

impl Log {
    pub(crate) fn send(&mut self, request: PaymentRequest) -> usize {
        self.sent.push(request);
        self.sent.len() - 1
    }
}

pub(crate) fn reply_bytes(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Mac(bytes) => bytes.to_vec(),
        Reply::Signature(bytes) => bytes.to_vec(),
        Reply::Typed(code) => code.as_bytes().to_vec(),
    }
}
