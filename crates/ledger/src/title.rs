//! The chain of title: who owned a thing, one after the other, from the log alone.

use crate::body::Body;
use crate::{FileId, Height, PartyId, Record, ThingKey};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Follows what the log says of one thing, and nothing else: a second way to the owner, beside the state.
///
/// It takes what was accepted into blocks, so that it needs no signatures and no rules but its own.
///
/// ```
/// use interbank_ledger::{ThingId, Title};
/// let title = Title::new(ThingId::new("vin", "V1")?.key(), 1);
/// assert_eq!(title.owner(), None);
/// # Ok::<(), interbank_ledger::Misuse>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    thing: ThingKey,
    approvals: usize,
    requested: BTreeMap<FileId, Requested>,
    live: Option<FileId>,
    /// To whom the live file's ownership goes with its settlement.
    pending: Option<PartyId>,
    steps: Vec<TitleStep>,
}

impl Title {
    /// Of a thing, on a chain where so many approvals register ([`crate::Policy::approvals`]).
    pub const fn new(thing: ThingKey, approvals: u8) -> Self {
        Self {
            thing,
            approvals: approvals as usize,
            requested: BTreeMap::new(),
            live: None,
            pending: None,
            steps: Vec::new(),
        }
    }

    /// Takes the next record of the log; whether it concerns the thing's ownership or a request for it.
    pub fn update(&mut self, record: &Record) -> bool {
        let at = record.height;
        match &record.transaction.body {
            Body::Register(it) if it.thing == self.thing => {
                let Ok(Some(file)) = record.transaction.file() else { return false };
                let requested = Requested {
                    owner: it.owner.party,
                    predecessor: it.predecessor,
                    approved_by: BTreeSet::new(),
                };
                self.requested.insert(file, requested);
                true
            }
            Body::Judge(it) => {
                let Some(requested) = self.requested.get_mut(&it.file) else { return false };
                if !it.is_approval() {
                    return true;
                }
                requested.approved_by.insert(it.auditor);
                let is_registered = requested.approved_by.len() == self.approvals
                    && requested.predecessor == self.live;
                if is_registered {
                    let owner = requested.owner;
                    self.live = Some(it.file);
                    self.step(at, owner, Some(it.file));
                }
                true
            }
            Body::Transfer(it) if self.live == Some(it.on.file) => {
                match it.settlement {
                    None => self.step(at, it.to.party, None),
                    Some(_) => self.pending = Some(it.to.party),
                }
                true
            }
            Body::Settle(it) if self.live == Some(it.file) => {
                if let Some(owner) = self.pending.take() {
                    self.step(at, owner, None);
                }
                true
            }
            Body::CallOff(it) if self.live == Some(it.agreed.file) => {
                self.pending = None;
                true
            }
            Body::Retire(it) if self.live == Some(it.on.file) => {
                self.live = None;
                self.steps.push(TitleStep { height: at, owner: None, file: None });
                true
            }
            _ => false,
        }
    }

    /// The thing.
    pub const fn thing(&self) -> ThingKey {
        self.thing
    }

    /// Who owns the thing now.
    pub fn owner(&self) -> Option<PartyId> {
        self.steps.last().and_then(|step| step.owner)
    }

    /// Its live file.
    pub const fn file(&self) -> Option<FileId> {
        self.live
    }

    /// What happened to its ownership, in order.
    pub fn steps(&self) -> &[TitleStep] {
        &self.steps
    }

    /// Whether every registration but a first one has the transfer before it that made it possible.
    pub(crate) fn is_whole(&self) -> bool {
        let before = [None].into_iter().chain(self.steps.iter().map(|step| step.owner));
        before.zip(&self.steps).all(|(before, step)| match (before, step.file) {
            (Some(before), Some(_)) => step.owner == Some(before),
            (None, None) => false,
            _ => true,
        })
    }

    fn step(&mut self, height: Height, owner: PartyId, file: Option<FileId>) {
        self.steps.push(TitleStep { height, owner: Some(owner), file });
    }
}

/// One step of a title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TitleStep {
    /// At which height.
    pub height: Height,
    /// Who owns the thing since then; `None`: nobody, it was retired.
    pub owner: Option<PartyId>,
    /// The file that was registered with this step; `None` where ownership went over, or ended.
    pub file: Option<FileId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requested {
    owner: PartyId,
    predecessor: Option<FileId>,
    approved_by: BTreeSet<crate::NodeId>,
}
