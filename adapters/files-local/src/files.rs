//! The files of one server.

use crate::area::{OpenArea, Publication, hex, parse_hex, stamp};
use crate::folder::Folder;
use crate::hashing::hash_all;
use crate::turns::Turns;
use crate::{Error, OpenError, Options};
use ::files::{Prepared, Proof, Prover};
use filexfer::{
    Failure, FileMetadata, FileName, FileStamp, Groups, Message, PartyId, Place, Slots, StoreFault,
    TransferId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Does what machines want done with files, on local file systems. It blocks: an asynchronous program calls it from threads
/// that may wait. It is `Sync`, and different transfers do not hold each other up.
///
/// Every name is walked component by component without following links. What is unpublished lies in the same file system
/// under names that no [`FileName`] can have. Nothing is visible under its name before all of it is on disk.
#[derive(Debug)]
pub struct LocalFiles {
    spool: Option<OpenArea>,
    stores: BTreeMap<PartyId, OpenArea>,
    work: Folder,
    /// Transfers whose proofs are in [`Options::work`].
    stored: Mutex<BTreeSet<TransferId>>,
    /// Of transfers that are being prepared.
    turns: Turns,
    prepared: Prepared<Source>,
}

/// A file that is served: it, its proof, and what it was.
#[derive(Debug)]
struct Source {
    content: Content,
    stamp: FileStamp,
    proof: Proof,
    /// Groups before this one were served already.
    served: AtomicU64,
}

/// A file that is served, or how it is found. What is replaced under its name goes on being served if it is open, and is
/// unstable if it is not.
#[derive(Debug)]
enum Content {
    Open(File),
    /// By its name: there may be more small ones than a process may have open.
    Named(FileName),
}

impl LocalFiles {
    /// Opens all roots, and takes stock of what is unpublished.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(options: Options) -> Result<Self, OpenError> {
        if options.prepared_max == 0 {
            return Err(OpenError::Bounds);
        }
        let work = Folder::open(&options.work).map_err(|why| OpenError::Work(why.kind()))?;
        let spool = options.spool.map(OpenArea::open).transpose()?;
        let open = |(party, area)| Ok((party, OpenArea::open(area)?));
        let stores = options.stores.into_iter().map(open).collect::<Result<_, OpenError>>()?;
        let stored = trim(&work, options.prepared_max);
        let stored = Mutex::new(stored.map_err(|why| OpenError::Work(why.kind()))?);
        let (turns, prepared) = (Turns::default(), Prepared::new(options.prepared_max));
        Ok(Self { spool, stores, work, stored, turns, prepared })
    }

    /// [`filexfer::Work::Look`]: what is there, without reading content.
    ///
    /// # Errors
    /// [`Error`].
    pub fn look(&self, store: &PartyId, name: &FileName) -> Result<Option<FileMetadata>, Error> {
        self.stores.get(store).ok_or(Error::NoPlace)?.look(name)
    }

    /// [`filexfer::Work::Prepare`]: size and root, after reading the file once; `None` if there is none, or another than
    /// `stamp` says, or one that changed meanwhile.
    ///
    /// Of a large file what was found is kept in [`Options::work`]: it is not read again if it is still the same by place, size,
    /// time of change and number, after a restart neither. Whoever asks while it is being read waits for that.
    ///
    /// # Errors
    /// [`Error`].
    pub fn prepare(
        &self,
        transfer: TransferId,
        from: &Place,
        name: &FileName,
        stamp: Option<FileStamp>,
    ) -> Result<Option<(u64, [u8; 32])>, Error> {
        let _turn = self.turns.take(transfer);
        let Some((file, is)) = self.find(&transfer, from, name)? else { return Ok(None) };
        if stamp.is_some_and(|was| was != is) {
            return Ok(None);
        }
        if let Some(known) = self.known(&transfer, from, is) {
            return Ok(Some(known));
        }
        let kept = if Proof::is_large(is.size) { self.kept(&transfer, from, is)? } else { None };
        let proof = match kept {
            Some(proof) => Some(proof),
            None => self.read(&transfer, from, &file, is)?,
        };
        let Some(proof) = proof else { return Ok(None) };
        let known = (is.size, *proof.root());
        let is_small = is.size <= Slots::SMALL_BYTES;
        let content = if is_small { Content::Named(name.clone()) } else { Content::Open(file) };
        let source = Source { content, stamp: is, proof, served: AtomicU64::new(0) };
        for oldest in self.prepared.keep(transfer, from.clone(), source, is.size) {
            self.let_go(&oldest);
        }
        Ok(Some(known))
    }

    /// [`filexfer::Work::Serve`]: the frame of a [`Message::Slice`]; `None` if the source is not what it was.
    ///
    /// Whoever gets it compares it with the root. What was served before is compared with the proof here, too: a range that is
    /// asked for again may have been refused there.
    ///
    /// # Errors
    /// [`Error`].
    pub fn slice(
        &self,
        transfer: &TransferId,
        from: &Place,
        range: &Range<u64>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let source = self.source(transfer, from)?;
        let mut frame = room(&source.proof, range)?;
        Message::begin_slice(transfer, range, &mut frame);
        let head = frame.len();
        if !self.encode(&source, transfer, from, range, &mut frame)? {
            return Ok(None);
        }
        let is_repeated = source.served.fetch_max(range.end, Ordering::Relaxed) > range.start;
        let is_right = || source.proof.open(range, frame.get(head..).unwrap_or_default()).is_some();
        Ok((!is_repeated || is_right()).then_some(frame))
    }

    /// [`filexfer::Work::Copy`]: from one place of this server to another; `false` if the source is not what it was.
    ///
    /// # Errors
    /// [`Error`], and which of the two stores it was.
    pub fn copy(
        &self,
        transfer: &TransferId,
        from: &Place,
        into: &Place,
        range: &Range<u64>,
    ) -> Result<bool, (StoreFault, Error)> {
        let read = |why| (StoreFault::Read, why);
        let source = self.source(transfer, from).map_err(read)?;
        let mut encoded = room(&source.proof, range).map_err(read)?;
        if !self.encode(&source, transfer, from, range, &mut encoded).map_err(read)? {
            return Ok(false);
        }
        let Some(slice) = source.proof.open(range, &encoded) else { return Ok(false) };
        self.write(transfer, into, &slice.groups).map_err(|why| (StoreFault::Write, why))?;
        Ok(true)
    }

    /// Writes groups that were verified into a transfer's unpublished content.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Full`] beyond the quota, too; [`Error::NoContent`] for a transfer that was discarded.
    pub fn write<B: AsRef<[u8]>>(
        &self,
        transfer: &TransferId,
        into: &Place,
        groups: &[(u64, B)],
    ) -> Result<(), Error> {
        let parts: Vec<(u64, &[u8])> = groups
            .iter()
            .map(|(group, bytes)| (group.saturating_mul(Groups::BYTES), bytes.as_ref()))
            .collect();
        self.area(into)?.write(transfer, &parts)
    }

    /// [`filexfer::Work::Sync`]. After an error it is not known what is on disk: drop the machine and open it again, which
    /// begins at the last checkpoint.
    ///
    /// # Errors
    /// [`Error`].
    pub fn sync(&self, transfer: &TransferId, into: &Place) -> Result<(), Error> {
        one(self.area(into)?.sync(&[*transfer]))
    }

    /// [`filexfer::Work::Publish`]: done, or the name is taken. Doing it twice does no harm until [`LocalFiles::discard`].
    ///
    /// # Errors
    /// [`Error`]: for the machine, [`Failure::StoreFailed`].
    pub fn publish(
        &self,
        transfer: &TransferId,
        into: &Place,
        name: &FileName,
        replace: bool,
    ) -> Result<Result<(), Failure>, Error> {
        one(self.area(into)?.publish(&[Publication { transfer, name, replace }]))
    }

    /// [`filexfer::Work::Discard`]. What is still written of the transfer afterwards comes too late and is refused.
    ///
    /// # Errors
    /// [`Error`]; it can be tried again.
    pub fn discard(&self, transfer: &TransferId, at: &Place) -> Result<(), Error> {
        self.forget(transfer);
        self.area(at)?.discard(transfer)
    }

    /// Forgets that a file was prepared, for transfers that are over.
    pub fn forget(&self, transfer: &TransferId) {
        self.prepared.forget(transfer);
        self.let_go(transfer);
    }

    /// Removes the proof that was kept, if there is one.
    fn let_go(&self, transfer: &TransferId) {
        if self.stored().remove(transfer) {
            // What stays is found by `LocalFiles::kept_transfers` at the next start.
            let _ = self.work.remove(&pairs_name(transfer));
        }
    }

    fn stored(&self) -> MutexGuard<'_, BTreeSet<TransferId>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Transfers of which something was kept by [`LocalFiles::prepare`]: for whoever looks for what no job wants any more, and
    /// lets it go by [`LocalFiles::forget`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn kept_transfers(&self) -> Result<Vec<TransferId>, Error> {
        let names = self.work.names()?;
        Ok(names.iter().filter_map(|name| parse_pairs_name(name)).collect())
    }

    /// Unpublished content at a place, with its length: for whoever looks for what no job wants any more.
    ///
    /// # Errors
    /// [`Error::NoPlace`].
    pub fn unpublished(&self, at: &Place) -> Result<BTreeMap<TransferId, u64>, Error> {
        Ok(self.area(at)?.held())
    }

    pub(crate) fn area(&self, place: &Place) -> Result<&OpenArea, Error> {
        match place {
            Place::Spool => self.spool.as_ref(),
            Place::Store(party) => self.stores.get(party),
        }
        .ok_or(Error::NoPlace)
    }

    /// Reads a file once.
    fn read(
        &self,
        transfer: &TransferId,
        from: &Place,
        file: &File,
        is: FileStamp,
    ) -> Result<Option<Proof>, Error> {
        let mut prover = Prover::new(is.size, || self.new_pairs(transfer))?;
        hash_all(file, Groups::new(is.size), &mut prover)?;
        // Before it is said to be the proof of this file.
        if stamp(&file.metadata()?) != is {
            return Ok(None);
        }
        Ok(prover.finish_for(from, is)?)
    }

    /// Size and root of a large file, if it is prepared and this very file.
    fn known(&self, transfer: &TransferId, from: &Place, is: FileStamp) -> Option<(u64, [u8; 32])> {
        let source = self.prepared.source(transfer, from)?;
        let is_it = Proof::is_large(is.size) && source.stamp == is;
        is_it.then(|| (is.size, *source.proof.root()))
    }

    /// What is kept of the very same file.
    fn kept(
        &self,
        transfer: &TransferId,
        from: &Place,
        is: FileStamp,
    ) -> Result<Option<Proof>, Error> {
        match self.work.read(&pairs_name(transfer)) {
            Ok(file) => Ok(Proof::kept(file, from, is)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(why) => Err(why.into()),
        }
    }

    fn source(&self, transfer: &TransferId, from: &Place) -> Result<Arc<Source>, Error> {
        self.prepared.source(transfer, from).ok_or(Error::NotPrepared)
    }

    /// What a transfer's source is now.
    fn find(
        &self,
        transfer: &TransferId,
        from: &Place,
        name: &FileName,
    ) -> Result<Option<(File, FileStamp)>, Error> {
        let area = self.area(from)?;
        match from {
            Place::Spool => area.unpublished(transfer),
            Place::Store(_) => area.source(name),
        }
    }

    /// Appends a range with what proves it; `false` if the source is not what it was.
    fn encode(
        &self,
        source: &Source,
        transfer: &TransferId,
        from: &Place,
        range: &Range<u64>,
        to: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        match &source.content {
            Content::Open(file) => {
                let is = stamp(&file.metadata()?);
                Ok(is == source.stamp && source.encode(file, range, to)?)
            }
            Content::Named(name) => match self.find(transfer, from, name)? {
                Some((file, is)) => Ok(is == source.stamp && source.encode(&file, range, to)?),
                None => Ok(false),
            },
        }
    }

    /// An empty file. Whoever still reads the one of that name has it.
    fn new_pairs(&self, transfer: &TransferId) -> io::Result<File> {
        let name = pairs_name(transfer);
        // Before there is one, so that it is found wherever this ends.
        self.stored().insert(*transfer);
        self.work.remove(&name)?;
        Ok(self.work.write(&name, 0o600)?)
    }
}

impl Source {
    /// Appends a range with what proves it; `false` if the file is too short for it.
    fn encode(&self, file: &File, range: &Range<u64>, to: &mut Vec<u8>) -> Result<bool, Error> {
        let groups = Groups::new(self.stamp.size);
        let mut failed = None;
        let group = |number: u64| {
            let bytes = groups.bytes(&(number..number.saturating_add(1)));
            let mut group = vec![0; usize::try_from(bytes.end - bytes.start).unwrap_or(0)];
            file.read_exact_at(&mut group, bytes.start).map_err(|why| failed = Some(why)).ok()?;
            Some(group)
        };
        let is_whole = self.proof.encode(range, group, to);
        match failed {
            // It shrank.
            Some(why) if why.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Some(why) => Err(why.into()),
            None => Ok(is_whole),
        }
    }
}

/// The answer about the only one that was asked about.
fn one<T>(answers: Vec<Result<T, Error>>) -> Result<T, Error> {
    answers.into_iter().next().unwrap_or(Err(Error::NoContent))
}

fn room(proof: &Proof, range: &Range<u64>) -> Result<Vec<u8>, Error> {
    proof.room(range).ok_or(Error::Io(io::ErrorKind::InvalidInput))
}

/// Of what earlier processes kept, the newest stay: which those are.
fn trim(work: &Folder, most: usize) -> Result<BTreeSet<TransferId>, rustix::io::Errno> {
    let mut kept = Vec::new();
    for name in work.names()?.into_iter().filter(|name| name.ends_with(PAIRS)) {
        let changed = work.read(&name).and_then(|file| Ok(rustix::fs::fstat(&file)?.st_mtime));
        kept.push((changed.unwrap_or(0), name));
    }
    kept.sort_unstable();
    let many = kept.len().saturating_sub(most);
    kept.drain(..many).try_for_each(|(_, name)| work.remove(&name))?;
    Ok(kept.iter().filter_map(|(_, name)| parse_pairs_name(name)).collect())
}

fn parse_pairs_name(name: &str) -> Option<TransferId> {
    parse_hex(name.strip_suffix(PAIRS)?)
}

fn pairs_name(transfer: &TransferId) -> String {
    format!("{}{PAIRS}", hex(transfer))
}

const PAIRS: &str = ".pairs";
