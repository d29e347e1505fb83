//! OCRA, the OATH challenge-response algorithm (RFC 6287), with HOTP and TOTP.
//!
//! A code is computed in three pure steps, so that the key may live in an HSM:
//! [`Suite::message`] builds the bytes, an HMAC is taken over them — by [`Key`], or elsewhere —
//! and [`truncate`] makes the code. [`Suite::respond`] and [`Suite::verify`] do all three without
//! an allocation.
//!
//! ```
//! use interbank_qrpay::ocra::{DataInput, Key, Suite};
//!
//! let suite = Suite::parse("OCRA-1:HOTP-SHA1-6:QN08")?;
//! let key = Key::new(suite.hash(), b"12345678901234567890");
//! let input = DataInput::new("11111111");
//! assert_eq!(suite.respond(&key, &input)?.as_str(), "243178");
//! assert!(suite.verify(&key, &input, "243178")?);
//! # Ok::<(), interbank_qrpay::ocra::OcraError>(())
//! ```
//!
//! Who verifies a typed code must bound the attempts and accept each question, counter or time
//! step once; this module keeps no state.

mod code;
mod decimal;
mod error;
mod input;
mod key;
mod otp;
mod suite;

pub use code::{Code, hotp_truncate, truncate};
pub use error::{Field, OcraError};
pub use input::{DataInput, Mutual, Question};
pub use key::Key;
pub use otp::{hotp, hotp_verify, totp, totp_verify};
pub use suite::{Format, Hash, SESSION_MAX_BYTES, Suite, TimeStep};

use code::is_code;
use input::Message;
use subtle::{Choice, ConditionallySelectable};

impl Suite {
    /// The code that answers `input` (RFC 6287 §5).
    ///
    /// # Errors
    ///
    /// `KeyHash`, and what is wrong with the input.
    #[inline]
    pub fn respond(&self, key: &Key, input: &DataInput<'_>) -> Result<Code, OcraError> {
        self.with_tag(key, input, |tag| truncate(tag, self.digits()))
    }

    /// Whether `typed` answers `input`, compared in constant time.
    ///
    /// # Errors
    ///
    /// As [`Suite::respond`]; a wrong code is `false`, not an error.
    #[inline]
    pub fn verify(&self, key: &Key, input: &DataInput<'_>, typed: &str) -> Result<bool, OcraError> {
        Ok(self.choice(key, input, typed)?.into())
    }

    /// Looks for `typed` among the codes of the counters and time steps around those of `input`.
    /// A window of an input that the suite does not have must be [`Window::NONE`].
    ///
    /// All candidates are computed, also after one has fitted.
    ///
    /// # Errors
    ///
    /// As [`Suite::respond`]; `Window` if there are more than [`WINDOW_MAX`] candidates in all;
    /// `InputMissing` for a window without its input.
    pub fn verify_within(
        &self,
        key: &Key,
        input: &DataInput<'_>,
        typed: &str,
        counters: Window,
        times: Window,
    ) -> Result<Option<Matched>, OcraError> {
        if counters.candidates() * times.candidates() > WINDOW_MAX {
            return Err(OcraError::Window);
        }
        for (window, there, field) in [
            (counters, input.counter.is_some(), Field::Counter),
            (times, input.time_steps.is_some(), Field::Time),
        ] {
            if window != Window::NONE && !there {
                return Err(OcraError::InputMissing(field));
            }
        }
        let (mut found, mut counter, mut step) = (Choice::from(0), 0, 0);
        for time in times.around(input.time_steps.unwrap_or(0)) {
            for count in counters.around(input.counter.unwrap_or(0)) {
                let mut candidate = *input;
                candidate.counter = input.counter.map(|_| count);
                candidate.time_steps = input.time_steps.map(|_| time);
                let fit = self.choice(key, &candidate, typed)?;
                counter.conditional_assign(&count, fit & !found);
                step.conditional_assign(&time, fit & !found);
                found |= fit;
            }
        }
        Ok(bool::from(found).then(|| Matched {
            counter: input.counter.map(|_| counter),
            time_steps: input.time_steps.map(|_| step),
        }))
    }

    #[inline]
    fn choice(&self, key: &Key, input: &DataInput<'_>, typed: &str) -> Result<Choice, OcraError> {
        self.with_tag(key, input, |tag| is_code(tag, self.digits(), typed))
    }

    /// What `finish` makes of the HMAC over the message of `input`.
    #[inline]
    fn with_tag<T>(
        &self,
        key: &Key,
        input: &DataInput<'_>,
        finish: impl Fn(&[u8]) -> Result<T, OcraError>,
    ) -> Result<T, OcraError> {
        if key.hash() != self.hash() {
            return Err(OcraError::KeyHash);
        }
        key.with_tag(&Message { suite: self, input }, finish)
    }
}

/// Which values around an expected one are accepted too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many below it.
    pub back: u16,
    /// How many above it.
    pub ahead: u16,
}

impl Window {
    /// The expected value alone.
    pub const NONE: Self = Self { back: 0, ahead: 0 };

    const fn candidates(self) -> u64 {
        self.back as u64 + self.ahead as u64 + 1
    }

    fn around(self, centre: u64) -> impl Iterator<Item = u64> {
        centre.saturating_sub(u64::from(self.back))..=centre.saturating_add(u64::from(self.ahead))
    }
}

/// What fitted in [`Suite::verify_within`]; the caller stores it and accepts only later values
/// from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The counter, if the suite has one.
    pub counter: Option<u64>,
    /// The time step, if the suite has one.
    pub time_steps: Option<u64>,
}

/// How many candidates a window may have in all, both windows multiplied.
pub const WINDOW_MAX: u64 = 256;
