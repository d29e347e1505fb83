//! One more node of a local network: its files, and the others' knowledge of it.

use crate::config::Config;
use crate::control::Question;
use crate::desk::ask_of;
use crate::failure::Failure;
use crate::making::{Authority, NETWORK, ports};
use crate::network::{Network, Ordering};
use crate::options::{Add, RoleOption};
use crate::secrets;
use ledger::NodeName;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Makes a node's folder, and has the others know it.
pub(crate) async fn add(options: &Add) -> Result<Value, Failure> {
    let home = &options.folder;
    let network = Network::load(&home.join(NETWORK))?;
    let name = &options.name;
    NodeName::new(name).map_err(|why| Failure::usage(format!("the name {name:?}: {why}")))?;
    if network.node(name).is_some() {
        return Err(Failure::usage(format!("the network has a node {name} already")));
    }
    let orders = options.role == RoleOption::Supervision && network.ordering == Ordering::Bft;
    if orders && options.snapshot_above.is_some() {
        return Err(Failure::usage(
            "a node that orders takes all blocks; --snapshot-above is left out",
        ));
    }
    let authority = Authority::load(home)?;
    let others = others(home, name)?;
    let own = home.join(name);
    let folder = |path: &Path| fs::create_dir(path).map_err(|why| Failure::file(path, why));
    folder(&own)?;
    folder(&own.join("parties"))?;
    authority.issue(name, &own)?;
    secrets::draw(&own.join("signing.seed"), "")?;
    secrets::draw(&own.join("sealing.seed"), "")?;
    let port = ports(options.port, 1)?.pop().unwrap_or_default();
    let role = match options.role {
        RoleOption::Supervision => "supervision",
        RoleOption::Member => "member",
    };
    let mut text = format!(
        "# The node {name}. Paths are relative to this file.
name = \"{name}\"
role = \"{role}\"
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
    if let Some(above) = options.snapshot_above {
        let _ = write!(text, "\n[snapshots]\njoin_above = {above}\n");
    }
    for (_, other) in &others {
        let (name, address) = (&other.file.name, other.file.listen);
        let _ = write!(text, "\n[[peer]]\nname = \"{name}\"\naddress = \"{address}\"\n");
    }
    let path = own.join("node.toml");
    secrets::create(&path, text.as_bytes(), 0o644)?;
    let mut told = Vec::new();
    for (path, other) in &others {
        if other.file.peer.iter().all(|it| it.name != *name) {
            let mut file = OpenOptions::new().append(true).open(path);
            let peer = format!("\n[[peer]]\nname = \"{name}\"\n");
            let done = file.as_mut().map(|file| file.write_all(peer.as_bytes()));
            done.map_err(|why| Failure::file(path, why))?
                .map_err(|why| Failure::file(path, why))?;
        }
        // One that does not run reads it when it starts.
        if ask_of(other, &Question::Reload).await.is_ok() {
            told.push(other.file.name.clone());
        }
    }
    Ok(json!({
        "node": name,
        "config": path.display().to_string(),
        "told": told,
        "next": format!(
            "run it with `ledger_node run {}`; it asks to join, and supervision nodes let it with `ledger_node node admit {name}`",
            path.display()
        ),
    }))
}

/// The configurations of all nodes that are there.
fn others(home: &Path, name: &str) -> Result<Vec<(PathBuf, Config)>, Failure> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(home).map_err(|why| Failure::file(home, why))? {
        let folder = entry.map_err(|why| Failure::file(home, why))?.path();
        let path = folder.join("node.toml");
        if path.exists() && !folder.ends_with(name) {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Ok((path.clone(), Config::load(&path)?))).collect()
}
