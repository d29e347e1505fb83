//! The clock and the entropy of this process: the only places that ask for either.

use crate::failure::Failure;
use port::Time;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What time it is.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// How long until then.
pub(crate) fn until(at: Time) -> Duration {
    Duration::from_millis(at.since_ms(now()))
}

/// Fresh randomness from the operating system.
pub(crate) fn entropy() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| Failure::Run("the operating system gives no randomness".into()))?;
    Ok(bytes)
}
