//! Leases and liens.

use super::plan::Plan;
use super::{At, State};
use crate::body::{EndClaim, LeaseTerms, LienTerms, Through};
use crate::{ClaimId, Entry, File, Lease, Lien, Refusal, Signer};

impl State {
    pub(super) fn lease(&self, at: At, it: &LeaseTerms, digest: [u8; 32]) -> Result<Plan, Refusal> {
        let mut next = self.usable(it.on)?;
        let mut plan = Plan::default();
        self.acts(&mut plan, at.height, Through { party: next.owner, member: it.member })?;
        self.acts(&mut plan, at.height, it.lessee)?;
        if it.lessee.party == next.owner {
            return Err(Refusal::NotConcerned);
        }
        if it.from >= it.until || it.until <= at.time {
            return Err(Refusal::BadInterval);
        }
        let lease = Lease {
            id: ClaimId(digest),
            lessee: it.lessee.party,
            from: it.from,
            until: it.until,
            exclusive: it.exclusive,
        };
        if next.leases.iter().any(|other| other.excludes(&lease)) {
            return Err(Refusal::LeaseOverlap);
        }
        next.leases.retain(|other| at.time < other.until);
        if next.leases.len() >= File::CLAIMS_MAX {
            return Err(Refusal::TooManyClaims);
        }
        next.leases.push(lease);
        plan.entries.push(Entry::File(it.on.file, next));
        Ok(plan)
    }

    pub(super) fn end_lease(&self, at: At, it: &EndClaim) -> Result<Plan, Refusal> {
        let mut next = self.usable(it.on)?;
        let place = next.leases.iter().position(|lease| lease.id == it.claim);
        let lease = next.leases.remove(place.ok_or(Refusal::UnknownClaim)?);
        if it.by.party != next.owner && it.by.party != lease.lessee {
            return Err(Refusal::NotConcerned);
        }
        let mut plan = Plan::default();
        self.acts(&mut plan, at.height, it.by)?;
        // What is over needs nobody's consent.
        if at.time < lease.until {
            plan.signer(Signer::Party(next.owner));
            plan.signer(Signer::Party(lease.lessee));
        }
        plan.entries.push(Entry::File(it.on.file, next));
        Ok(plan)
    }

    pub(super) fn place_lien(
        &self,
        at: At,
        it: &LienTerms,
        digest: [u8; 32],
    ) -> Result<Plan, Refusal> {
        let mut next = self.usable(it.on)?;
        let mut plan = Plan::default();
        self.acts(&mut plan, at.height, Through { party: next.owner, member: it.member })?;
        self.acts(&mut plan, at.height, it.holder)?;
        if it.holder.party == next.owner {
            return Err(Refusal::NotConcerned);
        }
        if next.liens.len() >= File::CLAIMS_MAX {
            return Err(Refusal::TooManyClaims);
        }
        let (id, holder) = (ClaimId(digest), it.holder.party);
        next.liens.push(Lien { id, holder, placed: at.height, reference: it.reference });
        plan.entries.push(Entry::File(it.on.file, next));
        Ok(plan)
    }

    pub(super) fn release_lien(&self, at: At, it: &EndClaim) -> Result<Plan, Refusal> {
        let mut next = self.usable(it.on)?;
        let place = next.liens.iter().position(|lien| lien.id == it.claim);
        let lien = next.liens.remove(place.ok_or(Refusal::UnknownClaim)?);
        if it.by.party != lien.holder {
            return Err(Refusal::NotConcerned);
        }
        let mut plan = Plan::default();
        self.acts(&mut plan, at.height, it.by)?;
        plan.entries.push(Entry::File(it.on.file, next));
        Ok(plan)
    }
}
