//! Structured logs to standard error: events with fields, no secrets, no account numbers.

use crate::options::{Level, Log};
use tracing_subscriber::filter::LevelFilter;

/// Starts logging.
pub(crate) fn start(log: &Log) {
    let level = match log.log {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::io::stderr);
    if log.log_json {
        builder.json().flatten_event(true).init();
    } else {
        builder.compact().init();
    }
}
