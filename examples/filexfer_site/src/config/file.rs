//! What stands in the file, as it is written.

use super::keys::KeyFile;
use super::profile::{DeliveryFile, HoursFile};
use filexfer::{Keeping, Limits};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SiteFile {
    /// The name of the site.
    pub(crate) site: String,
    /// The version of the rules below, named in each verdict.
    pub(super) rules: u32,
    /// In whose time hours are; UTC without it.
    pub(super) zone: Option<String>,
    /// Rows, spool and sockets of the servers run here.
    pub(super) state: PathBuf,
    /// Certificates of the authorities that are believed (PEM).
    pub(super) roots: PathBuf,
    /// Certificates and keys of the parties run here: `<id>.pem` and `<id>.key`.
    pub(super) certificates: PathBuf,
    /// Seeds of the signing keys of the parties run here: `<id>.seed`.
    pub(super) keys: PathBuf,
    /// How the servers of the site talk to each other.
    #[serde(default)]
    pub(crate) link: LinkFile,
    pub(crate) forwarder: ForwarderFile,
    #[serde(default)]
    pub(crate) backstage: Vec<BackstageFile>,
    #[serde(default)]
    pub(crate) client: Vec<ClientFile>,
    /// For clients that speak only SFTP.
    pub(crate) sftp: Option<SftpFile>,
    #[serde(default)]
    pub(crate) neighbour: Vec<NeighbourFile>,
    #[serde(default)]
    pub(super) grant: Vec<GrantFile>,
    #[serde(default)]
    pub(crate) pace: PaceFile,
    #[serde(default)]
    pub(super) keeping: KeepingFile,
}

/// What frames go over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LinkFile {
    #[default]
    Tls,
    Quic,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForwarderFile {
    pub(crate) id: String,
    pub(super) public_key: Option<String>,
    #[serde(default)]
    pub(super) public_keys: Vec<KeyFile>,
    /// Of several keys the number of the one that its seed is of.
    pub(super) signs_with: Option<u8>,
    pub(crate) listen: SocketAddr,
    /// Where the site's other servers dial; as `listen` without it.
    pub(crate) address: Option<String>,
    #[serde(default = "spool_bytes")]
    pub(crate) spool_bytes: u64,
    /// How old a request may be when it comes, in milliseconds: it waits while this server is down.
    #[serde(default = "freshness_ms")]
    pub(super) freshness_ms: u64,
    /// How fast files move through it, in bytes a second; unlimited without it.
    pub(crate) bytes_per_s: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackstageFile {
    pub(crate) id: String,
    pub(super) public_key: Option<String>,
    #[serde(default)]
    pub(super) public_keys: Vec<KeyFile>,
    pub(super) signs_with: Option<u8>,
    pub(crate) store: StoreFile,
    /// Files are made of the packs that arrive, and signed for.
    #[serde(default)]
    pub(crate) unpack: bool,
}

/// A network file system.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreFile {
    pub(crate) id: String,
    /// The folder; without it a bucket.
    pub(crate) root: Option<PathBuf>,
    pub(crate) s3: Option<BucketFile>,
    #[serde(default = "general")]
    pub(crate) class: String,
    /// Classes by folder.
    #[serde(default)]
    pub(crate) classes: BTreeMap<String, String>,
    pub(crate) quota_bytes: Option<u64>,
    #[serde(default)]
    pub(crate) settle_ms: u64,
    /// What is written stays in the page cache.
    #[serde(default)]
    pub(crate) cached: bool,
}

/// A bucket that speaks S3.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BucketFile {
    pub(crate) bucket: String,
    /// The part of the bucket that is used; all of it without one.
    pub(crate) prefix: Option<String>,
    /// Where it is asked: `https://host`.
    pub(crate) endpoint: String,
    #[serde(default = "region")]
    pub(crate) region: String,
    /// Certificates of the authorities that are believed there (PEM); the site's without it.
    pub(crate) roots: Option<PathBuf>,
    /// A file of mode 0600 with `access_key_id` and `secret_access_key`.
    pub(crate) credentials: Option<PathBuf>,
    /// Or which variables of the environment hold them.
    pub(crate) environment: Option<EnvironmentFile>,
}

/// Names of variables.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvironmentFile {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientFile {
    pub(crate) id: String,
    pub(super) public_key: Option<String>,
    #[serde(default)]
    pub(super) public_keys: Vec<KeyFile>,
    pub(super) signs_with: Option<u8>,
    pub(crate) root: PathBuf,
    pub(crate) quota_bytes: Option<u64>,
    /// How it talks to its access server; as the site without it.
    pub(crate) link: Option<LinkFile>,
    pub(crate) access: AccessFile,
    /// It speaks only SFTP: its client server runs here, with the SFTP server.
    pub(crate) sftp: Option<SftpClientFile>,
    #[serde(default)]
    pub(super) delivery: DeliveryFile,
    /// When its files may move; always without it.
    pub(super) hours: Option<HoursFile>,
    /// How fast they may move, in bytes a second; as fast as others without it.
    pub(super) bytes_per_s: Option<u64>,
    /// What folders of ours are called there.
    #[serde(default)]
    pub(super) names: BTreeMap<String, String>,
}

/// The SFTP server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SftpFile {
    /// How it is called here; it is no party.
    pub(crate) id: String,
    pub(crate) listen: SocketAddr,
    /// Its Ed25519 key, as `ssh-keygen` writes it.
    pub(crate) host_key: PathBuf,
    /// The backstage server that asks for what its clients push.
    pub(crate) desk: String,
    /// How long a client waits for the verdict about what it pushed.
    #[serde(default = "verdict_ms")]
    pub(crate) verdict_ms: u64,
    /// How long a connection may say nothing.
    #[serde(default = "idle_ms")]
    pub(crate) idle_ms: u64,
}

/// What a client that speaks only SFTP may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SftpClientFile {
    /// Lines of its `authorized_keys`; each lets it in.
    pub(crate) keys: Vec<String>,
    /// To whom it may push, and in which folder its files lie there.
    pub(crate) to: BTreeMap<String, String>,
    /// The class of what it pushes.
    #[serde(default = "general")]
    pub(crate) class: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessFile {
    pub(crate) id: String,
    pub(crate) listen: SocketAddr,
    /// Where the client dials; as `listen` without it.
    pub(crate) address: Option<String>,
}

impl ForwarderFile {
    /// Limits of the judgement.
    pub(crate) fn limits(&self) -> Limits {
        Limits { freshness_ms: self.freshness_ms, ..Limits::default() }
    }
}

/// Another site that is reached directly.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NeighbourFile {
    pub(super) site: String,
    pub(crate) forwarder: String,
    pub(super) public_key: Option<String>,
    #[serde(default)]
    pub(super) public_keys: Vec<KeyFile>,
    /// Where to dial; without it the other site dials.
    pub(crate) address: Option<String>,
    /// How the two sites talk; as the site without it. Both have to say the same.
    pub(crate) link: Option<LinkFile>,
    /// Sites behind it.
    #[serde(default)]
    pub(super) leads_to: Vec<String>,
    /// Parties of it, and of the sites behind it.
    #[serde(default)]
    pub(super) party: Vec<RemoteFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoteFile {
    pub(super) id: String,
    pub(super) role: RoleFile,
    pub(super) public_key: Option<String>,
    #[serde(default)]
    pub(super) public_keys: Vec<KeyFile>,
    /// Which site; the neighbour itself without it.
    pub(super) site: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RoleFile {
    Backstage,
    Client,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantFile {
    /// `*`, `@site`, or a party.
    pub(super) from: String,
    pub(super) to: String,
    pub(super) class: Option<String>,
    #[serde(default)]
    pub(super) folder: String,
    pub(super) mode: Option<ModeFile>,
    /// When a request may come; always without it.
    pub(super) hours: Option<HoursFile>,
    pub(super) size_max: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ModeFile {
    Push,
    Pull,
}

/// How often things are said again.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PaceFile {
    /// A request without an answer, an offer that nobody takes.
    pub(crate) again_ms: u64,
    /// A range that does not come.
    pub(crate) patience_ms: u64,
    /// A far end that says nothing.
    pub(crate) silence_ms: u64,
    /// The first wait after a failed attempt.
    pub(crate) retry_ms: u64,
}

impl Default for PaceFile {
    fn default() -> Self {
        Self { again_ms: 1_000, patience_ms: 5_000, silence_ms: 30_000, retry_ms: 1_000 }
    }
}

/// How long what is over is kept, in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct KeepingFile {
    /// Jobs at a forwarding server, outcomes at clients.
    pub(super) jobs_ms: u64,
    /// Requests with their results at a backstage server: receipts are saved from these.
    pub(super) notices_ms: u64,
    /// Receipts.
    pub(super) receipts_ms: u64,
    /// How often is looked.
    pub(super) every_ms: u64,
}

impl Default for KeepingFile {
    fn default() -> Self {
        let keeping = Keeping::default();
        let (jobs_ms, receipts_ms) = (keeping.jobs_ms(), keeping.receipts_ms());
        Self { jobs_ms, notices_ms: receipts_ms, receipts_ms, every_ms: 3_600_000 }
    }
}

impl KeepingFile {
    /// Of what goes after so long.
    pub(super) fn of(&self, jobs_ms: u64, limits: &Limits) -> Result<Keeping, String> {
        Keeping::new(jobs_ms, self.receipts_ms, limits).map_err(|_| {
            let why = "longer than freshness_ms and 5 s, or a request could be used twice";
            format!(
                "keeping: jobs_ms and notices_ms have to be {why}; and not longer than receipts_ms"
            )
        })
    }
}

fn region() -> String {
    "us-east-1".into()
}

fn general() -> String {
    "general".into()
}

const fn spool_bytes() -> u64 {
    1 << 40
}

/// A day: whoever asks says it again as it was, for as long as nobody answers.
const fn freshness_ms() -> u64 {
    86_400_000
}

const fn verdict_ms() -> u64 {
    10_000
}

const fn idle_ms() -> u64 {
    300_000
}
