//! One-time codes without a question: HOTP (RFC 4226) and TOTP (RFC 6238).

use subtle::{Choice, ConditionallySelectable};

use super::code::{Code, hotp_truncate};
use super::error::OcraError;
use super::key::{Feed, Key};
use super::{WINDOW_MAX, Window};

/// The HOTP code of a counter, 1 to 10 digits (RFC 4226 §5.3).
///
/// # Errors
///
/// `Digits`.
pub fn hotp(key: &Key, counter: u64, digits: u8) -> Result<Code, OcraError> {
    key.with_tag(&Counter(counter), |tag| hotp_truncate(tag, digits))
}

/// Looks for `typed` among the codes of `counter` and the `ahead` counters after it (RFC 4226
/// §7.4). Gives the counter that fits; the next code is one of a later counter.
///
/// # Errors
///
/// `Digits`, `Window`.
pub fn hotp_verify(
    key: &Key,
    typed: &str,
    counter: u64,
    ahead: u16,
    digits: u8,
) -> Result<Option<u64>, OcraError> {
    search(counter, Window { back: 0, ahead }, |counter| {
        Ok(hotp(key, counter, digits)?.choice(typed))
    })
}

/// The TOTP code at `unix_s` seconds after the epoch, counted in steps of `step_s` seconds.
///
/// # Errors
///
/// `Digits`; `ZeroStep`.
pub fn totp(key: &Key, unix_s: u64, step_s: u32, digits: u8) -> Result<Code, OcraError> {
    let step = unix_s.checked_div(u64::from(step_s)).ok_or(OcraError::ZeroStep)?;
    hotp(key, step, digits)
}

/// Looks for `typed` among the codes of the steps around `unix_s`. Gives the step that fits, which
/// the caller remembers, so that no code is accepted twice (RFC 6238 §5.2).
///
/// # Errors
///
/// `Digits`, `ZeroStep`, `Window`.
pub fn totp_verify(
    key: &Key,
    typed: &str,
    unix_s: u64,
    step_s: u32,
    window: Window,
    digits: u8,
) -> Result<Option<u64>, OcraError> {
    let step = unix_s.checked_div(u64::from(step_s)).ok_or(OcraError::ZeroStep)?;
    search(step, window, |step| Ok(hotp(key, step, digits)?.choice(typed)))
}

/// The eight bytes that HOTP is over.
struct Counter(u64);

impl Feed for Counter {
    fn feed(&self, mut write: impl FnMut(&[u8])) -> Result<(), OcraError> {
        write(&self.0.to_be_bytes());
        Ok(())
    }
}

/// Tries all values of a window, also after one has fitted, so that the time taken does not say
/// which did; gives the first.
pub(super) fn search(
    centre: u64,
    window: Window,
    mut fits: impl FnMut(u64) -> Result<Choice, OcraError>,
) -> Result<Option<u64>, OcraError> {
    if window.candidates() > WINDOW_MAX {
        return Err(OcraError::Window);
    }
    let mut found = Choice::from(0);
    let mut value = 0;
    for candidate in window.around(centre) {
        let fit = fits(candidate)?;
        value.conditional_assign(&candidate, fit & !found);
        found |= fit;
    }
    Ok(bool::from(found).then_some(value))
}
