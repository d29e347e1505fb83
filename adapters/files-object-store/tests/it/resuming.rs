//! A process that stops at any moment, and another one that goes on.

use crate::home::{Home, KINDS, LARGE, T, bytes, name, store};
use crate::publishing::groups;
use async_trait::async_trait;
use filexfer::{Failure, Groups, Place};
use futures_util::FutureExt as _;
use futures_util::stream::BoxStream;
use interbank_files_object_store::object_store::path::Path;
use interbank_files_object_store::object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};
use interbank_files_object_store::{Error, ObjectFiles};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[tokio::test]
async fn what_was_synced_is_there_after_a_stop_and_the_rest_is_written_again() {
    for kind in KINDS {
        let home = Home::new(kind).await;
        let into = Place::Store(store("two"));
        let content = bytes(LARGE, 1);
        let parts = groups(&content);
        let files = home.open().await;
        files.write(&T, &into, &parts[..300]).await.unwrap();
        files.sync(&T, &into).await.unwrap();
        files.write(&T, &into, &parts[300..400]).await.unwrap();
        // It stops: nobody says anything to anybody.
        drop(files);
        let files = home.open().await;
        assert_eq!(files.unpublished(&into).unwrap()[&T], 300 * 16_384, "{kind:?}");
        files.write(&T, &into, &parts[300..550]).await.unwrap();
        files.sync(&T, &into).await.unwrap();
        drop(files);
        let files = home.open().await;
        // A group that comes twice does no harm, also in a piece that was stored long ago.
        files.write(&T, &into, &parts[10..12]).await.unwrap();
        files.write(&T, &into, &parts[550..]).await.unwrap();
        assert_eq!(files.publish(&T, &into, &name("a"), false).await, Ok(Ok(())), "{kind:?}");
        assert!(home.get("two", "a").await.unwrap() == content, "{kind:?}");
        // And what a spool has can be served after a stop.
        files.write(&T, &Place::Spool, &parts).await.unwrap();
        files.sync(&T, &Place::Spool).await.unwrap();
        drop(files);
        let files = home.open().await;
        let known = files.prepare(T, &Place::Spool, &name("a"), None).await.unwrap();
        assert_eq!(known, Some((LARGE as u64, *blake3::hash(&content).as_bytes())), "{kind:?}");
        let slice = files.slice(&T, &Place::Spool, &(500..530)).await.unwrap();
        assert!(slice.unwrap().len() > 30 * 16_384, "across two pieces");
        files.discard(&T, &Place::Spool).await.unwrap();
        assert_eq!(files.slice(&T, &Place::Spool, &(0..1)).await, Err(Error::NotPrepared));
        assert_eq!(files.prepare(T, &Place::Spool, &name("a"), None).await, Ok(None));
        assert_eq!(home.names("spool").await, Vec::<String>::new(), "{kind:?}");
    }
}

#[tokio::test]
async fn few_pieces_in_memory_are_enough() {
    let home = Home::new(KINDS[0]).await;
    let mut options = home.options();
    options.pieces_max = 1;
    let files = ObjectFiles::open(options).await.unwrap();
    let into = Place::Store(store("two"));
    let content = bytes(LARGE, 1);
    let parts = groups(&content);
    // To and fro between two pieces: each is stored as it is, and taken up again.
    for step in (0..512).step_by(16) {
        for at in [step, step + 512] {
            let end = (at + 16).min(parts.len());
            if at < end {
                files.write(&T, &into, &parts[at..end]).await.unwrap();
            }
        }
    }
    assert_eq!(files.publish(&T, &into, &name("a"), false).await, Ok(Ok(())));
    assert!(home.get("two", "a").await.unwrap() == content);
}

#[tokio::test]
async fn no_answer_has_to_be_longer_than_a_piece() {
    let home = Home::new(KINDS[0]).await;
    let mut options = home.options();
    for area in options.stores.values_mut().chain(&mut options.spool) {
        let (inner, left) = (Arc::clone(&area.store), Arc::new(AtomicU64::new(u64::MAX)));
        area.store = Arc::new(Failing { inner, left, is_done: false });
    }
    let files = ObjectFiles::open(options).await.unwrap();
    let (from, into) = (Place::Store(store("one")), Place::Store(store("two")));
    let content = bytes(LARGE, 1);
    home.put("one", "a", &content).await;
    let known = files.prepare(T, &from, &name("a"), None).await.unwrap();
    assert_eq!(known, Some((LARGE as u64, *blake3::hash(&content).as_bytes())));
    let count = Groups::new(LARGE as u64).count();
    for range in [0..300, 300..count] {
        assert_eq!(files.copy(&T, &from, &into, &range).await, Ok(true));
    }
    assert_eq!(files.publish(&T, &into, &name("b"), false).await, Ok(Ok(())));
    assert!(home.get("two", "b").await.unwrap() == content);
}

/// Whatever the store was asked for last, done or not: afterwards there is nothing, or all of it, and it can be gone on with.
#[tokio::test]
async fn a_stop_at_any_moment_of_publishing_leaves_all_or_nothing() {
    let mut stops = 0;
    for (len, replace) in [(100, false), (100, true), (LARGE, false), (LARGE, true)] {
        for is_done in [false, true] {
            for stop in 1.. {
                let home = Home::new(KINDS[0]).await;
                let into = Place::Store(store("two"));
                let content = bytes(len, 1);
                if replace {
                    home.put("two", "a", b"old").await;
                }
                let left = Arc::new(AtomicU64::new(u64::MAX));
                let mut options = home.options();
                let area = options.stores.get_mut(&store("two")).unwrap();
                area.store = Arc::new(Failing {
                    inner: Arc::clone(&area.store),
                    left: Arc::clone(&left),
                    is_done,
                });
                let files = ObjectFiles::open(options).await.unwrap();
                files.write(&T, &into, &groups(&content)).await.unwrap();
                files.sync(&T, &into).await.unwrap();
                left.store(stop, Ordering::Relaxed);
                let done = files.publish(&T, &into, &name("a"), replace).await;
                drop(files);
                let visible = home.get("two", "a").await;
                match &visible {
                    None => assert!(!replace),
                    Some(visible) if replace && visible == b"old" => {}
                    Some(visible) => assert!(*visible == content, "half a file after {stop}"),
                }
                let files = home.open().await;
                let again = files.publish(&T, &into, &name("a"), replace).await;
                assert_eq!(again, Ok(Ok(())), "{len} {replace} {is_done} {stop}");
                assert!(home.get("two", "a").await.unwrap() == content);
                files.discard(&T, &into).await.unwrap();
                assert_eq!(home.names("two").await, ["a"]);
                if left.load(Ordering::Relaxed) > 0 {
                    // It got through before it was to be stopped.
                    assert_eq!(done, Ok(Ok(())));
                    break;
                }
                stops += 1;
                // What is not known to be done is never said to be somebody else's.
                assert_ne!(done, Ok(Err(Failure::NameTaken)), "{len} {replace} {is_done} {stop}");
            }
        }
    }
    assert!(stops > 40, "{stops} stops");
}

/// A store that fails once, at one request, and before or after it was done, and at every one after it.
#[derive(Debug)]
struct Failing {
    inner: Arc<dyn ObjectStore>,
    left: Arc<AtomicU64>,
    is_done: bool,
}

impl Failing {
    /// Whether this is the one; or one after it.
    fn fate(&self) -> Fate {
        fate(&self.left, self.is_done)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Good,
    DoneAndLost,
    NotDone,
}

fn fate(left: &AtomicU64, is_done: bool) -> Fate {
    let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        Some(if left == u64::MAX { left } else { left.saturating_sub(1) })
    });
    match before {
        Ok(0) => Fate::NotDone,
        Ok(1) if is_done => Fate::DoneAndLost,
        Ok(1) => Fate::NotDone,
        _ => Fate::Good,
    }
}

fn failed<T>() -> Result<T> {
    Err(StoreError::Generic { store: "test", source: "stopped".into() })
}

/// As its fate says.
macro_rules! met {
    ($fate:expr, $call:expr) => {
        match $fate {
            Fate::Good => $call.await,
            Fate::DoneAndLost => {
                let _ = $call.await;
                failed()
            }
            Fate::NotDone => failed(),
        }
    };
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Failing {
    async fn put_opts(&self, at: &Path, what: PutPayload, how: PutOptions) -> Result<PutResult> {
        met!(self.fate(), self.inner.put_opts(at, what, how))
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner: Result<_> = met!(self.fate(), self.inner.put_multipart_opts(at, how));
        let (left, is_done) = (Arc::clone(&self.left), self.is_done);
        Ok(Box::new(FailingUpload { inner: inner?, left, is_done }))
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        let is_head = how.head;
        let found: GetResult = met!(self.fate(), self.inner.get_opts(at, how))?;
        // As a line does on which an answer of more than a piece takes longer than one may.
        let is_long = found.range.end - found.range.start > 8 << 20;
        if is_long && !is_head { failed() } else { Ok(found) }
    }

    fn delete_stream(
        &self,
        which: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(which)
    }

    fn list(&self, under: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(under)
    }

    async fn list_with_delimiter(&self, under: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(under).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        met!(self.fate(), self.inner.copy_opts(from, to, how))
    }
}

#[derive(Debug)]
struct FailingUpload {
    inner: Box<dyn MultipartUpload>,
    left: Arc<AtomicU64>,
    is_done: bool,
}

#[async_trait]
impl MultipartUpload for FailingUpload {
    fn put_part(&mut self, what: PutPayload) -> UploadPart {
        let fate = fate(&self.left, self.is_done);
        let part = self.inner.put_part(what);
        async move { met!(fate, part) }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        met!(fate(&self.left, self.is_done), self.inner.complete())
    }

    async fn abort(&mut self) -> Result<()> {
        met!(fate(&self.left, self.is_done), self.inner.abort())
    }
}
