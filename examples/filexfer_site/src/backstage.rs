//! The backstage server: asks for transfers, keeps answers and results.

mod records;
mod sent;

use crate::clock;
use crate::control::{Made, Question, Wish};
use crate::failure::Failure;
use crate::packs::{Packed, Packs, Unpacked, Unpacker};
use crate::rows::{self, TENANT};
use crate::station::{Role, Told};
use filexfer::{
    BackstageEvent, BackstageServer, Error, FileSpec, JobId, Mode, Notice, NoticeKind, OnConflict,
    PartyId, Request, SiteId, TransferId,
};
use port::{Batch, Commit, Expect, Key, KeyAnswer, KeyId, Keys as _, Peer, ReadSet, Store, Time};
use records::{Records, Stand};
use seal::SoftKeys;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub(crate) struct Backstage {
    own: Own,
    machine: BackstageServer,
    packs: Arc<Packs>,
    /// Packs that were made here, until their requests are over.
    sent: BTreeMap<JobId, String>,
    /// Where arrivals are made files of.
    unpacker: Option<Unpacker>,
    /// Arrivals that are with it.
    unpacking: BTreeSet<TransferId>,
    /// Packs that are unpacked, until their receipts are stored.
    unpacked: BTreeMap<TransferId, String>,
    /// Why arrivals wait.
    waiting: BTreeMap<JobId, String>,
    /// Requests whose files the destination has signed for.
    taken: BTreeSet<JobId>,
    /// Requests that the machine has to be given.
    unasked: VecDeque<Request>,
    /// How far each request is.
    stands: BTreeMap<JobId, Stand>,
    /// The transfers that files came by, by the ids of others' requests.
    arrived: BTreeMap<JobId, Vec<TransferId>>,
}

/// What a backstage server is.
pub(crate) struct Own {
    pub(crate) party: PartyId,
    /// Of the key that it signs with.
    pub(crate) key_number: u8,
    pub(crate) site: SiteId,
    pub(crate) forwarder: PartyId,
    pub(crate) pace_ms: u64,
    /// It makes files of the packs that arrive, and signs for what it has taken.
    pub(crate) unpacks: bool,
}

impl Own {
    fn machine(&self) -> Result<BackstageServer, Failure> {
        let machine = BackstageServer::new(TENANT, &self.forwarder, self.pace_ms);
        let machine = machine.map_err(Failure::run)?;
        Ok(if self.unpacks {
            machine.with_receipts(self.party.clone(), (SIGNING, self.key_number), false)
        } else {
            machine
        })
    }
}

impl Backstage {
    /// With the requests that were made and have no answer yet.
    pub(crate) async fn open<S: Store>(
        own: Own,
        packs: Arc<Packs>,
        store: &S,
    ) -> Result<Self, Failure> {
        let machine = own.machine()?;
        let records = Records::read(store).await.map_err(Failure::Run)?;
        let unasked = records.unanswered();
        let stands =
            records.requests.iter().map(|request| (request.id, records.stand(&request.id)));
        let stands = stands.collect();
        let mut arrived = BTreeMap::<JobId, Vec<TransferId>>::new();
        for notice in &records.arrivals {
            arrived.entry(notice.id).or_default().push(notice.transfer);
        }
        let sent = sent::open(&packs, &records, store).await.map_err(Failure::Run)?;
        let unpacker = own.unpacks.then(|| packs.unpacker());
        let taken = records.handed_over.keys().copied().collect();
        let (unpacked, waiting, unpacking) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Ok(Self {
            own,
            machine,
            packs,
            sent,
            unpacker,
            unpacking,
            unpacked,
            waiting,
            taken,
            unasked,
            stands,
            arrived,
        })
    }

    /// Makes requests, for good, and asks.
    async fn submit<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        keys: &SoftKeys,
        wish: &Wish,
    ) -> Result<Vec<Made>, String> {
        if let Some(id) = &wish.id {
            if wish.names.len() != 1 {
                return Err("an id is one request's: give one name".into());
            }
            let id = rows::job_id(id)?;
            if let Some(stand) = self.stands.get(&id).copied() {
                self.repeat(now, store, id, stand).await?;
                let name = wish.names[0].clone();
                return Ok(vec![Made { id: id.to_string(), name, files: 1 }]);
            }
        }
        if wish.pack && wish.from != self.own.party.as_str() {
            return Err("packs are made of one's own files: leave out --from".into());
        }
        let mut requests = Vec::with_capacity(wish.packed.len() + wish.names.len());
        for packed in &wish.packed {
            requests.push(self.request_of(now, wish, packed)?);
        }
        for name in &wish.names {
            requests.push(self.request(now, wish, name)?);
        }
        let questions = requests.iter().map(|request| request.question(SIGNING));
        let questions = questions.collect::<Result<Vec<_>, _>>().map_err(|why| why.to_string())?;
        let answers = keys.answer(&questions).await.map_err(|why| why.to_string())?;
        let signed = requests.into_iter().zip(answers).map(|(request, answer)| match answer {
            KeyAnswer::Signature(signature) => Ok(request.signed(signature)),
            _ => Err("the key does not sign"),
        });
        let signed = signed.collect::<Result<Vec<_>, _>>()?;
        let files = wish.packed.iter().map(|packed| packed.files);
        let made = signed.iter().zip(files.chain(std::iter::repeat(1))).map(|(request, files)| {
            Made { id: request.id.to_string(), name: request.file.name.clone(), files }
        });
        let made = made.collect();
        let (of_packs, others) = signed.split_at(wish.packed.len());
        // What is recorded is asked, whatever becomes of the others.
        self.record(store, of_packs, &wish.packed).await?;
        self.record(store, others, &[]).await?;
        self.ask(now);
        Ok(made)
    }

    /// Writes down requests that are to be asked, each pack's with its manifest in one batch.
    async fn record<S: Store>(
        &mut self,
        store: &S,
        requests: &[Request],
        packed: &[Packed],
    ) -> Result<(), String> {
        let mut rows = Vec::with_capacity(requests.len() + 2 * packed.len());
        for request in requests {
            let mut bytes = Vec::new();
            request.encode(&mut bytes).map_err(|why| why.to_string())?;
            rows.push((row(rows::requests(), request.id)?, bytes));
        }
        for packed in packed {
            rows.push((row(rows::manifests(), packed.id)?, packed.manifest.clone()));
            rows.push((row(rows::packs(), packed.id)?, packed.name.as_str().into()));
        }
        put(store, rows).await?;
        for packed in packed {
            self.sent.insert(packed.id, packed.name.to_string());
        }
        if !packed.is_empty() {
            self.packs.settled(packed);
        }
        for request in requests {
            self.stands.insert(request.id, Stand::Asked);
            self.unasked.push_back(request.clone());
        }
        Ok(())
    }

    /// Packs of which nothing is recorded.
    fn discard(&self, packed: &[Packed]) {
        let unknown = packed.iter().filter(|packed| !self.sent.contains_key(&packed.id));
        unknown.for_each(|packed| self.packs.forget(packed.name.as_str()));
    }

    /// The pack of a request that is over.
    fn forget_pack(&mut self, id: &JobId) {
        if let Some(pack) = self.sent.remove(id) {
            self.packs.forget(&pack);
        }
    }

    /// Asks once more what was asked before, as it was asked, unless it has its answer.
    async fn repeat<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        id: JobId,
        stand: Stand,
    ) -> Result<(), String> {
        let is_waiting = self.unasked.iter().any(|request| request.id == id);
        if is_waiting || !matches!(stand, Stand::Asked) {
            return Ok(());
        }
        let found = store.read(&ReadSet::points([row(rows::requests(), id)?])).await;
        let found = found.map_err(|why| why.to_string())?;
        let Some(Some(known)) = found.points.first() else { return Ok(()) };
        self.unasked.push_back(Request::parse(&known.value).map_err(|why| why.to_string())?);
        self.ask(now);
        Ok(())
    }

    async fn records_of<S: Store>(&self, store: &S, id: JobId) -> Result<Records, String> {
        let arrived = self.arrived.get(&id).map_or(&[][..], Vec::as_slice);
        Records::of(store, &self.own.site, id, arrived).await
    }

    fn request(&self, now: Time, wish: &Wish, name: &str) -> Result<Request, String> {
        let draw = || clock::entropy::<16>().map_err(|why| why.to_string());
        let id = match &wish.id {
            Some(id) => rows::job_id(id)?,
            None => JobId(draw()?),
        };
        Ok(Request {
            id,
            requester: self.own.party.clone(),
            sender: wish.from.clone(),
            destination: wish.to.clone(),
            file: FileSpec {
                name: name.to_owned(),
                size: wish.size,
                root: None,
                class: crate::config::class_of(&wish.class)?,
            },
            mode: Mode::Push,
            not_before: wish.not_before_ms.map(Time::from_ms),
            deadline: wish.deadline_ms.map(Time::from_ms),
            priority: wish.priority,
            on_conflict: match wish.on_conflict {
                2 => OnConflict::Replace,
                3 => OnConflict::Version,
                _ => OnConflict::Fail,
            },
            made: now,
            nonce: draw()?,
            key_number: self.own.key_number,
            signature: [0; 64],
        })
    }

    /// For a pack, which nothing else has the name of.
    fn request_of(&self, now: Time, wish: &Wish, packed: &Packed) -> Result<Request, String> {
        let request = self.request(now, wish, packed.name.as_str())?;
        let (size, root) = (Some(packed.size), Some(packed.root));
        let file = FileSpec { size, root, ..request.file };
        Ok(Request { id: packed.id, file, on_conflict: OnConflict::Fail, ..request })
    }

    /// A file arrived: the application is this program, if it makes files of packs.
    fn arrived(&mut self, notice: Notice) {
        if let Some(unpacker) = &self.unpacker
            && self.unpacking.insert(notice.transfer)
        {
            unpacker.add(notice);
        }
    }

    /// A file was taken, or could not be.
    fn on_unpacked(&mut self, (notice, done): Unpacked) -> Result<(), Error> {
        self.unpacking.remove(&notice.transfer);
        match done {
            Ok(manifest) => {
                self.waiting.remove(&notice.id);
                let content = manifest.as_ref().map(filexfer::pack::Manifest::commitment);
                if let Some(manifest) = manifest {
                    let files = manifest.entries().len();
                    tracing::info!(event = "pack.unpacked", id = %notice.id, name = %notice.name, files);
                    self.unpacked.insert(notice.transfer, notice.name.clone());
                }
                match self.machine.hand_over(clock::now(), &notice, content) {
                    // There is no room now. It is told again.
                    Err(Error::Busy) => self.machine.put_off(&notice.transfer),
                    done => done?,
                }
            }
            Err(why) => {
                tracing::error!(event = "pack.waits", id = %notice.id, name = %notice.name, code = why.code(), %why);
                self.waiting.insert(notice.id, why.to_string());
                // What is damaged is so the next time, too: it is tried again after a restart.
                if why.is_passing() {
                    self.machine.put_off(&notice.transfer);
                }
            }
        }
        Ok(())
    }

    /// Gives the machine what it has room for; the rest has its turn when others are answered.
    fn ask(&mut self, now: Time) {
        while let Some(request) = self.unasked.pop_front() {
            match self.machine.submit(now, request.clone()) {
                Ok(()) => {}
                Err(Error::Busy) => {
                    self.unasked.push_front(request);
                    return;
                }
                Err(why) => {
                    tracing::error!(event = "request.lost", id = %request.id, code = why.code(), %why);
                }
            }
        }
    }
}

impl Role for Backstage {
    type Machine = BackstageServer;

    fn machine(&mut self) -> &mut BackstageServer {
        if !self.unasked.is_empty() {
            self.ask(clock::now());
        }
        &mut self.machine
    }

    fn reopen(&mut self) -> Result<(), Failure> {
        self.machine = self.own.machine()?;
        Ok(())
    }

    fn tell(&mut self, _: Time, _: &TransferId, _: Told) -> Result<(), Error> {
        Ok(())
    }

    async fn on_events<S: Store>(&mut self, store: &S, events: Vec<BackstageEvent>) {
        let mut verdicts = Vec::new();
        for event in events {
            match event {
                BackstageEvent::Answered(signed) => {
                    let (id, outcome) = (signed.verdict.id, signed.verdict.outcome);
                    if let Some(stand @ Stand::Asked) = self.stands.get_mut(&id) {
                        *stand = Stand::Judged(outcome);
                    }
                    if outcome.is_err() {
                        self.forget_pack(&id);
                    }
                    let mut bytes = Vec::new();
                    match (signed.encode(&mut bytes), row(rows::verdicts(), id)) {
                        (Ok(()), Ok(key)) => verdicts.push((key, bytes)),
                        _ => tracing::error!(event = "verdict.lost", %id),
                    }
                }
                BackstageEvent::Noticed(notice) => {
                    match notice.kind {
                        NoticeKind::Result => {
                            self.stands.insert(notice.id, Stand::Over(notice.state));
                            self.forget_pack(&notice.id);
                        }
                        NoticeKind::Arrival => {
                            self.arrived.entry(notice.id).or_default().push(notice.transfer);
                        }
                        NoticeKind::HandedOver => {
                            self.taken.insert(notice.id);
                        }
                    }
                    let (state, code, _) = rows::words(notice.state);
                    let kind = match notice.kind {
                        NoticeKind::Result => "result",
                        NoticeKind::Arrival => "arrival",
                        NoticeKind::HandedOver => "handed_over",
                    };
                    tracing::info!(event = "notice", kind, id = %notice.id, name = %notice.name, state, code);
                    if notice.kind == NoticeKind::Arrival {
                        self.arrived(notice);
                    }
                }
                BackstageEvent::NotHandedOver(notice) => self.arrived(notice),
                BackstageEvent::HandedOver { transfer } => {
                    if let Some(pack) = self.unpacked.remove(&transfer) {
                        self.packs.forget(&pack);
                    }
                }
                other => tracing::info!(event = "notice.other", ?other),
            }
        }
        if let Err(why) = put(store, verdicts).await {
            // The requests are submitted again at the next start, and answered the same.
            tracing::error!(event = "verdicts.lost", %why);
        }
    }

    async fn own_work(&mut self) -> Result<(), Error> {
        let Some(unpacker) = &mut self.unpacker else { return std::future::pending().await };
        match unpacker.next().await {
            Some(unpacked) => self.on_unpacked(unpacked),
            None => std::future::pending().await,
        }
    }

    fn on_peer(&mut self, _: &Peer, present: bool) -> Result<(), Error> {
        if !present {
            return Ok(());
        }
        // What was asked while nobody listened is asked again at once.
        use port::Machine as _;
        let Some(due) = self.machine.next_deadline() else { return Ok(()) };
        self.machine.handle(due.max(clock::now()), port::Input::Tick)
    }

    async fn answer<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        keys: &SoftKeys,
        asked: &Question,
    ) -> Result<Value, String> {
        match asked {
            Question::Submit(wish) => {
                let made = self.submit(now, store, keys, wish).await;
                let made = made.inspect_err(|_| self.discard(&wish.packed))?;
                Ok(json!({ "made": made }))
            }
            Question::Stands { ids } => {
                let standing = |id: &String| {
                    let id = rows::job_id(id)?;
                    let is_taken = self.taken.contains(&id);
                    let stand = self.stands.get(&id).copied();
                    Ok(json!(stand.map(|stand| stand.standing(is_taken))))
                };
                ids.iter().map(standing).collect()
            }
            Question::Status { id: None } => {
                Ok(Records::read(store).await?.describe(&self.waiting))
            }
            Question::Status { id: Some(id) } => {
                Ok(self.records_of(store, rows::job_id(id)?).await?.describe(&self.waiting))
            }
            Question::Receipts { id } => {
                let id = rows::job_id(id)?;
                if !self.stands.contains_key(&id) {
                    return Err("there is no such request".into());
                }
                let records = self.records_of(store, id).await?;
                let result = records.results.get(&id);
                let result = result.ok_or("there is no result of this request yet")?;
                let notices = [result].into_iter().chain(records.handed_over.get(&id));
                let receipts = notices.flat_map(|notice| &notice.receipts);
                let receipts = receipts.map(|bytes| crate::hex::text(bytes));
                let receipts = receipts.collect::<Vec<String>>();
                let manifest = store.read(&ReadSet::points([row(rows::manifests(), id)?])).await;
                let manifest = manifest.map_err(|why| why.to_string())?.points.into_iter().next();
                let manifest = manifest.flatten().map(|row| crate::hex::text(&row.value));
                Ok(json!({ "receipts": receipts, "manifest": manifest }))
            }
            Question::Audit => Err("the trail is the forwarding server's".into()),
            Question::HandOver { .. } | Question::Collect => {
                Err("a client server is asked that".into())
            }
        }
    }
}

fn row(table: Key, id: JobId) -> Result<Key, String> {
    table.raw(&id.0).map_err(|why| why.to_string())
}

/// Rows that may be there already with the same content.
async fn put<S: Store>(store: &S, rows: Vec<(Key, Vec<u8>)>) -> Result<(), String> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut batch = Batch::new();
        for (key, bytes) in rows.by_ref().take(Batch::OPS_MAX) {
            batch.put(key, Expect::Any, bytes);
        }
        match store.commit(&batch).await {
            // Without a requirement there is no conflict.
            Ok(Commit::Applied(_) | Commit::Conflict) => {}
            Err(why) => return Err(why.to_string()),
        }
    }
    Ok(())
}

/// The one key that a server signs with.
pub(crate) const SIGNING: KeyId = KeyId(1);
