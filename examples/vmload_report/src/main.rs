//! Load report of a fleet of virtual machines: a table, JSON, and one HTML file that needs nothing else.

#![forbid(unsafe_code)]

mod failure;
mod fleet;
mod folder;
mod generated;
mod host;
mod html;
mod json;
mod options;
mod plot;
mod profile;
mod quantity;
mod table;
mod when;

use clap::Parser as _;
use failure::Failure;
use fleet::FleetReport;
use options::Options;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nothing is left to do if nobody can be told.
            let _ = writeln!(std::io::stderr(), "vmload-report: {why}");
            ExitCode::from(why.exit_code())
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    if options.host {
        return host::watch(options);
    }
    let layout = options.layout()?;
    if let Some(path) = &options.html {
        can_be_written(path)?;
    }
    if let Some(threads) = options.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        pool.map_err(|why| Failure::Run(format!("cannot start {threads} threads: {why}")))?;
    }
    let machines = match &options.folder {
        Some(folder) => folder::read(folder, &layout, options)?,
        None => generated::read(&layout, options)?,
    };
    let title = match &options.folder {
        Some(folder) => {
            folder.file_name().map_or("fleet".into(), |name| name.to_string_lossy().into_owned())
        }
        None => "generated fleet".into(),
    };
    let report = FleetReport::new(title, &layout, machines, options)?;
    if let Some(path) = &options.html {
        let page = html::page(&report);
        std::fs::write(path, page).map_err(|why| Failure::Write { path: path.clone(), why })?;
    }
    let text = if options.json {
        json::of(&report)
    } else {
        table::of(&report, options.rows, std::io::stdout().is_terminal())
    };
    say(&text)
}

/// Whether a file can be there, found out before a long run and not after it.
fn can_be_written(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let found = match folder.map(std::fs::metadata) {
        Some(Err(why)) => Err(why),
        Some(Ok(of)) if !of.is_dir() => Err(ErrorKind::NotADirectory.into()),
        _ if path.is_dir() => Err(ErrorKind::IsADirectory.into()),
        _ => Ok(()),
    };
    found.map_err(|why| Failure::Write { path: path.into(), why })
}

/// To standard output. A reader that goes away early, like `head`, is no failure.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(why) if why.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("cannot write: {why}")))
        }
        _ => Ok(()),
    }
}
