//! Two stores, a spool and a folder for proofs, in a folder that goes with the test.

use filexfer::{FileClass, FileName, PartyId, TransferId};
use interbank_files_local::{Area, LocalFiles, Options};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) const T: TransferId = TransferId([0xab; 16]);

pub(crate) struct Home {
    pub(crate) root: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::new_in(&std::env::temp_dir())
    }

    pub(crate) fn new_in(folder: &Path) -> Self {
        let root = tempfile::tempdir_in(folder).unwrap();
        for folder in ["one", "two", "spool", "work"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root }
    }

    pub(crate) fn area(&self, folder: &str) -> Area {
        let class = |text| FileClass::new(text).unwrap();
        let mut area = Area::new(self.root.path().join(folder), class("general"));
        area.classes = vec![("settlement".into(), class("settlement"))];
        area.settle_ms = 0;
        area
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(self.work())
            .spool(self.area("spool"))
            .store(store("one"), self.area("one"))
            .store(store("two"), self.area("two"))
    }

    pub(crate) fn open(&self) -> LocalFiles {
        LocalFiles::open(self.options()).unwrap()
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub(crate) fn path(&self, folder: &str, name: &str) -> PathBuf {
        self.root.path().join(folder).join(name)
    }

    pub(crate) fn put(&self, folder: &str, name: &str, content: &[u8]) {
        let path = self.path(folder, name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // As a writer should: complete before it has its name.
        let fresh = self.root.path().join("fresh");
        fs::write(&fresh, content).unwrap();
        fs::rename(fresh, path).unwrap();
    }

    pub(crate) fn get(&self, folder: &str, name: &str) -> Vec<u8> {
        fs::read(self.path(folder, name)).unwrap()
    }

    /// What lies beside the published files of a store.
    pub(crate) fn own(&self, folder: &str) -> Vec<String> {
        fs::read_dir(self.path(folder, ".filexfer-unpublished"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
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
