//! What is odd about a scan or a request.

use super::Reason;

/// What is odd about a scan or a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Finding {
    /// The terminal was reported lost.
    TerminalLost = 0,
    /// The scan is too old.
    Stale = 1,
    /// The scan was made later than now.
    FromFuture = 2,
    /// The scan answers no challenge though it must.
    NotAnswered = 3,
    /// The scan answers another challenge.
    WrongNonce = 4,
    /// The very same scan was assessed before.
    Copied = 5,
    /// More neighbours than anybody could find.
    TooManyNeighbours = 6,
    /// Neighbours are together that nobody ever saw together.
    StrangePairs = 7,
    /// Half of it is the usual place, half of it another one.
    TwoPlaces = 8,
    /// All that is familiar are things that are carried along.
    OnlyCompanions = 9,
    /// The amount is above the limit.
    AboveLimit = 10,
}

impl Finding {
    const ALL: [Self; 11] = [
        Self::TerminalLost,
        Self::Stale,
        Self::FromFuture,
        Self::NotAnswered,
        Self::WrongNonce,
        Self::Copied,
        Self::TooManyNeighbours,
        Self::StrangePairs,
        Self::TwoPlaces,
        Self::OnlyCompanions,
        Self::AboveLimit,
    ];

    /// As a reason.
    pub const fn reason(self) -> Reason {
        match self {
            Self::TerminalLost => Reason::TerminalLost,
            Self::Stale => Reason::Stale,
            Self::FromFuture => Reason::FromFuture,
            Self::NotAnswered => Reason::NotAnswered,
            Self::WrongNonce => Reason::WrongNonce,
            Self::Copied => Reason::Copied,
            Self::TooManyNeighbours => Reason::TooManyNeighbours,
            Self::StrangePairs => Reason::StrangePairs,
            Self::TwoPlaces => Reason::TwoPlaces,
            Self::OnlyCompanions => Reason::OnlyCompanions,
            Self::AboveLimit => Reason::AboveLimit,
        }
    }
}

/// A set of [`Finding`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings(pub(super) u16);

impl Findings {
    /// Whether this one is in it.
    pub const fn has(self, finding: Finding) -> bool {
        self.0 >> finding as u16 & 1 == 1
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any of them says that the scan may be forged.
    pub const fn is_suspicious(self) -> bool {
        const SUSPICIOUS: u16 = 1 << Finding::FromFuture as u16
            | 1 << Finding::WrongNonce as u16
            | 1 << Finding::Copied as u16
            | 1 << Finding::TooManyNeighbours as u16
            | 1 << Finding::StrangePairs as u16
            | 1 << Finding::TwoPlaces as u16;
        self.0 & SUSPICIOUS != 0
    }

    /// Those that are in it.
    pub fn iter(self) -> impl Iterator<Item = Finding> {
        Finding::ALL.into_iter().filter(move |finding| self.has(*finding))
    }

    pub(super) const fn with(self, finding: Finding) -> Self {
        Self(self.0 | 1 << finding as u16)
    }

    pub(super) fn has_reason(self, reason: Reason) -> bool {
        self.iter().any(|finding| finding.reason() == reason)
    }

    pub(super) const fn from_bits(bits: u16) -> Option<Self> {
        if bits >> Finding::ALL.len() == 0 { Some(Self(bits)) } else { None }
    }
}
