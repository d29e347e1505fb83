//! From the request over the audit to the registered or rejected file.

use super::plan::Plan;
use super::{At, State};
use crate::body::{Register, Verdict};
use crate::{Entry, File, FileId, Holding, Refusal, Rejected, Role, Signer, Status};
use alloc::boxed::Box;
use alloc::vec::Vec;

impl State {
    pub(super) fn register(
        &self,
        at: At,
        it: &Register,
        digest: [u8; 32],
    ) -> Result<Plan, Refusal> {
        let id = FileId(digest);
        if self.files.contains_key(&id) {
            return Err(Refusal::KnownFile);
        }
        let mut plan = Plan::default();
        self.acts(&mut plan, at.height, it.owner)?;
        let file = File {
            thing: it.thing,
            kind: it.kind.clone(),
            region: it.region.clone(),
            owner: it.owner.party,
            member: it.owner.member,
            commitment: it.commitment,
            sealed: it.sealed,
            erased: None,
            status: Status::Auditing,
            frozen: false,
            revision: 0,
            since: at.height,
            since_time: at.time,
            predecessor: it.predecessor,
            approvals: Vec::new(),
            rejections: Vec::new(),
            leases: Vec::new(),
            liens: Vec::new(),
        };
        self.succeeds(&file)?;
        plan.entries.push(Entry::File(id, Box::new(file)));
        Ok(plan)
    }

    pub(super) fn verdict(&self, at: At, it: &Verdict) -> Result<Plan, Refusal> {
        self.active(it.auditor, Role::Supervision, at.height)?;
        let file = self.files.get(&it.file).ok_or(Refusal::UnknownFile)?;
        let has_judged =
            file.approvals.contains(&it.auditor) || file.rejections.contains(&it.auditor);
        if file.status != Status::Auditing || has_judged {
            return Err(Refusal::Judged);
        }
        if file.frozen {
            return Err(Refusal::Frozen);
        }
        let mut plan = Plan::default();
        plan.signer(Signer::Node(it.auditor));
        let mut next = file.clone();
        let policy = self.genesis.policy();
        if it.is_approval() {
            next.approvals.push(it.auditor);
            if next.approvals.len() >= usize::from(policy.approvals) {
                self.conclude(at, it.file, &mut next, &mut plan)?;
            }
        } else {
            next.rejections.push(it.auditor);
            if next.rejections.len() >= usize::from(policy.rejections) {
                next.status = Status::Rejected(Rejected::ByAudit);
                next.stands_since(at);
            }
        }
        plan.entries.push(Entry::File(it.file, next));
        Ok(plan)
    }

    /// Enough have approved: it is registered, unless the thing has got a live file meanwhile (spec Ld2).
    fn conclude(
        &self,
        at: At,
        id: FileId,
        file: &mut File,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        file.stands_since(at);
        match self.succeeds(file) {
            // What stands still is decided when it no longer does.
            Err(Refusal::Frozen) => return Err(Refusal::Frozen),
            Err(Refusal::AlreadyRegistered) => {
                file.status = Status::Rejected(Rejected::AlreadyRegistered);
            }
            Err(_) => file.status = Status::Rejected(Rejected::NotSuccessor),
            Ok(predecessor) => {
                file.status = Status::Registered;
                if let Some((old, before)) = predecessor {
                    // Leases and liens are on the thing: they go over with it.
                    file.leases.clone_from(&before.leases);
                    file.liens.clone_from(&before.liens);
                    let mut retired = Box::new(before.clone());
                    retired.status = Status::Retired { successor: Some(id) };
                    retired.stands_since(at);
                    retired.revision = retired.revision.saturating_add(1);
                    plan.entries.push(Entry::File(old, retired));
                }
                let holding = Holding { file: id, owner: file.owner };
                plan.entries.push(Entry::Thing(file.thing, Some(holding)));
            }
        }
        Ok(())
    }

    /// Whether a file may become the thing's live file, and whose place it takes.
    fn succeeds(&self, file: &File) -> Result<Option<(FileId, &File)>, Refusal> {
        let holding = self.things.get(&file.thing);
        match (holding, file.predecessor) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Refusal::NotSuccessor),
            (Some(_), None) => Err(Refusal::AlreadyRegistered),
            (Some(holding), Some(old)) => {
                let before = self.file(old).ok_or(Refusal::UnknownFile)?;
                if before.frozen {
                    return Err(Refusal::Frozen);
                }
                let is_accepted =
                    matches!(before.status, Status::Transferred { to, .. } if to == file.owner);
                if holding.file == old && is_accepted {
                    Ok(Some((old, before)))
                } else {
                    Err(Refusal::NotSuccessor)
                }
            }
        }
    }
}
