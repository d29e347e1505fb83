//! What goes wrong while the bank runs: never a refusal, always somebody's fault.

use interbank::port::{BatchError, DecideError, Fault, KeyError, StoreError, WireError};
use interbank::qrpay::Misuse;
use std::error::Error;
use std::fmt;

/// Why a request could not be handled.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Too much at one time; the caller may try again.
    Busy,
    /// Stored bytes are not what was written.
    Damaged,
    /// The operating system gives no randomness.
    Entropy,
    /// The caller handed over something that does not fit.
    Misuse(Misuse),
    /// The store or the key holder failed.
    Inside(Box<dyn Error + Send + Sync>),
    /// The store failed, and nobody knows whether it wrote: the same request finds out.
    Unknown(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too much at one time; try again"),
            Self::Damaged => f.write_str("stored bytes are damaged"),
            Self::Entropy => f.write_str("the operating system gives no randomness"),
            Self::Misuse(why) => why.fmt(f),
            Self::Inside(why) => why.fmt(f),
            Self::Unknown(why) => write!(f, "perhaps it was written: {why}"),
        }
    }
}

impl Error for Trouble {}

impl<D, S, K> From<DecideError<D, S, K>> for Trouble
where
    D: Error + Send + Sync + 'static,
    S: StoreError,
    K: Error + Send + Sync + 'static,
{
    fn from(why: DecideError<D, S, K>) -> Self {
        match why {
            DecideError::Busy => Self::Busy,
            DecideError::Store(why) => Self::store(why),
            DecideError::Unknown(why) => Self::Unknown(Box::new(why)),
            other => Self::Inside(Box::new(other)),
        }
    }
}

impl Trouble {
    /// From a failure of the store.
    pub(crate) fn store(why: impl StoreError) -> Self {
        match why.fault() {
            Fault::Corrupt => Self::Damaged,
            _ => Self::Inside(Box::new(why)),
        }
    }
}

impl From<interbank::qrpay::Error> for Trouble {
    fn from(why: interbank::qrpay::Error) -> Self {
        match why {
            interbank::qrpay::Error::Corrupt(_) => Self::Damaged,
            interbank::qrpay::Error::Misuse(why) => Self::Misuse(why),
            other => Self::Inside(Box::new(other)),
        }
    }
}

impl From<Misuse> for Trouble {
    fn from(why: Misuse) -> Self {
        Self::Misuse(why)
    }
}

impl From<WireError> for Trouble {
    fn from(_: WireError) -> Self {
        Self::Damaged
    }
}

impl From<KeyError> for Trouble {
    fn from(why: KeyError) -> Self {
        Self::Inside(Box::new(why))
    }
}

impl From<BatchError> for Trouble {
    fn from(why: BatchError) -> Self {
        Self::Inside(Box::new(why))
    }
}
