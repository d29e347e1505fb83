//! The exchange at work: every server has its turn, requests are made and written down, orders are obeyed.

use super::sent::{self, Sent};
use super::site::{Branch, SETTLEMENT_DESK, SIGNING, Site, id, settlement_class};
use super::station::Station;
use super::wire::Wire;
use super::{BankShown, Order, Running, Shown, Standing, Transfer, Wish};
use crate::bank::Bank;
use crate::clock;
use crate::trouble::Trouble;
use interbank::filexfer::{
    BackstageEvent, BackstageServer, ClientEvent, Error, FileSpec, JobId, Misuse, Mode, Notice,
    Request, Trail,
};
use interbank::port::{
    Batch, Expect, Key, KeyAnswer, Keys as _, ReadSet, Row, Scan, Store, Tenant, Time,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The exchange at work.
pub(super) struct Work {
    pub(super) bank: Arc<Bank>,
    pub(super) site: Site,
    pub(super) sent: BTreeMap<JobId, Sent>,
    /// The date for which it was seen whether a day is to be closed.
    pub(super) checked: String,
}

impl Work {
    pub(super) const fn new(bank: Arc<Bank>, site: Site) -> Self {
        Self { bank, site, sent: BTreeMap::new(), checked: String::new() }
    }

    /// Works until the office closes.
    pub(super) async fn run(
        &mut self,
        running: &mut Running,
        closing: &mut watch::Receiver<bool>,
    ) -> Result<(), Trouble> {
        self.recall().await?;
        loop {
            let mut was_busy = true;
            while was_busy && !*closing.borrow() {
                was_busy = self.turn().await?;
            }
            running.show.send_replace(self.show().await?);
            let wait = self.wait();
            tokio::select! {
                () = async { drop(closing.wait_for(|closing| *closing).await) } => return Ok(()),
                order = running.asked.recv() => match order {
                    Some(order) => self.obey(order).await?,
                    None => return Ok(()),
                },
                () = tokio::time::sleep(wait) => self.close_ended(clock::now()).await?,
            }
        }
    }

    /// Each server has its turn; whether any had something to do.
    async fn turn(&mut self) -> Result<bool, Trouble> {
        let wire = &self.site.wire;
        let mut was_busy = self.site.forwarder.turn(wire).await?.was_busy;
        let mut told = Vec::new();
        for desk in &mut self.site.desks {
            let turn = desk.turn(wire).await?;
            was_busy |= turn.was_busy;
            told.extend(turn.events);
        }
        for branch in &mut self.site.branches {
            was_busy |= branch.access.turn(wire).await?.was_busy;
            if branch.is_present {
                was_busy |= branch.turn(wire).await?;
            }
        }
        for event in told {
            self.on_told(event).await?;
        }
        Ok(was_busy || self.site.wire.is_busy())
    }

    async fn on_told(&mut self, event: BackstageEvent) -> Result<(), Trouble> {
        let (id, is_news) = match event {
            BackstageEvent::Answered(signed) => {
                let id = signed.verdict.id;
                match &signed.verdict.outcome {
                    Ok(()) => tracing::info!(event = "exchange.accepted", %id),
                    Err(why) => {
                        tracing::info!(event = "exchange.refused", %id, code = why.code(), %why)
                    }
                }
                let Some(sent) = self.sent.get_mut(&id) else { return Ok(()) };
                (id, sent.verdict.replace(signed).is_none())
            }
            BackstageEvent::Noticed(notice) => {
                let id = notice.id;
                tracing::info!(event = "exchange.told", %id, state = ?notice.state, kind = ?notice.kind);
                let Some(sent) = self.sent.get_mut(&id) else { return Ok(()) };
                (id, sent.note(notice))
            }
            _ => return Ok(()),
        };
        if is_news { self.keep(id).await } else { Ok(()) }
    }

    /// Reads what earlier processes asked for, asks again for what has no answer, and makes files that are owed.
    async fn recall(&mut self) -> Result<(), Trouble> {
        for (_, row) in self.rows(Sent::table()).await? {
            let sent = Sent::parse(&row.value)?;
            self.sent.insert(sent.id(), sent);
        }
        // Notices that were taken, and did not get into their request's row.
        for at in 0..self.site.desks.len() {
            let tenant = self.site.desks[at].role.tenant();
            for (_, row) in self.rows(BackstageServer::inbox(tenant)).await? {
                let Ok(notice) = Notice::parse(&row.value) else { continue };
                let id = notice.id;
                if self.sent.get_mut(&id).is_some_and(|sent| sent.note(notice)) {
                    self.keep(id).await?;
                }
            }
        }
        let unanswered: Vec<Request> = self
            .sent
            .values()
            .filter(|sent| sent.verdict.is_none())
            .map(|sent| sent.request.clone())
            .collect();
        for request in unanswered {
            self.submit(request)?;
        }
        let (last, _) = self.bank.last_day().await?;
        if !last.is_gathered {
            self.close_day(clock::now()).await?;
        }
        for day in self.bank.days(DAYS_LOOKED_AT).await? {
            self.send_files(&day).await?;
        }
        Ok(())
    }

    async fn obey(&mut self, order: Order) -> Result<(), Trouble> {
        // Who asked may have gone meanwhile.
        match order {
            Order::Close { reply } => {
                let closed = self.close_day(clock::now()).await;
                let _ = reply.send(closed);
            }
            Order::Ask { wish, reply } => {
                let asked = self.ask(0, wish).await;
                let _ = reply.send(asked);
            }
            Order::Attend { bank, present, reply } => {
                let at = self.site.branches.iter().position(|one| one.receiving.bank.id == bank.id);
                self.site.attend(at.unwrap_or(usize::MAX), present);
                let _ = reply.send(());
            }
            Order::Damage { parts, reply } => {
                self.site.wire.damage(parts);
                let _ = reply.send(());
            }
            Order::Audit { reply } => {
                let audited = self.audit().await;
                let _ = reply.send(audited);
            }
        }
        Ok(())
    }

    /// Signs a request, writes it down, and asks.
    pub(super) async fn ask(&mut self, day: u32, wish: Wish) -> Result<JobId, Trouble> {
        let drawn = clock::entropy()?;
        let (id_bytes, nonce) = drawn.split_at(16);
        let class = settlement_class().map_err(|why| Trouble::Inside(Box::new(why)))?;
        let request = Request {
            id: JobId(id_bytes.try_into().unwrap_or_default()),
            requester: id(wish.requester).map_err(|why| Trouble::Inside(Box::new(why)))?,
            sender: SETTLEMENT_DESK.into(),
            destination: wish.to,
            file: FileSpec {
                name: wish.name,
                size: wish.is.map(|(size, _)| size),
                root: wish.is.map(|(_, root)| root),
                class,
            },
            mode: Mode::Push,
            not_before: None,
            deadline: None,
            priority: 0,
            on_conflict: wish.on_conflict,
            made: clock::now(),
            nonce: nonce.try_into().unwrap_or_default(),
            key_number: sent::KEY_NUMBER,
            signature: [0; 64],
        };
        let question = request.question(SIGNING)?;
        let desk = self.desk(request.requester.as_str())?;
        let answers = self.site.desks[desk].keys.answer(&[question]).await;
        let answers = answers.map_err(|why| Trouble::Inside(Box::new(why)))?;
        let Some(KeyAnswer::Signature(signature)) = answers.first() else {
            return Err(Trouble::Inside("the key does not sign".into()));
        };
        let request = request.signed(*signature);
        let id = request.id;
        self.sent.insert(id, Sent::new(day, request.clone()));
        self.keep(id).await?;
        self.submit(request)?;
        Ok(id)
    }

    fn submit(&mut self, request: Request) -> Result<(), Trouble> {
        let desk = self.desk(request.requester.as_str())?;
        let desk = &mut self.site.desks[desk];
        let outcome = desk.role.machine.submit(clock::now(), request);
        desk.settle(outcome)
    }

    fn desk(&self, id: &str) -> Result<usize, Trouble> {
        let found = self.site.desks.iter().position(|desk| desk.peer.as_str() == id);
        found.ok_or_else(|| Trouble::Inside(Box::new(Misuse::NotAsked)))
    }

    async fn keep(&self, id: JobId) -> Result<(), Trouble> {
        let Some(sent) = self.sent.get(&id) else { return Ok(()) };
        let mut batch = Batch::new();
        batch.put(sent.key()?, Expect::Any, sent.encode()?);
        // Without requirements there is no conflict.
        let _ = Store::commit(&*self.site.rows, &batch).await.map_err(Trouble::store)?;
        Ok(())
    }

    async fn rows(&self, prefix: Key) -> Result<Vec<(Key, Row)>, Trouble> {
        let mut rows: Vec<(Key, Row)> = Vec::new();
        loop {
            let after = rows.last().map(|(key, _)| key.clone());
            let scan = Scan { prefix: prefix.clone(), after, limit: Scan::ROWS_MAX };
            let found = Store::read(&*self.site.rows, &ReadSet::scan(scan)).await;
            let page = found.map_err(Trouble::store)?.scans.into_iter().next().unwrap_or_default();
            let is_last = page.len() < Scan::ROWS_MAX;
            rows.extend(page);
            if is_last {
                return Ok(rows);
            }
        }
    }

    async fn audit(&self) -> Result<(usize, bool), Trouble> {
        let tenant = Tenant::new(1);
        // The machine is at rest: head and records are of one moment.
        let head = ReadSet::points([Trail::head_key(tenant)]);
        let head = Store::read(&*self.site.rows, &head).await.map_err(Trouble::store)?;
        let head = head.points.first().and_then(Option::as_ref).map(|row| &row.value[..]);
        let head = Trail::resume(tenant, head).map_err(|_| Trouble::Damaged)?.head();
        let rows = self.rows(Trail::table(tenant)).await?;
        let records = Trail::verify(rows.iter().map(|(_, row)| &row.value[..]), head);
        Ok((rows.len(), records.is_ok()))
    }

    async fn show(&self) -> Result<Shown, Trouble> {
        let mut transfers: Vec<Transfer> = Vec::with_capacity(self.sent.len().min(SHOWN));
        let mut newest: Vec<&Sent> = self.sent.values().collect();
        newest.sort_by_key(|sent| std::cmp::Reverse((sent.request.made, sent.id())));
        for sent in newest.into_iter().take(SHOWN) {
            let transfer = sent.request.transfer()?;
            let forwarder = &self.site.forwarder;
            transfers.push(Transfer {
                sent: sent.clone(),
                state: forwarder.role.machine.job(&transfer).map(|job| job.state),
                touched: forwarder.touched.get(&transfer).copied().unwrap_or(0),
            });
        }
        let mut banks = Vec::with_capacity(self.site.branches.len());
        for Branch { receiving, is_present, .. } in &self.site.branches {
            let waiting = receiving.waiting.values();
            banks.push(BankShown {
                bank: receiving.bank,
                is_present: *is_present,
                books: receiving.books().await?,
                waiting: waiting
                    .filter_map(|(name, why)| Some((name.as_str().to_owned(), (*why)?)))
                    .collect(),
            });
        }
        let refused = self.site.branches.iter().map(|branch| branch.client.refused_parts).sum();
        Ok(Shown {
            standing: Standing::Open,
            registry: Some(self.site.registry.clone()),
            transfers,
            banks,
            parts: (self.site.wire.damaged(), refused),
        })
    }

    /// How long nothing has to be done unless something arrives.
    fn wait(&mut self) -> Duration {
        let mut next: Vec<Option<Time>> = vec![self.site.forwarder.next_deadline()];
        next.extend(self.site.desks.iter_mut().map(Station::next_deadline));
        let present = self.site.branches.iter_mut().filter(|branch| branch.is_present);
        next.extend(present.map(|branch| branch.client.next_deadline()));
        let now = clock::now();
        let until = |at: Time| Duration::from_millis(at.since_ms(now).max(LEAST_MS));
        next.into_iter().flatten().min().map_or(IDLE, until).min(IDLE)
    }
}

impl Branch {
    /// Its client server has its turn, and then the application behind it.
    async fn turn(&mut self, wire: &Wire) -> Result<bool, Trouble> {
        let turn = self.client.turn(wire).await?;
        for event in turn.events {
            if let ClientEvent::Published { transfer, name } = event {
                self.receiving.waiting.insert(transfer, (name, None));
            }
        }
        let mut was_busy = turn.was_busy;
        if self.receiving.waiting.values().any(|(_, why)| why.is_none()) {
            was_busy = true;
            self.receiving.enter_all().await?;
        }
        while let Some(transfer) = self.receiving.to_hand_over.pop() {
            match self.client.role.machine.hand_over(clock::now(), &transfer, None) {
                Ok(()) => was_busy = true,
                Err(Error::Busy) => {
                    // It is still reading what it knows, or signs for many.
                    self.receiving.to_hand_over.push(transfer);
                    break;
                }
                Err(why) => self.client.settle(Err(why))?,
            }
        }
        Ok(was_busy)
    }
}

const IDLE: Duration = Duration::from_secs(60);
/// A deadline that has passed is no reason to spin.
const LEAST_MS: u64 = 5;
const SHOWN: usize = 50;
/// Days whose files may be owed still.
const DAYS_LOOKED_AT: usize = 100;
