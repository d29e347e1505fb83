//! The registration of a vehicle: a state machine in which every step that is not foreseen is an error.

use super::{Driver, Rules};
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// Where a vehicle stands. A vehicle that never applied has none.
///
/// ```text
///            apply          accept            close, enough
///  Unknown ────────► Applied ──────► Learning ─────────────► Active
///                        │             │  ▲ close, not enough:  │
///                        │             └──┘ the period extends  │
///                        └───── suspend ─┴─ resume ─────────────┤
///                                        revoke ────────────────┴─► Revoked ── apply ─► Applied
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    state: State,
    applied: Time,
    ends: Time,
    changed: Time,
    drivers: u8,
}

impl Registration {
    /// What an event makes of a registration (`None`: unknown), at a time.
    ///
    /// # Errors
    /// [`Illegal`]: the event is not foreseen in this state.
    pub fn on(
        before: Option<Self>,
        event: Event,
        now: Time,
        rules: &Rules,
    ) -> Result<Self, Illegal> {
        let illegal = Illegal { state: before.map(|it| it.state), event: event.kind() };
        let Some(it) = before else {
            return if event == Event::Apply { Ok(Self::apply(now, rules)) } else { Err(illegal) };
        };
        // A clock that steps back never makes a registration older than it is.
        let now = now.max(it.changed);
        let to = |state| Ok(Self { state, changed: now, ..it });
        match (it.state, event) {
            (State::Revoked, Event::Apply) => Ok(Self::apply(now, rules)),
            (State::Applied, Event::Accept) => to(State::Learning),
            (State::Learning, Event::Close { .. }) if now < it.ends => Err(illegal),
            (State::Learning, Event::Close { ready: 0 }) => {
                // Never a strategy on too little data: another quarter of the period.
                let more_ms = rules.learn_ms() / 4;
                let over = now.since_ms(it.ends) / more_ms;
                let ends = it.ends.plus_ms(more_ms.saturating_mul(over.saturating_add(1)));
                Ok(Self { ends, changed: now, ..it })
            }
            (State::Learning, Event::Close { ready }) => {
                Ok(Self { state: State::Active, changed: now, drivers: ready & ALL_DRIVERS, ..it })
            }
            (State::Applied | State::Learning | State::Active, Event::Suspend) => {
                to(State::Suspended(match it.state {
                    State::Applied => Before::Applied,
                    State::Learning => Before::Learning,
                    _ => Before::Active,
                }))
            }
            (State::Suspended(before), Event::Resume) => to(match before {
                Before::Applied => State::Applied,
                Before::Learning => State::Learning,
                Before::Active => State::Active,
            }),
            (State::Revoked, _) => Err(illegal),
            (_, Event::Revoke) => to(State::Revoked),
            _ => Err(illegal),
        }
    }

    fn apply(now: Time, rules: &Rules) -> Self {
        let ends = now.plus_ms(rules.learn_ms());
        Self { state: State::Applied, applied: now, ends, changed: now, drivers: 0 }
    }

    /// The state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// When it was applied for.
    pub const fn applied(&self) -> Time {
        self.applied
    }

    /// When the period of learning ends, as it stands.
    pub const fn ends(&self) -> Time {
        self.ends
    }

    /// When its state last changed.
    pub const fn changed(&self) -> Time {
        self.changed
    }

    /// Whether data from then is learned: from the application on, and before the period ends (spec V6).
    pub fn learns_from(&self, start: Time, end: Time) -> bool {
        self.state == State::Learning && start >= self.applied && end >= start && end < self.ends
    }

    /// The drivers that have strategies.
    pub fn drivers(&self) -> impl Iterator<Item = Driver> + use<> {
        let drivers = self.drivers;
        Driver::all().filter(move |driver| drivers >> driver.as_u8() & 1 == 1)
    }

    /// Appends the stored form, specified in `docs/spec/risk-core-driving.md`.
    pub fn encode(&self, to: &mut alloc::vec::Vec<u8>) {
        Writer::new(to, 1)
            .u8(self.state.number())
            .u64(self.applied.as_ms())
            .u64(self.ends.as_ms())
            .u64(self.changed.as_ms())
            .u8(self.drivers);
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let state = State::from_number(reader.u8()?).ok_or(WireError::Invalid)?;
        let (applied, ends) = (Time::from_ms(reader.u64()?), Time::from_ms(reader.u64()?));
        let (changed, drivers) = (Time::from_ms(reader.u64()?), reader.u8()?);
        reader.finish()?;
        let active = matches!(state, State::Active | State::Suspended(Before::Active));
        let fits = drivers & !ALL_DRIVERS == 0
            && (drivers != 0 || !active)
            && applied <= ends
            && applied <= changed;
        if fits {
            Ok(Self { state, applied, ends, changed, drivers })
        } else {
            Err(WireError::Invalid)
        }
    }
}

/// The states of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Applied for; nobody looked at it yet.
    Applied,
    /// Accepted; driving data is collected.
    Learning,
    /// There are strategies: requests are evaluated.
    Active,
    /// Held for a while.
    Suspended(Before),
    /// Over. It may be applied for anew, and then everything is learned anew.
    Revoked,
}

/// What a suspended registration was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Before {
    /// It was applied for.
    Applied,
    /// It was learning.
    Learning,
    /// It was active.
    Active,
}

impl State {
    const fn number(self) -> u8 {
        match self {
            Self::Applied => 1,
            Self::Learning => 2,
            Self::Active => 3,
            Self::Suspended(Before::Applied) => 4,
            Self::Suspended(Before::Learning) => 5,
            Self::Suspended(Before::Active) => 6,
            Self::Revoked => 7,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Applied,
            2 => Self::Learning,
            3 => Self::Active,
            4 => Self::Suspended(Before::Applied),
            5 => Self::Suspended(Before::Learning),
            6 => Self::Suspended(Before::Active),
            7 => Self::Revoked,
            _ => return None,
        })
    }
}

/// What happens to a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The owner applies.
    Apply,
    /// The institution accepts: from now on driving data is taken.
    Accept,
    /// The period of learning is over. `ready` has a bit for each driver that was observed enough; none extends the period.
    Close {
        /// Bit 0 for [`Driver::FIRST`].
        ready: u8,
    },
    /// The registration is held.
    Suspend,
    /// It goes on.
    Resume,
    /// It ends.
    Revoke,
}

impl Event {
    const fn kind(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Accept => "accept",
            Self::Close { .. } => "close",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Revoke => "revoke",
        }
    }
}

/// An event that is not foreseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Illegal {
    /// In which state; `None` for a vehicle that never applied.
    pub state: Option<State>,
    /// Which event.
    pub event: &'static str,
}

impl Illegal {
    /// Stable number: 3406.
    pub const fn code(&self) -> u32 {
        3_406
    }
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            None => "unknown",
            Some(State::Applied) => "applied for",
            Some(State::Learning) => "learning",
            Some(State::Active) => "active",
            Some(State::Suspended(_)) => "suspended",
            Some(State::Revoked) => "revoked",
        };
        write!(f, "no {} for a vehicle that is {state}", self.event)
    }
}

impl core::error::Error for Illegal {}

const ALL_DRIVERS: u8 = 0b1111;
