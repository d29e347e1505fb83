//! What a host is told about an answer that it did not give.

use crate::error::{Fault, FieldError};
use crate::times::{dated, dated_digits};
use crate::{Incoming, Usage};
use alloc::format;
use alloc::string::String;
use port::Time;
use standin::{Response, ResponseCode, Source};

/// The evidence that the stand-in module gave an answer, in a private field of advices and reversals ([`Usage::with_stand_in_field`]):
/// `SI`, the code that the terminal was told, when in UTC, the epoch of the host's health and the version of the parameters, with
/// blanks between: `SI 00 20260725172000 3 7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoodIn {
    /// What the terminal was told.
    pub code: ResponseCode,
    /// When, to the second.
    pub at: Time,
    /// In which epoch of the host's health.
    pub epoch: u64,
    /// By which version of the parameters; 0 if there were none.
    pub parameters: u64,
}

impl StoodIn {
    /// Of an answer that was given at this time; `None` if it was not the stand-in module's.
    pub const fn of(response: &Response, at: Time) -> Option<Self> {
        match response.source {
            Source::StandIn { epoch, parameters } => {
                // The field has no more.
                let at = Time::from_s(at.as_ms() / 1_000);
                Some(Self { code: response.code, at, epoch, parameters })
            }
            Source::Host | Source::Switch => None,
        }
    }

    /// `None` for a time beyond the year 9998.
    pub(crate) fn text(&self) -> Option<String> {
        let Self { code, at, epoch, parameters } = self;
        Some(format!("SI {code} {} {epoch} {parameters}", dated_digits(*at)?))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let mut next = || parts.next();
        if next()? != "SI" {
            return None;
        }
        let code = ResponseCode::new(next()?.as_bytes().try_into().ok()?)?;
        let at = dated(next()?.as_bytes())?;
        let found =
            Self { code, at, epoch: next()?.parse().ok()?, parameters: next()?.parse().ok()? };
        // One form for each value, and nothing behind it.
        (found.text().as_deref() == Some(text)).then_some(found)
    }
}

impl Incoming {
    /// The evidence that the answer which this message tells of was the stand-in module's; `None` without a field for it, or in a
    /// message without that field.
    ///
    /// # Errors
    /// [`Fault::Meaning`] of a field that holds something else.
    pub fn stood_in(&self, usage: &Usage) -> Result<Option<StoodIn>, FieldError> {
        let Some(field) = usage.stand_in_field() else { return Ok(None) };
        let Some(value) = self.message().field(field) else { return Ok(None) };
        let found = core::str::from_utf8(value).ok().and_then(StoodIn::parse);
        found.map(Some).ok_or(FieldError::new(field, Fault::Meaning))
    }
}
