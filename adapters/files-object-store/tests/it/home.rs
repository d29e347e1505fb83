//! Two stores and a spool of each kind.

use crate::s3::Server;
use filexfer::{FileClass, FileName, PartyId, TransferId};
use futures_util::TryStreamExt as _;
use interbank_files_object_store::object_store::local::LocalFileSystem;
use interbank_files_object_store::object_store::memory::InMemory;
use interbank_files_object_store::object_store::path::Path;
use interbank_files_object_store::object_store::prefix::PrefixStore;
use interbank_files_object_store::object_store::{ObjectStore, ObjectStoreExt as _};
use interbank_files_object_store::{Area, ObjectFiles, Options};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const T: TransferId = TransferId([0xab; 16]);

/// Where objects are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Folder,
    S3,
    /// It cannot be told to copy only where nothing is.
    S3Plain,
}

pub(crate) const KINDS: [Kind; 4] = [Kind::Memory, Kind::Folder, Kind::S3, Kind::S3Plain];

pub(crate) struct Home {
    root: tempfile::TempDir,
    stores: BTreeMap<&'static str, Arc<dyn ObjectStore>>,
    _server: Option<Server>,
}

impl Home {
    pub(crate) async fn new(kind: Kind) -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["work", "one", "two", "spool"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        let mut server = None;
        if matches!(kind, Kind::S3 | Kind::S3Plain) {
            server = Some(Server::start(&root.path().join("s3")).await);
        }
        let stores = ["one", "two", "spool"].map(|name| {
            let store: Arc<dyn ObjectStore> = match kind {
                Kind::Memory => Arc::new(InMemory::new()),
                Kind::Folder => {
                    let folder = LocalFileSystem::new_with_prefix(root.path().join(name));
                    Arc::new(folder.unwrap().with_automatic_cleanup(true))
                }
                Kind::S3 | Kind::S3Plain => {
                    let client = server.as_ref().unwrap().client(kind == Kind::S3);
                    Arc::new(PrefixStore::new(client, name))
                }
            };
            (name, store)
        });
        Self { root, stores: stores.into(), _server: server }
    }

    pub(crate) fn area(&self, name: &str) -> Area {
        let class = |text| FileClass::new(text).unwrap();
        let mut area = Area::new(Arc::clone(&self.stores[name]), class("general"));
        area.classes = vec![("settlement".into(), class("settlement"))];
        area
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(self.root.path().join("work"))
            .spool(self.area("spool"))
            .store(store("one"), self.area("one"))
            .store(store("two"), self.area("two"))
    }

    pub(crate) async fn open(&self) -> ObjectFiles {
        ObjectFiles::open(self.options()).await.unwrap()
    }

    pub(crate) async fn put(&self, store: &str, name: &str, content: &[u8]) {
        let content = content.to_vec().into();
        self.stores[store].put(&Path::parse(name).unwrap(), content).await.unwrap();
    }

    pub(crate) async fn get(&self, store: &str, name: &str) -> Option<Vec<u8>> {
        let found = self.stores[store].get(&Path::parse(name).unwrap()).await.ok()?;
        Some(found.bytes().await.unwrap().into())
    }

    pub(crate) async fn remove(&self, store: &str, name: &str) {
        self.stores[store].delete(&Path::parse(name).unwrap()).await.unwrap();
    }

    /// All objects of a store.
    pub(crate) async fn names(&self, store: &str) -> Vec<String> {
        let found: Vec<_> = self.stores[store].list(None).try_collect().await.unwrap();
        let mut names: Vec<String> = found.iter().map(|at| at.location.to_string()).collect();
        names.sort();
        names
    }
}

pub(crate) fn store(id: &str) -> PartyId {
    PartyId::new(id).unwrap()
}

pub(crate) fn name(text: &str) -> FileName {
    FileName::new(text).unwrap()
}

pub(crate) fn bytes(len: usize, tag: u8) -> Vec<u8> {
    let mut content = vec![0; len];
    blake3::Hasher::new().update(&[tag]).finalize_xof().fill(&mut content);
    content
}

/// More than one piece, and not a whole number of groups.
pub(crate) const LARGE: usize = (9 << 20) + 5;
