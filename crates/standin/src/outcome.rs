//! What two answers to one request mean for the books: the four-way table, and two more rows for a host that never said.

/// What the accounting system made of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostOutcome {
    /// It approved: it holds or has posted the amount.
    Approved,
    /// It declined.
    Declined,
    /// The request was never sent to it.
    NotAsked,
    /// It was asked and has not answered: it may have approved.
    Unknown,
}

impl HostOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Approved, Self::Declined, Self::NotAsked, Self::Unknown];

    pub(crate) const fn as_u8(self) -> u8 {
        match self {
            Self::NotAsked => 0,
            Self::Unknown => 1,
            Self::Approved => 2,
            Self::Declined => 3,
        }
    }

    pub(crate) const fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::NotAsked),
            1 => Some(Self::Unknown),
            2 => Some(Self::Approved),
            3 => Some(Self::Declined),
            _ => None,
        }
    }
}

/// What the stand-in module answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StandInOutcome {
    /// It approved; the terminal was told so.
    Approved,
    /// It declined; the terminal was told so.
    Declined,
}

/// What has to be done so that the books say what the terminal was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// What the accounting system is sent.
    pub posting: Posting,
    /// The accounting system may know the request already: the message must be safe to be taken twice, and an inquiry comes
    /// first where the host offers one.
    pub maybe_applied: bool,
    /// Somebody has to look: the books were forced.
    pub exception: bool,
    /// The amount is a loss until somebody has looked: it stays in the exposure.
    pub charge_exposure: bool,
}

impl Action {
    /// What two answers to one request demand. A terminal is never told anything else than it was told first.
    pub const fn of(host: HostOutcome, stand_in: StandInOutcome) -> Self {
        match (host, stand_in) {
            (HostOutcome::Approved, StandInOutcome::Approved) => {
                Self { maybe_applied: true, ..PLAIN_ADVICE }
            }
            (HostOutcome::Approved, StandInOutcome::Declined) => {
                Self { posting: Posting::Reversal, maybe_applied: true, ..NOTHING }
            }
            (HostOutcome::Declined, StandInOutcome::Approved) => Self {
                posting: Posting::ForcedAdvice,
                maybe_applied: false,
                exception: true,
                charge_exposure: true,
            },
            (HostOutcome::Unknown, StandInOutcome::Approved) => {
                Self { maybe_applied: true, ..PLAIN_ADVICE }
            }
            (HostOutcome::Unknown, StandInOutcome::Declined) => {
                Self { posting: Posting::Reversal, maybe_applied: true, ..NOTHING }
            }
            (HostOutcome::NotAsked, StandInOutcome::Approved) => PLAIN_ADVICE,
            (HostOutcome::Declined | HostOutcome::NotAsked, StandInOutcome::Declined) => NOTHING,
        }
    }
}

/// What the accounting system is sent about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posting {
    /// An advice of the approval, with the original's key: posted once however often it comes.
    Advice,
    /// An advice that is posted although the accounting system would decline.
    ForcedAdvice,
    /// Nothing.
    None,
    /// A reversal of what it approved or may have approved.
    Reversal,
}

const NOTHING: Action = Action {
    posting: Posting::None,
    maybe_applied: false,
    exception: false,
    charge_exposure: false,
};

const PLAIN_ADVICE: Action = Action { posting: Posting::Advice, ..NOTHING };
