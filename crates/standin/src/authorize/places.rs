//! Where the rows of a decision are.

use super::Authorize;
use crate::{EntryRef, EntryState, Kind, Role, table};
use port::Key;

/// Entries wait in one place and end in another; each is in one of them at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Open,
    Ended,
}

impl Place {
    pub(super) const BOTH: [Self; 2] = [Self::Open, Self::Ended];

    /// Where an entry in this state is.
    pub(super) const fn of(state: EntryState) -> Self {
        if state.waits() { Self::Open } else { Self::Ended }
    }

    /// The key in this place, of the one in the other.
    fn key(self, mut open: Key) -> Key {
        if self == Self::Ended {
            table::end(&mut open);
        }
        open
    }
}

impl Authorize {
    pub(super) fn head_key(&self) -> Key {
        table::head(self.setup.config.institution)
    }

    pub(super) fn account_key(&self) -> Key {
        table::account(self.setup.config.institution, &self.request.account.token)
    }

    pub(super) fn lane_key(&self) -> Key {
        table::lane(self.setup.config.institution, self.lane)
    }

    /// An answer of the accounting system that the switch kept: there is that or an entry, never both.
    pub(super) fn kept_key(&self) -> Key {
        table::answer(self.setup.config.institution, &self.request.key)
    }

    pub(super) fn entry_key(&self, entry: &EntryRef, place: Place) -> Key {
        place.key(entry.key(self.setup.config.institution, EntryState::Queued))
    }

    /// This request's entry.
    pub(super) fn own_key(&self, place: Place) -> Key {
        place.key(self.open.clone())
    }

    pub(super) fn counterpart_key(&self, place: Place) -> Key {
        let mut open = self.open.clone();
        table::cast(&mut open, self.counterpart());
        place.key(open)
    }

    /// For a reversal: what it reverses. For the rest: a reversal that came before.
    pub(super) fn counterpart(&self) -> Role {
        match self.request.kind {
            Kind::Reversal => Role::Request,
            _ => Role::Reversal,
        }
    }

    /// For a completion: the pre-authorization.
    pub(super) fn completed(&self) -> Option<EntryRef> {
        match (self.request.kind, self.request.original) {
            (Kind::Completion, Some(request)) => {
                let account = self.request.account.token;
                Some(EntryRef { account, role: Role::Request, request })
            }
            _ => None,
        }
    }
}
