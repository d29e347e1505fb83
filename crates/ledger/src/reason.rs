//! Why an audit rejects a request.

use core::fmt;
use port::WireError;

/// Why an audit rejects a request, in the order in which the checks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum VerdictReason {
    /// The owner is not who the document says, or not entitled.
    OwnerIdentity,
    /// The thing's name is not the document's, or not canonical.
    ThingIdentity,
    /// The thing has a live file already.
    AlreadyRegistered,
    /// It does not follow the file that it says it follows.
    Predecessor,
    /// Liens stand against it.
    Liens,
    /// The document could not be opened, or is not what was committed to.
    Document,
    /// The rules for this type of document or thing are not met.
    TypeRules,
    /// A person has decided against it.
    Human,
}

impl VerdictReason {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::OwnerIdentity,
        Self::ThingIdentity,
        Self::AlreadyRegistered,
        Self::Predecessor,
        Self::Liens,
        Self::Document,
        Self::TypeRules,
        Self::Human,
    ];

    /// Stable number, 7100 to 7107.
    pub const fn code(self) -> u32 {
        7_100 + self as u32
    }

    /// The byte of stored and signed forms.
    pub(crate) const fn as_u8(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_u8(byte: u8) -> Result<Self, WireError> {
        Self::ALL.get(usize::from(byte)).copied().ok_or(WireError::Invalid)
    }
}

impl fmt::Display for VerdictReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnerIdentity => "the owner is not who the document says",
            Self::ThingIdentity => "the thing is not the one of the document",
            Self::AlreadyRegistered => "the thing has a live file already",
            Self::Predecessor => "it does not follow the file it names",
            Self::Liens => "liens stand against it",
            Self::Document => "the document is not what was committed to",
            Self::TypeRules => "the rules for its type are not met",
            Self::Human => "a person has decided against it",
        })
    }
}
