//! What the command line says.

use crate::registry::Registry;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "refbank",
    version,
    about = "The reference bank: QR payments with challenge and reply, end to end",
    long_about = LONG,
    after_help = AFTER,
    after_long_help = AFTER,
)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) task: Option<Task>,
    #[command(flatten)]
    pub(crate) serve: Serve,
    #[command(flatten)]
    pub(crate) log: Log,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Serve the web pages (what happens without a command)
    Serve(Serve),
    /// Tell the whole story in the terminal, verify each step, and leave nothing behind
    Demo(Demo),
}

/// How to serve.
#[derive(Args, Clone, Debug)]
pub(crate) struct Serve {
    /// The address to listen on. There is no TLS here: put a proxy with TLS before it if it is not this machine's own
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Another host name to answer to, as a proxy sends it; may be repeated. On this machine's own address only this
    /// machine's own names are answered, so that a page from elsewhere cannot reach the bank under a name of its choice
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
    /// The folder for keys, wallets and the store; made if missing
    #[arg(long, value_name = "FOLDER", default_value = "./refbank-data")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The socket of a registry's member node, `state/socket` in its folder (see `ledger_node`): the page /registry shows vehicles
    /// and property as security
    #[arg(long, value_name = "SOCKET")]
    registry: Option<PathBuf>,
    /// What that registry calls the bank: the 64 digits that `ledger_node party` printed. What it holds is listed then
    #[arg(long, value_name = "PARTY", requires = "registry", value_parser = parse_party)]
    registry_party: Option<String>,
}

impl Serve {
    /// The registry that is asked.
    pub(crate) fn registry(&self) -> Option<Arc<Registry>> {
        let socket = self.registry.clone()?;
        Some(Arc::new(Registry::new(socket, self.registry_party.clone())))
    }
}

fn parse_party(text: &str) -> Result<String, String> {
    let is_party = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_party { Ok(text.to_ascii_lowercase()) } else { Err("a party has 64 digits".into()) }
}

/// Which store.
#[derive(Args, Clone, Debug)]
pub(crate) struct StoreArgs {
    /// Where orders, bindings, payments, accounts and the audit log are kept: `folder` is a file in the data folder, for one
    /// process; `postgres:URL` is a PostgreSQL database, for any number of processes. A URL with a password is better set in
    /// the environment, where other users of this machine do not see it
    #[arg(
        long,
        value_name = "STORE",
        default_value = "folder",
        env = "REFBANK_STORE",
        hide_env_values = true,
        value_parser = parse_store
    )]
    store: StoreUrl,
    /// The certificate authority that vouches for the database server, as a PEM file; needed if that is another machine
    #[arg(long, value_name = "FILE")]
    store_ca: Option<PathBuf>,
}

impl StoreArgs {
    /// What they name.
    pub(crate) fn place(&self) -> Place {
        match &self.store {
            StoreUrl::Folder => Place::Folder,
            StoreUrl::Postgres(url) => {
                Place::Postgres { url: url.clone(), authority: self.store_ca.clone() }
            }
        }
    }
}

/// Which store to open.
pub(crate) enum Place {
    /// The embedded one in the data folder.
    Folder,
    /// A PostgreSQL database.
    Postgres {
        /// May hold a password.
        url: String,
        /// Who vouches for the server.
        authority: Option<PathBuf>,
    },
}

/// The value of `--store`; not printed, since it may hold a password.
#[derive(Clone)]
enum StoreUrl {
    Folder,
    Postgres(String),
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "folder",
            Self::Postgres(_) => "postgres",
        })
    }
}

fn parse_store(text: &str) -> Result<StoreUrl, String> {
    if text == "folder" {
        return Ok(StoreUrl::Folder);
    }
    let whole = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    let url = if whole { Some(text) } else { text.strip_prefix("postgres:") };
    // The text is not repeated: it may hold a password.
    url.filter(|url| !url.is_empty())
        .map(|url| StoreUrl::Postgres(url.into()))
        .ok_or_else(|| "a store is `folder` or `postgres:URL`".into())
}

/// How to tell the story.
#[derive(Args, Clone, Debug)]
pub(crate) struct Demo {
    /// Print one machine-readable summary and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write the order's QR code to a file, as SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

/// What to log, to standard error.
#[derive(Args, Clone, Debug)]
pub(crate) struct Log {
    /// The least important thing to log
    #[arg(long, global = true, value_name = "LEVEL", default_value = "info")]
    pub(crate) log: Level,
    /// Log one JSON object a line
    #[arg(long, global = true)]
    pub(crate) log_json: bool,
}

/// How important something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
}

const LONG: &str = "\
The reference bank: QR payments with challenge and reply, end to end.

It serves three parties from one program. The merchant's page shows an order with its signed QR code. The payer's wallet \
reads the code from a picture, checks the bank's signature, shows payee and amount, asks for the PIN and answers with one \
message. The bank checks the reply, owes the debit in the same stroke, has its accounting system make it exactly once, \
and the merchant's page turns to paid. While the accounting system is away, payments are approved by signed limits and \
delivered to it afterwards; the operator's page takes it down and up. Everything rests in one store, embedded or \
PostgreSQL, and survives a restart.

The money is made up and so are the payers; their PINs stand on the pages.";

const AFTER: &str = "\
Examples:
  refbank                                  serve on http://127.0.0.1:8080, data in ./refbank-data
  refbank --listen 127.0.0.1:9000 --data /var/lib/refbank
  refbank --store postgres:postgresql://bank@127.0.0.1/bank
                                           the same rows in PostgreSQL; start more processes with the same --data
                                           folder and other --listen addresses, and they are one bank
  refbank demo                             the whole story in the terminal
  refbank demo --json                      the same, as a summary for programs
  refbank demo --svg order.svg             also keep the QR code as a file

Files in the data folder:
  keys.json     the bank's secrets, mode 0600: back it up, show it to nobody
  accounting.json
                the accounting system's secret, mode 0600: it signs what may be approved without it
  wallet.json   the demo payers' phones, mode 0600: not the bank's
  exchange/, merchant-banks/
                settlement files on their way and received, with keys of mode 0600
  store/        orders, bindings, payments, accounts, journal, audit log; not with --store postgres:URL

Exit codes:
  0  all went well          4  the data folder cannot be used
  1  something failed       5  the store cannot be opened
  2  wrong arguments        6  a file with secrets is missing, damaged or open to others
  3  cannot listen          7  the demo found a step that does not hold";
