//! What the command line says.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "filexfer-site",
    version,
    about = "Sites that send files to each other: judged before a byte is read, verified, resumed, receipted",
    after_help = AFTER,
)]
pub(crate) struct Options {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log each step of each job, and what peers sent that was refused
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Make a folder with a site to try: configuration, certificates, keys and folders for files
    Init(Init),
    /// Read a configuration and say what is wrong with it
    Check(Site),
    /// Run all servers of a site, or some of them, in one process
    Run(Run),
    /// Run the forwarding server
    Forwarder(Site),
    /// Run an access server
    Access(One),
    /// Run a backstage server
    Backstage(One),
    /// Run a client server
    Client(One),
    /// Run the SFTP server, and the client servers of the clients that speak only SFTP
    Sftp(Site),
    /// Ask for files to be sent
    Submit(Submit),
    /// Show what became of requests, or what a forwarding server is at
    Status(Status),
    /// Have a client that collects its files ask for what waits
    Collect(One),
    /// Save the receipts of a request, or verify receipts offline
    #[command(subcommand)]
    Receipts(Receipts),
    /// Verify the audit trail of a running forwarding server
    Audit(Site),
    /// Make files of packs, in the folder that each lies in
    Unpack(Unpack),
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub(crate) struct Site {
    /// The configuration of the site
    #[arg(long, short, value_name = "FILE", default_value = "site.toml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder to make
    pub(crate) folder: PathBuf,
    /// The name of the site
    #[arg(long, default_value = "hq")]
    pub(crate) site: String,
    /// What the names of its parties begin with, to tell them from another site's
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
    /// The ports of the forwarding server and of the access server
    #[arg(long, value_name = "PORT,PORT", value_delimiter = ',', num_args = 1, default_values_t = [7_420, 7_421])]
    pub(crate) ports: Vec<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) site: Site,
    /// Only this server; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) only: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    #[command(flatten)]
    pub(crate) site: Site,
    /// Which; not needed where the site has one of the kind
    #[arg(long)]
    pub(crate) id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    #[command(flatten)]
    pub(crate) site: Site,
    /// The files, by their names in the sender's store; a request for each
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
    /// The backstage server that asks
    #[arg(long = "as", value_name = "ID")]
    pub(crate) requester: String,
    /// Whose file it is; the requester's without it
    #[arg(long, value_name = "ID")]
    pub(crate) from: Option<String>,
    /// Who gets it
    #[arg(long, value_name = "ID")]
    pub(crate) to: String,
    /// The class of the file
    #[arg(long, default_value = "general")]
    pub(crate) class: String,
    /// What happens if the destination has another file of that name
    #[arg(long, value_enum, default_value = "fail")]
    pub(crate) on_conflict: Conflict,
    /// Higher goes first
    #[arg(long, default_value_t = 0)]
    pub(crate) priority: u8,
    /// Not before this moment (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) not_before: Option<jiff::Timestamp>,
    /// To be delivered by then or not at all (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) deadline: Option<jiff::Timestamp>,
    /// Let small files travel together: whoever gets them makes the files of the pack, and signs for each (`unpack` there)
    #[arg(long, conflicts_with = "from")]
    pub(crate) pack: bool,
    /// Wait for the result, with a progress bar, and not only for the answer
    #[arg(long)]
    pub(crate) wait: bool,
    /// Do not even wait for the answer: the requests are made, and asked until they are answered
    #[arg(long, conflicts_with = "wait")]
    pub(crate) no_answer: bool,
    /// How long to wait, in seconds: 30 for the answer, 3600 for the result
    #[arg(long, value_name = "S")]
    pub(crate) timeout_s: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Conflict {
    Fail,
    Replace,
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) site: Site,
    /// The server to ask: a backstage, forwarding, client or access server; the forwarding server without it
    #[arg(long, value_name = "ID")]
    pub(crate) of: Option<String>,
    /// Only this request (32 hexadecimal digits)
    #[arg(long, value_name = "JOB")]
    pub(crate) id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Unpack {
    /// The packs; each is kept
    #[arg(required = true)]
    pub(crate) packs: Vec<PathBuf>,
}

/// What is to be done with receipts.
#[derive(Debug, Subcommand)]
pub(crate) enum Receipts {
    /// Save the receipts of a request as files, of a pack also one for each of its files
    Save(Save),
    /// Verify receipts, with nothing but the parties' public keys in the configuration
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Save {
    #[command(flatten)]
    pub(crate) site: Site,
    /// The backstage server that asked
    #[arg(long = "as", value_name = "ID")]
    pub(crate) requester: String,
    /// The request (32 hexadecimal digits)
    #[arg(long, value_name = "JOB")]
    pub(crate) id: String,
    /// The folder for the files
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) to: PathBuf,
    /// Of the files of a pack only this one, by its name in the pack's folder
    #[arg(long, value_name = "NAME")]
    pub(crate) file: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) site: Site,
    /// The receipts
    #[arg(required = true)]
    pub(crate) receipts: Vec<PathBuf>,
    /// The file that they should be about: its content is compared, too
    #[arg(long, value_name = "FILE")]
    pub(crate) content: Option<PathBuf>,
}

const AFTER: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 a file cannot be used, 4 refused, 5 not delivered, 6 not proven, \
7 a server cannot be asked.

To try it:
  filexfer-site init demo && cd demo
  filexfer-site run &
  cp FILE files/ledger/day.csv
  filexfer-site submit --as ledger --to merchant day.csv --wait";
