//! Audits: checks in their order, what only a person can say, and a verdict with its reasons.

use crate::{
    At, Body, Document, FileId, Label, NodeId, Register, SealError, State, Status, Transaction,
    Verdict, VerdictReason, Window,
};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use sha2::{Digest as _, Sha256};

/// The checks of a supervision node, in their order.
///
/// A conclusion is a pure function of the case and of what people have answered so far: an audit that waits for a person is
/// nothing but a question that has no answer yet, and survives any restart.
///
/// ```
/// use interbank_ledger::{DocumentCommitted, DocumentTypes, HumanApproval, OwnerKnown, Pipeline, ThingFree};
/// let pipeline = Pipeline::new()
///     .with(OwnerKnown)
///     .with(ThingFree)
///     .with(DocumentCommitted)
///     .with(DocumentTypes::new(1 << 20, ["application/pdf"]))
///     .with(HumanApproval::always());
/// assert_ne!(pipeline.rules(), Pipeline::new().rules());
/// ```
#[derive(Default)]
pub struct Pipeline {
    checks: Vec<Box<dyn Check + Send + Sync>>,
}

impl Pipeline {
    /// Without checks: approves everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more check, after the others.
    #[must_use]
    pub fn with(mut self, check: impl Check + Send + Sync + 'static) -> Self {
        self.checks.push(Box::new(check));
        self
    }

    /// What a verdict calls these rules: SHA-256 of the domain `interbank/ledger/audit/v1`, a zero byte, and for each check its
    /// own words behind their length (`u32`).
    pub fn rules(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"interbank/ledger/audit/v1\0");
        for check in &self.checks {
            let words = check.words();
            let len = u32::try_from(words.len()).unwrap_or(u32::MAX);
            hash.update(len.to_be_bytes());
            hash.update(words);
        }
        hash.finalize().into()
    }

    /// Checks a case. Every check is made, so that a rejection names all reasons; people are asked only about what nothing
    /// else speaks against.
    pub fn conclude(&self, case: &Case<'_>, answers: &Answers) -> Conclusion {
        let mut reasons = BTreeSet::new();
        let mut questions = Vec::new();
        for check in &self.checks {
            match check.check(case) {
                Finding::Passed => {}
                Finding::Rejected(reason) => {
                    reasons.insert(reason);
                }
                Finding::Ask(question) => match answers.said.get(&question) {
                    Some(true) => {}
                    Some(false) => {
                        reasons.insert(VerdictReason::Human);
                    }
                    None => questions.push(question),
                },
            }
        }
        if reasons.is_empty() && !questions.is_empty() {
            return Conclusion::Ask(questions);
        }
        Conclusion::Done(Verdict {
            file: case.file,
            auditor: case.auditor,
            reasons: reasons.into_iter().collect(),
            rules: self.rules(),
        })
    }
}

/// What is audited, and what is known.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The file that the request is about to make.
    pub file: FileId,
    /// The request.
    pub request: &'a Register,
    /// The document, or why it could not be opened.
    pub document: Result<&'a Document, SealError>,
    /// The chain's state.
    pub state: &'a State,
    /// Where the verdict would stand.
    pub at: At,
    /// Who audits.
    pub auditor: NodeId,
}

/// One check of a pipeline.
pub trait Check {
    /// What it checks, with its parameters: part of the rules' digest.
    fn words(&self) -> String;

    /// What it finds.
    fn check(&self, case: &Case<'_>) -> Finding;
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing speaks against it.
    Passed,
    /// It has to be rejected.
    Rejected(VerdictReason),
    /// Somebody has to say.
    Ask(Question),
}

/// What only a person can say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// About which file.
    pub file: FileId,
    /// By which rule.
    pub rule: Label,
}

/// What people have said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    said: BTreeMap<Question, bool>,
}

impl Answers {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { said: BTreeMap::new() }
    }

    /// Somebody has said whether they approve; the first word counts.
    pub fn say(&mut self, question: Question, approves: bool) -> &mut Self {
        self.said.entry(question).or_insert(approves);
        self
    }
}

/// What an audit comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Conclusion {
    /// People have to be asked first.
    Ask(Vec<Question>),
    /// The verdict, to be signed and submitted.
    Done(Verdict),
}

impl Verdict {
    /// As a transaction that waits for the auditor's signature.
    pub const fn into_transaction(self, state: &State, window: Window) -> Transaction {
        Transaction::new(state.chain(), window, Body::Judge(self))
    }
}

/// The owner is known, and its member takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerKnown;

impl Check for OwnerKnown {
    fn words(&self) -> String {
        "owner known".into()
    }

    fn check(&self, case: &Case<'_>) -> Finding {
        let owner = case.request.owner;
        let party = case.state.party(owner.party);
        let node = case.state.node(owner.member);
        let is_known = party.is_some_and(|party| party.ring.is_live(case.at.height));
        let is_served = node.is_some_and(|node| node.is_active(case.at.height));
        passed_or(is_known && is_served, VerdictReason::OwnerIdentity)
    }
}

/// The thing has no live file, or the one that this follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThingFree;

impl Check for ThingFree {
    fn words(&self) -> String {
        "thing free".into()
    }

    fn check(&self, case: &Case<'_>) -> Finding {
        let request = case.request;
        let holding = case.state.holding(request.thing);
        match (holding, request.predecessor) {
            (None, None) => Finding::Passed,
            (Some(_), None) => Finding::Rejected(VerdictReason::AlreadyRegistered),
            (Some(holding), Some(old)) => {
                let status = case.state.file(old).map(|file| &file.status);
                let is_accepted = matches!(status, Some(Status::Transferred { to, .. })
                    if *to == request.owner.party);
                passed_or(holding.file == old && is_accepted, VerdictReason::Predecessor)
            }
            (None, Some(_)) => Finding::Rejected(VerdictReason::Predecessor),
        }
    }
}

/// No liens go over to the new owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiensClear;

impl Check for LiensClear {
    fn words(&self) -> String {
        "liens clear".into()
    }

    fn check(&self, case: &Case<'_>) -> Finding {
        let before = case.request.predecessor.and_then(|old| case.state.file(old));
        passed_or(before.is_none_or(|file| file.liens.is_empty()), VerdictReason::Liens)
    }
}

/// The document could be opened, and is what was committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentCommitted;

impl Check for DocumentCommitted {
    fn words(&self) -> String {
        "document committed".into()
    }

    fn check(&self, case: &Case<'_>) -> Finding {
        let commitment = case.request.commitment;
        let is_right = case.document.is_ok_and(|document| document.commitment() == commitment);
        passed_or(is_right, VerdictReason::Document)
    }
}

/// The document has one of some types, and is not too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentTypes {
    bytes_max: usize,
    media_types: BTreeSet<String>,
}

impl DocumentTypes {
    /// Of up to so many bytes, of one of these media types.
    pub fn new<'a>(bytes_max: usize, media_types: impl IntoIterator<Item = &'a str>) -> Self {
        Self { bytes_max, media_types: media_types.into_iter().map(String::from).collect() }
    }
}

impl Check for DocumentTypes {
    fn words(&self) -> String {
        let types: Vec<_> = self.media_types.iter().map(String::as_str).collect();
        alloc::format!("document types {} up to {}", types.join(" "), self.bytes_max)
    }

    fn check(&self, case: &Case<'_>) -> Finding {
        let is_allowed = case.document.is_ok_and(|document| {
            self.media_types.contains(document.media_type())
                && document.bytes().len() <= self.bytes_max
        });
        passed_or(is_allowed, VerdictReason::TypeRules)
    }
}

/// A person has to approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HumanApproval {
    /// `None`: all.
    kinds: Option<BTreeSet<Label>>,
}

impl HumanApproval {
    /// Of every request.
    pub const fn always() -> Self {
        Self { kinds: None }
    }

    /// Of requests for things of these kinds.
    pub fn of_kinds(kinds: impl IntoIterator<Item = Label>) -> Self {
        Self { kinds: Some(kinds.into_iter().collect()) }
    }
}

impl Check for HumanApproval {
    fn words(&self) -> String {
        match &self.kinds {
            None => "human approval".into(),
            Some(kinds) => {
                let kinds: Vec<_> = kinds.iter().map(Label::as_str).collect();
                alloc::format!("human approval of {}", kinds.join(" "))
            }
        }
    }

    fn check(&self, case: &Case<'_>) -> Finding {
        let kind = &case.request.kind;
        if self.kinds.as_ref().is_some_and(|kinds| !kinds.contains(kind)) {
            return Finding::Passed;
        }
        Finding::Ask(Question { file: case.file, rule: kind.clone() })
    }
}

fn passed_or(is_right: bool, reason: VerdictReason) -> Finding {
    if is_right { Finding::Passed } else { Finding::Rejected(reason) }
}
