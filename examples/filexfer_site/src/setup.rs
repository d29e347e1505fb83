//! A site to try: its authority, certificates, keys, folders and configuration.

use crate::clock;
use crate::failure::Failure;
use crate::hex;
use crate::options::Init;
use crate::secrets;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use seal::{Secret, SigningKey};
use std::fmt::Write as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Makes a folder that must not be there yet.
pub(crate) fn init(options: &Init) -> Result<String, Failure> {
    let [forwarder, access] = options.ports[..] else {
        return Err(Failure::Usage("--ports takes two ports, such as 7420,7421".into()));
    };
    let site = filexfer::SiteId::new(&options.site);
    site.map_err(|why| Failure::Usage(format!("--site: {why}")))?;
    let prefix = &options.prefix;
    // The longest of its names.
    filexfer::PartyId::new(&format!("{prefix}nfs-archive"))
        .map_err(|why| Failure::Usage(format!("--prefix: {why}")))?;
    let home = &options.folder;
    std::fs::create_dir(home).map_err(|why| Failure::file(home, why))?;
    for folder in
        ["certificates", "keys", "files", "files/ledger", "files/archive", "files/merchant"]
    {
        let path = home.join(folder);
        std::fs::create_dir(&path).map_err(|why| Failure::file(&path, why))?;
    }
    let authority = Authority::new(&options.site)?;
    secrets::create(&home.join("roots.pem"), authority.pem.as_bytes(), 0o644)?;
    let mut public = Vec::new();
    for party in ["r1", "a-merchant", "ledger", "archive", "merchant"] {
        let id = format!("{prefix}{party}");
        authority.issue(&id, &home.join("certificates"))?;
        if party != "a-merchant" {
            public.push(key(&id, &home.join("keys"))?);
        }
    }
    let text = configuration(options, forwarder, access, &public);
    secrets::create(&home.join("site.toml"), text.as_bytes(), 0o644)?;
    Ok(format!(
        "{} is ready: cd there, run `filexfer-site run`, and put files into files/ledger.\n\
         The authority's own key was thrown away; `filexfer-site init` makes another site.",
        home.display()
    ))
}

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(site: &str) -> Result<Self, Failure> {
        let key = KeyPair::generate().map_err(Failure::run)?;
        let mut params = CertificateParams::new(Vec::new()).map_err(Failure::run)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let name = format!("filexfer-site {site}");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let pem = params.self_signed(&key).map_err(Failure::run)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    fn issue(&self, party: &str, folder: &Path) -> Result<(), Failure> {
        let key = KeyPair::generate().map_err(Failure::run)?;
        let mut params = CertificateParams::new(vec![party.into()]).map_err(Failure::run)?;
        params.distinguished_name.push(rcgen::DnType::CommonName, party);
        let certificate = params.signed_by(&key, &self.issuer).map_err(Failure::run)?;
        secrets::create(&folder.join(format!("{party}.pem")), certificate.pem().as_bytes(), 0o644)?;
        let secret = Zeroizing::new(key.serialize_pem());
        secrets::create(&folder.join(format!("{party}.key")), secret.as_bytes(), 0o600)
    }
}

/// Draws a signing key; returns its public half.
fn key(party: &str, folder: &Path) -> Result<String, Failure> {
    let seed = Zeroizing::new(clock::entropy::<32>()?);
    let public = SigningKey::from_seed(&Secret::new(*seed)).verifying_key().to_bytes();
    let text = Zeroizing::new(hex::text(&*seed));
    secrets::create(&folder.join(format!("{party}.seed")), text.as_bytes(), 0o600)?;
    Ok(hex::text(&public))
}

fn configuration(options: &Init, forwarder: u16, access: u16, public: &[String]) -> String {
    let Init { site, prefix, .. } = options;
    let mut text = String::new();
    let [r1, ledger, archive, merchant] = public else { return text };
    let _ = write!(
        text,
        "# A site of filexfer-site: all its servers share this file. Paths are relative to it.
site = \"{site}\"
rules = 1
state = \"state\"
roots = \"roots.pem\"
certificates = \"certificates\"
keys = \"keys\"

[forwarder]
id = \"{prefix}r1\"
public_key = \"{r1}\"
listen = \"127.0.0.1:{forwarder}\"

[[backstage]]
id = \"{prefix}ledger\"
public_key = \"{ledger}\"
store = {{ id = \"{prefix}nfs-ledger\", root = \"files/ledger\", classes = {{ \"settlement\" = \"settlement\" }} }}

[[backstage]]
id = \"{prefix}archive\"
public_key = \"{archive}\"
store = {{ id = \"{prefix}nfs-archive\", root = \"files/archive\" }}

[[client]]
id = \"{prefix}merchant\"
public_key = \"{merchant}\"
root = \"files/merchant\"
access = {{ id = \"{prefix}a-merchant\", listen = \"127.0.0.1:{access}\" }}

# Who may send what to whom; what no grant allows is refused. `*` is anybody, `@site` anybody of a site.
[[grant]]
from = \"{prefix}ledger\"
to = \"*\"
size_max = 1_099_511_627_776

[[grant]]
from = \"{prefix}merchant\"
to = \"{prefix}ledger\"
size_max = 1_073_741_824
"
    );
    text
}
