//! The configuration of a site: one TOML file that all its servers share.

mod file;
mod keys;
mod profile;

use crate::failure::Failure;
use crate::fault::fault;
use crate::purging::Purging;
pub(crate) use file::{BackstageFile, BucketFile, ClientFile, LinkFile, SftpFile, StoreFile};
use file::{
    ForwarderFile, GrantFile, KeepingFile, ModeFile, NeighbourFile, PaceFile, RemoteFile, RoleFile,
    SiteFile,
};
use filexfer::{FileClass, Grant, Mode, Party, PartyId, PurgeTable, Registry, Role, SiteId, Who};
use keys::Keys;
use port::Zone;
use profile::Terms;
pub(crate) use profile::limit;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A configuration that was checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) file: SiteFile,
    /// Paths in the file are relative to this.
    folder: PathBuf,
    pub(crate) registry: Registry,
}

impl Config {
    /// What is forgotten of these tables, and when.
    pub(crate) fn purging(&self, tables: &'static [PurgeTable]) -> Purging {
        let KeepingFile { jobs_ms, notices_ms, every_ms, .. } = self.file.keeping;
        let is_backstage = tables.contains(&PurgeTable::Inbox);
        let of = if is_backstage { notices_ms } else { jobs_ms };
        // That it can be so was checked.
        let keeping = self.file.keeping.of(of, &self.file.forwarder.limits()).unwrap_or_default();
        let registry = Arc::new(self.registry.clone());
        Purging { tables, keeping, registry, every: Duration::from_millis(every_ms) }
    }

    /// Reads and checks a configuration. What belongs to one server only is checked when that one starts.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|why| Failure::file(path, why))?;
        let file: SiteFile =
            toml::from_str(&text).map_err(|why| Failure::file(path, fault(&text, &why)))?;
        let registry = file.registry().map_err(|why| Failure::file(path, why))?;
        file.check(&registry).map_err(|why| Failure::file(path, why))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { file, folder, registry })
    }

    /// A path of the file.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// Where a server keeps what it has to remember.
    pub(crate) fn state(&self, party: &str) -> PathBuf {
        self.path(&self.file.state).join(party)
    }

    /// Where a running server can be asked.
    pub(crate) fn socket(&self, party: &str) -> PathBuf {
        self.state(party).join("socket")
    }

    pub(crate) fn roots(&self) -> PathBuf {
        self.path(&self.file.roots)
    }

    pub(crate) fn certificate(&self, party: &str) -> (PathBuf, PathBuf) {
        let folder = self.path(&self.file.certificates);
        (folder.join(format!("{party}.pem")), folder.join(format!("{party}.key")))
    }

    pub(crate) fn seed(&self, party: &str) -> PathBuf {
        self.path(&self.file.keys).join(format!("{party}.seed"))
    }

    /// The number of the key with which a party that runs here signs.
    pub(crate) fn signs_with(&self, id: &str) -> u8 {
        self.file.signers().find(|(of, _)| *of == id).map_or(KEY_NUMBER, |(_, number)| number)
    }

    /// What a party of this site is, if it is a server that this program runs.
    pub(crate) fn server(&self, id: &str) -> Option<Server<'_>> {
        let file = &self.file;
        if file.forwarder.id == id {
            return Some(Server::Forwarder);
        }
        let backstage = file.backstage.iter().find(|one| one.id == id).map(|_| Server::Backstage);
        let client = || file.client.iter().find(|one| one.id == id).map(Server::Client);
        let access = || file.client.iter().find(|one| one.access.id == id).map(Server::Access);
        let sftp = || file.sftp.iter().find(|one| one.id == id).map(Server::Sftp);
        backstage.or_else(client).or_else(access).or_else(sftp)
    }

    /// The servers in the order in which they start. Clients that speak only SFTP are served by the SFTP server.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &str> {
        let file = &self.file;
        std::iter::once(file.forwarder.id.as_str())
            .chain(file.client.iter().map(|client| client.access.id.as_str()))
            .chain(file.backstage.iter().map(|backstage| backstage.id.as_str()))
            .chain(file.client.iter().filter(|one| one.sftp.is_none()).map(|one| one.id.as_str()))
            .chain(file.sftp.iter().map(|sftp| sftp.id.as_str()))
    }
}

/// A server of the site.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server<'a> {
    Forwarder,
    Access(&'a ClientFile),
    Backstage,
    Client(&'a ClientFile),
    Sftp(&'a SftpFile),
}

impl SiteFile {
    fn registry(&self) -> Result<Registry, String> {
        let zone = self.zone.as_deref().map_or_else(|| Ok(Zone::utc()), profile::zone)?;
        let forwarder = &self.forwarder;
        let own = party(&forwarder.id, Role::Forwarder, Some(forwarder.keys()))?;
        let registry = Registry::new(site_id(&self.site)?, own, self.rules);
        let registry = registry.map_err(|why| says(&forwarder.id, why))?;
        let mut registry = registry.in_zone(zone.clone());
        for one in &self.backstage {
            let backstage = party(&one.id, Role::Backstage, Some(one.keys()))?;
            let store = party(&one.store.id, Role::NetworkFileSystem, None)?;
            registry.backstage(backstage, store).map_err(|why| says(&one.id, why))?;
        }
        for one in &self.client {
            self.add_client(&mut registry, one, &zone)?;
        }
        for one in &self.neighbour {
            one.add(&mut registry)?;
        }
        for grant in &self.grant {
            grant.add(&mut registry)?;
        }
        Ok(registry)
    }

    /// Who signs, and with which number.
    fn signers(&self) -> impl Iterator<Item = (&str, u8)> {
        let forwarder = &self.forwarder;
        let forwarder = (&forwarder.id, forwarder.signs_with, forwarder.keys());
        let backstage = self.backstage.iter().map(|one| (&one.id, one.signs_with, one.keys()));
        let client = self.client.iter().map(|one| (&one.id, one.signs_with, one.keys()));
        let all = std::iter::once(forwarder).chain(backstage).chain(client);
        all.map(|(id, said, keys)| (id.as_str(), keys.signs_with(said)))
    }

    fn add_client(
        &self,
        registry: &mut Registry,
        one: &ClientFile,
        zone: &Zone,
    ) -> Result<(), String> {
        let client = party(&one.id, Role::Client, Some(one.keys()))?;
        let access = party(&one.access.id, Role::Access, None)?;
        registry.client(client, access).map_err(|why| says(&one.id, why))?;
        let id = party_id(&one.id)?;
        if one.sftp.is_some() {
            let sftp = self.sftp.as_ref();
            let sftp = sftp.ok_or_else(|| format!("{} has sftp, the site has none", one.id))?;
            // Only backstage servers ask: this one does so in the client's name.
            registry.delegate(id.clone(), party_id(&sftp.desk)?);
        }
        let profile = one.terms().profile(zone).map_err(|why| format!("{}: {why}", one.id))?;
        if let Some(profile) = profile {
            registry.serve(&id, profile).map_err(|why| says(&one.id, why))?;
        }
        Ok(())
    }

    fn check(&self, registry: &Registry) -> Result<(), String> {
        let PaceFile { again_ms, patience_ms, silence_ms, retry_ms } = self.pace;
        if [again_ms, patience_ms, silence_ms, retry_ms].contains(&0) {
            return Err("a pace is 0; give milliseconds".into());
        }
        if let Some(bytes_per_s) = self.forwarder.bytes_per_s {
            limit(bytes_per_s)?;
        }
        if self.forwarder.freshness_ms == 0 {
            return Err("freshness_ms is 0: no request would be fresh".into());
        }
        let KeepingFile { jobs_ms, notices_ms, every_ms, .. } = self.keeping;
        for term_ms in [jobs_ms, notices_ms] {
            self.keeping.of(term_ms, &self.forwarder.limits())?;
        }
        if every_ms < EVERY_LEAST_MS {
            return Err(format!("keeping: every_ms is below {EVERY_LEAST_MS}"));
        }
        for (id, number) in self.signers() {
            let party = registry.party(&party_id(id)?);
            if party.is_none_or(|party| !party.keys.contains_key(&number)) {
                return Err(format!("{id} signs with key {number}, which is none of its keys"));
            }
        }
        let mut roots = BTreeSet::new();
        let stores = self.backstage.iter().filter_map(|one| one.store.root.as_ref());
        for root in stores.chain(self.client.iter().map(|one| &one.root)) {
            if !roots.insert(root) {
                return Err(format!("two parties have the folder {}", root.display()));
            }
        }
        let mut unpacks = self.backstage.iter().filter(|one| one.unpack);
        if let Some(one) = unpacks.find(|one| one.store.root.is_none()) {
            return Err(format!("{}: unpack is for folders", one.id));
        }
        self.check_sftp(registry)?;
        self.check_buckets()?;
        for store in self.backstage.iter().map(|one| &one.store) {
            class_of(&store.class)?;
            for class in store.classes.values() {
                class_of(class)?;
            }
        }
        Ok(())
    }

    fn check_buckets(&self) -> Result<(), String> {
        let mut known: Vec<&BucketFile> = Vec::new();
        for store in self.backstage.iter().map(|one| &one.store) {
            let bucket = match (&store.root, &store.s3) {
                (Some(_), None) => continue,
                (None, Some(bucket)) => bucket,
                _ => {
                    return Err(format!(
                        "{}: give root, for a folder, or s3, for a bucket",
                        store.id
                    ));
                }
            };
            crate::bucket::check(&store.id, bucket)?;
            if known.iter().any(|other| crate::bucket::overlap(other, bucket)) {
                let name = &bucket.bucket;
                return Err(format!("two parties have the bucket {name}, or a part of it"));
            }
            known.push(bucket);
            if store.settle_ms > 0 {
                let why = "settle_ms is for folders; an object is there when all of it is";
                return Err(format!("{}: {why}", store.id));
            }
            if store.cached {
                return Err(format!(
                    "{}: cached is for folders; a bucket has no page cache",
                    store.id
                ));
            }
        }
        Ok(())
    }

    fn check_sftp(&self, registry: &Registry) -> Result<(), String> {
        let Some(sftp) = &self.sftp else { return Ok(()) };
        let names = self.backstage.iter().map(|one| &one.id).chain([&self.forwarder.id]);
        let edges = self.client.iter().flat_map(|one| [&one.id, &one.access.id]);
        party_id(&sftp.id)?;
        if names.chain(edges).any(|name| *name == sftp.id) {
            return Err(format!("the SFTP server has the name of a party: {}", sftp.id));
        }
        if !self.backstage.iter().any(|one| one.id == sftp.desk) {
            return Err(format!("the desk {} is no backstage server of this site", sftp.desk));
        }
        if [sftp.verdict_ms, sftp.idle_ms].contains(&0) {
            return Err("a time of sftp is 0; give milliseconds".into());
        }
        for (client, terms) in self.client.iter().filter_map(|one| Some((one, one.sftp.as_ref()?)))
        {
            class_of(&terms.class)?;
            for to in terms.to.keys() {
                if registry.party(&party_id(to)?).is_none() {
                    return Err(format!("{} pushes to {to}, which is no party", client.id));
                }
            }
        }
        Ok(())
    }
}

impl ForwarderFile {
    fn keys(&self) -> Keys<'_> {
        Keys { first: self.public_key.as_deref(), others: &self.public_keys }
    }
}

impl BackstageFile {
    fn keys(&self) -> Keys<'_> {
        Keys { first: self.public_key.as_deref(), others: &self.public_keys }
    }
}

impl ClientFile {
    fn keys(&self) -> Keys<'_> {
        Keys { first: self.public_key.as_deref(), others: &self.public_keys }
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            speaks_sftp: self.sftp.is_some(),
            delivery: self.delivery,
            hours: self.hours.as_ref(),
            bytes_per_s: self.bytes_per_s,
            names: &self.names,
        }
    }
}

impl RemoteFile {
    fn keys(&self) -> Keys<'_> {
        Keys { first: self.public_key.as_deref(), others: &self.public_keys }
    }
}

impl NeighbourFile {
    fn add(&self, registry: &mut Registry) -> Result<(), String> {
        let keys = Keys { first: self.public_key.as_deref(), others: &self.public_keys };
        let forwarder = party(&self.forwarder, Role::Forwarder, Some(keys))?;
        let site = site_id(&self.site)?;
        registry.link(site.clone(), forwarder).map_err(|why| says(&self.forwarder, why))?;
        for behind in &self.leads_to {
            registry.via(site_id(behind)?, &site).map_err(|why| says(behind, why))?;
        }
        for remote in &self.party {
            let role = match remote.role {
                RoleFile::Backstage => Role::Backstage,
                RoleFile::Client => Role::Client,
            };
            let home = remote.site.as_deref().map_or(Ok(site.clone()), site_id)?;
            let there = party(&remote.id, role, Some(remote.keys()))?;
            registry.remote(there, home).map_err(|why| says(&remote.id, why))?;
        }
        Ok(())
    }
}

impl GrantFile {
    fn add(&self, registry: &mut Registry) -> Result<(), String> {
        let (from, to) = (who(&self.from)?, who(&self.to)?);
        for end in [&from, &to] {
            if let Who::Party(id) = end
                && registry.party(id).is_none()
            {
                return Err(format!("a grant names {id}, which is no party"));
            }
        }
        let mut allowed = Grant::new(from, to, self.size_max);
        allowed.class = self.class.as_deref().map(class_of).transpose()?;
        allowed.folder.clone_from(&self.folder);
        allowed.mode = self.mode.map(|mode| match mode {
            ModeFile::Push => Mode::Push,
            ModeFile::Pull => Mode::Pull,
        });
        if let Some(hours) = &self.hours {
            allowed.hours = hours.of_grant()?;
        }
        registry.grant(allowed);
        Ok(())
    }
}

fn says(of: &str, why: filexfer::RegistryError) -> String {
    format!("{of}: {why}")
}

pub(crate) fn class_of(text: &str) -> Result<FileClass, String> {
    FileClass::new(text).map_err(|why| format!("the class {text:?} is none: {why}"))
}

pub(crate) fn party_id(text: &str) -> Result<PartyId, String> {
    PartyId::new(text).map_err(|why| format!("the party {text:?} is none: {why}"))
}

fn site_id(text: &str) -> Result<SiteId, String> {
    SiteId::new(text).map_err(|why| format!("the site {text:?} is none: {why}"))
}

fn party(id: &str, role: Role, keys: Option<Keys<'_>>) -> Result<Party, String> {
    let party = Party::new(party_id(id)?, role);
    match keys {
        Some(keys) => keys.give(party),
        None => Ok(party),
    }
}

fn who(text: &str) -> Result<Who, String> {
    match text.strip_prefix('@') {
        Some(site) => site_id(site).map(Who::At),
        None if text == "*" => Ok(Who::Anyone),
        None => party_id(text).map(Who::Party),
    }
}

/// The number of a party's `public_key`.
const KEY_NUMBER: u8 = 1;
/// Looking through everything more often would do nothing else.
const EVERY_LEAST_MS: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use filexfer::Limits;

    #[test]
    fn a_request_may_wait_a_day_for_a_server_that_is_down() {
        let text = "id = \"r1\"\npublic_key = \"\"\nlisten = \"127.0.0.1:1\"\n";
        let file: ForwarderFile = toml::from_str(text).unwrap();
        assert_eq!(file.limits().freshness_ms, 24 * 3_600_000);
        let file: ForwarderFile = toml::from_str(&format!("{text}freshness_ms = 7\n")).unwrap();
        assert_eq!(file.limits(), Limits { freshness_ms: 7, ..Limits::default() });
    }
}
