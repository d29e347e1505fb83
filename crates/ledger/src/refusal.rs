//! Why a transaction is refused. The state is as it was.

use core::fmt;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $phrase:literal),+ $(,)?) => {
        /// Why a transaction is refused: the state is as it was.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Refusal {
            $($(#[$doc])* $name),+
        }

        impl Refusal {
            /// All of them, in the order of their codes.
            pub const ALL: &[Self] = &[$(Self::$name),+];
        }

        impl fmt::Display for Refusal {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $phrase),+
                })
            }
        }
    };
}

// New ones go to the end: the place is the code.
refusals! {
    /// It is for another chain.
    WrongChain "the transaction is for another chain",
    /// Its window does not hold this height, or no height.
    OutsideWindow "the transaction may not stand at this height",
    /// Its window is longer than the policy allows.
    WindowTooLong "the transaction's window is too long",
    /// Somebody whose signature it takes has not signed.
    Unsigned "a signature is missing",
    /// Somebody has signed whose signature it does not take.
    Oversigned "a signature that nobody asked for",
    /// A signature is not right, or its key does not count at this height.
    BadSignature "a signature is not right",
    /// Its form is longer than a transaction may be.
    TooLong "the transaction is too long",
    /// There is no such node.
    UnknownNode "there is no such node",
    /// The node was revoked.
    NodeRevoked "the node was revoked",
    /// The node's role does not do this.
    WrongRole "the node's role does not do this",
    /// Another node has this name.
    NameTaken "another node has this name",
    /// A node that joins stands alone in its block, and the founder in the first.
    NotAlone "an identity record is a block of its own",
    /// Only the founder of the genesis may stand in the first block.
    NotFounder "only the founder stands in the first block",
    /// The last supervision node cannot be revoked.
    LastSupervision "the last supervision node stays",
    /// The number of the newest key, or of the party's record, has moved on.
    StaleSequence "the record has changed since this was signed",
    /// There is no such party.
    UnknownParty "there is no such party",
    /// The party is known already, or its name is not its first key's.
    KnownParty "the party is known already, or is not who it says",
    /// The party does not act through this member.
    NotAssociated "the party does not act through this member",
    /// The party has as many members as it may, or none would be left.
    Members "a party has one to eight members",
    /// There is no such file.
    UnknownFile "there is no such file",
    /// The file has changed since this was signed.
    StaleRevision "the file has changed since this was signed",
    /// This very request was made already.
    KnownFile "this request was made already",
    /// The thing has a live file already.
    AlreadyRegistered "the thing has a live file already",
    /// It does not follow the thing's live file, or not for its accepted new owner.
    NotSuccessor "only the accepted new owner registers after a transfer",
    /// The file's audit is over, or this node has judged already.
    Judged "the file's audit is over, or the node has judged",
    /// The file is not registered yet, or was rejected.
    NotRegistered "the file is not registered",
    /// The file's time is over.
    Retired "the file is retired",
    /// A transfer is pending.
    TransferPending "a transfer is pending",
    /// Ownership has gone over, and the new owner has not registered yet.
    AwaitingRegistration "the new owner has to register first",
    /// Supervision has frozen the file.
    Frozen "the file is frozen",
    /// The file is not frozen.
    NotFrozen "the file is not frozen",
    /// Who acts is not the owner.
    NotOwner "who acts is not the owner",
    /// Who acts is no side of this.
    NotConcerned "who acts is no side of this",
    /// A lienholder has not consented.
    UnderLien "a lienholder has not consented",
    /// A lease overlaps it, and one of the two is exclusive.
    LeaseOverlap "a lease overlaps it",
    /// The interval is empty or over.
    BadInterval "the interval is empty or over",
    /// A file has at most eight leases and eight liens.
    TooManyClaims "the file has as many claims as it may",
    /// There is no such lease or lien.
    UnknownClaim "there is no such lease or lien",
    /// Leases or liens are on the file.
    Encumbered "leases or liens are on the file",
    /// No transfer is pending.
    NothingPending "no transfer is pending",
    /// The settlement's time is over.
    TooLate "the settlement's time is over",
    /// The document was erased.
    Erased "the document was erased",
    /// It is not in the one form that it can have: signers or reasons out of order, or twice.
    NotCanonical "the transaction is not in its one form",
    /// The file is not over yet, or not for long enough.
    TooEarly "the file is not over for long enough",
    /// The ring is full, and its oldest key still counts in this block.
    TooManyKeys "as many keys count as may at one time",
    /// Nothing can be sealed for the node's X25519 key.
    UnusableKey "nothing can be sealed for this key",
}

impl Refusal {
    /// Stable number, 7040 to 7099.
    pub const fn code(self) -> u32 {
        7_040 + self as u32
    }

    /// The byte of sent forms.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// From the byte of sent forms; `None` where this code knows no such refusal.
    pub fn from_u8(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

impl core::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_their_range_and_come_back() {
        for (at, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(refusal.code(), 7_040 + u32::try_from(at).unwrap());
            assert!(refusal.code() < 7_100);
            assert_eq!(Refusal::from_u8(refusal.as_u8()), Some(*refusal));
        }
        assert_eq!(Refusal::from_u8(200), None);
    }
}
