//! What a transaction would do, and who has to have signed it.

use super::State;
use crate::body::{OnFile, Through};
use crate::{Entry, File, Height, Refusal, Role, Signer};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What a transaction would do, and who has to have signed it.
pub(super) struct Plan {
    /// What changes.
    pub(super) entries: Vec<Entry>,
    /// Who has to sign.
    pub(super) signers: Signers,
    /// How many supervision nodes have to sign besides.
    pub(super) quorum: usize,
}

impl Default for Plan {
    /// With room for what most transactions need.
    fn default() -> Self {
        Self { entries: Vec::with_capacity(3), signers: Signers::default(), quorum: 0 }
    }
}

impl Plan {
    pub(super) fn signer(&mut self, signer: Signer) {
        self.signers.insert(signer);
    }
}

/// A set of signers; those of most transactions need no memory of their own.
#[derive(Default)]
pub(super) struct Signers {
    few: [Option<Signer>; 4],
    more: Vec<Signer>,
}

impl Signers {
    fn insert(&mut self, signer: Signer) {
        if self.contains(&signer) {
            return;
        }
        match self.few.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(signer),
            None => self.more.push(signer),
        }
    }

    pub(super) fn contains(&self, signer: &Signer) -> bool {
        self.few.iter().flatten().chain(&self.more).any(|other| other == signer)
    }

    pub(super) fn len(&self) -> usize {
        self.few.iter().flatten().count() + self.more.len()
    }
}

impl State {
    /// A party acts through a member: both have to sign (spec L12).
    pub(super) fn acts(
        &self,
        plan: &mut Plan,
        height: Height,
        through: Through,
    ) -> Result<(), Refusal> {
        let party = self.parties.get(&through.party).ok_or(Refusal::UnknownParty)?;
        if !party.members.contains(&through.member) {
            return Err(Refusal::NotAssociated);
        }
        self.active(through.member, Role::Member, height)?;
        plan.signer(Signer::Party(through.party));
        plan.signer(Signer::Node(through.member));
        Ok(())
    }

    /// The file as the signers saw it, one revision on.
    pub(super) fn revised(&self, on: OnFile) -> Result<Box<File>, Refusal> {
        let file = self.files.get(&on.file).ok_or(Refusal::UnknownFile)?;
        revised(file, on.revision)
    }

    /// The same of a file with which operations are possible.
    pub(super) fn usable(&self, on: OnFile) -> Result<Box<File>, Refusal> {
        let file = self.files.get(&on.file).ok_or(Refusal::UnknownFile)?;
        file.check_usable()?;
        revised(file, on.revision)
    }
}

#[allow(clippy::borrowed_box, reason = "what is cloned is the box")]
fn revised(file: &Box<File>, seen: u32) -> Result<Box<File>, Refusal> {
    if file.revision != seen {
        return Err(Refusal::StaleRevision);
    }
    let mut next = file.clone();
    next.revision = seen.checked_add(1).ok_or(Refusal::StaleRevision)?;
    Ok(next)
}
