//! What the command line says.

use crate::when;
use clap::{Args, Parser, Subcommand, ValueEnum};
use port::Time;
use std::path::PathBuf;
use wire_iso8583::Framing;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "standin-desk",
    version,
    about = "The issuer's desk for stand-in authorization: parameters from draft to acknowledgement, and rehearsals on recorded traffic",
    after_help = AFTER,
    after_long_help = AFTER,
)]
pub(crate) struct Options {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Write, check, compare, sign and hand out parameter sets
    #[command(subcommand)]
    Parameters(Work),
    /// Decide over recorded traffic as the stand-in module would, and say what would have come out differently
    Shadow(Shadow),
}

/// What to do about parameters.
#[derive(Debug, Subcommand)]
pub(crate) enum Work {
    /// Write a commented set to start from
    Draft(Draft),
    /// Name all faults of a set; then conflicts, shadowed rules and gaps
    Check(Check),
    /// Say which rules a request meets, and what would be decided
    Explain(Box<Explain>),
    /// Say what has changed from one set to another
    Diff(Diff),
    /// Draw a signing key for the accounting system
    Key(NewKey),
    /// Sign a set with the accounting system's key
    Sign(Sign),
    /// Put a signed set into a folder, whole and as changes, for the instances that need it
    Distribute(Distribute),
    /// Write down that an instance has accepted a signed set
    Acknowledge(Acknowledge),
    /// Say which instance has accepted what, and who lags
    Status(Status),
}

#[derive(Args, Debug)]
pub(crate) struct Draft {
    /// The institution identification code
    #[arg(long, value_name = "CODE", default_value_t = 6222)]
    pub(crate) institution: u64,
    /// ISO 4217 letters
    #[arg(long, value_name = "LETTERS", default_value = "CNY")]
    pub(crate) currency: String,
    /// The set's number; each set has a higher one than the one before
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) version: u64,
    /// From when on it decides, such as 2026-03-01T00:00Z; now, if not said
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    pub(crate) from: Option<Time>,
    /// For how many days it decides
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3660))]
    pub(crate) days: u16,
    /// The file to write: commented TOML, or JSON where its name ends so; standard output, if not said
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// A set in TOML or JSON, or a signed one with --trust
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) trust: Trust,
    /// Findings count as faults
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Whom to believe.
#[derive(Args, Clone, Debug)]
pub(crate) struct Trust {
    /// The accounting system's public key, as `parameters key` wrote it; needed to read signed sets
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// A set in TOML or JSON, or a signed one with --trust
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) trust: Trust,
    /// The account's token, 32 hexadecimal digits; a token that no rule names, if not said
    #[arg(long, value_name = "TOKEN")]
    pub(crate) account: Option<String>,
    /// The first eight digits of the card number, which is taken to have a right check digit
    #[arg(long, value_name = "DIGITS")]
    pub(crate) bin: Option<String>,
    /// Who sends the request
    #[arg(long, value_name = "CODE", value_parser = crate::words::institution)]
    pub(crate) initiator: standin::InstitutionId,
    /// How much, in minor units of the set's currency
    #[arg(long, value_name = "MINOR", default_value_t = 1, value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) amount: i64,
    /// purchase, cash, pre-authorization, refund, inquiry or transfer
    #[arg(long, value_name = "WORD", default_value = "purchase", value_parser = crate::words::kind)]
    pub(crate) kind: standin::Kind,
    /// atm, pos, ecommerce, moto, mobile, branch, recurring or other
    #[arg(long, value_name = "WORD", value_parser = crate::words::channel)]
    pub(crate) channel: Option<standin::Channel>,
    /// chip, contactless, stripe, fallback, keyed, remote, on-file or unknown
    #[arg(long, value_name = "WORD", value_parser = crate::words::entry)]
    pub(crate) entry: Option<standin::EntryMode>,
    /// Merchant category code
    #[arg(long, value_name = "CODE", value_parser = crate::words::mcc)]
    pub(crate) mcc: Option<standin::Mcc>,
    /// Country by its ISO 3166-1 number
    #[arg(long, value_name = "NUMBER", value_parser = crate::words::country)]
    pub(crate) country: Option<standin::Country>,
    /// Expiry as YYMM; a year ahead, if not said
    #[arg(long, value_name = "YYMM", conflicts_with = "no_expiry", value_parser = crate::words::expiry)]
    pub(crate) expiry: Option<standin::Expiry>,
    /// The request has no expiry
    #[arg(long)]
    pub(crate) no_expiry: bool,
    /// A risk score in basis points
    #[arg(long, value_name = "BP", value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub(crate) risk_bp: Option<u16>,
    /// A PIN came with it, and this is what the key holder says of it
    #[arg(long, value_name = "SAYS")]
    pub(crate) pin: Option<Said>,
    /// A card verification number came with it
    #[arg(long, value_name = "SAYS")]
    pub(crate) cvn: Option<Said>,
    /// A cryptogram came with it
    #[arg(long, value_name = "SAYS")]
    pub(crate) arqc: Option<Said>,
    /// The account is on the VIP list
    #[arg(long)]
    pub(crate) vip: bool,
    /// The terminal can take an approval of a part
    #[arg(long)]
    pub(crate) partial: bool,
    /// When it is asked; when the set begins to decide, if not said
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    pub(crate) at: Option<Time>,
    /// Where the institution's days begin
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = when::zone)]
    pub(crate) zone: port::Zone,
}

/// What the key holder says of a PIN, number or cryptogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Said {
    /// It is right
    Right,
    /// It is wrong
    Wrong,
    /// It cannot be checked
    Unchecked,
}

#[derive(Args, Debug)]
pub(crate) struct Diff {
    /// The earlier set
    pub(crate) old: PathBuf,
    /// The later set
    pub(crate) new: PathBuf,
    #[command(flatten)]
    pub(crate) trust: Trust,
}

#[derive(Args, Debug)]
pub(crate) struct NewKey {
    /// Under which name the accounting system signs; at most 32 bytes
    #[arg(long, value_name = "NAME")]
    pub(crate) issuer: String,
    /// The key's number at that name
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) key_id: u8,
    /// The file for the secret key; mode 0600, never replaced
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) out: PathBuf,
    /// The file for the public key, for --trust
    #[arg(long, value_name = "FILE")]
    pub(crate) public: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Sign {
    /// A set in TOML or JSON
    pub(crate) file: PathBuf,
    /// The accounting system's key
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) key: PathBuf,
    /// The file to write; never replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Sign although there are findings
    #[arg(long)]
    pub(crate) with_findings: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Distribute {
    /// A signed set
    pub(crate) signed: PathBuf,
    /// The accounting system's public key
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: PathBuf,
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// An instance that has to accept it; may be repeated, and is remembered
    #[arg(long = "to", value_name = "NAME", value_parser = crate::distribution::name)]
    pub(crate) to: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Acknowledge {
    /// A signed set, whole or as changes, that the instance accepts now: it is checked as the stand-in module checks it
    #[arg(required_unless_present = "received", conflicts_with = "received", requires = "key")]
    pub(crate) signed: Option<PathBuf>,
    /// The instance's key, as `parameters key` drew it, which signs that it was accepted
    #[arg(long, value_name = "KEYFILE", requires = "signed")]
    pub(crate) key: Option<PathBuf>,
    /// An acknowledgement as the instance's stand-in module made and signed it
    #[arg(long, value_name = "FILE")]
    pub(crate) received: Option<PathBuf>,
    /// Which instance
    #[arg(long = "from", value_name = "NAME", value_parser = crate::distribution::name)]
    pub(crate) from: String,
    /// The accounting system's public key
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: PathBuf,
    #[command(flatten)]
    pub(crate) folder: Folder,
}

#[derive(Args, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) folder: Folder,
}

/// Where sets are handed out, and who takes them.
#[derive(Args, Clone, Debug)]
pub(crate) struct Folder {
    /// The folder that instances take sets from, and put acknowledgements into; `distribute` makes it if missing
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// The folder with the instances' public keys, NAME.pub for each; no instance may write to it
    #[arg(long, value_name = "FOLDER")]
    pub(crate) instances: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Shadow {
    /// A set in TOML or JSON, or a signed one with --trust
    #[arg(long, value_name = "FILE")]
    pub(crate) parameters: PathBuf,
    #[command(flatten)]
    pub(crate) trust: Trust,
    /// Recorded traffic: one JSON object a line, or messages with --iso8583
    #[arg(long, value_name = "FILE")]
    pub(crate) traffic: PathBuf,
    #[command(flatten)]
    pub(crate) framed: Framed,
    /// Lists and balances, one JSON object a line, as they stand before the first request
    #[arg(long, value_name = "FILE")]
    pub(crate) accounts: Option<PathBuf>,
    /// An outage: requests within go to stand-in, the rest went to the host as recorded. FROM is in it, TO is not; may be
    /// repeated. Without one, the host is away all the time
    #[arg(long, value_name = "FROM..TO", value_parser = when::span)]
    pub(crate) outage: Vec<when::Span>,
    /// Hold to the dates of the set, too; without this it decides over traffic of any time
    #[arg(long)]
    pub(crate) as_dated: bool,
    /// The secret that turns card numbers into tokens, a key file of 64 hexadecimal digits; needed where the traffic has numbers
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) token_key: Option<PathBuf>,
    /// Where the institution's days begin
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = when::zone)]
    pub(crate) zone: port::Zone,
    /// How many differences the table shows; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) rows: usize,
    /// Write the reconciliation as comma-separated values
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
}

/// How recorded messages are to be read.
#[derive(Args, Clone, Debug)]
pub(crate) struct Framed {
    /// The traffic is ISO 8583 messages, requests and answers as they came, each with its length in front
    #[arg(long, value_name = "LENGTH", requires = "about", requires = "token_key")]
    pub(crate) iso8583: Option<Prefix>,
    /// The network's field table, TOML or JSON; ISO 8583:1987 in ASCII, if not said
    #[arg(long, value_name = "FILE", requires = "iso8583")]
    pub(crate) dialect: Option<PathBuf>,
    /// About when it was recorded, to half a year: messages do not say their year
    #[arg(long, value_name = "TIME", value_parser = when::parse, requires = "iso8583")]
    pub(crate) about: Option<Time>,
}

/// How the length in front of a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Prefix {
    /// Two bytes
    #[value(name = "binary-2")]
    Binary2,
    /// Two bytes, which count themselves
    #[value(name = "binary-2-inclusive")]
    Binary2Inclusive,
    /// Four digits
    #[value(name = "ascii-4")]
    Ascii4,
}

impl Prefix {
    /// The framing.
    pub(crate) const fn get(self) -> Framing {
        match self {
            Self::Binary2 => Framing::BINARY_2,
            Self::Binary2Inclusive => Framing::BINARY_2.counting_itself(true),
            Self::Ascii4 => Framing::ASCII_4,
        }
    }
}

const AFTER: &str = "\
Examples:
  standin-desk parameters draft --institution 6222 --currency CNY --out set.toml
  standin-desk parameters check set.toml
  standin-desk parameters explain set.toml --bin 62000001 --initiator 1111 --kind cash --channel atm --amount 50000
  standin-desk parameters diff old.toml set.toml
  standin-desk parameters key --issuer accounting.example --out accounting.key --public accounting.pub
  standin-desk parameters sign set.toml --key accounting.key --out set.signed
  standin-desk parameters key --issuer east --out east.key --public instances/east.pub
  standin-desk parameters distribute set.signed --trust accounting.pub --folder sets --instances instances --to east
  standin-desk parameters acknowledge set.signed --from east --key east.key --trust accounting.pub --folder sets --instances instances
  standin-desk parameters status --folder sets --instances instances
  standin-desk shadow --parameters set.toml --traffic monday.jsonl
  standin-desk shadow --parameters set.toml --traffic monday.jsonl --outage 2026-03-02T09:00Z..2026-03-02T09:45Z --csv found.csv
  standin-desk shadow --parameters set.toml --traffic monday.bin --iso8583 binary-2 --dialect network.toml --about 2026-03-02T00:00Z --token-key tokens.key

Exit codes: 0 done, 1 failed while running, 2 wrong arguments, 3 unusable file, 4 faults in a set, 5 refused (signature, version,
date or findings), 6 unusable key, 7 cannot write.";
