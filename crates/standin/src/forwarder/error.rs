//! What a forwarder does not take.

use core::fmt;

/// Why the forwarder did not take an input. Nothing was changed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwarderError {
    /// A bound or a time is 0, or two do not fit together.
    Limits,
    /// Nothing of that kind was asked.
    NotAsked,
    /// Nothing of the account waits.
    NothingWaits,
}

impl ForwarderError {
    /// Stable number, 4520 to 4522.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Limits => 4_520,
            Self::NotAsked => 4_521,
            Self::NothingWaits => 4_522,
        }
    }
}

impl fmt::Display for ForwarderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Limits => "a bound or a time does not fit",
            Self::NotAsked => "nothing of that kind was asked",
            Self::NothingWaits => "nothing of the account waits",
        })
    }
}

impl core::error::Error for ForwarderError {}
