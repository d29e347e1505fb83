//! Ownership goes over, is frozen, ends; and what becomes of the document.

use super::plan::Plan;
use super::{At, State};
use crate::body::{
    Acted, Agreed, CallOff, OnFile, Purge, Reseal, Settlement, Supervised, Through, Transfer,
};
use crate::{
    ClaimId, Entry, File, FileId, Height, Holding, PartyId, Refusal, Role, Signer, Status,
    Transaction,
};
use alloc::boxed::Box;

impl State {
    pub(super) fn transfer(
        &self,
        at: At,
        it: &Transfer,
        transaction: &Transaction,
    ) -> Result<Plan, Refusal> {
        let mut next = self.usable(it.on)?;
        let mut plan = Plan::default();
        self.acts(&mut plan, at.height, Through { party: next.owner, member: it.member })?;
        self.acts(&mut plan, at.height, it.to)?;
        if it.to.party == next.owner {
            return Err(Refusal::NotConcerned);
        }
        for lien in &next.liens {
            let holder = Signer::Party(lien.holder);
            if !transaction.signatures.iter().any(|signature| signature.by == holder) {
                return Err(Refusal::UnderLien);
            }
            plan.signer(holder);
        }
        match &it.settlement {
            None => self.hand_over(at, it.on.file, &mut next, it.to.party, &mut plan),
            Some(settlement) => {
                if settlement.until <= at.height {
                    return Err(Refusal::TooLate);
                }
                let settlement = Box::new(settlement.clone());
                let agreement = transaction.digest().map_err(|_| Refusal::TooLong)?;
                let agreement = ClaimId(agreement);
                next.status = Status::Pending { to: it.to.party, agreement, settlement };
                next.stands_since(at);
            }
        }
        plan.entries.push(Entry::File(it.on.file, next));
        Ok(plan)
    }

    pub(super) fn settle(&self, at: At, it: &Agreed) -> Result<Plan, Refusal> {
        let (mut next, to, settlement) = self.agreed(it)?;
        if settlement.until <= at.height {
            return Err(Refusal::TooLate);
        }
        let mut plan = Plan::default();
        plan.signer(Signer::Key(settlement.witness.to_bytes()));
        self.hand_over(at, it.file, &mut next, to, &mut plan);
        plan.entries.push(Entry::File(it.file, next));
        Ok(plan)
    }

    pub(super) fn call_off(&self, at: At, it: &CallOff) -> Result<Plan, Refusal> {
        let (mut next, to, settlement) = self.agreed(&it.agreed)?;
        if it.by.party != next.owner && it.by.party != to {
            return Err(Refusal::NotConcerned);
        }
        let mut plan = Plan::default();
        self.acts(&mut plan, at.height, it.by)?;
        if at.height < settlement.until {
            plan.signer(Signer::Party(next.owner));
            plan.signer(Signer::Party(to));
        }
        next.status = Status::Registered;
        next.stands_since(at);
        plan.entries.push(Entry::File(it.agreed.file, next));
        Ok(plan)
    }

    /// The file of an agreement that still stands, one revision on; who is to own it; what has to be paid.
    fn agreed(&self, it: &Agreed) -> Result<(Box<File>, PartyId, Box<Settlement>), Refusal> {
        let file = self.files.get(&it.file).ok_or(Refusal::UnknownFile)?;
        if file.frozen {
            return Err(Refusal::Frozen);
        }
        let next = self.revised(OnFile { file: it.file, revision: file.revision })?;
        match &next.status {
            Status::Pending { to, agreement, settlement } if *agreement == it.agreement => {
                let (to, settlement) = (*to, settlement.clone());
                Ok((next, to, settlement))
            }
            _ => Err(Refusal::NothingPending),
        }
    }

    pub(super) fn freeze(&self, at: At, it: &Supervised) -> Result<Plan, Refusal> {
        let mut next = self.revised(it.on)?;
        if next.frozen {
            return Err(Refusal::Frozen);
        }
        next.frozen = true;
        self.supervised(at, it, next)
    }

    pub(super) fn unfreeze(&self, at: At, it: &Supervised) -> Result<Plan, Refusal> {
        let mut next = self.revised(it.on)?;
        if !next.frozen {
            return Err(Refusal::NotFrozen);
        }
        next.frozen = false;
        self.supervised(at, it, next)
    }

    pub(super) fn retire(&self, at: At, it: &Acted) -> Result<Plan, Refusal> {
        let mut next = self.usable(it.on)?;
        let mut plan = self.by_owner(at, it, &next)?;
        if !next.liens.is_empty() || next.leases.iter().any(|lease| at.time < lease.until) {
            return Err(Refusal::Encumbered);
        }
        next.status = Status::Retired { successor: None };
        next.stands_since(at);
        plan.entries.push(Entry::Thing(next.thing, None));
        plan.entries.push(Entry::File(it.on.file, next));
        Ok(plan)
    }

    pub(super) fn reseal(&self, at: At, it: &Reseal) -> Result<Plan, Refusal> {
        let mut next = self.with_document(it.acted.on)?;
        let mut plan = self.by_owner(at, &it.acted, &next)?;
        next.sealed = it.sealed;
        plan.entries.push(Entry::File(it.acted.on.file, next));
        Ok(plan)
    }

    pub(super) fn erase(&self, at: At, it: &Acted) -> Result<Plan, Refusal> {
        let mut next = self.with_document(it.on)?;
        let mut plan = self.by_owner(at, it, &next)?;
        next.erased = Some(at.height);
        plan.entries.push(Entry::File(it.on.file, next));
        Ok(plan)
    }

    pub(super) fn purge(&self, at: At, it: &Purge) -> Result<Plan, Refusal> {
        self.active(it.by, Role::Supervision, at.height)?;
        let mut plan = Plan::default();
        plan.signer(Signer::Node(it.by));
        for id in &it.files {
            let file = self.file(*id).ok_or(Refusal::UnknownFile)?;
            if file.frozen {
                return Err(Refusal::Frozen);
            }
            if !file.is_over() || at.height < file.since.after(self.genesis.policy().keep) {
                return Err(Refusal::TooEarly);
            }
            plan.entries.push(Entry::Gone(*id));
        }
        Ok(plan)
    }

    /// Ownership goes over: from now on only the new owner does anything, and that is to register.
    fn hand_over(&self, at: At, id: FileId, file: &mut File, to: PartyId, plan: &mut Plan) {
        let until: Height = at.height.after(self.genesis.policy().register_within);
        file.status = Status::Transferred { to, until };
        file.stands_since(at);
        let holding = Holding { file: id, owner: to };
        plan.entries.push(Entry::Thing(file.thing, Some(holding)));
    }

    fn supervised(&self, at: At, it: &Supervised, next: Box<File>) -> Result<Plan, Refusal> {
        self.active(it.by, Role::Supervision, at.height)?;
        let mut plan = Plan::default();
        plan.signer(Signer::Node(it.by));
        plan.entries.push(Entry::File(it.on.file, next));
        Ok(plan)
    }

    fn with_document(&self, on: OnFile) -> Result<Box<File>, Refusal> {
        let next = self.revised(on)?;
        if next.frozen {
            return Err(Refusal::Frozen);
        }
        if next.erased.is_some() { Err(Refusal::Erased) } else { Ok(next) }
    }

    /// The owner acts, and nobody else may. Of a document that is the one who registered it, also later.
    pub(super) fn by_owner(&self, at: At, it: &Acted, file: &File) -> Result<Plan, Refusal> {
        if it.by.party != file.owner {
            return Err(Refusal::NotOwner);
        }
        let mut plan = Plan::default();
        self.acts(&mut plan, at.height, it.by)?;
        Ok(plan)
    }
}
