//! The exchange's parties, keys, folders and rules: what a configuration file says in `filexfer-site`.

use super::receiving::{self, Receiving};
use super::roles::{AGAIN_MS, Access, Client, Desk, Forwarding};
use super::sent::{self, KEY_NUMBER};
use super::station::{Role as _, Station, blocking};
use super::wire::Wire;
use crate::clock;
use crate::failure::Failure;
use crate::hex;
use crate::merchant_bank::MerchantBank;
use crate::secrets;
use crate::trouble::Trouble;
use files_local::{Area, LocalFiles, Options};
use interbank::filexfer::{
    ClientConfig, FileClass, ForwarderConfig, Grant, Paces, Party, PartyId, Registry, Retry, Role,
    SiteId, Who,
};
use interbank::port::{KeyId, Peer, Tenant};
use interbank::seal::{Secret, SoftKeys, Validity, VerifyingKey};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store_redb::{OpenError, RedbStore};
use zeroize::Zeroizing;

/// All servers, and what they share.
pub(super) struct Site {
    pub(super) wire: Wire,
    pub(super) registry: Arc<Registry>,
    /// Of the bank's own servers.
    pub(super) rows: Arc<RedbStore>,
    pub(super) folders: Folders,
    pub(super) forwarder: Station<Forwarding>,
    /// In the order of [`DESKS`].
    pub(super) desks: Vec<Station<Desk>>,
    pub(super) branches: Vec<Branch>,
}

/// A merchant's bank with its access server.
pub(super) struct Branch {
    pub(super) access: Station<Access>,
    pub(super) client: Station<Client>,
    pub(super) receiving: Receiving,
    pub(super) is_present: bool,
}

/// Where files are.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    data: PathBuf,
}

impl Folders {
    pub(crate) fn new(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// The settlement desk's network file system.
    pub(crate) fn settlement(&self) -> PathBuf {
        self.exchange("settlement")
    }

    /// Where a merchant's bank gets its files.
    pub(crate) fn received(&self, bank: &MerchantBank) -> PathBuf {
        self.merchant_bank(bank, "files")
    }

    pub(super) fn exchange(&self, name: &str) -> PathBuf {
        self.data.join("exchange").join(name)
    }

    fn merchant_bank(&self, bank: &MerchantBank, name: &str) -> PathBuf {
        self.data.join("merchant-banks").join(bank.id).join(name)
    }
}

/// Why the exchange is not open.
#[derive(Debug)]
pub(super) enum NotOpen {
    /// Another process of this bank has it.
    Elsewhere,
    Failed(Failure),
}

impl From<Failure> for NotOpen {
    fn from(why: Failure) -> Self {
        Self::Failed(why)
    }
}

impl From<Trouble> for NotOpen {
    fn from(why: Trouble) -> Self {
        Self::Failed(why.into())
    }
}

impl Site {
    /// Opens all of it; makes folders, keys and stores where there are none.
    pub(super) async fn open(data: &Path) -> Result<Self, NotOpen> {
        let folders = Folders::new(data);
        let opened = blocking({
            let folders = folders.clone();
            move || Opened::open(&folders)
        });
        let opened =
            opened.await.ok_or_else(|| Failure::Run("the exchange ended early".into()))??;
        let Opened { rows, banks, parties, files } = opened;
        let registry = Arc::new(registry(&parties).map_err(failed)?);
        let wire = Wire::default();
        let station = |id: &str| Ok::<_, Failure>((peer(id)?, parties.get(id)));
        let forwarder_id = id(FORWARDER)?;
        let forwarding = {
            let (peer, key) = station(FORWARDER)?;
            let mut config =
                ForwarderConfig::new(Tenant::new(1), forwarder_id.clone(), (SIGNING, KEY_NUMBER));
            config.paces = paces();
            config.again_ms = AGAIN_MS;
            config.patience_ms = PATIENCE_MS;
            config.probe_ms = AGAIN_MS;
            config.retry = Retry::new(AGAIN_MS, RETRY_MOST_MS, 0).map_err(failed)?;
            config.spool_bytes = SPOOL_BYTES;
            wire.connect(&peer, true);
            Station::new(
                Forwarding::open(config, registry.clone())?,
                peer,
                rows.clone(),
                keys(key),
                Some(files),
            )
        };
        let mut desks = Vec::new();
        for (tenant, (desk, _)) in (TENANT_OF_FIRST_DESK..).zip(DESKS) {
            let (peer, key) = station(desk)?;
            wire.connect(&peer, true);
            desks.push(Station::new(
                Desk::open(Tenant::new(tenant), forwarder_id.clone())?,
                peer,
                rows.clone(),
                keys(key),
                None,
            ));
        }
        let mut branches = Vec::new();
        for (bank, (rows, files)) in banks {
            let (access, client) = (access_of(bank), bank.id);
            let (access_peer, client_peer) = (peer(&access)?, peer(client)?);
            wire.connect(&access_peer, true);
            let config = ClientConfig {
                tenant: receiving::TENANT,
                party: id(client)?,
                access: id(&access)?,
                key: (SIGNING, KEY_NUMBER),
                paces: paces(),
            };
            let key = parties.get(client);
            let mut receiving = Receiving {
                bank,
                folder: folders.received(bank),
                rows: rows.clone(),
                key: key
                    .map(|key| key.public.clone())
                    .ok_or_else(|| Failure::Run("a key is missing".into()))?,
                waiting: BTreeMap::new(),
                to_hand_over: Vec::new(),
            };
            receiving.recall().await?;
            branches.push(Branch {
                access: Station::new(
                    Access::open(forwarder_id.clone(), id(client)?)?,
                    access_peer,
                    rows.clone(),
                    SoftKeys::new(),
                    None,
                ),
                client: Station::new(
                    Client::open(config)?,
                    client_peer,
                    rows,
                    keys(key),
                    Some(files),
                ),
                receiving,
                is_present: false,
            });
        }
        let mut site =
            Self { wire, registry, rows, folders, forwarder: forwarding, desks, branches };
        for at in 0..site.branches.len() {
            site.attend(at, true);
        }
        Ok(site)
    }

    /// A merchant's bank comes or goes.
    pub(super) fn attend(&mut self, at: usize, present: bool) {
        let Some(branch) = self.branches.get_mut(at) else { return };
        branch.is_present = present;
        self.wire.connect(&branch.client.peer, present);
        // It is told again by the first frame.
        let _ = branch.access.role.machine().client_is(present);
    }
}

/// What takes a thread to open.
struct Opened {
    rows: Arc<RedbStore>,
    banks: Vec<(&'static MerchantBank, (Arc<RedbStore>, Arc<LocalFiles>))>,
    parties: BTreeMap<String, PartyKey>,
    files: Arc<LocalFiles>,
}

impl Opened {
    fn open(folders: &Folders) -> Result<Self, NotOpen> {
        let mut parties = BTreeMap::new();
        for name in ["drafts", "work", "spool", "settlement", "reporting"] {
            make_folder(&folders.exchange(name))?;
        }
        // First, since who has it may touch the rest.
        let rows = open_rows(&folders.exchange("rows"))?;
        for party in DESKS.into_iter().map(|(id, _)| id).chain([FORWARDER]) {
            let path = folders.exchange(&format!("{party}.seed"));
            parties.insert(party.to_owned(), PartyKey::open(&path, rows.1)?);
        }
        let class = settlement_class()?;
        let mut options = Options::new(folders.exchange("work"))
            .spool(Area::new(folders.exchange("spool"), class.clone()));
        for (desk, folder) in DESKS {
            let mut area = Area::new(folders.exchange(folder), class.clone());
            // The desk names a file when all of it is there.
            area.settle_ms = 0;
            options = options.store(id(&store_of(desk))?, area);
        }
        let files = open_files(options)?;
        let mut banks = Vec::new();
        for bank in MerchantBank::all() {
            for name in ["files", "work"] {
                make_folder(&folders.merchant_bank(bank, name))?;
            }
            let (bank_rows, was_there) = open_rows(&folders.merchant_bank(bank, "rows"))?;
            let key = PartyKey::open(&folders.merchant_bank(bank, "key.seed"), was_there)?;
            parties.insert(bank.id.to_owned(), key);
            let area = Area::new(folders.received(bank), class.clone());
            let options =
                Options::new(folders.merchant_bank(bank, "work")).store(id(bank.id)?, area);
            banks.push((bank, (bank_rows, open_files(options)?)));
        }
        Ok(Self { rows: rows.0, banks, parties, files })
    }
}

/// Who may send what to whom. Each merchant's bank has a folder of its own, and gets nothing from any other; the reporting desk
/// gets and sends nothing.
fn registry(
    parties: &BTreeMap<String, PartyKey>,
) -> Result<Registry, Box<dyn Error + Send + Sync>> {
    let party = |name: &str, role| {
        let party = Party::new(PartyId::new(name)?, role);
        Ok::<_, Box<dyn Error + Send + Sync>>(match parties.get(name) {
            Some(key) => party.with_key(KEY_NUMBER, key.public.clone(), Validity::always()),
            None => party,
        })
    };
    let mut registry =
        Registry::new(SiteId::new("refbank")?, party(FORWARDER, Role::Forwarder)?, RULES)?;
    for (desk, _) in DESKS {
        let store = party(&store_of(desk), Role::NetworkFileSystem)?;
        registry.backstage(party(desk, Role::Backstage)?, store)?;
    }
    for bank in MerchantBank::all() {
        let access = party(&access_of(bank), Role::Access)?;
        registry.client(party(bank.id, Role::Client)?, access)?;
        let to = Who::Party(PartyId::new(bank.id)?);
        let from = Who::Party(PartyId::new(SETTLEMENT_DESK)?);
        let mut grant = Grant::new(from, to, FILE_BYTES_MAX);
        grant.class = Some(FileClass::new(CLASS)?);
        grant.folder = bank.id.into();
        registry.grant(grant);
    }
    Ok(registry)
}

/// A party's key for signatures.
struct PartyKey {
    seed: Secret<32>,
    public: VerifyingKey,
}

impl PartyKey {
    /// Reads it, or draws it; `was_there` says that rows exist already, whose receipts it has to have signed.
    fn open(path: &Path, was_there: bool) -> Result<Self, Failure> {
        let damaged = || secrets::refuse(path, "it is damaged; bring it back from a backup".into());
        let digits = match secrets::read(path)? {
            Some(digits) => digits,
            None if was_there => {
                let why = "it is missing, but its rows are there; bring it back from a backup";
                return Err(secrets::refuse(path, why.into()));
            }
            None => {
                let seed = Zeroizing::new(clock::entropy()?);
                let digits = Zeroizing::new(hex::digits(&seed[..]).into_bytes());
                secrets::create(path, &digits)?;
                digits
            }
        };
        let digits = std::str::from_utf8(&digits).map_err(|_| damaged())?;
        let seed = Secret::new(*hex::parse::<32>(digits).ok_or_else(damaged)?);
        let mut keys = SoftKeys::new();
        keys.add_signing(SIGNING, &seed);
        let public = keys.verifying_key(SIGNING).ok_or_else(damaged)?;
        Ok(Self { seed, public })
    }
}

fn keys(party: Option<&PartyKey>) -> SoftKeys {
    let mut keys = SoftKeys::new();
    if let Some(party) = party {
        keys.add_signing(SIGNING, &party.seed);
    }
    keys
}

/// The rows, and whether they were there before.
fn open_rows(path: &Path) -> Result<(Arc<RedbStore>, bool), NotOpen> {
    let was_there = path.exists();
    match RedbStore::open(path, store_redb::Options::new().create(true)) {
        Ok(rows) => Ok((Arc::new(rows), was_there)),
        Err(OpenError::Locked) => Err(NotOpen::Elsewhere),
        Err(why) => {
            let place = path.display().to_string();
            Err(Failure::Store { place, why: why.to_string() }.into())
        }
    }
}

fn open_files(options: Options) -> Result<Arc<LocalFiles>, Failure> {
    let path = options.work.clone();
    let files = LocalFiles::open(options);
    files.map(Arc::new).map_err(|why| Failure::Folder { path, why: why.to_string() })
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path).map_err(|why| Failure::Folder { path: path.into(), why: why.to_string() })
}

/// How a party is called.
pub(super) fn id(text: &str) -> Result<PartyId, Failure> {
    PartyId::new(text).map_err(failed)
}

/// The class of settlement files.
pub(super) fn settlement_class() -> Result<FileClass, Failure> {
    FileClass::new(CLASS).map_err(failed)
}

fn peer(id: &str) -> Result<Peer, Failure> {
    Peer::new(id).ok_or_else(|| Failure::Run(format!("{id:?} is no name")))
}

fn store_of(desk: &str) -> String {
    format!("{desk}-files")
}

fn access_of(bank: &MerchantBank) -> String {
    format!("access-{}", bank.id)
}

fn paces() -> Paces {
    Paces { patience_ms: AGAIN_MS, ..Paces::default() }
}

fn failed(why: impl ToString) -> Failure {
    Failure::Run(why.to_string())
}

/// The desk that sends settlement files.
pub(crate) const SETTLEMENT_DESK: &str = "settlement-desk";
/// A desk that has no business with them.
pub(crate) const REPORTING_DESK: &str = "reporting-desk";
const FORWARDER: &str = "forwarder";
/// The bank's own systems, each with the folder that it shares with the forwarding server.
pub(super) const DESKS: [(&str, &str); 2] =
    [(SETTLEMENT_DESK, "settlement"), (REPORTING_DESK, "reporting")];
const TENANT_OF_FIRST_DESK: u64 = 3;
/// The key that a party signs with.
pub(super) const SIGNING: KeyId = KeyId(1);
const CLASS: &str = "settlement";
/// The version of the rules above, named in each verdict.
const RULES: u32 = 1;
const FILE_BYTES_MAX: u64 = 1 << 30;
const SPOOL_BYTES: u64 = 1 << 34;
const PATIENCE_MS: u64 = 5_000;
const RETRY_MOST_MS: u64 = 5_000;

const _: () = assert!(sent::TENANT.as_u64() < TENANT_OF_FIRST_DESK);
