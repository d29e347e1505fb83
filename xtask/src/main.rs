//! `cargo xtask`: the commands of the project.
//!
//! One file per command; the rest are the nouns that they share. Everything runs from the root of
//! the repository, reads nothing from standard input, and says at the end in one line how it went.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a command's output is its purpose

mod bench;
mod check;
mod conformance;
mod fix;
mod fuzz;
mod invariant;
mod kills;
mod link;
mod need;
mod package;
mod peers;
mod purity;
mod quality;
mod results;
mod sbom;
mod services;
mod shell;
mod sim;
mod size;
mod source;
mod steps;
mod table;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The commands of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Test(test::Test),
    Check(check::Check),
    Fix(fix::Fix),
    Tidy(tidy::Tidy),
    Bench(bench::Bench),
    Quality(quality::Quality),
    Sim(sim::Sim),
    Kills(kills::Kills),
    Fuzz(fuzz::Fuzz),
    Package(package::Pack),
    Services(services::Services),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = workspace::enter_root().and_then(|()| match cli.command {
        Command::Test(test) => test.run(),
        Command::Check(check) => check.run(),
        Command::Fix(fix) => fix.run(),
        Command::Tidy(tidy) => tidy.run(),
        Command::Bench(bench) => bench.run(),
        Command::Quality(quality) => quality.run(),
        Command::Sim(sim) => sim.run(),
        Command::Kills(kills) => kills.run(),
        Command::Fuzz(fuzz) => fuzz.run(),
        Command::Package(pack) => pack.run(),
        Command::Services(services) => services.run(),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
        let names: Vec<_> =
            super::Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
        let expected = [
            "test", "check", "fix", "tidy", "bench", "quality", "sim", "kills", "fuzz", "package",
            "services",
        ];
        assert_eq!(names, expected);
    }
}
