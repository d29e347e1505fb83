//! What the command line says.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "ledger_node",
    version,
    about = "Nodes of a registry of ownership: audited, ordered, transferred from member to member, provable offline",
    after_help = AFTER,
)]
pub(crate) struct Options {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Make a local network of supervision and member nodes, and run all of them until Ctrl-C
    Network(Network),
    /// Run one node
    Run(Run),
    /// Make a user's key and let the user reach the chain through a member
    Party(Party),
    /// Have a file about a thing registered: sealed, audited, decided
    Register(Register),
    /// Show what waits for a person at a supervision node, and decide
    Audit(Audit),
    /// Transfer a thing to somebody else
    #[command(subcommand)]
    Transfer(Transfer),
    /// Give a thing as security, and take it back
    #[command(subcommand)]
    Lien(Lien),
    /// Let a thing to somebody for a time
    #[command(subcommand)]
    Lease(Lease),
    /// Have a document erased: everybody who holds a key to it destroys that
    Erase(Erase),
    /// Take a thing out of the registry for good: it was scrapped, or torn down
    Retire(Retire),
    /// At a supervision node: nothing more happens with a thing until it is let go again
    Freeze(Supervise),
    /// At a supervision node: let a frozen thing go again
    Unfreeze(Supervise),
    /// At a supervision node: files that were rejected or retired for longer than the network keeps them go
    Purge(Purging),
    /// Nodes of the chain: who they are, who joins, who leaves
    #[command(subcommand)]
    Node(Node),
    /// Replace the signing key of a user, or the keys of a node
    Rotate(Rotate),
    /// Wrap the keys of a node's documents anew for its newest sealing key, and delete former ones that nothing needs
    Rewrap(Rewrap),
    /// List registered things
    List(List),
    /// Show owner, state and history of a thing
    Show(Show),
    /// Save the document of a file, where this node may read it
    Document(Document),
    /// Write a proof file about a thing
    Prove(Prove),
    /// Verify a proof file offline, with the network's public file alone
    Verify(Verify),
    /// Show where a node stands, or what became of a transaction
    Status(Status),
    /// Register made-up things as fast as the network takes them, and measure
    Load(Load),
}

/// Which node is asked.
#[derive(Clone, Debug, Args)]
pub(crate) struct At {
    /// The configuration of the node that is asked
    #[arg(long, short, value_name = "FILE", default_value = "node.toml")]
    pub(crate) config: PathBuf,
}

/// Who asks.
#[derive(Clone, Debug, Args)]
pub(crate) struct User {
    #[command(flatten)]
    pub(crate) at: At,
    /// The user whose key signs: a name given to `party`
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) user: String,
    /// Where the user's key is, if not in `parties/NAME.seed` beside the configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Wait {
    /// Do not wait for the decision
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// How long to wait, in seconds
    #[arg(long, value_name = "S", default_value_t = 300)]
    pub(crate) timeout_s: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Network {
    /// The folder of the network; made if it is not there
    pub(crate) folder: PathBuf,
    /// Supervision nodes
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) validators: u16,
    /// How transactions are put in their order; by votes where there are several supervision nodes
    #[arg(long, value_enum)]
    pub(crate) ordering: Option<Ordering>,
    /// Member nodes
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) members: u16,
    /// The first of the ports on which the nodes listen, one each; 0: any that are free
    #[arg(long, value_name = "PORT", default_value_t = 7_600)]
    pub(crate) first_port: u16,
    /// Things of this type need a person's approval; may be repeated, `*` is all
    #[arg(long, value_name = "TYPE")]
    pub(crate) ask_people: Vec<String>,
    /// Rejected and retired files stay for at least so many blocks; then `purge` has them go
    #[arg(long, value_name = "BLOCKS", default_value_t = 100_000)]
    pub(crate) keep: u64,
    /// Write the files and start nothing
    #[arg(long)]
    pub(crate) only_make: bool,
}

/// Who puts transactions in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ordering {
    /// The first supervision node; the others audit
    Single,
    /// All supervision nodes, by votes
    Bft,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The configuration of the node
    #[arg(default_value = "node.toml")]
    pub(crate) config: PathBuf,
    /// End when standard input ends
    #[arg(long, hide = true)]
    pub(crate) with_parent: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Party {
    #[command(flatten)]
    pub(crate) at: At,
    /// What the user is called here; the chain never learns it
    pub(crate) name: String,
    /// Acts for others: a notary, a dealer, a bank
    #[arg(long)]
    pub(crate) intermediary: bool,
    /// Where the key is or is to be, if not in `parties/NAME.seed` beside the configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

#[derive(Debug, Args)]
pub(crate) struct Register {
    #[command(flatten)]
    pub(crate) user: User,
    /// The document
    pub(crate) document: PathBuf,
    /// The thing: scheme and number, such as vin:WVWZZZ1JZXW000001
    #[arg(long, value_name = "SCHEME:NUMBER")]
    pub(crate) thing: String,
    /// What kind of thing it is
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: String,
    /// Where it is
    #[arg(long, default_value = "eu")]
    pub(crate) region: String,
    /// The document's media type, if its name does not say it
    #[arg(long, value_name = "TYPE")]
    pub(crate) media_type: Option<String>,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) at: At,
    /// Approve this file
    #[arg(long, value_name = "FILE", conflicts_with = "reject")]
    pub(crate) approve: Option<String>,
    /// Reject this file
    #[arg(long, value_name = "FILE", requires = "reason")]
    pub(crate) reject: Option<String>,
    /// Why; kept here, and not on the chain
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

/// Steps of a transfer.
#[derive(Debug, Subcommand)]
pub(crate) enum Transfer {
    /// Offer a thing: it goes to the other side's member, and to nobody else
    Offer(Offer),
    /// Show offers that wait, own and others'
    List(At),
    /// Accept an offer; ownership goes over, at once or with its settlement
    Accept(Accept),
    /// Say that the payment was made, as its witness
    Settle(Settle),
}

#[derive(Debug, Args)]
pub(crate) struct Offer {
    #[command(flatten)]
    pub(crate) user: User,
    /// The thing
    pub(crate) thing: String,
    /// To whom: the 64 digits that `party` printed there
    #[arg(long, value_name = "PARTY")]
    pub(crate) to: String,
    /// What has to be paid first, in words or a number that both sides know
    #[arg(long, value_name = "REFERENCE", requires = "witness")]
    pub(crate) pay: Option<String>,
    /// The public key of whoever says that it was paid, as `party` printed it there
    #[arg(long, value_name = "KEY", requires = "pay")]
    pub(crate) witness: Option<String>,
    /// For so many blocks the payment may take
    #[arg(long, value_name = "BLOCKS", default_value_t = 10_000)]
    pub(crate) pay_within: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Accept {
    #[command(flatten)]
    pub(crate) user: User,
    /// The offer: the 64 digits that `transfer list` shows
    pub(crate) offer: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

#[derive(Debug, Args)]
pub(crate) struct Settle {
    #[command(flatten)]
    pub(crate) at: At,
    /// The thing
    pub(crate) thing: String,
    /// The file with the witness's key
    #[arg(long, value_name = "FILE")]
    pub(crate) witness_key: PathBuf,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

/// Steps of a lien.
#[derive(Debug, Subcommand)]
pub(crate) enum Lien {
    /// Offer a thing as security: it goes to the other side's member, and to nobody else
    Offer(Security),
    /// Show offers that wait, own and others'
    List(At),
    /// Accept an offer
    Accept(Accept),
    /// Release what one has as security
    Release(Release),
}

#[derive(Debug, Args)]
pub(crate) struct Security {
    #[command(flatten)]
    pub(crate) user: User,
    /// The thing
    pub(crate) thing: String,
    /// To whom: the 64 digits that `party` printed there
    #[arg(long, value_name = "PARTY")]
    pub(crate) to: String,
    /// What it secures, in words or a number that both sides know
    #[arg(long)]
    pub(crate) reference: String,
}

#[derive(Debug, Args)]
pub(crate) struct Release {
    #[command(flatten)]
    pub(crate) user: User,
    /// The thing
    pub(crate) thing: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

/// What can be done about nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// Show the nodes, and who waits to be let in or is to leave
    List(At),
    /// Make the files of one more node of a local network; it asks to join when it runs
    Add(Add),
    /// Let a node join that asks to: at as many supervision nodes as have to agree
    Admit(Named),
    /// Revoke a node: at as many supervision nodes as have to agree
    Revoke(Named),
    /// Have a running node read its configuration again, such as a new peer
    Reload(At),
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    #[command(flatten)]
    pub(crate) at: At,
    /// The name of the node
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The folder of the network
    pub(crate) folder: PathBuf,
    /// What the node is called; a folder of this name is made
    pub(crate) name: String,
    /// What it does
    #[arg(long, value_enum, default_value_t = RoleOption::Member)]
    pub(crate) role: RoleOption,
    /// The port on which it listens; 0: any that is free
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,
    /// It begins with a snapshot if it lacks more than so many blocks, and then has none before that; without this, it takes all
    #[arg(long, value_name = "BLOCKS")]
    pub(crate) snapshot_above: Option<u64>,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleOption {
    /// Orders, where votes do, and audits
    Supervision,
    /// Serves users
    Member,
}

/// Steps of a lease.
#[derive(Debug, Subcommand)]
pub(crate) enum Lease {
    /// Offer the use of a thing: it goes to the other side's member, and to nobody else
    Offer(Let),
    /// Show offers that wait, own and others'
    List(At),
    /// Accept an offer, or that a lease ends early
    Accept(Accept),
    /// End a lease: at once if its time is over, otherwise as an offer that the other side accepts
    End(End),
}

#[derive(Debug, Args)]
pub(crate) struct Let {
    #[command(flatten)]
    pub(crate) user: User,
    /// The thing
    pub(crate) thing: String,
    /// To whom: the 64 digits that `party` printed there
    #[arg(long, value_name = "PARTY")]
    pub(crate) to: String,
    /// From when: a day, such as 2027-01-31, or a moment, such as 2027-01-31T12:00:00Z; days begin at midnight UTC
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// The first moment after it, in the same way
    #[arg(long, value_name = "TIME")]
    pub(crate) until: String,
    /// Nobody else may use it meanwhile
    #[arg(long)]
    pub(crate) exclusive: bool,
}

#[derive(Debug, Args)]
pub(crate) struct End {
    #[command(flatten)]
    pub(crate) user: User,
    /// The thing
    pub(crate) thing: String,
    /// Which lease, where there are several: the 64 digits that `show` prints
    #[arg(long, value_name = "LEASE")]
    pub(crate) lease: Option<String>,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

#[derive(Debug, Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    pub(crate) user: User,
    /// The 64 digits of the file whose document it is; of a file that was followed by another one as well
    pub(crate) file: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

#[derive(Debug, Args)]
pub(crate) struct Retire {
    #[command(flatten)]
    pub(crate) user: User,
    /// The thing
    pub(crate) thing: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

#[derive(Debug, Args)]
pub(crate) struct Supervise {
    #[command(flatten)]
    pub(crate) at: At,
    /// The thing, or the 64 digits of a file
    pub(crate) what: String,
    /// Which decision it rests on, such as the file number of a court; the chain gets its hash
    #[arg(long, value_name = "WORDS")]
    pub(crate) reference: String,
    /// How long to wait, in seconds
    #[arg(long, value_name = "S", default_value_t = 300)]
    pub(crate) timeout_s: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Purging {
    #[command(flatten)]
    pub(crate) at: At,
    /// Only these files, by their 64 digits; without any, all whose time is over
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// Only list what may go
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long to wait, in seconds
    #[arg(long, value_name = "S", default_value_t = 300)]
    pub(crate) timeout_s: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    pub(crate) at: At,
    /// The user whose key is replaced: a name given to `party`; without it, the node's own key is
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Where the user's key is, if not in `parties/NAME.seed` beside the configuration
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) key: Option<PathBuf>,
    /// The node's sealing key is replaced as well; the one before is kept until `rewrap` deletes it
    #[arg(long, conflicts_with = "user")]
    pub(crate) sealing: bool,
    /// How long to wait, in seconds; stopped before, it is gone on with when asked again
    #[arg(long, value_name = "S", default_value_t = 300)]
    pub(crate) timeout_s: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Rewrap {
    #[command(flatten)]
    pub(crate) at: At,
    /// How long to wait, in seconds; the node goes on after that
    #[arg(long, value_name = "S", default_value_t = 300)]
    pub(crate) timeout_s: u64,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) at: At,
    /// Only what this party owns
    #[arg(long, value_name = "PARTY")]
    pub(crate) owner: Option<String>,
    /// Only what this party has as security
    #[arg(long, value_name = "PARTY")]
    pub(crate) lienholder: Option<String>,
    /// Only things of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) at: At,
    /// A thing, or the 64 digits of a file
    pub(crate) what: String,
}

#[derive(Debug, Args)]
pub(crate) struct Document {
    #[command(flatten)]
    pub(crate) at: At,
    /// The 64 digits of a file
    pub(crate) file: String,
    /// Where to save it
    #[arg(long, value_name = "PATH")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Prove {
    #[command(flatten)]
    pub(crate) at: At,
    /// A thing, or the 64 digits of a file
    pub(crate) what: String,
    /// Where to write the proof
    #[arg(long, value_name = "PATH", default_value = "proof.json")]
    pub(crate) to: PathBuf,
    /// Only who owns it now, without how that came to be
    #[arg(long)]
    pub(crate) only_now: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The proof
    pub(crate) proof: PathBuf,
    /// The network's public file
    #[arg(long, short, value_name = "FILE", default_value = "network.toml")]
    pub(crate) network: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) at: At,
    /// What became of this transaction (64 digits)
    pub(crate) transaction: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    #[command(flatten)]
    pub(crate) user: User,
    /// How many things
    #[arg(long, default_value_t = 1_000)]
    pub(crate) count: u32,
    /// Begin no more after so many seconds
    #[arg(long, value_name = "S")]
    pub(crate) for_s: Option<u64>,
    /// How many at a time
    #[arg(long, default_value_t = 32)]
    pub(crate) at_once: u32,
    /// What the numbers of the things begin with
    #[arg(long, default_value = "L")]
    pub(crate) prefix: String,
}

const AFTER: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 a file cannot be used, 4 refused by the chain, 5 rejected by the audit, \
6 not proven, 7 a node cannot be asked, 8 not over in time.

To try it, in one terminal:
  ledger_node network demo
and in another:
  cd demo/member-1
  echo 'this car is hers' > deed.txt
  ledger_node party alice
  ledger_node register deed.txt --thing vin:WVWZZZ1JZXW000001 --type vehicle --as alice
  ledger_node show vin:WVWZZZ1JZXW000001
  ledger_node prove vin:WVWZZZ1JZXW000001 --to proof.json
  ledger_node verify proof.json --network ../network.toml";
