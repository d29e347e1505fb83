//! How far the load is, for whoever watches.

use crate::tally::Standing;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts answers.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    answered: AtomicU64,
}

impl Progress {
    /// One more.
    pub(crate) fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

/// A bar on standard error; silent where that is no terminal.
pub(crate) fn bar(messages: u64) -> ProgressBar {
    let bar = ProgressBar::new(messages);
    let template = "{bar:30} {human_pos}/{human_len} {per_sec} {elapsed} {wide_msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// What the bar says beside its count.
pub(crate) fn words(standing: &Standing, mood: &str) -> String {
    let Standing { state, backlog, .. } = standing;
    format!("host: {mood}, taken for {state}, {backlog} to deliver")
}
