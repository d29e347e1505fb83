//! What to do with samples that are not as they should be.

use port::Time;

/// What to do with each kind of flaw. Every flaw is counted, whatever is done ([`crate::Counts`]).
///
/// The default drops samples with a missing, NaN or infinite value, clamps what is outside of the range, joins
/// duplicates by the highest load of each metric, and believes every time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// For a metric without a value.
    pub missing: OnGap,
    /// For NaN.
    pub not_a_number: OnGap,
    /// For an infinite value.
    pub infinite: OnGap,
    /// For a finite load below 0 or above 1.
    pub outside: OnOutside,
    /// For two samples of one machine and one time.
    pub duplicate: OnDuplicate,
    /// For a time outside of the believed span.
    pub skewed: OnSkew,
    /// The times that are believed, as `[from, until)`; `None` believes all.
    pub span: Option<(Time, Time)>,
}

/// For a value that is no number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnGap {
    /// The sample is left out.
    #[default]
    Drop,
    /// The metric's value of the latest earlier sample stands in, if that is at most this old; else the sample is left out.
    Hold {
        /// The greatest age.
        age_max_ms: u64,
    },
    /// The input is refused.
    Refuse,
}

/// For a finite load below 0 or above 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnOutside {
    /// The nearest bound stands in.
    #[default]
    Clamp,
    /// The sample is left out.
    Drop,
    /// The input is refused.
    Refuse,
}

/// For two samples of one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDuplicate {
    /// Joined: the highest load of each metric. Independent of the order of arrival.
    #[default]
    Highest,
    /// The one that came first.
    First,
    /// The one that came last.
    Last,
    /// The input is refused.
    Refuse,
}

/// For a time outside of the believed span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnSkew {
    /// The sample is left out.
    #[default]
    Drop,
    /// Counted, and used nevertheless.
    Keep,
    /// The input is refused.
    Refuse,
}
