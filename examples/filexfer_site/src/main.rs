//! Sites that send files to each other.

#![forbid(unsafe_code)]

mod access;
mod audit;
mod backstage;
mod bucket;
mod client;
mod clock;
mod commands;
mod config;
mod control;
mod failure;
mod fault;
mod files;
mod forwarder;
mod hex;
mod lines;
mod options;
mod packs;
mod progress;
mod purging;
mod rows;
mod secrets;
mod servers;
mod setup;
mod sftp;
mod station;

use clap::Parser as _;
use config::{Config, Server};
use failure::Failure;
use options::{One, Options, Receipts, Site, Task};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nothing is left to do if nobody can be told.
            let _ = writeln!(std::io::stderr(), "filexfer-site: {why}");
            ExitCode::from(why.exit_code())
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let load = |site: &Site| Config::load(&site.config);
    let serve = |site: &Site, ids: Vec<String>| servers::run(&load(site)?, &ids, options);
    let answer = match &options.task {
        Task::Init(init) => json!({ "said": setup::init(init)? }),
        Task::Check(site) => {
            let config = load(site)?;
            let rules = config.registry.rules();
            let servers = config.servers().collect::<Vec<_>>();
            json!({ "servers": servers.join(" "), "rules": rules.version, "digest": hex::text(&rules.digest) })
        }
        Task::Run(run) => {
            let ids = match &run.only[..] {
                [] => load(&run.site)?.servers().map(str::to_owned).collect(),
                only => only.to_vec(),
            };
            return serve(&run.site, ids);
        }
        Task::Forwarder(site) => {
            let id = load(site)?.file.forwarder.id;
            return serve(site, vec![id]);
        }
        Task::Access(one) => {
            return serve(
                &one.site,
                vec![one_of(one, |server| matches!(server, Server::Access(_)))?],
            );
        }
        Task::Backstage(one) => {
            let id = one_of(one, |server| matches!(server, Server::Backstage))?;
            return serve(&one.site, vec![id]);
        }
        Task::Client(one) => {
            return serve(
                &one.site,
                vec![one_of(one, |server| matches!(server, Server::Client(_)))?],
            );
        }
        Task::Sftp(site) => {
            let none = || Failure::Usage("the site has no server of that kind".into());
            let id = load(site)?.file.sftp.map(|sftp| sftp.id).ok_or_else(none)?;
            return serve(site, vec![id]);
        }
        Task::Submit(submit) => wait(commands::submit(&load(&submit.site)?, submit))?,
        Task::Status(status) => wait(commands::status(&load(&status.site)?, status))?,
        Task::Collect(one) => {
            let id = one_of(one, |server| matches!(server, Server::Client(_)))?;
            wait(commands::collect(&load(&one.site)?, &id))?
        }
        Task::Receipts(Receipts::Save(save)) => wait(commands::save(&load(&save.site)?, save))?,
        Task::Receipts(Receipts::Verify(verify)) => commands::verify(&load(&verify.site)?, verify)?,
        Task::Audit(site) => wait(commands::audit(&load(site)?))?,
        Task::Unpack(unpack) => commands::unpack(unpack)?,
    };
    let said = match (options.json, &answer["said"]) {
        (true, _) => answer.to_string(),
        (false, Value::String(said)) => said.clone(),
        _ => commands::show(&answer),
    };
    say(&said)
}

/// The server of a kind that is meant.
fn one_of(one: &One, is_kind: impl Fn(Server<'_>) -> bool) -> Result<String, Failure> {
    let config = Config::load(&one.site.config)?;
    let all = config.servers().filter(|id| config.server(id).is_some_and(&is_kind));
    let all: Vec<&str> = all.collect();
    match (&one.id, &all[..]) {
        (Some(id), _) if all.contains(&id.as_str()) => Ok(id.clone()),
        (None, [id]) => Ok((*id).to_owned()),
        (_, []) => Err(Failure::Usage("the site has no server of that kind".into())),
        _ => Err(Failure::Usage(format!("say which with --id: {}", all.join(", ")))),
    }
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
