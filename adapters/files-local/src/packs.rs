//! Packs: many small files of a folder as one, and files of a pack.

mod error;
mod folders;
mod intents;
mod unpacking;

pub use error::PackingError;

use crate::area::{regular, stamp};
use crate::folder::{Folder, Walk};
use crate::{Error, OpenError};
use filexfer::pack::{Entry, Manifest, PackError};
use filexfer::{FileName, StreamingRoot};
use intents::Intents;
use rustix::fs::{AtFlags, FlockOperation, flock, linkat};
use rustix::io::Errno;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use unpacking::{Unpacking, read_manifest};

/// Makes packs of a root's files, and files of the packs in it. Beside [`crate::LocalFiles`], also of another process.
///
/// Nothing is written through a link, and no file is visible before it is on disk whole.
#[derive(Debug)]
pub struct Packs {
    root: Folder,
    /// Files that are not visible yet lie here: no [`FileName`] leads to it.
    own: Folder,
    mode: u32,
    /// The number of the last file in it.
    next: Mutex<u64>,
    /// One thread unpacks at a time.
    turn: Mutex<()>,
    intents: Mutex<Intents>,
    settle: Duration,
}

/// A file as it was read for a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Small {
    /// Its content.
    pub content: Vec<u8>,
    /// When it changed last.
    pub changed: SystemTime,
}

impl Packs {
    /// In this root; files get this mode, before the process's mask. What an earlier process left unfinished is removed, but for
    /// [`Packs::unsettled`] packs.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(root: &Path, mode: u32) -> Result<Self, OpenError> {
        let failed = |why: Errno| OpenError::Root(why.kind());
        let root = Folder::open(root).map_err(failed)?;
        let own = root.make(OWN, 0o700).map_err(failed)?;
        // Held as long as the folder is open.
        flock(own.fd(), FlockOperation::NonBlockingLockExclusive).map_err(|why| match why {
            Errno::WOULDBLOCK => OpenError::InUse,
            why => failed(why),
        })?;
        let left = own.names().map_err(failed)?;
        let mut left = left.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        left.try_for_each(|name| own.remove(name)).map_err(failed)?;
        let (intents, last) = Intents::open(&own).map_err(failed)?;
        let (next, intents) = (Mutex::new(last), Mutex::new(intents));
        let (turn, settle) = (Mutex::new(()), Duration::ZERO);
        Ok(Self { root, own, mode, next, turn, intents, settle })
    }

    /// Whether packs were made or unpacked in this root, ever.
    pub fn was_in(root: &Path) -> bool {
        root.join(OWN).is_dir()
    }

    /// Files that changed less than so many milliseconds ago are still being written, and not read for packs.
    #[must_use]
    pub const fn settle(mut self, settle_ms: u64) -> Self {
        self.settle = Duration::from_millis(settle_ms);
        self
    }

    /// Packs that were written and that nobody has said to be [`Packs::settled`], also by earlier processes.
    pub fn unsettled(&self) -> Vec<FileName> {
        lock(&self.intents).names()
    }

    /// Whoever wrote this pack knows of it for good, or has removed it.
    pub fn settled(&self, pack: &FileName) {
        if let Some(intent) = lock(&self.intents).remove(pack) {
            // What stays is asked about at the next start.
            let _ = self.own.remove(&intent);
        }
    }

    /// Reads a file if it is a regular one of at most so many bytes that nobody writes meanwhile; `None` for all else.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&self, name: &FileName, bytes_max: u64) -> Result<Option<Small>, Error> {
        let Walk::In(folder, last) = self.root.walk(name, false)? else { return Ok(None) };
        let Some((file, found)) = regular(folder.read(last))? else { return Ok(None) };
        if found.len() > bytes_max {
            return Ok(None);
        }
        let mut content = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
        (&file).take(bytes_max.saturating_add(1)).read_to_end(&mut content)?;
        let is_whole = u64::try_from(content.len()) == Ok(found.len());
        let is_same = stamp(&file.metadata()?) == stamp(&found);
        let changed = found.modified()?;
        // What changed in the future by this clock is as young as can be.
        let age = SystemTime::now().duration_since(changed).unwrap_or_default();
        let is_same = is_same && age >= self.settle;
        Ok((is_whole && is_same).then_some(Small { content, changed }))
    }

    /// Writes a pack of these files, named as in its folder, under a name that is free; returns its manifest and its root. It
    /// is on disk then, as old as the youngest of the files, and [`Packs::unsettled`].
    ///
    /// # Errors
    /// [`PackingError`].
    pub fn write(
        &self,
        name: &FileName,
        files: &[(FileName, Small)],
        replaces: bool,
    ) -> Result<(Manifest, [u8; 32]), PackingError> {
        let entries = files.iter().map(|(name, small)| Entry::of(name.clone(), &small.content));
        let manifest = Manifest::new(entries.collect(), replaces)?;
        let temporary = next(&self.next);
        let written = self.write_as(&temporary, name, files, &manifest);
        self.own.remove(&temporary)?;
        if written.is_err() {
            self.settled(name);
        }
        Ok((manifest, written?))
    }

    fn write_as(
        &self,
        temporary: &str,
        name: &FileName,
        files: &[(FileName, Small)],
        manifest: &Manifest,
    ) -> Result<[u8; 32], PackingError> {
        let mut head = Vec::new();
        manifest.encode(&mut head).map_err(PackError::from)?;
        let mut file = self.own.write(temporary, self.mode)?;
        let mut root = StreamingRoot::new();
        let contents = files.iter().map(|(_, small)| &small.content[..]);
        for part in [&head[..]].into_iter().chain(contents) {
            file.write_all(part)?;
            root.update(part);
        }
        if let Some(changed) = files.iter().map(|(_, small)| small.changed).max() {
            file.set_modified(changed)?;
        }
        file.sync_all()?;
        let Walk::In(folder, last) = self.root.walk(name, true)? else {
            return Err(Error::Path.into());
        };
        if folder.kind(last)?.is_some() {
            return Err(PackingError::Taken(name.clone()));
        }
        lock(&self.intents).write(&self.own, temporary, name)?;
        match linkat(self.own.fd(), temporary, folder.fd(), last, AtFlags::empty()) {
            Err(Errno::EXIST) => return Err(PackingError::Taken(name.clone())),
            done => done?,
        }
        folder.sync()?;
        Ok(root.finish().0)
    }

    /// The manifest of a pack.
    ///
    /// # Errors
    /// [`PackingError`].
    pub fn manifest(&self, pack: &FileName) -> Result<Manifest, PackingError> {
        let Walk::In(folder, last) = self.root.walk(pack, false)? else {
            return Err(PackingError::Missing);
        };
        let (file, found) = regular(folder.read(last))?.ok_or(PackingError::Missing)?;
        read_manifest(&file, found.len())
    }

    /// Makes files of packs: compares each with its root, forces all of them to disk, gives them their names, and forces
    /// those, too. What is there already with the same content is forced, and done. Nothing of a pack is visible if one of its files is
    /// not what its manifest says, or has a name that is taken; of packs with names in common the first goes first. Where
    /// the file system fails between two names, doing it again does the rest, and gives files again that were taken away meanwhile.
    ///
    /// Returns what became of each.
    pub fn unpack(&self, packs: &[FileName]) -> Vec<Result<Manifest, PackingError>> {
        let _turn = lock(&self.turn);
        Unpacking::new(&self.root, &self.own, self.mode, &self.next).all(packs)
    }

    /// Removes a pack that is not needed any more, if it is there.
    ///
    /// # Errors
    /// [`Error`].
    pub fn remove(&self, name: &FileName) -> Result<(), Error> {
        match self.root.walk(name, false)? {
            Walk::In(folder, last) => Ok(folder.remove(last)?),
            _ => Ok(()),
        }
    }
}

/// The number of the next file that is not visible.
fn next(of: &Mutex<u64>) -> String {
    let mut next = lock(of);
    *next += 1;
    next.to_string()
}

/// No code that holds it can panic half way.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

const OWN: &str = ".filexfer-unpacking";
