//! The configuration of one node: a TOML file.

use crate::failure::Failure;
use crate::key_file;
use crate::network::{Network, Ordering};
use crate::secrets;
use ledger::{Height, Identity, Label, NodeId, Role, SealingKey, SealingRing};
use port::KeyId;
use seal::{Secret, SigningKey, SoftKeys};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A configuration that was checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) file: NodeFile,
    pub(crate) network: Network,
    pub(crate) role: Role,
    /// Which node of the chain this is; `None` for one that has not joined yet.
    node: Option<NodeId>,
    /// If it is one of the network's first nodes.
    identity: Option<Identity>,
    /// Paths in the file are relative to this.
    folder: PathBuf,
}

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeFile {
    /// As in the network's file.
    pub(crate) name: String,
    /// What it does, if it is none of the network's first nodes.
    role: Option<RoleName>,
    /// The network's public file.
    network: PathBuf,
    /// Rows and the socket.
    #[serde(default = "state")]
    state: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) tls: TlsFile,
    pub(crate) keys: KeysFile,
    #[serde(default)]
    pub(crate) peer: Vec<PeerFile>,
    #[serde(default)]
    pub(crate) audit: AuditFile,
    #[serde(default)]
    pub(crate) pace: PaceFile,
    #[serde(default)]
    pub(crate) snapshots: SnapshotsFile,
}

/// What a node that joins later does.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RoleName {
    Supervision,
    Member,
}

/// Certificates, as PEM.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsFile {
    roots: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

/// Seeds of the node's own keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysFile {
    signing: PathBuf,
    sealing: PathBuf,
}

/// Another node.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeerFile {
    pub(crate) name: String,
    /// Where to dial; without it the other one dials.
    pub(crate) address: Option<String>,
}

/// How a supervision node audits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditFile {
    /// Types of things for which a person has to say yes; `*`: all.
    pub(crate) ask_people: Vec<String>,
    pub(crate) media_types: Vec<String>,
    pub(crate) bytes_max: usize,
    /// Whether a thing under a lien may be registered by its new owner.
    pub(crate) allow_liens: bool,
    /// After so many milliseconds the next supervision node audits what the one before has not.
    pub(crate) takeover_ms: u64,
}

impl Default for AuditFile {
    fn default() -> Self {
        let types =
            ["application/json", "application/pdf", "image/jpeg", "image/png", "text/plain"];
        Self {
            ask_people: Vec::new(),
            media_types: types.map(String::from).to_vec(),
            bytes_max: 4 << 20,
            allow_liens: true,
            takeover_ms: 3_000,
        }
    }
}

impl AuditFile {
    /// Of which things people are asked; `None`: of all.
    pub(crate) fn kinds(&self) -> Result<Option<Vec<Label>>, Failure> {
        if self.ask_people.iter().any(|kind| kind == "*") {
            return Ok(None);
        }
        let kinds = self.ask_people.iter().map(|kind| {
            Label::new(kind).map_err(|why| Failure::usage(format!("the type {kind:?}: {why}")))
        });
        kinds.collect::<Result<_, _>>().map(Some)
    }
}

/// How often things are said again.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PaceFile {
    /// A supervision node that says nothing to a transaction.
    pub(crate) patience_ms: u64,
    /// How long it is left alone then.
    pub(crate) rest_ms: u64,
    /// A question that is not answered: for a block, a document, an offer.
    pub(crate) again_ms: u64,
    /// Where votes order: a proposal, votes that could still agree, and what others may not have heard.
    pub(crate) propose_ms: u64,
    pub(crate) vote_ms: u64,
    pub(crate) resend_ms: u64,
}

impl Default for PaceFile {
    fn default() -> Self {
        Self {
            patience_ms: 2_000,
            rest_ms: 10_000,
            again_ms: 1_000,
            propose_ms: 1_000,
            vote_ms: 500,
            resend_ms: 500,
        }
    }
}

/// What passes for snapshots, to and from this node.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SnapshotsFile {
    /// A node without blocks begins with a snapshot if it lacks more than so many; without this number it takes all of them.
    pub(crate) join_above: Option<u64>,
    /// Whether it gives snapshots to others.
    pub(crate) serve: bool,
    /// For so long after it was last asked for, a snapshot is kept.
    pub(crate) kept_s: u64,
}

impl Default for SnapshotsFile {
    fn default() -> Self {
        Self { join_above: None, serve: true, kept_s: 600 }
    }
}

/// What a node signs and opens with.
pub(crate) struct NodeKeys {
    pub(crate) signing: SigningKey,
    /// Which of the node's keys that is, on the chain.
    pub(crate) number: u16,
    /// With former ones, as long as something is sealed for them.
    pub(crate) sealing: SealingRing,
    /// The same signing key behind the port.
    pub(crate) soft: SoftKeys,
}

impl Config {
    /// Reads and checks a configuration.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|why| match why.kind() {
            std::io::ErrorKind::NotFound => {
                Failure::file(path, "it is not there; go to a node's folder, or name its node.toml")
            }
            _ => Failure::file(path, why),
        })?;
        let file: NodeFile =
            toml::from_str(&text).map_err(|why| Failure::file(path, why.to_string().trim_end()))?;
        file.check().map_err(|why| Failure::file(path, why))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let network = Network::load(&folder.join(&file.network))?;
        let mut config =
            Self { role: Role::Member, node: None, identity: None, file, network, folder };
        match (config.network.node(&config.file.name), config.file.role) {
            (Some((node, identity)), None) => {
                config.role = identity.role;
                config.node = Some(node);
                config.identity = Some(identity.clone());
            }
            (Some(_), Some(_)) => {
                let why = "its network's file has a node of this name; then its role is left out";
                return Err(Failure::file(path, why));
            }
            (None, Some(role)) => {
                config.role = match role {
                    RoleName::Supervision => Role::Supervision,
                    RoleName::Member => Role::Member,
                };
                config.node = config.read_node()?;
            }
            (None, None) => {
                let name = &config.file.name;
                let why =
                    format!("{name} is no node of the network; one that joins later has a role");
                return Err(Failure::file(path, why));
            }
        }
        if config.file.snapshots.join_above.is_some() && config.orders() {
            let why = "it orders, and so takes all blocks; snapshots.join_above is left out";
            return Err(Failure::file(path, why));
        }
        Ok(config)
    }

    /// Which node of the chain this is.
    pub(crate) fn node(&self) -> Result<NodeId, Failure> {
        let name = &self.file.name;
        self.node.ok_or_else(|| {
            Failure::usage(format!(
                "{name} has not joined yet; let it run, and `ledger_node node admit {name}` at supervision nodes"
            ))
        })
    }

    pub(crate) const fn has_joined(&self) -> bool {
        self.node.is_some()
    }

    /// Writes down that this node has joined.
    pub(crate) fn write_node(&self, node: NodeId) -> Result<(), Failure> {
        let path = self.state().join(NODE);
        let new = path.with_extension("new");
        let _ = std::fs::remove_file(&new);
        secrets::create(&new, node.0.0.to_string().as_bytes(), 0o644)?;
        std::fs::rename(&new, &path).map_err(|why| Failure::file(&path, why))
    }

    fn read_node(&self) -> Result<Option<NodeId>, Failure> {
        let path = self.state().join(NODE);
        match std::fs::read_to_string(&path) {
            Ok(text) => match text.trim().parse() {
                Ok(number) => Ok(Some(NodeId(Height(number)))),
                Err(_) => Err(Failure::file(&path, "it holds no number of a node")),
            },
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(Failure::file(&path, why)),
        }
    }

    /// Whether it puts transactions in their order, with others or alone.
    pub(crate) fn orders(&self) -> bool {
        match self.network.ordering {
            Ordering::Single => self.node == Some(NodeId::FOUNDER),
            Ordering::Bft => self.is_supervision(),
        }
    }

    /// From how many missing blocks on it begins with a snapshot; `None`: never.
    pub(crate) fn joins_above(&self) -> Option<u64> {
        self.file.snapshots.join_above
    }

    pub(crate) fn is_supervision(&self) -> bool {
        self.role == Role::Supervision
    }

    /// Where the node keeps what it has to remember.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join(&self.file.state)
    }

    /// Where the running node can be asked.
    pub(crate) fn socket(&self) -> PathBuf {
        self.state().join("socket")
    }

    /// Where the keys of its users are, unless they say otherwise.
    pub(crate) fn parties(&self) -> PathBuf {
        self.folder.join("parties")
    }

    pub(crate) fn roots(&self) -> PathBuf {
        self.folder.join(&self.file.tls.roots)
    }

    pub(crate) fn certificate(&self) -> (PathBuf, PathBuf) {
        let TlsFile { certificate, key, .. } = &self.file.tls;
        (self.folder.join(certificate), self.folder.join(key))
    }

    /// Where the node's signing key is.
    pub(crate) fn signing(&self) -> PathBuf {
        self.folder.join(&self.file.keys.signing)
    }

    /// Where the node's sealing key is.
    pub(crate) fn sealing(&self) -> PathBuf {
        self.folder.join(&self.file.keys.sealing)
    }

    /// Reads the node's keys, and holds its first ones against its identity record; later ones are held against the chain.
    pub(crate) fn keys(&self) -> Result<NodeKeys, Failure> {
        let foreign = "its public half is not in the node's identity record";
        let first = self.identity.as_ref();
        let path = self.signing();
        let (number, seed) = numbered(&path)?;
        let signing = SigningKey::from_seed(&seed);
        if number == 1 && first.is_some_and(|it| it.signing != signing.verifying_key()) {
            return Err(Failure::file(&path, foreign));
        }
        let mut soft = SoftKeys::new();
        soft.add_signing(SIGNING, &seed);
        let path = self.sealing();
        let (newest, seed) = numbered(&path)?;
        let key = SealingKey::from_seed(&seed);
        if newest == 1 && first.is_some_and(|it| it.sealing != key.public()) {
            return Err(Failure::file(&path, foreign));
        }
        // Oldest first, the newest one last.
        let mut all = key_file::former(&path, newest)?
            .into_iter()
            .map(|(number, seed)| (number, SealingKey::from_seed(&seed)))
            .chain([(newest, key.clone())]);
        let (oldest, first) = all.next().unwrap_or((newest, key));
        let mut sealing = SealingRing::new(oldest, first);
        for (number, key) in all {
            sealing.rotate(number, key).map_err(|_| {
                Failure::file(
                    &path,
                    format!("more than {} keys are beside it", SealingRing::KEYS_MAX),
                )
            })?;
        }
        Ok(NodeKeys { signing, number, sealing, soft })
    }
}

/// A seed, and the number that is noted behind it; the first one has none.
fn numbered(path: &Path) -> Result<(u16, Secret<32>), Failure> {
    let (seed, note) = secrets::noted(path)?;
    let number = if note.is_empty() { Ok(1) } else { note.parse() };
    let number = number.map_err(|_| Failure::file(path, "no number stands behind its seed"))?;
    Ok((number, seed))
}

impl NodeFile {
    fn check(&self) -> Result<(), String> {
        let PaceFile { patience_ms, rest_ms, again_ms, propose_ms, vote_ms, resend_ms } = self.pace;
        let takeover_ms = self.audit.takeover_ms;
        let paces = [patience_ms, rest_ms, again_ms, propose_ms, vote_ms, resend_ms, takeover_ms];
        if paces.contains(&0) {
            return Err("a pace is 0; give milliseconds".into());
        }
        if self.snapshots.kept_s == 0 {
            return Err("snapshots.kept_s is 0; give seconds".into());
        }
        if self.audit.bytes_max > ledger::Document::BYTES_MAX {
            return Err(format!("audit.bytes_max is above {}", ledger::Document::BYTES_MAX));
        }
        self.audit.kinds().map_err(|why| why.to_string())?;
        Ok(())
    }
}

fn state() -> PathBuf {
    "state".into()
}

/// Which node of the chain this is, of one that has joined.
const NODE: &str = "node";
/// The node's signing key at its key holder.
pub(crate) const SIGNING: KeyId = KeyId(1);
