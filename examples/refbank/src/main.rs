//! The reference bank: the crates of the family composed into one program that a person can use.

#![forbid(unsafe_code)]

mod accounting;
mod agreement;
mod around;
mod bank;
mod book;
mod business_day;
mod car;
mod clearing;
mod clock;
mod demo;
mod exchange;
mod failure;
mod forecourt;
mod gate;
mod hex;
mod keyring;
mod line;
mod log;
mod manual_override;
mod merchant_bank;
mod message;
mod movement;
mod office;
mod options;
mod owner;
mod parameters;
mod picture;
mod posting;
mod purge;
mod reconciliation;
mod recorded;
mod registry;
mod rows;
mod secrets;
mod seen;
mod serve;
mod settlement_file;
mod shop;
mod slip;
mod stand_in;
mod switchboard;
mod trail;
mod trouble;
mod vault;
mod wallet;
mod web;

use clap::Parser as _;
use failure::Failure;
use options::{Options, Task};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nothing is left to do if nobody can be told.
            let _ = writeln!(std::io::stderr(), "refbank: {why}");
            ExitCode::from(why.exit_code())
        }
    }
}

fn run(options: Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|why| Failure::Run(format!("cannot start: {why}")))?;
    match options.task {
        Some(Task::Demo(demo)) => runtime.block_on(demo::tell(&demo)),
        Some(Task::Serve(serve)) => {
            log::start(&options.log);
            runtime.block_on(serve::serve(&serve))
        }
        None => {
            log::start(&options.log);
            runtime.block_on(serve::serve(&options.serve))
        }
    }
}
