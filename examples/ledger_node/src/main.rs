//! Nodes of a registry of ownership, and the commands of their users.

#![forbid(unsafe_code)]

mod adding;
mod arriving;
mod auditor;
mod base;
mod checkpoints;
mod children;
mod chunk_file;
mod clock;
mod commands;
mod config;
mod control;
mod desk;
mod documents;
mod failure;
mod fetching;
mod follower;
mod hex;
mod index;
mod joining;
mod keeper;
mod key_file;
mod linking;
mod load;
mod look;
mod making;
mod member;
mod motions;
mod network;
mod node;
mod offering;
mod options;
mod order;
mod progress;
mod proof;
mod purging;
mod rewrapping;
mod rotating;
mod rows;
mod say;
mod secrets;
mod show;
mod vouchers;
mod windows;
mod word;

use clap::Parser as _;
use config::Config;
use control::Question;
use failure::Failure;
use options::{Lease, Lien, Options, Task, Transfer};
use serde_json::Value;
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nothing is left to do if nobody can be told.
            let _ = writeln!(std::io::stderr(), "ledger_node: {why}");
            ExitCode::from(why.exit_code())
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let answer = match &options.task {
        Task::Network(network) => return children::network(network, options.json),
        Task::Run(run) => {
            return node::run(&run.config, options.json, run.with_parent);
        }
        Task::Party(party) => wait(commands::party(party))?,
        Task::Register(register) => wait(commands::register(register))?,
        Task::Audit(audit) => wait(commands::audit(audit))?,
        Task::Transfer(Transfer::Offer(offer)) => wait(commands::offer(offer))?,
        Task::Lien(Lien::Offer(offer)) => wait(commands::lien(offer))?,
        Task::Lien(Lien::Release(release)) => wait(commands::release(release))?,
        Task::Lien(Lien::Accept(accept)) => wait(commands::accept(accept))?,
        Task::Lease(Lease::Offer(offer)) => wait(commands::lease(offer))?,
        Task::Lease(Lease::Accept(accept)) => wait(commands::accept(accept))?,
        Task::Lease(Lease::End(end)) => wait(commands::end_lease(end))?,
        Task::Erase(erase) => wait(commands::erase(erase))?,
        Task::Retire(retire) => wait(commands::retire(retire))?,
        Task::Freeze(freeze) => wait(commands::freeze(freeze, true))?,
        Task::Unfreeze(freeze) => wait(commands::freeze(freeze, false))?,
        Task::Purge(purge) => wait(purging::purge(purge))?,
        Task::Node(node) => wait(commands::node(node))?,
        Task::Rotate(rotate) => wait(rotating::rotate(rotate))?,
        Task::Rewrap(rewrap) => wait(rewrapping::rewrap(rewrap))?,
        Task::List(list) => {
            let config = Config::load(&list.at.config)?;
            let (owner, lienholder) = (list.owner.clone(), list.lienholder.clone());
            let question = Question::List { owner, lienholder, kind: list.kind.clone() };
            wait(desk::ask_of(&config, &question))?
        }
        Task::Transfer(Transfer::List(at))
        | Task::Lien(Lien::List(at))
        | Task::Lease(Lease::List(at)) => {
            let config = Config::load(&at.config)?;
            wait(desk::ask_of(&config, &Question::Offers))?
        }
        Task::Transfer(Transfer::Accept(accept)) => wait(commands::accept(accept))?,
        Task::Transfer(Transfer::Settle(settle)) => wait(commands::settle(settle))?,
        Task::Show(show) => {
            let config = Config::load(&show.at.config)?;
            wait(desk::ask_of(&config, &Question::Show { what: show.what.clone() }))?
        }
        Task::Document(document) => wait(commands::document(document))?,
        Task::Prove(prove) => wait(commands::prove(prove))?,
        Task::Verify(verify) => commands::verify(verify)?,
        Task::Status(status) => wait(commands::status(status))?,
        Task::Load(load) => wait(load::load(load))?,
    };
    say(&if options.json { answer.to_string() } else { show::text(&answer) })
}

fn wait(work: impl Future<Output = Result<Value, Failure>>) -> Result<Value, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::run)?.block_on(work)
}

/// To standard output. A reader that goes away early, like `head`, is no failure.
fn say(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{}", text.trim_end()) {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::run(format!("cannot write: {why}")))
        }
        _ => Ok(()),
    }
}
