//! One root: its published files, and beside them what is not published yet.

use crate::direct::{BLOCK, Direct};
use crate::folder::{Folder, Walk};
use crate::forcing::Forcing;
use crate::{Area, Error, OpenError};
use filexfer::{Failure, FileKind, FileMetadata, FileName, FileStamp, TransferId};
use rustix::fs::{AtFlags, FileType, FlockOperation, flock, linkat, renameat};
use rustix::io::{Errno, pwritev};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{File, Metadata};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

#[derive(Debug)]
pub(crate) struct OpenArea {
    area: Area,
    root: Folder,
    /// Unpublished content lies here: no [`FileName`] leads to it.
    own: Folder,
    unpublished: Mutex<Unpublished>,
    forcing: Forcing,
    direct: Direct,
}

/// What is to have which name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publication<'a> {
    pub(crate) transfer: &'a TransferId,
    pub(crate) name: &'a FileName,
    pub(crate) replace: bool,
}

/// Done, or why it cannot be.
pub(crate) type Published = Result<(), Failure>;

#[derive(Debug, Default)]
struct Unpublished {
    lens: BTreeMap<TransferId, u64>,
    bytes: u64,
    /// The files written lately, with the turn of their last use.
    open: BTreeMap<TransferId, (Arc<File>, u64)>,
    turn: u64,
    /// What is on disk as it was written last.
    forced: BTreeSet<TransferId>,
    over: Over,
}

/// What was discarded lately: what threads still write of it is late.
#[derive(Debug, Default)]
struct Over {
    all: BTreeSet<TransferId>,
    /// The oldest is first.
    order: VecDeque<TransferId>,
}

impl OpenArea {
    pub(crate) fn open(area: Area) -> Result<Self, OpenError> {
        let failed = |why: Errno| OpenError::Root(why.kind());
        let root = Folder::open(&area.root).map_err(failed)?;
        let own = root.make(OWN, 0o700).map_err(failed)?;
        // Held as long as the folder is open.
        flock(own.fd(), FlockOperation::NonBlockingLockExclusive).map_err(|why| match why {
            Errno::WOULDBLOCK => OpenError::InUse,
            why => failed(why),
        })?;
        let unpublished = Mutex::new(found(&own).map_err(failed)?);
        let direct = if area.is_cached { Direct::never() } else { Direct::default() };
        Ok(Self { area, root, own, unpublished, forcing: Forcing::default(), direct })
    }

    /// What is there, without a look at its content.
    pub(crate) fn look(&self, name: &FileName) -> Result<Option<FileMetadata>, Error> {
        let other = |kind| Ok(Some(self.metadata(name, kind, None)));
        let (folder, last) = match self.root.walk(name, false)? {
            Walk::In(folder, last) => (folder, last),
            Walk::Missing | Walk::NoFolder => return Ok(None),
            Walk::Link => return other(FileKind::Link),
        };
        match folder.kind(last)? {
            None => Ok(None),
            Some(FileType::Symlink) => other(FileKind::Link),
            Some(FileType::Directory) => other(FileKind::Folder),
            Some(FileType::RegularFile) => match regular(folder.read(last))? {
                Some((_, found)) => Ok(Some(self.metadata(name, FileKind::Regular, Some(&found)))),
                None => Ok(None),
            },
            Some(_) => other(FileKind::Device),
        }
    }

    /// A published file, to be read; `None` if there is none that is regular.
    pub(crate) fn source(&self, name: &FileName) -> Result<Option<(File, FileStamp)>, Error> {
        let Walk::In(folder, last) = self.root.walk(name, false)? else { return Ok(None) };
        Ok(regular(folder.read(last))?.map(|(file, found)| (file, stamp(&found))))
    }

    /// Unpublished content, to be read.
    pub(crate) fn unpublished(
        &self,
        transfer: &TransferId,
    ) -> Result<Option<(File, FileStamp)>, Error> {
        let found = regular(self.own.read(&content_name(transfer)))?;
        Ok(found.map(|(file, found)| (file, stamp(&found))))
    }

    /// Writes at a place of the unpublished content.
    pub(crate) fn write(&self, transfer: &TransferId, parts: &[(u64, &[u8])]) -> Result<(), Error> {
        let end = |(at, bytes): &(u64, &[u8])| at.saturating_add(len_u64(bytes));
        let len = parts.iter().map(end).max().unwrap_or(0);
        let file = self.content(transfer)?;
        let old = self.grow(transfer, len)?;
        let mut runs = runs(parts);
        runs.try_for_each(|run| self.write_run(transfer, &file, run))
            .inspect_err(|_| self.shrink(transfer, old))
    }

    /// Writes parts that follow each other.
    fn write_run(
        &self,
        transfer: &TransferId,
        file: &File,
        run: &[(u64, &[u8])],
    ) -> Result<(), Error> {
        let bytes = run.iter().map(|(_, part)| part.len()).sum();
        let begins = run.first().map_or(0, |(at, _)| *at);
        if !self.direct.takes(bytes) || !begins.is_multiple_of(BLOCK as u64) {
            return Ok(write_from(file, run, 0)?);
        }
        let opened = match self.own.write_past_cache(&content_name(transfer)) {
            // It was discarded a moment ago.
            Err(Errno::NOENT) => return Err(Error::NoContent),
            opened => opened.map_err(io::Error::from),
        };
        let written = self.direct.write(opened, begins, run)?;
        Ok(write_from(file, run, written)?)
    }

    /// Forces the unpublished content of each to disk, and that it is there: many at one time.
    pub(crate) fn sync(&self, transfers: &[TransferId]) -> Vec<Result<(), Error>> {
        let (mut done, mut contents) = (Vec::with_capacity(transfers.len()), Vec::new());
        for (at, transfer) in transfers.iter().enumerate() {
            match self.content(transfer) {
                Ok(content) => {
                    // Before it is forced: what is written meanwhile may not be on disk.
                    self.state().forced.insert(*transfer);
                    contents.push((at, content));
                    done.push(Ok(()));
                }
                // Nothing of it has to be on disk any more.
                Err(Error::NoContent) => done.push(Ok(())),
                Err(why) => done.push(Err(why)),
            }
        }
        let alone = |(_, content): &(usize, Arc<File>)| {
            // Its length is forced with it, as far as the content cannot be read without.
            content.sync_data()?;
            Ok(self.own.sync()?)
        };
        let forced = self.forcing.force_each(&contents, alone, || self.own.sync_all());
        for ((at, _), forced) in contents.into_iter().zip(forced) {
            let Err(why) = forced else { continue };
            self.state().forced.remove(&transfers[at]);
            done[at] = Err(why.into());
        }
        done
    }

    /// Gives each its name, for good: many at one time.
    pub(crate) fn publish(&self, names: &[Publication<'_>]) -> Vec<Result<Published, Error>> {
        let (mut done, mut folders) = (Vec::with_capacity(names.len()), Vec::new());
        for (at, publication) in names.iter().enumerate() {
            done.push(
                self.link(publication)
                    .map(|linked| linked.map(|folder| folders.push((at, folder)))),
            );
        }
        let alone = |(_, folder): &(usize, Folder)| Ok(folder.sync()?);
        let forced = self.forcing.force_each(&folders, alone, || self.own.sync_all());
        for ((at, _), forced) in folders.into_iter().zip(forced) {
            if let Err(why) = forced {
                done[at] = Err(why.into());
            }
        }
        done
    }

    /// Gives it its name; the folder that has to be forced then.
    fn link(&self, publication: &Publication<'_>) -> Result<Result<Folder, Failure>, Error> {
        let Publication { transfer, name, replace } = *publication;
        let content = content_name(transfer);
        let is_forced = self.state().forced.contains(transfer);
        if !is_forced {
            let found = regular(self.own.read(&content))?;
            let (file, _) = found.ok_or(Error::NoContent)?;
            file.sync_all()?;
        }
        let Walk::In(folder, last) = self.root.walk(name, true)? else { return Err(Error::Path) };
        match linkat(self.own.fd(), &content, folder.fd(), last, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Err(Error::NoContent),
            Err(Errno::EXIST) if self.own.is_same(&content, &folder, last)? => {}
            Err(Errno::EXIST) => {
                if !replace || folder.kind(last)? == Some(FileType::Directory) {
                    return Ok(Err(Failure::NameTaken));
                }
                // By a second name, since renaming a file to another of its names does nothing (POSIX rename).
                let second = format!("{}.link", hex(transfer));
                self.own.remove(&second)?;
                linkat(self.own.fd(), &content, self.own.fd(), &second, AtFlags::empty())?;
                renameat(self.own.fd(), &second, folder.fd(), last)?;
            }
            Err(why) => return Err(why.into()),
        }
        Ok(Ok(folder))
    }

    /// Removes what is unpublished of a transfer, if there is something.
    pub(crate) fn discard(&self, transfer: &TransferId) -> Result<(), Error> {
        {
            let mut unpublished = self.state();
            unpublished.open.remove(transfer);
            unpublished.forced.remove(transfer);
            unpublished.over.add(*transfer);
            if !unpublished.lens.contains_key(transfer) {
                return Ok(());
            }
        }
        self.own.remove(&content_name(transfer))?;
        // Not before: it takes room, and can be tried again.
        let mut unpublished = self.state();
        let len = unpublished.lens.remove(transfer).unwrap_or(0);
        unpublished.bytes = unpublished.bytes.saturating_sub(len);
        Ok(())
    }

    /// Of which transfers there is unpublished content, and how many bytes.
    pub(crate) fn held(&self) -> BTreeMap<TransferId, u64> {
        self.state().lens.clone()
    }

    fn metadata(&self, name: &FileName, kind: FileKind, found: Option<&Metadata>) -> FileMetadata {
        let settle = Duration::from_millis(self.area.settle_ms);
        let is_young = |found: &Metadata| {
            let age = found.modified().map(|at| SystemTime::now().duration_since(at));
            // What changed in the future by this clock is as young as can be.
            age.is_ok_and(|age| age.map_or(!settle.is_zero(), |age| age < settle))
        };
        FileMetadata {
            kind,
            class: self.area.class_of(name).clone(),
            size: found.map(Metadata::len),
            root: None,
            is_being_written: found.is_some_and(is_young),
            is_stream: false,
            stamp: found.map(stamp).unwrap_or_default(),
        }
    }

    fn content(&self, transfer: &TransferId) -> Result<Arc<File>, Error> {
        let mut unpublished = self.state();
        unpublished.turn += 1;
        let turn = unpublished.turn;
        if let Some((file, used)) = unpublished.open.get_mut(transfer) {
            *used = turn;
            return Ok(Arc::clone(file));
        }
        if unpublished.over.all.contains(transfer) {
            return Err(Error::NoContent);
        }
        // Before there is one, so that it is found wherever this ends.
        unpublished.lens.entry(*transfer).or_default();
        let file = self.own.write(&content_name(transfer), self.area.mode)?;
        if !file.metadata()?.is_file() {
            return Err(Error::Path);
        }
        let file = Arc::new(file);
        if unpublished.open.len() >= OPEN_MAX {
            let oldest = unpublished.open.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(transfer, _)| *transfer) {
                unpublished.open.remove(&oldest);
            }
        }
        unpublished.open.insert(*transfer, (Arc::clone(&file), turn));
        Ok(file)
    }

    /// Counts the content as so long, if the quota allows it; returns how long it was.
    fn grow(&self, transfer: &TransferId, len: u64) -> Result<u64, Error> {
        let mut unpublished = self.state();
        let old = unpublished.lens.get(transfer).copied().unwrap_or(0);
        let more = len.saturating_sub(old);
        let bytes = unpublished.bytes.saturating_add(more);
        if more > 0 && bytes > self.area.quota_bytes {
            return Err(Error::Full);
        }
        unpublished.bytes = bytes;
        unpublished.lens.insert(*transfer, old.max(len));
        unpublished.forced.remove(transfer);
        Ok(old)
    }

    fn shrink(&self, transfer: &TransferId, old: u64) {
        let mut unpublished = self.state();
        if let Some(len) = unpublished.lens.insert(*transfer, old) {
            unpublished.bytes = unpublished.bytes.saturating_sub(len.saturating_sub(old));
        }
    }

    fn state(&self) -> MutexGuard<'_, Unpublished> {
        self.unpublished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Over {
    fn add(&mut self, transfer: TransferId) {
        if self.all.insert(transfer) {
            self.order.push_back(transfer);
        }
        if self.order.len() > OVER_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

/// Parts that follow each other, as many as one call takes.
fn runs<'a, 'b>(parts: &'a [(u64, &'b [u8])]) -> impl Iterator<Item = &'a [(u64, &'b [u8])]> {
    let mut left = parts;
    std::iter::from_fn(move || {
        let mut end = left.first()?.0;
        let follow = left.iter().take(RUN_MAX).take_while(|(at, bytes)| {
            let follows = *at == end;
            end = end.saturating_add(len_u64(bytes));
            follows
        });
        let (run, rest) = left.split_at(follow.count());
        left = rest;
        Some(run)
    })
}

/// A run without its first bytes, which are written already.
fn write_from(file: &File, run: &[(u64, &[u8])], written: usize) -> io::Result<()> {
    let mut past = written;
    let rest = run.iter().filter_map(|(at, bytes)| {
        let done = past.min(bytes.len());
        past -= done;
        let rest = bytes.get(done..).filter(|rest| !rest.is_empty())?;
        Some((at.saturating_add(len_u64(&bytes[..done])), rest))
    });
    let rest: Vec<(u64, &[u8])> = rest.collect();
    let Some((begins, _)) = rest.first() else { return Ok(()) };
    let slices: Vec<IoSlice<'_>> = rest.iter().map(|(_, bytes)| IoSlice::new(bytes)).collect();
    let mut written = rustix::io::retry_on_intr(|| pwritev(file, &slices, *begins))?;
    // What one call did not write, others do.
    for (at, bytes) in rest {
        let done = written.min(bytes.len());
        written -= done;
        file.write_all_at(&bytes[done..], at.saturating_add(len_u64(&bytes[..done])))?;
    }
    Ok(())
}

/// What changes whenever the content does, as far as this file system tells.
pub(crate) fn stamp(found: &Metadata) -> FileStamp {
    let changed = found.mtime().saturating_mul(1_000_000_000).saturating_add(found.mtime_nsec());
    FileStamp {
        size: found.len(),
        changed: u64::try_from(changed).unwrap_or(0),
        number: found.ino(),
    }
}

pub(crate) fn len_u64(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// An open file, unless it is not there or none that is regular; between a look and this anything may have happened.
pub(crate) fn regular(opened: Result<File, Errno>) -> Result<Option<(File, Metadata)>, Error> {
    match opened {
        Ok(file) => {
            let found = file.metadata()?;
            Ok(found.is_file().then_some((file, found)))
        }
        // Not there, a link, a socket, a device without a driver.
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::NODEV | Errno::NOTDIR) => Ok(None),
        Err(why) => Err(why.into()),
    }
}

/// What an earlier process left.
fn found(own: &Folder) -> Result<Unpublished, Errno> {
    let mut unpublished = Unpublished::default();
    for name in own.names()? {
        let name = name.as_str();
        if name.ends_with(".link") {
            own.remove(name)?;
        }
        let Some(transfer) = name.strip_suffix(SUFFIX).and_then(parse_hex) else { continue };
        let Ok(Some((_, metadata))) = regular(own.read(name)) else { continue };
        unpublished.lens.insert(transfer, metadata.len());
        unpublished.bytes = unpublished.bytes.saturating_add(metadata.len());
    }
    Ok(unpublished)
}

fn content_name(transfer: &TransferId) -> String {
    format!("{}{SUFFIX}", hex(transfer))
}

pub(crate) fn hex(transfer: &TransferId) -> String {
    base16ct::lower::encode_string(&transfer.0)
}

pub(crate) fn parse_hex(text: &str) -> Option<TransferId> {
    let mut bytes = [0; 16];
    let written = base16ct::lower::decode(text, &mut bytes).ok()?.len();
    (written == bytes.len()).then_some(TransferId(bytes))
}

/// [`FileName`] refuses names that begin so.
const OWN: &str = ".filexfer-unpublished";
const SUFFIX: &str = ".content";
/// More than can be in the hands of threads.
const OVER_MAX: usize = 4_096;
/// Unpublished files that stay open between writes.
const OPEN_MAX: usize = 64;
/// What every Unix takes in one call.
const RUN_MAX: usize = 1_024;
