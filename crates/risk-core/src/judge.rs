//! Whatever decides over cases: an engine with its configuration, a policy, a table.

/// Decides over one case at a time, always the same way.
///
/// [`Shadow`](crate::shadow::Shadow) and [`backtest`](crate::backtest::run) work with any judge.
pub trait Judge {
    /// What is judged.
    type Case: ?Sized;

    /// What comes out: a closed set, or a score.
    type Outcome: Copy + Ord;

    /// The outcome of a case; a pure function.
    fn judge(&self, case: &Self::Case) -> Self::Outcome;
}

impl<J: Judge + ?Sized> Judge for &J {
    type Case = J::Case;
    type Outcome = J::Outcome;

    fn judge(&self, case: &Self::Case) -> Self::Outcome {
        (**self).judge(case)
    }
}
