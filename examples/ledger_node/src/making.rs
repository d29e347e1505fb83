//! A local network's files: authority, certificates, keys, identity records, configurations.

use crate::clock;
use crate::failure::Failure;
use crate::hex;
use crate::network::Network;
use crate::options;
use crate::secrets;
use ledger::{
    Body, Genesis, Height, Identity, Label, NodeId, NodeName, Policy, Role, SealingKey, Signer,
    Transaction, Window,
};
use port::Time;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use seal::SigningKey;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A node before it has joined.
struct New {
    identity: Identity,
    signing: SigningKey,
    port: u16,
}

/// Makes a folder that must not be there yet; returns the configurations.
pub(crate) fn make(options: &options::Network) -> Result<Vec<PathBuf>, Failure> {
    let home = &options.folder;
    let supervision = usize::from(options.validators);
    if !(1..=VALIDATORS_MAX).contains(&supervision) {
        return Err(Failure::usage(format!("--validators is 1 to {VALIDATORS_MAX}")));
    }
    if !(1..=MEMBERS_MAX).contains(&usize::from(options.members)) {
        return Err(Failure::usage(format!("--members is 1 to {MEMBERS_MAX}")));
    }
    for kind in options.ask_people.iter().filter(|kind| *kind != "*") {
        Label::new(kind).map_err(|why| Failure::usage(format!("the type {kind:?}: {why}")))?;
    }
    let folder = |path: &Path| std::fs::create_dir(path).map_err(|why| Failure::file(path, why));
    folder(home)?;
    let authority = Authority::new()?;
    secrets::create(&home.join("roots.pem"), authority.pem.as_bytes(), 0o644)?;
    let key = Zeroizing::new(authority.issuer.key().serialize_pem());
    secrets::create(&home.join(AUTHORITY), key.as_bytes(), 0o600)?;
    let names = (1..=options.validators).map(|number| (Role::Supervision, number));
    let names = names.chain((1..=options.members).map(|number| (Role::Member, number)));
    let names: Vec<_> = names.collect();
    let ports = ports(options.first_port, names.len())?;
    let mut nodes = Vec::new();
    for ((role, number), port) in names.into_iter().zip(ports) {
        let name = match role {
            Role::Supervision => format!("supervision-{number}"),
            Role::Member => format!("member-{number}"),
        };
        let own = home.join(&name);
        folder(&own)?;
        folder(&own.join("parties"))?;
        authority.issue(&name, &own)?;
        let signing = SigningKey::from_seed(&secrets::draw(&own.join("signing.seed"), "")?);
        let sealing = SealingKey::from_seed(&secrets::draw(&own.join("sealing.seed"), "")?);
        let name = NodeName::new(&name).map_err(Failure::run)?;
        let identity =
            Identity { name, role, signing: signing.verifying_key(), sealing: sealing.public() };
        nodes.push(New { identity, signing, port });
    }
    let by_votes = match options.ordering {
        Some(ordering) => ordering == options::Ordering::Bft,
        None => supervision > 1,
    };
    let network = found(&nodes, by_votes, policy(options)?, clock::now())?;
    secrets::create(&home.join(NETWORK), network.to_text()?.as_bytes(), 0o644)?;
    let mut made = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        let path = home.join(node.identity.name.as_str()).join("node.toml");
        let text = configuration(options, &nodes, place);
        secrets::create(&path, text.as_bytes(), 0o644)?;
        made.push(path);
    }
    Ok(made)
}

/// The configurations of a network that was made before.
pub(crate) fn made(home: &Path) -> Result<Vec<PathBuf>, Failure> {
    let network = Network::load(&home.join(NETWORK))?;
    let nodes = network.nodes();
    let first = nodes.map(|(_, it)| home.join(it.name.as_str()).join("node.toml"));
    let mut made: Vec<_> = first.collect();
    // Those that were added later, behind the first ones.
    let mut added = Vec::new();
    for entry in std::fs::read_dir(home).map_err(|why| Failure::file(home, why))? {
        let path = entry.map_err(|why| Failure::file(home, why))?.path().join("node.toml");
        if path.exists() && !made.contains(&path) {
            added.push(path);
        }
    }
    added.sort();
    made.append(&mut added);
    Ok(made)
}

/// The genesis, and the identity records of all nodes: each a block, signed by the supervision nodes that are there before it.
fn found(nodes: &[New], by_votes: bool, policy: Policy, now: Time) -> Result<Network, Failure> {
    let founder = nodes.first().ok_or_else(|| Failure::usage("a network has nodes"))?;
    let origin = format!("localhost/ledger-{}", hex::text(&clock::entropy::<4>()?));
    let genesis = Genesis::new(&origin, policy, founder.identity.clone(), now);
    let genesis = genesis.map_err(Failure::run)?;
    let genesis = if by_votes { genesis.by_votes() } else { genesis };
    let chain = genesis.chain().map_err(Failure::run)?;
    let quorum = usize::from(genesis.policy().quorum);
    let mut records = Vec::new();
    for (height, node) in (0..).zip(nodes) {
        let body = Body::Join(node.identity.clone());
        let own = Signer::Key(node.identity.signing.to_bytes());
        let record = Transaction::new(chain, Window::new(Height(height), 1), body);
        let mut record = record.sign(own, 0, &node.signing).map_err(Failure::run)?;
        let before = (0..height).zip(nodes);
        let signers = before.filter(|(_, it)| it.identity.role == Role::Supervision);
        for (height, signer) in signers.take(quorum) {
            let by = Signer::Node(NodeId(Height(height)));
            record = record.sign(by, FIRST_KEY, &signer.signing).map_err(Failure::run)?;
        }
        records.push(record);
    }
    Network::new(genesis, records)
}

/// The usual rules, with the time that a user gave.
fn policy(options: &options::Network) -> Result<Policy, Failure> {
    if options.keep == 0 {
        return Err(Failure::usage("--keep is at least one block"));
    }
    let usual = Policy::default();
    // A request that was forgotten must not come again.
    Ok(Policy { keep: options.keep, window_max: usual.window_max.min(options.keep), ..usual })
}

fn configuration(options: &options::Network, nodes: &[New], own: usize) -> String {
    let mut text = String::new();
    let Some(node) = nodes.get(own) else { return text };
    let (name, port) = (&node.identity.name, node.port);
    let _ = write!(
        text,
        "# The node {name}. Paths are relative to this file.
name = \"{name}\"
network = \"../{NETWORK}\"
listen = \"127.0.0.1:{port}\"

[tls]
roots = \"../roots.pem\"
certificate = \"tls.pem\"
key = \"tls.key\"

[keys]
signing = \"signing.seed\"
sealing = \"sealing.seed\"
"
    );
    if node.identity.role == Role::Supervision && !options.ask_people.is_empty() {
        let kinds = options.ask_people.iter().map(|kind| format!("{kind:?}"));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        let _ = write!(text, "\n[audit]\nask_people = [{kinds}]\n");
    }
    for (place, other) in nodes.iter().enumerate().filter(|(place, _)| *place != own) {
        let _ = write!(text, "\n[[peer]]\nname = \"{}\"\n", other.identity.name);
        // Of two nodes the later one dials.
        if place < own {
            let _ = writeln!(text, "address = \"127.0.0.1:{}\"", other.port);
        }
    }
    text
}

/// Ports in a row, or any that are free now.
pub(crate) fn ports(first: u16, count: usize) -> Result<Vec<u16>, Failure> {
    if first > 0 {
        let ports: Vec<u16> = (first..=u16::MAX).take(count).collect();
        return match ports.len() == count {
            true => Ok(ports),
            false => Err(Failure::usage("--first-port leaves no room for all nodes")),
        };
    }
    // All are held until all are known, so that none comes twice.
    let held = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let held = held.collect::<Result<Vec<_>, _>>().map_err(Failure::run)?;
    let ports = held.iter().map(|it| it.local_addr().map(|at| at.port()));
    ports.collect::<Result<_, _>>().map_err(Failure::run)
}

pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self, Failure> {
        Self::of(KeyPair::generate().map_err(Failure::run)?)
    }

    /// That of a local network, for one more node.
    pub(crate) fn load(home: &Path) -> Result<Self, Failure> {
        let path = home.join(AUTHORITY);
        if !path.exists() {
            let why = "it is not there, and without it no certificate can be made; a node with one of its own needs a folder made by hand";
            return Err(Failure::file(&path, why));
        }
        let pem = secrets::read(&path)?;
        let pem = std::str::from_utf8(&pem).map_err(|why| Failure::file(&path, why))?;
        Self::of(KeyPair::from_pem(pem).map_err(|why| Failure::file(&path, why))?)
    }

    fn of(key: KeyPair) -> Result<Self, Failure> {
        let mut params = CertificateParams::new(Vec::new()).map_err(Failure::run)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(rcgen::DnType::CommonName, "ledger_node network");
        let pem = params.self_signed(&key).map_err(Failure::run)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    pub(crate) fn issue(&self, name: &str, folder: &Path) -> Result<(), Failure> {
        let key = KeyPair::generate().map_err(Failure::run)?;
        let mut params = CertificateParams::new(vec![name.into()]).map_err(Failure::run)?;
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).map_err(Failure::run)?;
        secrets::create(&folder.join("tls.pem"), certificate.pem().as_bytes(), 0o644)?;
        let secret = Zeroizing::new(key.serialize_pem());
        secrets::create(&folder.join("tls.key"), secret.as_bytes(), 0o600)
    }
}

/// The key with which a local network's certificates are signed.
const AUTHORITY: &str = "authority.key";
/// The public file of a network.
pub(crate) const NETWORK: &str = "network.toml";
const FIRST_KEY: u16 = 1;
const VALIDATORS_MAX: usize = 16;
const MEMBERS_MAX: usize = 32;
