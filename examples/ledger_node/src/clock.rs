//! The clock and the entropy of this process: the only places that ask for either.

use crate::failure::Failure;
use port::Time;
use std::time::{SystemTime, UNIX_EPOCH};

/// What time it is.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Fresh randomness from the operating system.
pub(crate) fn entropy<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|why| Failure::run(format!("no randomness: {why}")))?;
    Ok(bytes)
}
