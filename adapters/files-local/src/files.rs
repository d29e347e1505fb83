//! The files of one server.

use crate::area::{OpenArea, hex, stamp};
use crate::folder::Folder;
use crate::{Error, OpenError, Options};
use ::files::{Proof, Prover};
use filexfer::{
    Failure, FileMetadata, FileName, FileStamp, Groups, PartyId, Place, Slice, TransferId,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
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
    prepared_max: usize,
    prepared: Mutex<Prepared>,
}

#[derive(Debug, Default)]
struct Prepared {
    sources: BTreeMap<TransferId, (Arc<Source>, u64)>,
    turn: u64,
}

/// A file that is served: it, its proof, and what it was.
#[derive(Debug)]
struct Source {
    file: File,
    from: Place,
    stamp: FileStamp,
    proof: Proof,
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
        let prepared_max = options.prepared_max;
        Ok(Self { spool, stores, work, prepared_max, prepared: Mutex::default() })
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
    /// # Errors
    /// [`Error`].
    pub fn prepare(
        &self,
        transfer: TransferId,
        from: &Place,
        name: &FileName,
        stamp: Option<FileStamp>,
    ) -> Result<Option<(u64, [u8; 32])>, Error> {
        let area = self.area(from)?;
        let found = match from {
            Place::Spool => area.unpublished(&transfer)?,
            Place::Store(_) => area.source(name)?,
        };
        let Some((file, is)) = found else { return Ok(None) };
        if stamp.is_some_and(|was| was != is) {
            return Ok(None);
        }
        let Some(source) = self.read(transfer, from, file, is)? else { return Ok(None) };
        let known = (is.size, *source.proof.root());
        self.keep(transfer, source);
        Ok(Some(known))
    }

    /// [`filexfer::Work::Serve`]: a range as [`Slice`] encodes it, compared with the proof; `None` if the source is not what
    /// it was.
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
        source.slice(range)
    }

    /// [`filexfer::Work::Copy`]: from one place of this server to another; `false` if the source is not what it was.
    ///
    /// # Errors
    /// [`Error`].
    pub fn copy(
        &self,
        transfer: &TransferId,
        from: &Place,
        into: &Place,
        range: &Range<u64>,
    ) -> Result<bool, Error> {
        let source = self.source(transfer, from)?;
        let Some(encoded) = source.slice(range)? else { return Ok(false) };
        let slice = Slice::open(source.proof.root(), source.stamp.size, range, &encoded);
        // It was opened a moment ago.
        let Ok(slice) = slice else { return Ok(false) };
        self.write(transfer, into, &slice.groups)?;
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
        self.area(into)?.sync(transfer)
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
        self.area(into)?.publish(transfer, name, replace)
    }

    /// [`filexfer::Work::Discard`]. What is still written of the transfer afterwards comes too late and is refused.
    ///
    /// # Errors
    /// [`Error`]; it can be tried again.
    pub fn discard(&self, transfer: &TransferId, at: &Place) -> Result<(), Error> {
        {
            let mut prepared = self.prepared();
            if prepared.sources.get(transfer).is_some_and(|(source, _)| source.from == *at) {
                prepared.sources.remove(transfer);
            }
        }
        self.area(at)?.discard(transfer)
    }

    /// Forgets that a file was prepared, for transfers that are over.
    pub fn forget(&self, transfer: &TransferId) {
        self.prepared().sources.remove(transfer);
    }

    /// Unpublished content at a place, with its length: for whoever looks for what no job wants any more.
    ///
    /// # Errors
    /// [`Error::NoPlace`].
    pub fn unpublished(&self, at: &Place) -> Result<BTreeMap<TransferId, u64>, Error> {
        Ok(self.area(at)?.held())
    }

    fn area(&self, place: &Place) -> Result<&OpenArea, Error> {
        match place {
            Place::Spool => self.spool.as_ref(),
            Place::Store(party) => self.stores.get(party),
        }
        .ok_or(Error::NoPlace)
    }

    /// Reads a file once, group by group.
    fn read(
        &self,
        transfer: TransferId,
        from: &Place,
        file: File,
        is: FileStamp,
    ) -> Result<Option<Source>, Error> {
        let mut prover = Prover::new(is.size, || self.nameless(&transfer))?;
        let mut piece = vec![0; PIECE];
        // One byte more tells that it grew; an end is reached also when it grows as quickly as it is read.
        let mut file_once = (&file).take(is.size.saturating_add(1));
        loop {
            match file_once.read(&mut piece) {
                Ok(0) => break,
                Ok(len) => prover.push(&piece[..len])?,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why.into()),
            }
        }
        // It shrank, or grew.
        let Some(proof) = prover.finish()? else { return Ok(None) };
        if stamp(&file.metadata()?) != is {
            return Ok(None);
        }
        Ok(Some(Source { file, from: from.clone(), stamp: is, proof }))
    }

    fn keep(&self, transfer: TransferId, source: Source) {
        let mut prepared = self.prepared();
        prepared.turn += 1;
        let turn = prepared.turn;
        let is_full = prepared.sources.len() >= self.prepared_max;
        if is_full && !prepared.sources.contains_key(&transfer) {
            let oldest = prepared.sources.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(transfer, _)| *transfer) {
                prepared.sources.remove(&oldest);
            }
        }
        prepared.sources.insert(transfer, (Arc::new(source), turn));
    }

    fn source(&self, transfer: &TransferId, from: &Place) -> Result<Arc<Source>, Error> {
        let mut prepared = self.prepared();
        prepared.turn += 1;
        let turn = prepared.turn;
        let (source, used) = prepared.sources.get_mut(transfer).ok_or(Error::NotPrepared)?;
        *used = turn;
        if source.from == *from { Ok(Arc::clone(source)) } else { Err(Error::NotPrepared) }
    }

    /// A file that is gone with its last descriptor.
    fn nameless(&self, transfer: &TransferId) -> io::Result<File> {
        let name = format!("{}.pairs", hex(transfer));
        let unlink =
            || match rustix::fs::unlinkat(self.work.fd(), &name, rustix::fs::AtFlags::empty()) {
                Err(rustix::io::Errno::NOENT) => Ok(()),
                other => other,
            };
        // Of a process that was stopped between the next two steps.
        unlink()?;
        let file = self.work.write(&name, 0o600)?;
        unlink()?;
        Ok(file)
    }

    fn prepared(&self) -> MutexGuard<'_, Prepared> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source {
    fn slice(&self, range: &Range<u64>) -> Result<Option<Vec<u8>>, Error> {
        let groups = Groups::new(self.stamp.size);
        if !groups.contain(range) || range.end - range.start > RANGE_GROUPS_MAX {
            return Err(Error::Io(io::ErrorKind::InvalidInput));
        }
        if stamp(&self.file.metadata()?) != self.stamp {
            return Ok(None);
        }
        let bytes = groups.bytes(range);
        let len = usize::try_from(bytes.end - bytes.start).unwrap_or(0);
        let mut content = vec![0; len];
        match self.file.read_exact_at(&mut content, bytes.start) {
            Ok(()) => {}
            Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(why) => return Err(why.into()),
        }
        Ok(self.proof.slice(range, &content))
    }
}

/// Read at a time to prepare a file.
const PIECE: usize = 64 << 10;
/// 64 MiB: more than any machine asks for at a time.
const RANGE_GROUPS_MAX: u64 = 4_096;
