//! The files of one server.

use crate::area::{OpenArea, path_of, stamp};
use crate::piece::PIECE_BYTES;
use crate::source::{At, Object, Source};
use crate::{Error, OpenError, Options};
use ::files::{Prepared, Proof, Prover};
use filexfer::{
    Failure, FileMetadata, FileName, FileStamp, Groups, Message, PartyId, Place, StoreFault,
    TransferId,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Does what machines want done with files, in object stores. It is `Sync`, and different transfers do not hold each other up
/// but for what [`Options::pieces_max`] allows.
///
/// What is unpublished lies in the same store under names that no [`FileName`] can have. Nothing is visible under its name
/// before all of it is there.
#[derive(Debug)]
pub struct ObjectFiles {
    spool: Option<OpenArea>,
    stores: BTreeMap<PartyId, OpenArea>,
    work: PathBuf,
    prepared: Prepared<Source>,
}

impl ObjectFiles {
    /// Takes stock of what is unpublished in all stores.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let Options { work, spool, stores, prepared_max, pieces_max } = options;
        if prepared_max == 0 || pieces_max == 0 {
            return Err(OpenError::Bounds);
        }
        tempfile::tempfile_in(&work).map_err(|why| OpenError::Work(why.kind()))?;
        let spool = match spool {
            Some(area) => Some(OpenArea::open(area, pieces_max).await?),
            None => None,
        };
        let mut opened = BTreeMap::new();
        for (party, area) in stores {
            opened.insert(party, OpenArea::open(area, pieces_max).await?);
        }
        Ok(Self { spool, stores: opened, work, prepared: Prepared::new(prepared_max) })
    }

    /// [`filexfer::Work::Look`]: what is there, without reading content.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn look(
        &self,
        store: &PartyId,
        name: &FileName,
    ) -> Result<Option<FileMetadata>, Error> {
        self.stores.get(store).ok_or(Error::NoPlace)?.look(name).await
    }

    /// [`filexfer::Work::Prepare`]: size and root, after reading the file once; `None` if there is none, or another than
    /// `stamp` says, or one that changed meanwhile.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn prepare(
        &self,
        transfer: TransferId,
        from: &Place,
        name: &FileName,
        stamp: Option<FileStamp>,
    ) -> Result<Option<(u64, [u8; 32])>, Error> {
        let area = self.area(from)?;
        let prepared = match from {
            Place::Spool => self.read_pieces(area, &transfer).await?,
            Place::Store(_) => self.read_object(area, name, stamp).await?,
        };
        let Some((at, proof)) = prepared else { return Ok(None) };
        let known = (proof.size(), *proof.root());
        self.prepared.keep(transfer, from.clone(), Source { at, proof }, known.0);
        Ok(Some(known))
    }

    /// [`filexfer::Work::Serve`]: the frame of a [`Message::Slice`], compared with the proof; `None` if the source is not what
    /// it was.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn slice(
        &self,
        transfer: &TransferId,
        from: &Place,
        range: &Range<u64>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let source = self.source(transfer, from)?;
        let mut frame = source.room(range)?;
        Message::begin_slice(transfer, range, &mut frame);
        let head = frame.len();
        if !source.encode(self.area(from)?, transfer, range, &mut frame).await? {
            return Ok(None);
        }
        let is_right = source.proof.open(range, frame.get(head..).unwrap_or_default()).is_some();
        Ok(is_right.then_some(frame))
    }

    /// [`filexfer::Work::Copy`]: from one place of this server to another; `false` if the source is not what it was.
    ///
    /// # Errors
    /// [`Error`], and which of the two stores it was.
    pub async fn copy(
        &self,
        transfer: &TransferId,
        from: &Place,
        into: &Place,
        range: &Range<u64>,
    ) -> Result<bool, (StoreFault, Error)> {
        let read = |why| (StoreFault::Read, why);
        let source = self.source(transfer, from).map_err(read)?;
        let area = self.area(from).map_err(read)?;
        let mut encoded = source.room(range).map_err(read)?;
        if !source.encode(area, transfer, range, &mut encoded).await.map_err(read)? {
            return Ok(false);
        }
        let Some(slice) = source.proof.open(range, &encoded) else { return Ok(false) };
        let written = self.write(transfer, into, &slice.groups).await;
        written.map_err(|why| (StoreFault::Write, why))?;
        Ok(true)
    }

    /// Writes groups that were verified into a transfer's unpublished content. They are in the store after the next
    /// [`ObjectFiles::sync`], or once their piece is full.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Full`] beyond the quota, too; [`Error::NoContent`] for a transfer that was discarded.
    pub async fn write<B: AsRef<[u8]>>(
        &self,
        transfer: &TransferId,
        into: &Place,
        groups: &[(u64, B)],
    ) -> Result<(), Error> {
        let parts: Vec<(u64, &[u8])> = groups
            .iter()
            .map(|(group, bytes)| (group.saturating_mul(Groups::BYTES), bytes.as_ref()))
            .collect();
        self.area(into)?.write(transfer, &parts).await
    }

    /// [`filexfer::Work::Sync`]. After an error it is not known what is in the store: drop the machine and open it again, which
    /// begins at the last checkpoint.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn sync(&self, transfer: &TransferId, into: &Place) -> Result<(), Error> {
        self.area(into)?.sync(transfer).await
    }

    /// [`filexfer::Work::Publish`]: done, or the name is taken. Doing it twice does no harm until [`ObjectFiles::discard`].
    ///
    /// # Errors
    /// [`Error`]: for the machine, [`Failure::StoreFailed`].
    pub async fn publish(
        &self,
        transfer: &TransferId,
        into: &Place,
        name: &FileName,
        replace: bool,
    ) -> Result<Result<(), Failure>, Error> {
        self.area(into)?.publish(transfer, name, replace).await
    }

    /// [`filexfer::Work::Discard`]. What is still written of the transfer afterwards comes too late and is refused.
    ///
    /// # Errors
    /// [`Error`]; it can be tried again.
    pub async fn discard(&self, transfer: &TransferId, at: &Place) -> Result<(), Error> {
        self.prepared.forget_at(transfer, at);
        self.area(at)?.discard(transfer).await
    }

    /// Forgets that a file was prepared, for transfers that are over.
    pub fn forget(&self, transfer: &TransferId) {
        self.prepared.forget(transfer);
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

    /// Reads an object once, a piece at a time: one answer for all of it would have to come within the time that an answer may
    /// take.
    async fn read_object(
        &self,
        area: &OpenArea,
        name: &FileName,
        was: Option<FileStamp>,
    ) -> Result<Option<(At, Proof)>, Error> {
        let path = path_of(name)?;
        let Some(found) = area.head(&path).await? else { return Ok(None) };
        let object = Object { path, stamp: stamp(&found), e_tag: found.e_tag };
        let is = object.stamp;
        if was.is_some_and(|was| was != is) {
            return Ok(None);
        }
        let mut prover = self.prover(is.size)?;
        let mut at = 0;
        while at < is.size {
            let end = is.size.min(at + PIECE_BYTES);
            let Some(piece) = object.read(area, at..end).await? else { return Ok(None) };
            prover.push(&piece).map_err(work)?;
            at = end;
        }
        let Some(proof) = prover.finish().map_err(work)? else { return Ok(None) };
        // A folder's file may turn into another in the middle of a piece.
        Ok(if object.is_there(area).await? { Some((At::Object(object), proof)) } else { None })
    }

    /// Reads unpublished content once.
    async fn read_pieces(
        &self,
        area: &OpenArea,
        transfer: &TransferId,
    ) -> Result<Option<(At, Proof)>, Error> {
        area.sync(transfer).await?;
        let Some(size) = area.unpublished_len(transfer) else { return Ok(None) };
        let mut prover = self.prover(size)?;
        let mut at = 0;
        while at < size {
            let end = size.min(at + PIECE_BYTES);
            prover.push(&area.read(transfer, at..end).await?).map_err(work)?;
            at = end;
        }
        Ok(prover.finish().map_err(work)?.map(|proof| (At::Pieces, proof)))
    }

    fn prover(&self, size: u64) -> Result<Prover, Error> {
        // It has no name, and is gone with its last descriptor.
        let file = || -> io::Result<File> { tempfile::tempfile_in(&self.work) };
        Prover::new(size, file).map_err(work)
    }

    fn source(&self, transfer: &TransferId, from: &Place) -> Result<Arc<Source>, Error> {
        self.prepared.source(transfer, from).ok_or(Error::NotPrepared)
    }
}

fn work(why: io::Error) -> Error {
    Error::Work(why.kind())
}
