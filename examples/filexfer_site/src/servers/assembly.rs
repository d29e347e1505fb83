//! What each server is put together from: its role, its links, its files, its keys, as the configuration says.

use crate::access::Access;
use crate::backstage::{Backstage, Own, SIGNING};
use crate::bucket;
use crate::client::Client;
use crate::clock;
use crate::config::{ClientFile, Config, LinkFile, StoreFile, class_of, limit, party_id};
use crate::failure::Failure;
use crate::files::Files;
use crate::forwarder::Forwarding;
use crate::lines::{Inboxes, Lines};
use crate::packs::{Folder as PacksFolder, Packs};
use crate::purging::Purging;
use crate::rows::{self, Left, TENANT};
use crate::secrets;
use files_local::{Area, LocalFiles, Options as FilesOptions};
use files_object_store::{Area as Bucket, ObjectFiles, Options as BucketOptions};
use filexfer::{
    ClientConfig, ClientServer, ForwarderConfig, Paces, PartyId, Place, PurgeTable, Retry,
};
use link::{Contact, Identity, Limits, Options as LinkOptions};
use port::Peer;
use seal::SoftKeys;
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store_redb::{Options as StoreOptions, RedbStore};

/// What a station has around its role and its store.
pub(crate) struct Around {
    pub(super) keys: SoftKeys,
    pub(super) link: (Lines, Inboxes),
    pub(super) files: Option<Arc<Files>>,
    /// Where a backstage server packs what it sends.
    pub(super) packs: Option<Arc<Packs>>,
    pub(super) socket: PathBuf,
    pub(super) purging: Option<Purging>,
}

pub(super) async fn forwarding(
    config: &Config,
    party: PartyId,
) -> Result<(Forwarding, Around), Failure> {
    let (file, state) = (&config.file, config.state(party.as_str()));
    let keys = keys(config, &party)?;
    let inside = |id| contact(id, None, file.link);
    let backstages = file.backstage.iter().map(|one| inside(&one.id));
    let accesses = file.client.iter().map(|one| inside(&one.access.id));
    let others = file
        .neighbour
        .iter()
        .map(|one| contact(&one.forwarder, one.address.clone(), one.link.unwrap_or(file.link)));
    let contacts = backstages.chain(accesses).chain(others).collect::<Result<_, _>>()?;
    let mut options = FilesOptions::new(folder(&state.join("work"))?)
        .spool(spool(folder(&state.join("spool"))?, file.forwarder.spool_bytes)?);
    let proofs = state.join("proofs");
    let mut buckets = BucketOptions::new(&proofs);
    for store in file.backstage.iter().map(|one| &one.store) {
        let id = id_of(&store.id)?;
        if let Some(root) = &store.root {
            options = options.store(id, area(config, store, root)?);
        } else if let Some(s3) = &store.s3 {
            let mut area =
                Bucket::new(bucket::open(config, &store.id, s3).await?, class(&store.class)?);
            area.classes = classes(store)?;
            area.quota_bytes = store.quota_bytes.unwrap_or(u64::MAX);
            buckets = buckets.store(id, area);
        }
    }
    let buckets = (!buckets.stores.is_empty()).then_some(buckets);
    if buckets.is_some() {
        folder(&proofs)?;
    }
    let files = Some(files(options, buckets, party.as_str()).await?);
    let key = (SIGNING, config.signs_with(party.as_str()));
    let mut brief = ForwarderConfig::new(TENANT, party.clone(), key);
    brief.limits = file.forwarder.limits();
    brief.paces = paces(config);
    brief.again_ms = file.pace.again_ms;
    brief.batch_multiple = RedbStore::BATCH_MULTIPLE;
    brief.outbox.in_flight_max = IN_FLIGHT;
    brief.outbox.page_rows = IN_FLIGHT;
    brief.patience_ms = file.pace.silence_ms;
    brief.spool_bytes = file.forwarder.spool_bytes;
    brief.retry = Retry::new(file.pace.retry_ms, RETRY_MOST_MS.max(file.pace.retry_ms), 0)
        .map_err(Failure::run)?;
    if let Some(rate) = file.forwarder.bytes_per_s {
        brief.rate = limit(rate).map_err(Failure::Usage)?;
    }
    let role = Forwarding::new(brief, Arc::new(config.registry.clone()))?;
    let link = link(config, &party, Some(file.forwarder.listen), contacts).await?;
    let purging = Some(config.purging(&[PurgeTable::Jobs, PurgeTable::Receipts]));
    Ok((
        role,
        Around { keys, link, files, packs: None, socket: config.socket(party.as_str()), purging },
    ))
}

pub(super) async fn access(
    config: &Config,
    party: PartyId,
    client: &ClientFile,
) -> Result<(Access, Around), Failure> {
    let contacts = vec![to_forwarder(config)?, contact(&client.id, None, over(config, client))?];
    let role = Access::new(id_of(&config.file.forwarder.id)?, id_of(&client.id)?)?;
    let link = link(config, &party, Some(client.access.listen), contacts).await?;
    let socket = config.socket(party.as_str());
    Ok((
        role,
        Around { keys: SoftKeys::new(), link, files: None, packs: None, socket, purging: None },
    ))
}

pub(super) async fn backstage(
    config: &Config,
    party: PartyId,
    store: &RedbStore,
) -> Result<(Backstage, Around), Failure> {
    let keys = keys(config, &party)?;
    let forwarder = id_of(&config.file.forwarder.id)?;
    let pace_ms = config.file.pace.again_ms;
    let site = config.registry.site().clone();
    let own = config.file.backstage.iter().find(|one| one.id == party.as_str());
    let folder = own.map(|own| packing(config, &own.store)).transpose()?.flatten();
    let packs = Arc::new(Packs::new(folder));
    let unpacks = own.is_some_and(|own| own.unpack);
    if unpacks {
        packs.open().map_err(|why| Failure::Run(format!("{party}: {why}")))?;
    }
    let key_number = config.signs_with(party.as_str());
    let own = Own { party: party.clone(), key_number, site, forwarder, pace_ms, unpacks };
    let role = Backstage::open(own, Arc::clone(&packs), store).await?;
    let link = link(config, &party, None, vec![to_forwarder(config)?]).await?;
    let purging = Some(config.purging(&[PurgeTable::Inbox, PurgeTable::Receipts]));
    let (packs, socket) = (Some(packs), config.socket(party.as_str()));
    Ok((role, Around { keys, link, files: None, packs, socket, purging }))
}

/// A client server, after what an earlier process left was removed.
pub(crate) async fn client_server(
    config: &Config,
    party: PartyId,
    client: &ClientFile,
) -> Result<(Client, Around, RedbStore), Failure> {
    let keys = keys(config, &party)?;
    let access = id_of(&client.access.id)?;
    let at = client.access.address.clone();
    let at = at.unwrap_or_else(|| client.access.listen.to_string());
    let contacts = vec![contact(access.as_str(), Some(at), over(config, client))?];
    let work = folder(&config.state(party.as_str()).join("work"))?;
    let options = FilesOptions::new(work).store(party.clone(), client_area(config, client)?);
    let files = Some(files(options, None, party.as_str()).await?);
    let key = (SIGNING, config.signs_with(party.as_str()));
    let paces = paces(config);
    let brief = ClientConfig { tenant: TENANT, party: party.clone(), access, key, paces };
    let role = Client::new(brief)?;
    let link = link(config, &party, None, contacts).await?;
    let store = open_rows(config, party.as_str())?;
    let places = [Place::Store(party.clone())];
    rows::sweep(&store, files.as_deref(), &places, Left::If(ClientServer::outcomes(TENANT)))
        .await
        .map_err(Failure::Run)?;
    // A mailbox shows what outcomes say, for as long as its client has not fetched it.
    let tables = &[PurgeTable::Taken, PurgeTable::Receipts];
    let purging = client.sftp.is_none().then(|| config.purging(tables));
    Ok((
        role,
        Around { keys, link, files, packs: None, socket: config.socket(party.as_str()), purging },
        store,
    ))
}

fn paces(config: &Config) -> Paces {
    Paces { patience_ms: config.file.pace.patience_ms, ..Paces::default() }
}

fn to_forwarder(config: &Config) -> Result<(LinkFile, Contact), Failure> {
    let forwarder = &config.file.forwarder;
    let at = forwarder.address.clone().unwrap_or_else(|| forwarder.listen.to_string());
    contact(&forwarder.id, Some(at), config.file.link)
}

/// How a client and its access server talk.
fn over(config: &Config, client: &ClientFile) -> LinkFile {
    client.link.unwrap_or(config.file.link)
}

async fn link(
    config: &Config,
    party: &PartyId,
    listen: Option<SocketAddr>,
    contacts: Vec<(LinkFile, Contact)>,
) -> Result<(Lines, Inboxes), Failure> {
    let (identity, roots) = credentials(config, party.as_str())?;
    let options = LinkOptions {
        name: peer(party.as_str())?,
        identity,
        roots,
        listen,
        contacts: Vec::new(),
        limits: Limits {
            keepalive_ms: KEEPALIVE_MS,
            backoff_most_ms: BACKOFF_MOST_MS,
            ..Limits::default()
        },
    };
    Lines::open(options, contacts).await.map_err(|why| match (why, listen) {
        (link::OpenError::Listen(_), Some(at)) => Failure::Run(format!("{party}: {why} at {at}")),
        _ => Failure::file(&config.certificate(party.as_str()).0, why),
    })
}

/// What a server shows, and whom it believes, as the files say now.
pub(super) fn credentials(config: &Config, id: &str) -> Result<(Identity, Vec<u8>), Failure> {
    let (certificate, key) = config.certificate(id);
    let read = |path: &Path| std::fs::read(path).map_err(|why| Failure::file(path, why));
    let identity = Identity::new(read(&certificate)?, secrets::read(&key)?.to_vec());
    Ok((identity, read(&config.roots())?))
}

fn keys(config: &Config, party: &PartyId) -> Result<SoftKeys, Failure> {
    let (path, number) = (config.seed(party.as_str()), config.signs_with(party.as_str()));
    let known = config.registry.party(party).and_then(|party| party.keys.get(&number));
    if known.is_some_and(|(_, validity)| !validity.holds(clock::now())) {
        let why = format!("key {number} of {party} is not valid now: nobody would believe it");
        return Err(Failure::file(&path, why));
    }
    secrets::signing(&path, known.map(|(key, _)| key))
}

pub(super) fn open_rows(config: &Config, id: &str) -> Result<RedbStore, Failure> {
    let path = config.state(id).join("rows");
    RedbStore::open(&path, StoreOptions::new().create(true))
        .map_err(|why| Failure::file(&path, why))
}

async fn files(
    options: FilesOptions,
    buckets: Option<BucketOptions>,
    id: &str,
) -> Result<Arc<Files>, Failure> {
    let roots: Vec<String> =
        options.stores.values().map(|area| area.root.display().to_string()).collect();
    let folders = LocalFiles::open(options);
    let folders =
        folders.map_err(|why| Failure::Run(format!("{id}: {why} ({})", roots.join(", "))))?;
    let in_buckets = buckets.iter().flat_map(|options| options.stores.keys().cloned()).collect();
    let buckets = match buckets {
        Some(options) => {
            let opened = ObjectFiles::open(options).await;
            Some(opened.map_err(|why| Failure::Run(format!("{id}: {why}")))?)
        }
        None => None,
    };
    Ok(Arc::new(Files::new(folders, buckets, in_buckets)))
}

fn area(config: &Config, store: &StoreFile, root: &Path) -> Result<Area, Failure> {
    let mut area = Area::new(config.path(root), class(&store.class)?);
    area.classes = classes(store)?;
    area.quota_bytes = store.quota_bytes.unwrap_or(u64::MAX);
    area.settle_ms = store.settle_ms;
    area.is_cached = store.cached;
    Ok(area)
}

/// Where packs are made of a store's files; nowhere in a bucket.
fn packing(config: &Config, store: &StoreFile) -> Result<Option<PacksFolder>, Failure> {
    let Some(root) = &store.root else { return Ok(None) };
    let (root, class, classes) = (config.path(root), class(&store.class)?, classes(store)?);
    Ok(Some(PacksFolder { root, class, classes, settle_ms: store.settle_ms }))
}

/// Classes by folder.
fn classes(store: &StoreFile) -> Result<Vec<(String, filexfer::FileClass)>, Failure> {
    store.classes.iter().map(|(folder, of)| Ok((folder.clone(), class(of)?))).collect()
}

/// The machine refuses what it knows to be too much for the spool. How large a client's file is it learns only when the file
/// moves, and what is over counts no more a moment before it is removed: the spool's own bound is a little wider.
fn spool(root: PathBuf, spool_bytes: u64) -> Result<Area, Failure> {
    let mut area = Area::new(root, class("general")?);
    area.quota_bytes = spool_bytes.saturating_add(spool_bytes / SPOOL_ROOM);
    Ok(area)
}

fn client_area(config: &Config, client: &ClientFile) -> Result<Area, Failure> {
    let mut area = Area::new(config.path(&client.root), class("general")?);
    area.quota_bytes = client.quota_bytes.unwrap_or(u64::MAX);
    Ok(area)
}

/// A folder for this program alone, made where it is not there.
pub(crate) fn folder(path: &Path) -> Result<PathBuf, Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map(|()| path.to_owned()).map_err(|why| Failure::file(path, why))
}

fn contact(
    id: &str,
    address: Option<String>,
    over: LinkFile,
) -> Result<(LinkFile, Contact), Failure> {
    Ok((over, Contact { peer: peer(id)?, address }))
}

fn peer(id: &str) -> Result<Peer, Failure> {
    Peer::new(id).ok_or_else(|| Failure::Usage(format!("{id:?} is no name")))
}

pub(crate) fn id_of(text: &str) -> Result<PartyId, Failure> {
    party_id(text).map_err(Failure::Usage)
}

fn class(text: &str) -> Result<filexfer::FileClass, Failure> {
    class_of(text).map_err(Failure::Usage)
}

const KEEPALIVE_MS: u64 = 2_000;
const BACKOFF_MOST_MS: u64 = 5_000;
const RETRY_MOST_MS: u64 = 300_000;
/// Of the spool there is one part in so many beside what the configuration says.
const SPOOL_ROOM: u64 = 16;
/// Notices that wait for their answers at one time.
const IN_FLIGHT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spool_takes_no_more_than_the_configuration_says_and_a_little() {
        let quota = |bytes| spool("spool".into(), bytes).unwrap().quota_bytes;
        assert_eq!(quota(1 << 40), (1 << 40) + (1 << 36));
        assert_eq!((quota(0), quota(u64::MAX)), (0, u64::MAX));
    }
}
