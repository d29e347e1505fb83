//! One store: its published files, and beside them what is not published yet, in pieces.

use crate::intent::{Intent, mark};
use crate::piece::{PIECE, PIECE_BYTES, Piece};
use crate::{Area, Error, OpenError};
use bytes::Bytes;
use filexfer::{Failure, FileKind, FileMetadata, FileName, FileStamp, TransferId};
use futures_util::{StreamExt as _, TryStreamExt as _, future};
use object_store::path::Path;
use object_store::{
    Error as StoreError, MultipartUpload, ObjectMeta, ObjectStore as _, ObjectStoreExt as _,
    PutMode, PutOptions, PutPayload, UploadPart,
};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(crate) struct OpenArea {
    area: Area,
    pieces_max: usize,
    /// Nobody knows before it was tried.
    cannot_copy: AtomicBool,
    unpublished: Mutex<Unpublished>,
}

#[derive(Debug, Default)]
struct Unpublished {
    lens: BTreeMap<TransferId, u64>,
    bytes: u64,
    /// What the store has, by transfer and number: bytes.
    stored: BTreeMap<TransferId, BTreeMap<u64, u64>>,
    /// The pieces that are being written, with the turn of their last use.
    open: BTreeMap<(TransferId, u64), (Arc<tokio::sync::Mutex<Piece>>, u64)>,
    turn: u64,
    /// Discarded lately: what is still written of them is late.
    over: VecDeque<TransferId>,
}

impl OpenArea {
    pub(crate) async fn open(area: Area, pieces_max: usize) -> Result<Self, OpenError> {
        let mut found = Unpublished::default();
        let mut objects = area.store.list(Some(&Path::from(OWN)));
        while let Some(object) = objects.next().await {
            let object = object.map_err(|why| OpenError::Store(why.into()))?;
            let Some((transfer, number)) = parse(&object.location) else { continue };
            let pieces = found.stored.entry(transfer).or_default();
            let Some(number) = number else { continue };
            pieces.insert(number, object.size);
            let end = number.saturating_mul(PIECE_BYTES).saturating_add(object.size);
            let len = found.lens.entry(transfer).or_default();
            *len = end.max(*len);
        }
        drop(objects);
        found.bytes = found.lens.values().fold(0, |sum, len| len.saturating_add(sum));
        let cannot_copy = AtomicBool::new(false);
        Ok(Self { area, pieces_max, cannot_copy, unpublished: Mutex::new(found) })
    }

    /// What is there, without a look at its content.
    pub(crate) async fn look(&self, name: &FileName) -> Result<Option<FileMetadata>, Error> {
        let found = self.head(&path_of(name)?).await?;
        Ok(found.map(|found| FileMetadata {
            kind: FileKind::Regular,
            class: self.area.class_of(name).clone(),
            size: Some(found.size),
            root: None,
            // An object is there when all of it is.
            is_being_written: false,
            is_stream: false,
            stamp: stamp(&found),
        }))
    }

    pub(crate) const fn store(&self) -> &Arc<dyn object_store::ObjectStore> {
        &self.area.store
    }

    /// Writes at places of the unpublished content.
    pub(crate) async fn write(
        &self,
        transfer: &TransferId,
        parts: &[(u64, &[u8])],
    ) -> Result<(), Error> {
        let end = |(at, bytes): &(u64, &[u8])| at.saturating_add(len_u64(bytes));
        self.grow(transfer, parts.iter().map(end).max().unwrap_or(0))?;
        for (at, bytes) in parts {
            let (mut at, mut bytes) = (*at, *bytes);
            loop {
                let offset = usize::try_from(at % PIECE_BYTES).unwrap_or(0);
                let (here, rest) = bytes.split_at(bytes.len().min(PIECE - offset));
                self.put(transfer, at / PIECE_BYTES, offset, here).await?;
                if rest.is_empty() {
                    break;
                }
                (at, bytes) = (at.saturating_add(len_u64(here)), rest);
            }
        }
        Ok(())
    }

    /// Stores what is in memory of a transfer.
    pub(crate) async fn sync(&self, transfer: &TransferId) -> Result<(), Error> {
        for (number, piece) in self.open_of(transfer) {
            let mut piece = piece.lock().await;
            if !piece.is_gone && piece.is_dirty {
                self.save(transfer, number, &mut piece).await?;
            }
        }
        Ok(())
    }

    /// Gives it its name, for good.
    pub(crate) async fn publish(
        &self,
        transfer: &TransferId,
        name: &FileName,
        replace: bool,
    ) -> Result<Result<(), Failure>, Error> {
        self.sync(transfer).await?;
        let to = path_of(name)?;
        let size = self.whole(transfer)?;
        let now = self.head(&to).await?;
        let intent_at = own(transfer, INTENT);
        let intent = match self.area.store.get(&intent_at).await {
            Ok(found) => Intent::parse(&found.bytes().await?),
            Err(StoreError::NotFound { .. }) => None,
            Err(why) => return Err(why.into()),
        };
        match intent.filter(|intent| intent.name == name.as_str()) {
            // It was begun before: whether it was done shows in that the name is another object, and this content.
            Some(intent) => {
                let is_other = now.as_ref().map(mark) != intent.before;
                if is_other && self.is_content(transfer, size, &to).await? {
                    return Ok(Ok(()));
                }
            }
            None => {
                let bytes = Intent::new(name, now.as_ref()).encode().map_err(|_| Error::Path)?;
                self.area.store.put(&intent_at, bytes.into()).await?;
            }
        }
        if now.is_some() && !replace {
            return Ok(Err(Failure::NameTaken));
        }
        if self.place(transfer, size, &to, replace).await? {
            return Ok(Ok(()));
        }
        // The name is taken: by somebody else, or by a try whose answer was lost.
        let is_done = self.is_content(transfer, size, &to).await?;
        Ok(if is_done { Ok(()) } else { Err(Failure::NameTaken) })
    }

    /// Removes what is unpublished of a transfer.
    pub(crate) async fn discard(&self, transfer: &TransferId) -> Result<(), Error> {
        {
            let mut unpublished = self.state();
            if unpublished.over.len() >= OVER_MAX {
                unpublished.over.pop_front();
            }
            unpublished.over.push_back(*transfer);
        }
        for (number, piece) in self.open_of(transfer) {
            piece.lock().await.drop_content();
            self.state().open.remove(&(*transfer, number));
        }
        let under = Path::from_iter([OWN, &hex(transfer)]);
        let objects: Vec<ObjectMeta> = self.area.store.list(Some(&under)).try_collect().await?;
        for object in objects {
            match self.area.store.delete(&object.location).await {
                Ok(()) | Err(StoreError::NotFound { .. }) => {}
                Err(why) => return Err(why.into()),
            }
        }
        let mut unpublished = self.state();
        unpublished.stored.remove(transfer);
        let len = unpublished.lens.remove(transfer).unwrap_or(0);
        unpublished.bytes = unpublished.bytes.saturating_sub(len);
        Ok(())
    }

    /// How long unpublished content is; `None` if there is none, or a piece of it is missing.
    pub(crate) fn unpublished_len(&self, transfer: &TransferId) -> Option<u64> {
        self.whole(transfer).ok()
    }

    /// A part of unpublished content that was stored.
    pub(crate) async fn read(
        &self,
        transfer: &TransferId,
        range: Range<u64>,
    ) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let (number, from) = (at / PIECE_BYTES, at % PIECE_BYTES);
            let to = (range.end - at + from).min(PIECE_BYTES);
            let path = own_piece(transfer, number);
            let bytes = self.area.store.get_range(&path, from..to).await?;
            if len_u64(&bytes) != to - from {
                return Err(Error::NoContent);
            }
            content.extend_from_slice(&bytes);
            at += to - from;
        }
        Ok(content)
    }

    /// Of which transfers there is unpublished content, and how many bytes.
    pub(crate) fn held(&self) -> BTreeMap<TransferId, u64> {
        let unpublished = self.state();
        let stored = unpublished.stored.keys().map(|transfer| (*transfer, 0));
        let mut held: BTreeMap<TransferId, u64> = stored.collect();
        held.extend(&unpublished.lens);
        held
    }

    /// The object, if there is one.
    pub(crate) async fn head(&self, at: &Path) -> Result<Option<ObjectMeta>, Error> {
        match self.area.store.head(at).await {
            Ok(found) => Ok(Some(found)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(why) => Err(why.into()),
        }
    }

    /// Writes within one piece.
    async fn put(
        &self,
        transfer: &TransferId,
        number: u64,
        at: usize,
        bytes: &[u8],
    ) -> Result<(), Error> {
        loop {
            let (piece, stored) = self.piece(transfer, number).await?;
            let mut piece = piece.lock().await;
            if piece.is_gone {
                continue;
            }
            if !piece.is_loaded {
                let loaded = match stored {
                    Some(_) => {
                        let found = self.area.store.get(&own_piece(transfer, number)).await?;
                        found.bytes().await?
                    }
                    None => Bytes::new(),
                };
                piece.load(&loaded);
            }
            piece.put(at, bytes);
            if piece.is_full() {
                self.save(transfer, number, &mut piece).await?;
                piece.drop_content();
                self.state().open.remove(&(*transfer, number));
            }
            return Ok(());
        }
    }

    /// A piece to be written, and whether the store has something of it.
    async fn piece(
        &self,
        transfer: &TransferId,
        number: u64,
    ) -> Result<(Arc<tokio::sync::Mutex<Piece>>, Option<u64>), Error> {
        loop {
            let (of, oldest) = {
                let mut unpublished = self.state();
                if unpublished.over.contains(transfer) {
                    return Err(Error::NoContent);
                }
                unpublished.turn += 1;
                let turn = unpublished.turn;
                let stored = unpublished.stored.get(transfer);
                let stored = stored.and_then(|pieces| pieces.get(&number).copied());
                let key = (*transfer, number);
                if let Some((piece, used)) = unpublished.open.get_mut(&key) {
                    *used = turn;
                    return Ok((Arc::clone(piece), stored));
                }
                if unpublished.open.len() < self.pieces_max {
                    let piece = Arc::<tokio::sync::Mutex<Piece>>::default();
                    unpublished.open.insert(key, (Arc::clone(&piece), turn));
                    return Ok((piece, stored));
                }
                let oldest = unpublished.open.iter().min_by_key(|(_, (_, used))| *used);
                let Some((of, (oldest, _))) = oldest else { continue };
                (*of, Arc::clone(oldest))
            };
            let mut oldest = oldest.lock().await;
            if !oldest.is_gone {
                if oldest.is_dirty {
                    self.save(&of.0, of.1, &mut oldest).await?;
                }
                oldest.drop_content();
                self.state().open.remove(&of);
            }
        }
    }

    /// Stores a piece as it is.
    async fn save(
        &self,
        transfer: &TransferId,
        number: u64,
        piece: &mut Piece,
    ) -> Result<(), Error> {
        let bytes = Bytes::copy_from_slice(piece.bytes());
        let len = len_u64(&bytes);
        self.area.store.put(&own_piece(transfer, number), bytes.into()).await?;
        piece.is_dirty = false;
        self.state().stored.entry(*transfer).or_default().insert(number, len);
        Ok(())
    }

    /// How long the content is, if the store has all of it.
    fn whole(&self, transfer: &TransferId) -> Result<u64, Error> {
        let unpublished = self.state();
        let pieces = unpublished.stored.get(transfer).ok_or(Error::NoContent)?;
        let last = u64::try_from(pieces.len()).unwrap_or(u64::MAX).checked_sub(1);
        let last = last.ok_or(Error::NoContent)?;
        let is_whole = pieces
            .iter()
            .zip(0..)
            .all(|((number, len), at)| *number == at && (at == last || *len == PIECE_BYTES));
        if !is_whole {
            return Err(Error::NoContent);
        }
        let tail = pieces.get(&last).copied().unwrap_or(0);
        Ok(last.saturating_mul(PIECE_BYTES).saturating_add(tail))
    }

    /// Makes the content an object under its name; `false` if there is one that is not to be replaced.
    async fn place(
        &self,
        transfer: &TransferId,
        size: u64,
        to: &Path,
        replace: bool,
    ) -> Result<bool, Error> {
        if size <= PIECE_BYTES {
            let content = self.read(transfer, 0..size).await?;
            let mode = if replace { PutMode::Overwrite } else { PutMode::Create };
            let options = PutOptions { mode, ..PutOptions::default() };
            return taken(self.area.store.put_opts(to, content.into(), options).await.map(drop));
        }
        if replace {
            self.assemble(transfer, size, to).await?;
            return Ok(true);
        }
        // A store that copies only where nothing is decides it in one step.
        if size <= COPY_BYTES_MAX && !self.cannot_copy.load(Ordering::Relaxed) {
            let content = own(transfer, CONTENT);
            let assembled = self.head(&content).await?;
            if assembled.is_none_or(|assembled| assembled.size != size) {
                self.assemble(transfer, size, &content).await?;
            }
            match self.area.store.copy_if_not_exists(&content, to).await {
                Err(StoreError::NotSupported { .. } | StoreError::NotImplemented { .. }) => {
                    self.cannot_copy.store(true, Ordering::Relaxed);
                }
                done => return taken(done),
            }
        }
        // Else one looks, and then completes the upload.
        if self.head(to).await?.is_some() {
            return Ok(false);
        }
        self.assemble(transfer, size, to).await?;
        Ok(true)
    }

    /// Uploads the content in parts; it is there when the last step is done, and else not at all.
    async fn assemble(&self, transfer: &TransferId, size: u64, to: &Path) -> Result<(), Error> {
        let mut upload = self.area.store.put_multipart(to).await?;
        let done = self.send_parts(transfer, size, &mut *upload).await;
        if done.is_err() {
            // That this fails, too, leaves nothing that can be seen.
            let _ = upload.abort().await;
        }
        done
    }

    async fn send_parts(
        &self,
        transfer: &TransferId,
        size: u64,
        upload: &mut dyn MultipartUpload,
    ) -> Result<(), Error> {
        let part = part_bytes(size);
        let mut on_its_way: Option<UploadPart> = None;
        let mut at = 0;
        while at < size {
            let end = size.min(at.saturating_add(part));
            // The next one is read while the one before is sent.
            let sent = async {
                match on_its_way.take() {
                    Some(part) => part.await.map_err(Error::from),
                    None => Ok(()),
                }
            };
            let (content, ()) = future::try_join(self.read(transfer, at..end), sent).await?;
            on_its_way = Some(upload.put_part(PutPayload::from(content)));
            at = end;
        }
        if let Some(part) = on_its_way {
            part.await?;
        }
        upload.complete().await?;
        Ok(())
    }

    /// Whether an object is the unpublished content.
    async fn is_content(&self, transfer: &TransferId, size: u64, at: &Path) -> Result<bool, Error> {
        if self.head(at).await?.is_none_or(|found| found.size != size) {
            return Ok(false);
        }
        let mut from = 0;
        while from < size {
            let to = size.min(from.saturating_add(PIECE_BYTES));
            let theirs = self.area.store.get_range(at, from..to).await?;
            if theirs != self.read(transfer, from..to).await? {
                return Ok(false);
            }
            from = to;
        }
        Ok(true)
    }

    fn open_of(&self, transfer: &TransferId) -> Vec<(u64, Arc<tokio::sync::Mutex<Piece>>)> {
        let unpublished = self.state();
        let of = (*transfer, 0)..=(*transfer, u64::MAX);
        let open = unpublished.open.range(of);
        open.map(|((_, number), (piece, _))| (*number, Arc::clone(piece))).collect()
    }

    /// Counts the content as so long, if the quota allows it.
    fn grow(&self, transfer: &TransferId, len: u64) -> Result<(), Error> {
        let mut unpublished = self.state();
        if unpublished.over.contains(transfer) {
            return Err(Error::NoContent);
        }
        let old = unpublished.lens.get(transfer).copied().unwrap_or(0);
        let bytes = unpublished.bytes.saturating_add(len.saturating_sub(old));
        if len > old && bytes > self.area.quota_bytes {
            return Err(Error::Full);
        }
        unpublished.bytes = bytes;
        unpublished.lens.insert(*transfer, old.max(len));
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, Unpublished> {
        self.unpublished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What changes whenever the object does.
pub(crate) fn stamp(found: &ObjectMeta) -> FileStamp {
    let [a, b, c, d, e, f, g, h, ..] = mark(found);
    FileStamp {
        size: found.size,
        changed: u64::try_from(found.last_modified.timestamp_millis()).unwrap_or(0),
        number: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
    }
}

/// The object of a name.
pub(crate) fn path_of(name: &FileName) -> Result<Path, Error> {
    Path::parse(name.as_str()).map_err(|_| Error::Path)
}

/// `false` if something is there already.
fn taken(done: Result<(), StoreError>) -> Result<bool, Error> {
    match done {
        Ok(()) => Ok(true),
        Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Ok(false),
        Err(why) => Err(why.into()),
    }
}

/// How long parts are: as many pieces as it takes so that there are not too many.
const fn part_bytes(size: u64) -> u64 {
    PIECE_BYTES * size.div_ceil(PIECE_BYTES).div_ceil(PARTS_MAX)
}

fn own(transfer: &TransferId, what: &str) -> Path {
    Path::from_iter([OWN, &hex(transfer), what])
}

fn own_piece(transfer: &TransferId, number: u64) -> Path {
    own(transfer, &format!("{number:010}"))
}

/// Whose an object of ours is, and which piece, if it is one.
fn parse(at: &Path) -> Option<(TransferId, Option<u64>)> {
    let mut parts = at.parts().skip(1);
    let (transfer, what) = (parts.next()?, parts.next()?);
    let mut bytes = [0; 16];
    let written = base16ct::lower::decode(transfer.as_ref(), &mut bytes).ok()?.len();
    (written == bytes.len()).then(|| (TransferId(bytes), what.as_ref().parse().ok()))
}

fn hex(transfer: &TransferId) -> String {
    base16ct::lower::encode_string(&transfer.0)
}

fn len_u64(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// [`FileName`] refuses names that begin so.
const OWN: &str = ".filexfer-unpublished";
const INTENT: &str = "intent";
const CONTENT: &str = "content";
const OVER_MAX: usize = 256;
/// S3 takes 10,000 parts.
const PARTS_MAX: u64 = 10_000;
/// The longest object that S3 copies in one step.
const COPY_BYTES_MAX: u64 = 5 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_pieces_and_never_too_many() {
        for size in [1, PIECE_BYTES, 10_000 * PIECE_BYTES, 10_000 * PIECE_BYTES + 1, 5 << 40] {
            let part = part_bytes(size);
            assert!(part % PIECE_BYTES == 0 && size.div_ceil(part) <= PARTS_MAX);
        }
        assert_eq!(part_bytes(10_000 * PIECE_BYTES), PIECE_BYTES);
        assert_eq!(part_bytes(10_000 * PIECE_BYTES + 1), 2 * PIECE_BYTES);
    }

    #[test]
    fn what_is_ours_is_known_by_its_path() {
        let transfer = TransferId([0xab; 16]);
        assert_eq!(parse(&own_piece(&transfer, 7)), Some((transfer, Some(7))));
        assert_eq!(parse(&own(&transfer, INTENT)), Some((transfer, None)));
        assert_eq!(parse(&Path::from(".filexfer-unpublished/other/0")), None);
        assert_eq!(parse(&Path::from(".filexfer-unpublished/abab/0")), None);
    }
}
