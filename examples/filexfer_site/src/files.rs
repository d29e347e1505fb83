//! The files of one server: stores in folders, stores in buckets, and what goes from one kind to the other.

use ::files::Prepared;
use bytes::Bytes;
use files_local::LocalFiles;
use files_object_store::ObjectFiles;
use filexfer::{Damaged, Message, PartyId, Place, Slice, SliceProof, StoreFault, TransferId, Work};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Size and root of a file.
type Known = (u64, [u8; 32]);

/// Does what machines want done with files.
pub(crate) struct Files {
    /// The spool is always in a folder.
    folders: Arc<LocalFiles>,
    buckets: Option<ObjectFiles>,
    in_buckets: BTreeSet<PartyId>,
    /// What was prepared, to compare with where it goes from one kind of store to the other.
    prepared: Prepared<Known>,
}

/// A part of a file as it came in, where it goes, and what it has to be compared with.
pub(crate) struct Part {
    pub(crate) transfer: TransferId,
    pub(crate) into: Place,
    pub(crate) proof: SliceProof,
    pub(crate) bytes: Bytes,
}

/// What became of a part.
pub(crate) type Written = Result<Result<(), Damaged>, Error>;

/// What became of work.
pub(crate) type Done = ::files::Done<Error>;

impl Files {
    pub(crate) fn new(
        folders: LocalFiles,
        buckets: Option<ObjectFiles>,
        in_buckets: BTreeSet<PartyId>,
    ) -> Self {
        let (folders, prepared) = (Arc::new(folders), Prepared::new(PREPARED_MAX));
        Self { folders, buckets, in_buckets, prepared }
    }

    /// Does it. What an error means depends on the work: [`LocalFiles::perform`].
    pub(crate) async fn perform(&self, work: &Work) -> Result<(TransferId, Done), Error> {
        let (transfer, done) = match work {
            Work::Copy { transfer, from, into, range }
                if self.bucket(from).is_some() != self.bucket(into).is_some() =>
            {
                (*transfer, self.carry(*transfer, from, into, range).await)
            }
            Work::Look { store, .. } => self.at(&Place::Store(store.clone()), work).await?,
            Work::Prepare { from, .. } | Work::Copy { from, .. } | Work::Serve { from, .. } => {
                self.at(from, work).await?
            }
            Work::Sync { into, .. } | Work::Publish { into, .. } => self.at(into, work).await?,
            Work::Discard { at, .. } => self.at(at, work).await?,
        };
        self.note(work, transfer, &done);
        Ok((transfer, done))
    }

    /// Does small things of folders, one after the other by one thread, and forces what has to be forced at one time.
    pub(crate) async fn perform_all(
        &self,
        works: &[Work],
    ) -> Vec<Result<(TransferId, Done), Error>> {
        let (folders, wanted) = (Arc::clone(&self.folders), works.to_vec());
        let Ok(done) = blocking(move || folders.perform_all(&wanted)).await else {
            return vec![Err(Error::Lost); works.len()];
        };
        let performed = works.iter().zip(done).map(|(work, done)| {
            let (transfer, done) = done.map_err(Error::Folder)?;
            let done = of(done, Error::Folder);
            self.note(work, transfer, &done);
            Ok((transfer, done))
        });
        performed.collect()
    }

    /// Whether all that it touches is in folders.
    pub(crate) fn is_in_folders(&self, work: &Work) -> bool {
        match work {
            Work::Look { store, .. } => !self.in_buckets.contains(store),
            Work::Copy { from, into, .. } => [from, into].iter().all(|at| self.is_folder(at)),
            Work::Prepare { from, .. } | Work::Serve { from, .. } => self.is_folder(from),
            Work::Sync { into, .. } | Work::Publish { into, .. } => self.is_folder(into),
            Work::Discard { at, .. } => self.is_folder(at),
        }
    }

    /// Whether it is a place in a folder.
    pub(crate) fn is_folder(&self, place: &Place) -> bool {
        self.bucket(place).is_none()
    }

    fn note(&self, work: &Work, transfer: TransferId, done: &Done) {
        match (work, done) {
            (Work::Prepare { from, .. }, Done::Prepared(Some(known))) => {
                self.prepared.keep(transfer, from.clone(), *known, known.0);
            }
            (Work::Discard { at, .. }, _) => self.prepared.forget_at(&transfer, at),
            _ => {}
        }
    }

    /// Writes a part that came in, after it was compared with its proof; or says why it is not what it has to be.
    pub(crate) async fn write(&self, part: Part) -> Written {
        let Some(buckets) = self.bucket(&part.into) else {
            return self.write_all(vec![part]).await.pop().unwrap_or(Err(Error::Lost));
        };
        let Part { transfer, into, proof, bytes } = part;
        let opened = blocking(move || proof.open(&bytes).map(|slice| owned(&slice, &bytes)));
        match opened.await? {
            Ok(groups) => {
                buckets.write(&transfer, &into, &groups).await.map(Ok).map_err(Error::Bucket)
            }
            Err(why) => Ok(Err(why)),
        }
    }

    /// The same for parts that all go into folders, by one thread.
    pub(crate) async fn write_all(&self, parts: Vec<Part>) -> Vec<Written> {
        let (folders, many) = (Arc::clone(&self.folders), parts.len());
        let write = move |Part { transfer, into, proof, bytes }: Part| match proof.open(&bytes) {
            Ok(slice) => {
                folders.write(&transfer, &into, &slice.groups).map(Ok).map_err(Error::Folder)
            }
            Err(why) => Ok(Err(why)),
        };
        let written = blocking(move || parts.into_iter().map(write).collect()).await;
        written.unwrap_or_else(|why| vec![Err(why); many])
    }

    /// Transfers of which something was kept: see [`LocalFiles::kept_transfers`].
    pub(crate) fn kept_transfers(&self) -> Result<Vec<TransferId>, Error> {
        self.folders.kept_transfers().map_err(Error::Folder)
    }

    /// Forgets that a file was prepared.
    pub(crate) fn forget(&self, transfer: &TransferId) {
        self.folders.forget(transfer);
        if let Some(buckets) = &self.buckets {
            buckets.forget(transfer);
        }
        self.prepared.forget(transfer);
    }

    /// Unpublished content at a place, with its length.
    pub(crate) fn unpublished(&self, at: &Place) -> Result<BTreeMap<TransferId, u64>, Error> {
        match self.bucket(at) {
            Some(buckets) => buckets.unpublished(at).map_err(Error::Bucket),
            None => self.folders.unpublished(at).map_err(Error::Folder),
        }
    }

    /// Removes unpublished content.
    pub(crate) async fn discard(&self, transfer: &TransferId, at: &Place) -> Result<(), Error> {
        match self.bucket(at) {
            Some(buckets) => buckets.discard(transfer, at).await.map_err(Error::Bucket),
            None => self.folders.discard(transfer, at).map_err(Error::Folder),
        }
    }

    fn bucket(&self, place: &Place) -> Option<&ObjectFiles> {
        match place {
            Place::Store(store) if self.in_buckets.contains(store) => self.buckets.as_ref(),
            Place::Store(_) | Place::Spool => None,
        }
    }

    /// Work that is all in one kind of store.
    async fn at(&self, place: &Place, work: &Work) -> Result<(TransferId, Done), Error> {
        if let Some(buckets) = self.bucket(place) {
            let (transfer, done) = buckets.perform(work).await.map_err(Error::Bucket)?;
            return Ok((transfer, of(done, Error::Bucket)));
        }
        let (folders, work) = (Arc::clone(&self.folders), work.clone());
        let done = blocking(move || folders.perform(&work)).await?;
        let (transfer, done) = done.map_err(Error::Folder)?;
        Ok((transfer, of(done, Error::Folder)))
    }

    /// A range from one kind of store to the other, compared with the proof in between as if it had come over a line.
    async fn carry(
        &self,
        transfer: TransferId,
        from: &Place,
        into: &Place,
        range: &Range<u64>,
    ) -> Done {
        let Some((size, root)) = self.prepared.source(&transfer, from).map(|known| *known) else {
            let why = files_local::Error::NotPrepared;
            return Done::Failed(StoreFault::Read, Error::Folder(why));
        };
        let frame = match self.bucket(from) {
            Some(buckets) => buckets.slice(&transfer, from, range).await.map_err(Error::Bucket),
            None => {
                let (folders, from, range) =
                    (Arc::clone(&self.folders), from.clone(), range.clone());
                let read = blocking(move || folders.slice(&transfer, &from, &range)).await;
                read.and_then(|read| read.map_err(Error::Folder))
            }
        };
        let frame = match frame {
            Ok(Some(frame)) => Bytes::from(frame),
            Ok(None) => return Done::Unstable,
            Err(why) => return Done::Failed(StoreFault::Read, why),
        };
        let Ok(Message::Slice { bytes, .. }) = Message::parse_frame(&frame) else {
            return Done::Unstable;
        };
        let proof = SliceProof { root, size, range: range.clone() };
        match self.write(Part { transfer, into: into.clone(), proof, bytes }).await {
            Ok(Ok(())) => Done::Copied(range.clone()),
            Ok(Err(_)) => Done::Unstable,
            Err(why) => Done::Failed(StoreFault::Write, why),
        }
    }
}

/// The groups of a part that was opened, as pieces of what came in.
fn owned(slice: &Slice<'_>, bytes: &Bytes) -> Vec<(u64, Bytes)> {
    slice.groups.iter().map(|(group, part)| (*group, bytes.slice_ref(part))).collect()
}

/// Why something was not done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    Folder(files_local::Error),
    Bucket(files_object_store::Error),
    /// The thread ended early.
    Lost,
}

impl Error {
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::Folder(why) => why.code(),
            Self::Bucket(why) => why.code(),
            Self::Lost => 0,
        }
    }

    /// There is no such content any more, or nobody who would write it.
    pub(crate) const fn is_too_late(self) -> bool {
        matches!(
            self,
            Self::Lost
                | Self::Folder(files_local::Error::NoContent)
                | Self::Bucket(files_object_store::Error::NoContent)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(why) => why.fmt(f),
            Self::Bucket(why) => why.fmt(f),
            Self::Lost => f.write_str("a thread ended early"),
        }
    }
}

fn of<E>(done: ::files::Done<E>, why: impl Fn(E) -> Error) -> Done {
    match done {
        ::files::Done::Looked(found) => Done::Looked(found),
        ::files::Done::Prepared(known) => Done::Prepared(known),
        ::files::Done::Copied(range) => Done::Copied(range),
        ::files::Done::Slice { range, to, frame } => Done::Slice { range, to, frame },
        ::files::Done::Failed(fault, cause) => Done::Failed(fault, why(cause)),
        ::files::Done::Unstable => Done::Unstable,
        ::files::Done::Synced => Done::Synced,
        ::files::Done::Published(done) => Done::Published(done),
        ::files::Done::Discarded => Done::Discarded,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Lost)
}

/// As many as both kinds of stores have prepared at one time.
const PREPARED_MAX: usize = 600;
