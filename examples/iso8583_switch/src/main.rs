//! A TCP switch for ISO 8583 with stand-in authorization, a load generator, and a host that can be taken down.

#![forbid(unsafe_code)]

mod accounting;
mod acquirer;
mod card;
mod clock;
mod comparison;
mod control;
mod exchange;
mod failure;
mod file;
mod host;
mod hurry;
mod line;
mod load;
mod mood;
mod network;
mod news;
mod options;
mod outages;
mod parameters;
mod progress;
mod report;
mod run;
mod serve;
mod setup;
mod shelf;
mod story;
mod tally;
mod told;
mod truth;
mod vault;
mod waiting;
mod work;

use clap::Parser as _;
use failure::Failure;
use options::{Command, Options};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    match perform(&options.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nothing is left to do if nobody can be told.
            let _ = writeln!(std::io::stderr(), "iso8583-switch: {why}");
            ExitCode::from(why.exit_code())
        }
    }
}

#[tokio::main]
async fn perform(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Switch(options) => serve::switch(options).await,
        Command::Host(options) => serve::host(options).await,
        Command::Load(options) => load::alone(options).await,
        Command::Run(options) => {
            let mut report = run::run(options).await?;
            say(&if options.json { report.json() } else { report.table() })?;
            report.fault().map_or(Ok(()), |why| Err(Failure::Verdict(why)))
        }
    }
}

/// To standard output. A reader that goes away early, like `head`, is no failure.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("cannot write: {why}")))
        }
        _ => Ok(()),
    }
}
