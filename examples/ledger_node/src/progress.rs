//! That something goes on, for whoever watches.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A line on standard error; silent where that is no terminal.
pub(crate) fn line() -> ProgressBar {
    let line = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
        line.set_style(style);
    }
    line.enable_steady_tick(Duration::from_millis(120));
    line
}
