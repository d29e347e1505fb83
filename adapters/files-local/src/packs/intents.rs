//! Packs that were written, until somebody knows of them for good.

use crate::Error;
use crate::folder::Folder;
use filexfer::FileName;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

/// A file for each pack that has its name already, or is about to get it: after a stop it says which pack that is.
#[derive(Debug, Default)]
pub(super) struct Intents {
    files: BTreeMap<FileName, String>,
}

impl Intents {
    /// What an earlier process left, and the highest number in it.
    pub(super) fn open(own: &Folder) -> Result<(Self, u64), Errno> {
        let (mut files, mut last) = (BTreeMap::new(), 0);
        for intent in own.names()? {
            let Some(number) = intent.strip_suffix(SUFFIX) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            last = last.max(number);
            let mut text = String::new();
            let read = own.read(&intent)?.take(LEN_MAX).read_to_string(&mut text);
            match (read, FileName::new(&text)) {
                (Ok(_), Ok(name)) => drop(files.insert(name, intent)),
                // It was not written to its end: then its pack has no name yet.
                _ => own.remove(&intent)?,
            }
        }
        Ok((Self { files }, last))
    }

    /// Says, for good, that the pack of this number is about to get this name.
    pub(super) fn write(
        &mut self,
        own: &Folder,
        number: &str,
        pack: &FileName,
    ) -> Result<(), Error> {
        let intent = format!("{number}{SUFFIX}");
        let mut file = own.write(&intent, 0o600)?;
        self.files.insert(pack.clone(), intent);
        file.write_all(pack.as_str().as_bytes())?;
        file.sync_all()?;
        Ok(own.sync()?)
    }

    /// The file of this pack, which is known of now.
    pub(super) fn remove(&mut self, pack: &FileName) -> Option<String> {
        self.files.remove(pack)
    }

    pub(super) fn names(&self) -> Vec<FileName> {
        self.files.keys().cloned().collect()
    }
}

const SUFFIX: &str = ".intent";
/// More than a name has.
const LEN_MAX: u64 = 2_048;
