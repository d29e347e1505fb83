//! The folders that names lie in.

use super::unpacking::CROWD;
use crate::Error;
use crate::folder::{Folder, Walk};
use filexfer::FileName;
use std::collections::{BTreeMap, BTreeSet};

/// Folders below a root, walked to once for many names.
pub(super) struct Folders<'a> {
    root: &'a Folder,
    open: BTreeMap<String, Folder>,
    /// Where names were given.
    changed: BTreeSet<String>,
}

impl<'a> Folders<'a> {
    pub(super) const fn new(root: &'a Folder) -> Self {
        Self { root, open: BTreeMap::new(), changed: BTreeSet::new() }
    }

    /// The folder of a name, and its last component; `None` if it is not there and not to be made.
    pub(super) fn of<'n>(
        &mut self,
        name: &'n FileName,
        make: bool,
    ) -> Result<Option<(&Folder, &'n str)>, Error> {
        let (folder, last) = split(name);
        if !self.open.contains_key(folder) {
            let found = match self.root.walk(name, make)? {
                Walk::In(found, _) => found,
                Walk::Missing => return Ok(None),
                Walk::Link | Walk::NoFolder => return Err(Error::Path),
            };
            if self.open.len() >= OPEN_MAX {
                self.open.clear();
            }
            self.open.insert(folder.to_owned(), found);
        }
        Ok(self.open.get(folder).map(|found| (found, last)))
    }

    /// This name was given.
    pub(super) fn changed(&mut self, name: &FileName) {
        let (folder, _) = split(name);
        if !self.changed.contains(folder) {
            self.changed.insert(folder.to_owned());
        }
    }

    /// Forces all names that were given to disk.
    pub(super) fn force(&mut self, own: &Folder) -> Result<(), Error> {
        let changed = std::mem::take(&mut self.changed);
        if changed.len() >= CROWD {
            return Ok(own.sync_all()?);
        }
        for folder in &changed {
            match self.open.get(folder) {
                Some(open) => open.sync()?,
                // So many were open that it was closed again.
                None => own.sync_all()?,
            }
        }
        Ok(())
    }
}

fn split(name: &FileName) -> (&str, &str) {
    name.as_str().rsplit_once('/').unwrap_or(("", name.as_str()))
}

/// Folders that stay open.
const OPEN_MAX: usize = 64;
