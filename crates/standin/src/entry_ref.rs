//! Which journal entry: the same words for the authorizer, the forwarder and whoever settles.

use crate::{EntryState, InstitutionId, Kind, RequestKey, TransactionRequest, table};
use alloc::vec::Vec;
use port::{Key, WireError};
use seal::AccountRef;

/// Names one journal entry of an institution: the account, whether it is the reversal of a request, and the request's key.
///
/// A reversal stands under the key of what it reverses, so that there is one whatever message brings it. A second one of another
/// amount is declined ([`crate::Reason::OtherReversal`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryRef {
    /// Whose journal.
    pub account: AccountRef,
    /// In which role.
    pub role: Role,
    /// Of which request; for [`Role::Reversal`], of the one that is reversed.
    pub request: RequestKey,
}

impl EntryRef {
    /// The entry that a request has, or will have.
    pub fn of(request: &TransactionRequest) -> Self {
        let account = request.account.token;
        match (request.kind, request.original) {
            (Kind::Reversal, Some(original)) => {
                Self { account, role: Role::Reversal, request: original }
            }
            _ => Self { account, role: Role::Request, request: request.key },
        }
    }

    /// The entry that reverses this one, if there is one.
    #[must_use]
    pub const fn reversal(self) -> Self {
        Self { role: Role::Reversal, ..self }
    }

    /// The entry that this one reverses, if there is one.
    #[must_use]
    pub const fn original(self) -> Self {
        Self { role: Role::Request, ..self }
    }

    /// The row of the entry while it is in this state: one that ends moves away from those that wait, so that those lie together.
    pub fn key(&self, institution: InstitutionId, state: EntryState) -> Key {
        table::entry(institution, self, state)
    }

    /// The two rows that the entry may have, never both: while it waits for delivery, and when nothing is owed (any more).
    pub fn keys(&self, institution: InstitutionId) -> [Key; 2] {
        let open = self.key(institution, EntryState::Queued);
        let mut ended = open.clone();
        table::end(&mut ended);
        [open, ended]
    }

    /// The bytes that stand for it: token (16), role (1), request key.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.account.as_bytes(), &[self.role as u8][..], &self.request.to_bytes()].concat()
    }

    /// Reads [`EntryRef::to_bytes`].
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let (token, rest) = bytes.split_first_chunk().ok_or(WireError::Truncated)?;
        let (role, request) = rest.split_first().ok_or(WireError::Truncated)?;
        let role = match role {
            0 => Role::Request,
            1 => Role::Reversal,
            _ => return Err(WireError::Invalid),
        };
        let account = AccountRef::from_bytes(*token);
        Ok(Self { account, role, request: RequestKey::parse(request)? })
    }
}

/// In which role an entry stands under a request's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The request itself.
    Request = 0,
    /// The reversal of it.
    Reversal = 1,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, Text};
    use port::Time;

    #[test]
    fn bytes_come_back_and_lie_under_their_account() {
        let institution = InstitutionId::new(6_222).unwrap();
        let terminal = Text::new("TERM0001").unwrap();
        let request =
            RequestKey::new(Class::Financial, institution, 7, Time::from_s(9), terminal).unwrap();
        let account = AccountRef::from_bytes([5; 16]);
        for role in [Role::Request, Role::Reversal] {
            let entry = EntryRef { account, role, request };
            assert_eq!(EntryRef::parse(&entry.to_bytes()), Ok(entry));
            for (state, under) in [
                (EntryState::Queued, table::open(institution)),
                (EntryState::NotOwed, table::ended(institution)),
                (EntryState::Exception, table::ended(institution)),
            ] {
                let key = entry.key(institution, state);
                let at = usize::from(state != EntryState::Queued);
                assert_eq!(entry.keys(institution)[at], key);
                let tail = key.as_bytes().strip_prefix(under.as_bytes());
                assert_eq!(tail, Some(&entry.to_bytes()[..]));
            }
        }
        assert!(EntryRef::parse(&[0; 17]).is_err());
    }
}
