//! The backstage server: asks for transfers, keeps answers and results.

use crate::clock;
use crate::config::KEY_NUMBER;
use crate::control::{Question, Wish};
use crate::failure::Failure;
use crate::rows::{self, TENANT};
use crate::station::{Role, Told};
use filexfer::{
    BackstageEvent, BackstageServer, Error, FileSpec, JobId, Mode, Notice, NoticeKind, OnConflict,
    PartyId, Request, SignedVerdict, TransferId,
};
use port::{Batch, Commit, Expect, Key, KeyAnswer, KeyId, Keys as _, Peer, ReadSet, Store, Time};
use seal::SoftKeys;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) struct Backstage {
    party: PartyId,
    forwarder: PartyId,
    pace_ms: u64,
    machine: BackstageServer,
    /// Requests that the machine has to be given.
    unasked: Vec<Request>,
}

impl Backstage {
    /// With the requests that were made and have no answer yet.
    pub(crate) async fn open<S: Store>(
        party: PartyId,
        forwarder: PartyId,
        pace_ms: u64,
        store: &S,
    ) -> Result<Self, Failure> {
        let machine = BackstageServer::new(TENANT, &forwarder, pace_ms).map_err(Failure::run)?;
        let ledger = Ledger::read(store).await.map_err(Failure::Run)?;
        let unasked = ledger.unanswered();
        Ok(Self { party, forwarder, pace_ms, machine, unasked })
    }

    /// Makes a request, for good, and asks.
    async fn submit<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        keys: &SoftKeys,
        wish: &Wish,
    ) -> Result<Request, String> {
        let draw = || clock::entropy::<16>().map_err(|why| why.to_string());
        let id = match &wish.id {
            Some(id) => rows::job_id(id)?,
            None => JobId(draw()?),
        };
        if wish.id.is_some() {
            let found = store.read(&ReadSet::points([row(rows::requests(), id)?])).await;
            let found = found.map_err(|why| why.to_string())?;
            if let Some(Some(known)) = found.points.first() {
                let known = Request::parse(&known.value).map_err(|why| why.to_string())?;
                let asked = self.machine.submit(now, known.clone());
                return asked.map(|()| known).map_err(|why| why.to_string());
            }
        }
        let request = Request {
            id,
            requester: self.party.clone(),
            sender: wish.from.clone(),
            destination: wish.to.clone(),
            file: FileSpec {
                name: wish.name.clone(),
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
            key_number: KEY_NUMBER,
            signature: [0; 64],
        };
        let question = request.question(SIGNING).map_err(|why| why.to_string())?;
        let answers = keys.answer(&[question]).await.map_err(|why| why.to_string())?;
        let Some(KeyAnswer::Signature(signature)) = answers.into_iter().next() else {
            return Err("the key does not sign".into());
        };
        let request = request.signed(signature);
        let mut bytes = Vec::new();
        request.encode(&mut bytes).map_err(|why| why.to_string())?;
        put(store, row(rows::requests(), request.id)?, bytes).await?;
        let asked = self.machine.submit(now, request.clone());
        asked.map_err(|why| why.to_string())?;
        Ok(request)
    }
}

impl Role for Backstage {
    type Machine = BackstageServer;

    fn machine(&mut self) -> &mut BackstageServer {
        let now = clock::now();
        for request in std::mem::take(&mut self.unasked) {
            // One that does not fit any more waits for the next start.
            let _ = self.machine.submit(now, request);
        }
        &mut self.machine
    }

    fn reopen(&mut self) -> Result<(), Failure> {
        self.machine =
            BackstageServer::new(TENANT, &self.forwarder, self.pace_ms).map_err(Failure::run)?;
        Ok(())
    }

    fn tell(&mut self, _: Time, _: &TransferId, _: Told) -> Result<(), Error> {
        Ok(())
    }

    async fn on_event<S: Store>(&mut self, store: &S, event: BackstageEvent) {
        match event {
            BackstageEvent::Answered(signed) => {
                let mut bytes = Vec::new();
                let kept =
                    match (signed.encode(&mut bytes), row(rows::verdicts(), signed.verdict.id)) {
                        (Ok(()), Ok(key)) => put(store, key, bytes).await,
                        _ => Err("a verdict beyond its form".into()),
                    };
                if let Err(why) = kept {
                    // The request is submitted again at the next start, and answered the same.
                    tracing::error!(event = "verdict.lost", %why);
                }
            }
            BackstageEvent::Noticed(notice) => {
                let (state, code, _) = rows::words(notice.state);
                let kind = match notice.kind {
                    NoticeKind::Result => "result",
                    NoticeKind::Arrival => "arrival",
                    NoticeKind::HandedOver => "handed_over",
                };
                tracing::info!(event = "notice", kind, id = %notice.id, name = %notice.name, state, code);
            }
            other => tracing::info!(event = "notice.other", ?other),
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
                let request = self.submit(now, store, keys, wish).await?;
                Ok(json!({ "id": request.id.to_string() }))
            }
            Question::Status { id } => {
                let ledger = Ledger::read(store).await?;
                let wanted = id.as_deref().map(rows::job_id).transpose()?;
                Ok(ledger.describe(wanted))
            }
            Question::Receipts { id } => {
                let ledger = Ledger::read(store).await?;
                let id = rows::job_id(id)?;
                let result = ledger.results.get(&id);
                let result = result.ok_or("there is no result of this request yet")?;
                let notices = [result].into_iter().chain(ledger.handed_over.get(&id));
                let receipts = notices.flat_map(|notice| &notice.receipts);
                let receipts = receipts.map(|bytes| crate::hex::text(bytes));
                Ok(json!({ "receipts": receipts.collect::<Vec<String>>() }))
            }
            Question::Audit => Err("the trail is the forwarding server's".into()),
            Question::HandOver { .. } => Err("a client server is asked that".into()),
        }
    }
}

/// Everything that a backstage server has of its requests.
struct Ledger {
    requests: Vec<Request>,
    verdicts: BTreeMap<JobId, SignedVerdict>,
    results: BTreeMap<JobId, Notice>,
    arrivals: Vec<Notice>,
    /// The destination's application has it, and the destination signed that.
    handed_over: BTreeMap<JobId, Notice>,
}

impl Ledger {
    async fn read<S: Store>(store: &S) -> Result<Self, String> {
        let damaged = |why: port::WireError| format!("a stored row is damaged: {why}");
        let mut ledger = Self {
            requests: Vec::new(),
            verdicts: BTreeMap::new(),
            results: BTreeMap::new(),
            arrivals: Vec::new(),
            handed_over: BTreeMap::new(),
        };
        for (_, row) in rows::all(store, rows::requests()).await? {
            ledger.requests.push(Request::parse(&row.value).map_err(damaged)?);
        }
        for (_, row) in rows::all(store, rows::verdicts()).await? {
            let signed = SignedVerdict::parse(&row.value).map_err(damaged)?;
            ledger.verdicts.insert(signed.verdict.id, signed);
        }
        for (_, row) in rows::all(store, BackstageServer::inbox(TENANT)).await? {
            let notice = Notice::parse(&row.value).map_err(damaged)?;
            match notice.kind {
                NoticeKind::Result => {
                    ledger.results.insert(notice.id, notice);
                }
                NoticeKind::Arrival => ledger.arrivals.push(notice),
                NoticeKind::HandedOver => {
                    ledger.handed_over.insert(notice.id, notice);
                }
            }
        }
        ledger.requests.sort_by_key(|request| request.made);
        Ok(ledger)
    }

    fn unanswered(&self) -> Vec<Request> {
        let is_open = |request: &&Request| {
            !self.verdicts.contains_key(&request.id) && !self.results.contains_key(&request.id)
        };
        self.requests.iter().filter(is_open).cloned().collect()
    }

    fn describe(&self, wanted: Option<JobId>) -> Value {
        let is_wanted = |id: &JobId| wanted.is_none_or(|wanted| wanted == *id);
        let requests = self.requests.iter().filter(|request| is_wanted(&request.id)).map(|request| {
            let verdict = self.verdicts.get(&request.id).map(|signed| signed.verdict.outcome);
            let result = self.results.get(&request.id);
            let (state, code, why) = match (result, verdict) {
                (Some(notice), _) => rows::words(notice.state),
                (None, Some(Err(why))) => ("refused", Some(why.code()), Some(why.to_string())),
                (None, Some(Ok(()))) => ("accepted", None, None),
                (None, None) => ("asked", None, None),
            };
            let file = result.and_then(|notice| notice.file);
            json!({
                "id": request.id.to_string(),
                "from": request.sender,
                "to": request.destination,
                "name": request.file.name,
                "made": request.made.to_string(),
                "state": state,
                "code": code,
                "why": why,
                "published_as": result.map(|notice| notice.name.as_str()).filter(|name| !name.is_empty()),
                "size": file.map(|(size, _)| size),
                "root": file.map(|(_, root)| crate::hex::text(&root)),
                "receipts": result.map_or(0, |notice| notice.receipts.len()),
                "is_handed_over": self.handed_over.contains_key(&request.id),
                "is_over": result.is_some() || matches!(verdict, Some(Err(_))),
            })
        });
        let arrivals = self.arrivals.iter().filter(|notice| is_wanted(&notice.id)).map(|notice| {
            json!({
                "id": notice.id.to_string(),
                "requester": notice.requester,
                "name": notice.name,
                "size": notice.file.map(|(size, _)| size),
                "root": notice.file.map(|(_, root)| crate::hex::text(&root)),
            })
        });
        json!({
            "requests": requests.collect::<Vec<Value>>(),
            "arrivals": arrivals.collect::<Vec<Value>>(),
        })
    }
}

fn row(table: Key, id: JobId) -> Result<Key, String> {
    table.raw(&id.0).map_err(|why| why.to_string())
}

/// A row that may be there already with the same content.
async fn put<S: Store>(store: &S, key: Key, bytes: Vec<u8>) -> Result<(), String> {
    let mut batch = Batch::new();
    batch.put(key, Expect::Absent, bytes);
    match store.commit(&batch).await {
        Ok(Commit::Applied(_) | Commit::Conflict) => Ok(()),
        Err(why) => Err(why.to_string()),
    }
}

/// The one key that a server signs with.
pub(crate) const SIGNING: KeyId = KeyId(1);
