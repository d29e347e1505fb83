//! The desk of a supervision node: fetches what is to be audited, lets the checks run, asks people, signs verdicts.
//!
//! Every supervision node hears of every request. A hash ranks them for each file: the first one audits at once, the next one after a
//! while if nobody has, so that work is spread and no request waits for a node that is away.

use crate::base::Base;
use crate::config::{Config, NodeKeys};
use crate::documents::commit;
use crate::failure::Failure;
use crate::hex;
use crate::keeper::{Keeper, peer};
use crate::rows::{self, Table};
use crate::say;
use crate::windows;
use crate::word::Word;
use base64ct::{Base64, Encoding as _};
use ledger::{
    Answers, At, Body, Case, Chain, Conclusion, Document, DocumentCommitted, DocumentTypes, File,
    FileId, Height, HumanApproval, LiensClear, NodeId, OwnerKnown, Pipeline, Question, Register,
    Role, SealError, SealedDocument, Signer, Status, ThingFree, Verdict, VerdictReason,
};
use port::wire::{Reader, Writer};
use port::{Batch, Expect, Peer, Store, Time};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The audits of one supervision node.
pub(crate) struct Auditor {
    node: NodeId,
    pipeline: Pipeline,
    takeover_ms: u64,
    again_ms: u64,
    open: BTreeMap<FileId, Audit>,
    due: BTreeSet<(Time, FileId)>,
    /// Which file a sealed document belongs to.
    sealed: BTreeMap<[u8; 32], FileId>,
    /// Whose documents are in memory because people may want to see them.
    held: VecDeque<FileId>,
    /// What people have said, by file.
    said: BTreeMap<FileId, bool>,
    sends: VecDeque<(Peer, Word)>,
}

/// One audit under way.
struct Audit {
    request: Register,
    sealed: [u8; 32],
    member: Peer,
    document: Option<Result<Document, SealError>>,
    /// What a person has to say; nothing else waits then.
    questions: Vec<Question>,
    /// When something is to be done.
    due: Option<Time>,
}

impl Auditor {
    pub(crate) async fn open<S: Store>(config: &Config, store: &S) -> Result<Self, Failure> {
        let file = &config.file.audit;
        let mut pipeline = Pipeline::new().with(OwnerKnown).with(ThingFree);
        if !file.allow_liens {
            pipeline = pipeline.with(LiensClear);
        }
        let types = file.media_types.iter().map(String::as_str);
        pipeline = pipeline.with(DocumentCommitted).with(DocumentTypes::new(file.bytes_max, types));
        match file.kinds()? {
            None => pipeline = pipeline.with(HumanApproval::always()),
            Some(kinds) if kinds.is_empty() => {}
            Some(kinds) => pipeline = pipeline.with(HumanApproval::of_kinds(kinds)),
        }
        let mut said = BTreeMap::new();
        for (key, row) in rows::all(store, Table::Answers.prefix()).await? {
            let file =
                key.as_bytes().get(port::Key::HEAD_BYTES..).and_then(|it| it.try_into().ok());
            let answer = parse_answer(&row.value).zip(file);
            let (approves, file) = answer.ok_or_else(|| Failure::run("a row is damaged"))?;
            said.insert(FileId(file), approves);
        }
        Ok(Self {
            node: config.node()?,
            pipeline,
            takeover_ms: file.takeover_ms,
            again_ms: config.file.pace.again_ms,
            open: BTreeMap::new(),
            due: BTreeSet::new(),
            sealed: BTreeMap::new(),
            held: VecDeque::new(),
            said,
            sends: VecDeque::new(),
        })
    }

    /// A file is to be audited. What was asked for before this node's first block is left to others, who have it.
    pub(crate) async fn on_request<S: Store>(
        &mut self,
        now: Time,
        chain: &Chain,
        store: &S,
        base: Option<&Base>,
        id: FileId,
    ) -> Result<(), Failure> {
        let Some(file) = self.unjudged(chain, id) else { return Ok(()) };
        if self.open.contains_key(&id) {
            return Ok(());
        }
        if base.is_some_and(|base| file.since < base.from()) {
            tracing::info!(event = "audit.left_to_others", file = %id);
            return Ok(());
        }
        let block = rows::block(store, file.since).await?;
        let mut requests = block.transactions.into_iter().filter_map(|it| {
            let is_it = it.file().ok().flatten() == Some(id);
            match it.body {
                Body::Register(request) if is_it => Some(request),
                _ => None,
            }
        });
        let (Some(request), Some(member)) = (requests.next(), chain.state().node(file.member))
        else {
            return Err(Failure::run("a request is not in its block"));
        };
        let audit = Audit {
            sealed: request.sealed,
            request,
            member: peer(member.name.as_str())?,
            document: None,
            questions: Vec::new(),
            due: None,
        };
        self.sealed.insert(audit.sealed, id);
        self.open.insert(id, audit);
        let rank = self.rank(chain, id);
        self.set_due(id, now.plus_ms(self.takeover_ms.saturating_mul(rank)));
        Ok(())
    }

    /// A sealed document came.
    pub(crate) fn on_document(&mut self, now: Time, chain: &Chain, keys: &NodeKeys, bytes: &[u8]) {
        let Ok(sealed) = SealedDocument::parse(bytes) else { return };
        let Some(id) = self.sealed.get(&sealed.digest()).copied() else { return };
        let Some(audit) = self.open.get_mut(&id) else { return };
        let commitment = &audit.request.commitment;
        audit.document = Some(keys.sealing.open(&sealed, chain.id(), commitment, self.node));
        self.set_due(id, now);
    }

    /// Does what is due.
    pub(crate) fn on_tick(&mut self, now: Time, keeper: &mut Keeper, keys: &NodeKeys) {
        while let Some((due, id)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, id));
            self.step(now, keeper, keys, id);
        }
    }

    fn step(&mut self, now: Time, keeper: &mut Keeper, keys: &NodeKeys, id: FileId) {
        let Some(chain) = keeper.chain() else { return };
        let is_open = self.unjudged(chain, id).is_some();
        let Some(audit) = self.open.get_mut(&id) else { return };
        if !is_open {
            self.sealed.remove(&audit.sealed);
            self.open.remove(&id);
            return;
        }
        let again = now.plus_ms(self.again_ms);
        let mut answers = Answers::new();
        let said = self.said.get(&id).copied();
        if let Some(approves) = said {
            answers.say(Question { file: id, rule: audit.request.kind.clone() }, approves);
        }
        let conclusion = match (&audit.document, said) {
            (Some(document), _) => {
                let at = At { height: chain.next_height(), time: now };
                let document = document.as_ref().map_err(|why| *why);
                let (file, request, state) = (id, &audit.request, chain.state());
                let auditor = self.node;
                let case = Case { file, request, document, state, at, auditor };
                self.pipeline.conclude(&case, &answers)
            }
            // A person needs no document to say no.
            (None, Some(false)) => Conclusion::Done(Verdict {
                file: id,
                auditor: self.node,
                reasons: vec![VerdictReason::Human],
                rules: self.pipeline.rules(),
            }),
            (None, _) => {
                self.sends.push_back((audit.member.clone(), Word::WantDocument(audit.sealed)));
                self.set_due(id, again);
                return;
            }
        };
        match conclusion {
            Conclusion::Ask(questions) => {
                audit.questions = questions;
                self.held.push_back(id);
                if self.held.len() > HELD_MAX
                    && let Some(oldest) = self.held.pop_front()
                    && let Some(audit) = self.open.get_mut(&oldest)
                {
                    audit.document = None;
                }
            }
            Conclusion::Done(verdict) => {
                audit.questions.clear();
                let transaction = verdict.into_transaction(chain.state(), windows::own(chain));
                let signed = transaction.sign(Signer::Node(self.node), keys.number, &keys.signing);
                // What is not taken now is said again.
                if let Ok(transaction) = signed
                    && let Err(code) = keeper.submit(now, transaction)
                {
                    tracing::debug!(event = "verdict.waits", code);
                }
                self.set_due(id, now.plus_ms(self.again_ms.saturating_mul(3)));
            }
        }
    }

    /// What waits for a person, and what waits too long for its new owner.
    pub(crate) fn list(&self, chain: &Chain) -> Value {
        let waiting = self.open.iter().filter(|(_, audit)| !audit.questions.is_empty());
        let waiting = waiting.filter(|(id, _)| self.unjudged(chain, **id).is_some());
        let waiting: Vec<_> = waiting.map(|(id, audit)| row(*id, audit)).collect();
        let overdue = chain.state().overdue(chain.next_height());
        let overdue: Vec<_> = overdue.map(|id| hex::text(&id.0)).collect();
        json!({ "waiting": waiting, "overdue": overdue, "open": self.open.len() })
    }

    /// A person says yes or no; kept before it counts.
    pub(crate) async fn say<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        chain: &Chain,
        file: &str,
        answer: (bool, &str),
    ) -> Result<Value, String> {
        let id = say::file(file)?;
        let (approves, reason) = answer;
        if self.unjudged(chain, id).is_none() || !self.open.contains_key(&id) {
            return Err(format!("no audit of {file} waits here"));
        }
        if let Some(before) = self.said.get(&id) {
            let word = if *before { "approved" } else { "rejected" };
            return Err(format!("{file} was {word} here already; the first word counts"));
        }
        let mut value = Vec::new();
        let mut to = Writer::new(&mut value, 1);
        to.u8(u8::from(approves)).u64(now.as_ms());
        to.lp16(reason.as_bytes()).map_err(|_| "the reason is too long")?;
        let key = Table::Answers.row(&id.0).map_err(|why| why.to_string())?;
        let mut batch = Batch::with_capacity(1);
        batch.put(key, Expect::Absent, value);
        commit(store, &batch).await.map_err(|why| why.to_string())?;
        self.said.insert(id, approves);
        self.set_due(id, now);
        let said = if approves { "approved" } else { "rejected" };
        Ok(json!({ "file": file, "said": said }))
    }

    /// The document of an audit; one that is not here any more is fetched again.
    pub(crate) fn document(&mut self, now: Time, id: FileId) -> Option<Value> {
        match &self.open.get(&id)?.document {
            Some(document) => document.as_ref().ok().map(shown),
            None => {
                self.set_due(id, now);
                None
            }
        }
    }

    /// Since when the oldest file waits that this node has something to say about.
    pub(crate) fn oldest(&self, chain: &Chain) -> Option<Height> {
        let files = chain.state().files().filter(|(id, _)| self.unjudged(chain, *id).is_some());
        files.map(|(_, file)| file.since).min()
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.due.first().map(|(due, _)| *due)
    }

    pub(crate) fn poll_send(&mut self) -> Option<(Peer, Word)> {
        self.sends.pop_front()
    }

    fn set_due(&mut self, id: FileId, at: Time) {
        if let Some(audit) = self.open.get_mut(&id) {
            if let Some(before) = audit.due.replace(at) {
                self.due.remove(&(before, id));
            }
            self.due.insert((at, id));
        }
    }

    /// The file, as long as this node has something to say about it.
    fn unjudged<'a>(&self, chain: &'a Chain, id: FileId) -> Option<&'a File> {
        let file = chain.state().file(id)?;
        let has_judged =
            file.approvals.contains(&self.node) || file.rejections.contains(&self.node);
        (file.status == Status::Auditing && !has_judged).then_some(file)
    }

    /// The how manieth of the supervision nodes this one is for a file.
    fn rank(&self, chain: &Chain, id: FileId) -> u64 {
        let height = chain.next_height();
        let hash = |node: NodeId| -> [u8; 32] {
            Sha256::new_with_prefix(id.0).chain_update(node.0.0.to_be_bytes()).finalize().into()
        };
        let own = hash(self.node);
        let others = chain.state().nodes().filter(|(node, it)| {
            it.role == Role::Supervision && it.is_active(height) && hash(*node) < own
        });
        u64::try_from(others.count()).unwrap_or(u64::MAX)
    }
}

/// A document, for whoever may read it.
pub(crate) fn shown(document: &Document) -> Value {
    json!({
        "media_type": document.media_type(),
        "bytes": Base64::encode_string(document.bytes()),
    })
}

fn row(id: FileId, audit: &Audit) -> Value {
    let document = audit.document.as_ref().and_then(|document| document.as_ref().ok());
    json!({
        "file": hex::text(&id.0),
        "thing_key": hex::text(&audit.request.thing.0),
        "type": audit.request.kind.as_str(),
        "region": audit.request.region.as_str(),
        "owner": hex::text(&audit.request.owner.party.0),
        "member": audit.member.as_str(),
        "media_type": document.map(Document::media_type),
        "bytes": document.map(|document| document.bytes().len()),
        "follows": audit.request.predecessor.map(|file| hex::text(&file.0)),
    })
}

fn parse_answer(bytes: &[u8]) -> Option<bool> {
    let mut from = Reader::new(bytes);
    from.version(1).ok()?;
    from.flag().ok()
}

/// So many documents are kept in memory for people.
const HELD_MAX: usize = 64;
