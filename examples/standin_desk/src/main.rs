//! The issuer's desk for stand-in authorization: parameters from draft to acknowledgement, and rehearsals on recorded traffic.

#![forbid(unsafe_code)]

mod accounts;
mod difference;
mod distribution;
mod explain;
mod exposure;
mod failure;
mod faults;
mod frames;
mod hex;
mod keys;
mod mask;
mod options;
mod parameters;
mod rehearsal;
mod report;
mod sets;
mod shadow;
mod table;
mod template;
mod traffic;
mod when;
mod words;

use clap::Parser as _;
use failure::Failure;
use options::{Options, Task};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nothing is left to do if nobody can be told.
            let _ = writeln!(std::io::stderr(), "standin-desk: {why}");
            ExitCode::from(why.exit_code())
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    match &options.task {
        Task::Parameters(work) => parameters::run(work, options.json),
        Task::Shadow(shadow) => say(&report::run(shadow, options.json)?),
    }
}

/// To standard output. A reader that goes away early, like `head`, is no failure.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{}", text.trim_end()) {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("cannot write: {why}")))
        }
        _ => Ok(()),
    }
}
