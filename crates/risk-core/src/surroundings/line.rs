//! One neighbour's part in an assessment.

use super::Neighbour;
use crate::LogRatio;

/// One neighbour's part in an assessment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether it is of the adjacent period.
    pub is_adjacent: bool,
    /// What is known of it.
    pub neighbour: Neighbour,
    /// Whether the scan has it.
    pub is_here: bool,
    /// Whether it took part: protocols that were not searched, neighbours that travel and tokens of old keys do not.
    pub counts: bool,
    /// What it says, weighed, before the cap of its device.
    pub evidence: LogRatio,
}

/// What one neighbour says about the place, in the exact form of the spec: present in `present` of `observed` occurrences, and
/// seen by this share of all terminals.
///
/// ```
/// use interbank_risk_core::surroundings::evidence;
/// assert_eq!(evidence(true, 18, 20, (2, 1_000)).to_string(), "+6.068");
/// assert_eq!(evidence(false, 18, 20, (2, 1_000)).to_string(), "-1.990");
/// ```
pub fn evidence(is_here: bool, present: u64, observed: u64, share: (u64, u64)) -> LogRatio {
    let (seen, all) = share;
    let observed = observed.max(present);
    let counted = if is_here { present } else { observed - present };
    let surprise = LogRatio::of(if is_here { seen } else { all - seen.min(all) }, all);
    LogRatio::of(counted.saturating_add(1), observed.saturating_add(2)) - surprise
}
