//! How far a file is, for whoever watches.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error; silent where that is no terminal.
pub(crate) fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} eta {eta} {wide_msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// How many files are there.
pub(crate) fn files(bar: &ProgressBar, done: usize, all: usize) {
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} files eta {eta}")
    {
        bar.set_style(style);
    }
    bar.set_length(all.try_into().unwrap_or(u64::MAX));
    bar.set_position(done.try_into().unwrap_or(u64::MAX));
}
