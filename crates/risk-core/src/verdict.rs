//! What a decision of a server comes to: a refusal is a value, not an error.

use port::{Batch, Conclusion, Step};
use seal::{Audit, Audited};

/// Granted with what was asked, or declined with the reason. Each server names it with its own refusals:
/// [`surroundings::Verdict`](crate::surroundings::Verdict), [`driving::Verdict`](crate::driving::Verdict).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict<T, R> {
    /// No, and why.
    Declined(R),
    /// Yes, and what.
    Granted(T),
}

impl<T, R> Verdict<T, R> {
    /// What was granted, if it was.
    pub fn granted(self) -> Option<T> {
        match self {
            Self::Granted(what) => Some(what),
            Self::Declined(_) => None,
        }
    }
}

impl<T, R: Copy> Verdict<T, R> {
    /// Why it was declined, if it was.
    pub const fn declined(&self) -> Option<R> {
        match self {
            Self::Declined(why) => Some(*why),
            Self::Granted(_) => None,
        }
    }
}

/// The end of a decision.
pub(crate) fn done<V>(verdict: V, audit: Audit, batch: Batch) -> Step<Audited<V>> {
    Step::Done(Conclusion { verdict: Audited { verdict, audit }, batch })
}
