//! What the command line says.

use clap::{Args, Parser, Subcommand, ValueEnum};
use standin::InstitutionId;
use std::net::SocketAddr;
use std::path::PathBuf;
use wire_iso8583::Codings;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "iso8583-switch",
    version,
    about = "A TCP switch for ISO 8583 with stand-in authorization, a load generator, and a host that can be taken down",
    after_help = AFTER,
)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to be.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The switch: listens for acquirers, sends to the host, stands in for it while it is away
    Switch(SwitchOptions),
    /// A simulated accounting system, which can be stopped, slowed, and made to lose answers
    Host(HostOptions),
    /// Acquirers: purchases, repeats, reversals, at a stated rate
    Load(LoadOptions),
    /// All three in one process over loopback, with outages; compares the host's books with what terminals were told
    Run(RunOptions),
}

/// Of the switch.
#[derive(Debug, Args)]
pub(crate) struct SwitchOptions {
    /// Where acquirers connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8583")]
    pub(crate) listen: SocketAddr,
    /// Where the host listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8584")]
    pub(crate) host: SocketAddr,
    /// `memory`, or a folder for what has to survive
    #[arg(long, value_name = "memory|FOLDER", default_value = "memory")]
    pub(crate) store: String,
    /// Whose accounts it serves
    #[arg(long, value_name = "CODE", default_value = "6222", value_parser = institution)]
    pub(crate) institution: InstitutionId,
    /// The signed parameters of the accounting system; without them a set for tests, of the simulated issuer 6222
    #[arg(long, value_name = "FILE", requires_all = ["issuer", "public_key"])]
    pub(crate) parameters: Option<PathBuf>,
    /// Who signed them
    #[arg(long, value_name = "NAME", requires = "parameters")]
    pub(crate) issuer: Option<String>,
    /// With which of the issuer's keys
    #[arg(long, value_name = "N", default_value_t = 1, requires = "parameters")]
    pub(crate) key_id: u8,
    /// The issuer's Ed25519 key in hexadecimal digits
    #[arg(long, value_name = "HEX", requires = "parameters")]
    pub(crate) public_key: Option<String>,
    /// A file with 32 secret bytes, for account tokens and handles; a folder needs the same one each time. Without it a
    /// secret that everybody knows: for tests
    #[arg(long, value_name = "FILE")]
    pub(crate) secret: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonOptions,
}

/// Of the host.
#[derive(Debug, Args)]
pub(crate) struct HostOptions {
    /// Where the switch connects
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8584")]
    pub(crate) listen: SocketAddr,
    /// Where orders come, one a line: up, stop, slow MILLISECONDS, lose PERCENT, books
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8585")]
    pub(crate) control: SocketAddr,
    /// Whose accounts it keeps
    #[arg(long, value_name = "CODE", default_value = "6222", value_parser = institution)]
    pub(crate) institution: InstitutionId,
    /// What each account has at first, in minor units
    #[arg(long, value_name = "MINOR", default_value_t = OPENING_MINOR)]
    pub(crate) opening_minor: i64,
    /// Which answers are lost
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How fields are coded
    #[arg(long, value_enum, default_value = "ascii")]
    pub(crate) codings: Named,
}

/// Of the load.
#[derive(Debug, Args)]
pub(crate) struct LoadOptions {
    /// Where the switch listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8583")]
    pub(crate) switch: SocketAddr,
    #[command(flatten)]
    pub(crate) traffic: Traffic,
    #[command(flatten)]
    pub(crate) common: CommonOptions,
}

/// Of a run.
#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// How often the host is taken down
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(..=1_000))]
    pub(crate) outages: u64,
    /// How long an outage lasts at least, in milliseconds; at most half longer
    #[arg(long, value_name = "MS", default_value_t = 4_000)]
    pub(crate) outage_ms: u64,
    /// How long the drain may take, in seconds
    #[arg(long, value_name = "S", default_value_t = 120)]
    pub(crate) drain_s: u64,
    /// `memory`, or a folder: an empty one, since the host's books begin empty
    #[arg(long, value_name = "memory|FOLDER", default_value = "memory")]
    pub(crate) store: String,
    /// What each account has at first, in minor units
    #[arg(long, value_name = "MINOR", default_value_t = OPENING_MINOR)]
    pub(crate) opening_minor: i64,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) traffic: Traffic,
    #[command(flatten)]
    pub(crate) common: CommonOptions,
}

/// What acquirers send.
#[derive(Clone, Debug, Args)]
pub(crate) struct Traffic {
    /// How many requests, repeats apart
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) messages: u64,
    /// How many begin in a second
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: u32,
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) lines: u32,
    /// How many cards
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) accounts: u32,
    /// When a request counts as unanswered, in milliseconds, whatever the repeats
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    pub(crate) limit_ms: u64,
    /// What is bought, by whom, and what goes wrong
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Of all that wait.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct CommonOptions {
    /// Divides all waits and dwells: 1 for the defaults, which are those of a network
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) hurry: u64,
    /// How fields are coded
    #[arg(long, value_enum, default_value = "ascii")]
    pub(crate) codings: Named,
}

/// Codings by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Named {
    /// Characters
    Ascii,
    /// Numbers in BCD, bits in binary
    Packed,
    /// Characters of mainframes
    Ebcdic,
}

impl Named {
    /// The codings.
    pub(crate) const fn get(self) -> Codings {
        match self {
            Self::Ascii => Codings::ASCII,
            Self::Packed => Codings::PACKED,
            Self::Ebcdic => Codings::EBCDIC,
        }
    }
}

fn institution(code: &str) -> Result<InstitutionId, String> {
    InstitutionId::parse(code).ok_or_else(|| "1 to 11 digits, and not zero".into())
}

/// Some accounts run dry in long runs, so that the host declines too.
const OPENING_MINOR: i64 = 2_000_000;

const AFTER: &str = "\
Examples:
  iso8583-switch run --messages 3000 --outages 3 --rate 500 --hurry 10 --outage-ms 800
      a short run with everything ten times faster than in life
  iso8583-switch run --messages 1000000 --outages 10 --rate 5000 --json > run.json
      the big run
  iso8583-switch host &  iso8583-switch switch --store ./rows &  iso8583-switch load --messages 100000
      three processes; then `echo stop | nc -N 127.0.0.1 8585` takes the host down, and `echo up | …` brings it back

Exit codes of run and load: 0 all well; 1 books or answers are not as they must be; 2 wrong arguments; 3 a file; 4 a socket;
5 something else failed.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }
}
