//! Packs of a backstage server: small files that travel together, and what is made of them where they arrive.

use crate::clock;
use crate::control::Wish;
use files_local::{Error, PackingError, Small};
use filexfer::pack::Manifest;
use filexfer::{FileClass, FileName, JobId, NameSet, Notice};
use port::Batch;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_blocking;

/// The packs in a backstage server's folder. It is opened when it is needed first: most servers never pack.
pub(crate) struct Packs {
    store: Option<Folder>,
    folder: OnceLock<files_local::Packs>,
    /// Held while it is opened.
    opening: Mutex<()>,
}

/// What the configuration says of the folder.
pub(crate) struct Folder {
    pub(crate) root: PathBuf,
    pub(crate) class: FileClass,
    /// Classes by folder.
    pub(crate) classes: Vec<(String, FileClass)>,
    pub(crate) settle_ms: u64,
}

impl Folder {
    fn class_of(&self, name: &FileName) -> &FileClass {
        ::files::class_of(name, &self.classes, &self.class)
    }
}

/// A pack that was written, and has no request yet.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    pub(crate) id: JobId,
    pub(crate) name: FileName,
    pub(crate) size: u64,
    pub(crate) root: [u8; 32],
    /// How many files are in it.
    pub(crate) files: usize,
    pub(crate) manifest: Vec<u8>,
}

/// An arrival, and what became of the files in it; `None` for a file that is no pack.
pub(crate) type Unpacked = (Notice, Result<Option<Manifest>, PackingError>);

/// Where arrivals go, and where they come back from.
pub(crate) struct Unpacker {
    packs: UnboundedSender<Notice>,
    others: UnboundedSender<Unpacked>,
    done: UnboundedReceiver<Unpacked>,
}

impl Unpacker {
    /// A file arrived.
    pub(crate) fn add(&self, notice: Notice) {
        // The receivers are there as long as this is.
        let _ = if is_pack(&notice.name, &notice.id) {
            self.packs.send(notice).is_ok()
        } else {
            self.others.send((notice, Ok(None))).is_ok()
        };
    }

    /// The next one that was taken, or could not be.
    pub(crate) async fn next(&mut self) -> Option<Unpacked> {
        self.done.recv().await
    }
}

impl Packs {
    /// In this folder; `None` where the store is a bucket.
    pub(crate) const fn new(store: Option<Folder>) -> Self {
        Self { store, folder: OnceLock::new(), opening: Mutex::new(()) }
    }

    pub(crate) fn open(&self) -> Result<&files_local::Packs, String> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = self.folder.get() {
            return Ok(folder);
        }
        let Folder { root, settle_ms, .. } = self.store()?;
        let opened = files_local::Packs::open(root, MODE);
        let opened = opened.map_err(|why| format!("{}: {why}", root.display()))?;
        Ok(self.folder.get_or_init(|| opened.settle(*settle_ms)))
    }

    fn store(&self) -> Result<&Folder, String> {
        let store = self.store.as_ref();
        store.ok_or_else(|| "the store is a bucket; packs are made in folders".into())
    }

    /// Removes packs: these, and those that an earlier process wrote and that nobody knows.
    pub(crate) async fn sweep(
        self: Arc<Self>,
        known: BTreeSet<String>,
        gone: Vec<String>,
    ) -> Result<(), String> {
        let swept = spawn_blocking(move || {
            let names = gone.iter().filter_map(|name| FileName::new(name).ok());
            names.for_each(|name| self.remove_one(&name));
            // Who never packed has nothing to look for.
            let root = self.store.as_ref().map(|store| &store.root);
            if !root.is_some_and(|root| files_local::Packs::was_in(root)) {
                return Ok(());
            }
            for name in self.open()?.unsettled() {
                if known.contains(name.as_str()) {
                    self.open()?.settled(&name);
                } else {
                    tracing::info!(event = "pack.swept", %name);
                    self.remove_one(&name);
                }
            }
            Ok(())
        });
        swept.await.map_err(|why| why.to_string())?
    }

    /// Somebody knows for good that these were written.
    pub(crate) fn settled(&self, packed: &[Packed]) {
        if let Ok(folder) = self.open() {
            packed.iter().for_each(|packed| folder.settled(&packed.name));
        }
    }

    /// Makes packs of the small ones among the files. What is left of the wish is a request for each of the others: what is no
    /// name, or not there, is refused as ever.
    pub(crate) async fn pack(self: Arc<Self>, wish: Wish) -> Result<Wish, String> {
        spawn_blocking(move || self.pack_now(wish)).await.map_err(|why| why.to_string())?
    }

    fn pack_now(&self, mut wish: Wish) -> Result<Wish, String> {
        if wish.id.is_some() || wish.on_conflict == VERSION {
            return Err("packs have ids of their own, and take no versions".into());
        }
        if wish.names.len() > NAMES {
            return Err(format!("at most {NAMES} files can be packed at a time"));
        }
        let names = std::mem::take(&mut wish.names);
        match self.pack_all(&mut wish, names) {
            Ok(()) => Ok(wish),
            Err(why) => {
                self.remove(&wish.packed);
                Err(why)
            }
        }
    }

    fn pack_all(&self, wish: &mut Wish, names: Vec<String>) -> Result<(), String> {
        let (folder, store) = (self.open()?, self.store()?);
        let replaces = wish.on_conflict == REPLACE;
        let is_of_class = |name: &FileName| store.class_of(name).as_str() == wish.class;
        let mut group = Group::default();
        for text in names {
            // What is of another class is judged by itself.
            let name = FileName::new(&text).ok().filter(|name| is_of_class(name));
            let read = name.as_ref().map(|name| folder.read(name, SMALL));
            let small = read.transpose().map_err(|why| format!("{text}: {why}"))?.flatten();
            // So many are recorded together.
            let has_turn = wish.packed.len() < PACKS;
            let (Some(name), Some(small), true) = (name, small, has_turn) else {
                wish.names.push(text);
                continue;
            };
            let fits = |group: &Group| {
                let pack = group.name_with(&name);
                group.has_room(&name, &small) && pack.is_some_and(|pack| is_of_class(&pack))
            };
            if !fits(&group) && !group.files.is_empty() {
                wish.packed.push(write(folder, std::mem::take(&mut group).files, replaces)?);
            }
            // What some file system takes for another file of the pack goes by itself, and what no pack has a name for.
            if !fits(&group) || !group.add(name, small) {
                wish.names.push(text);
            }
        }
        if !group.files.is_empty() {
            wish.packed.push(write(folder, group.files, replaces)?);
        }
        Ok(())
    }

    /// Removes packs that no request was made for.
    fn remove(&self, packed: &[Packed]) {
        packed.iter().for_each(|packed| self.remove_one(&packed.name));
    }

    fn remove_one(&self, name: &FileName) {
        if let Some(why) = self.open().err().or_else(|| {
            let folder = self.folder.get()?;
            let removed = folder.remove(name);
            if removed.is_ok() {
                folder.settled(name);
            }
            removed.err().map(|why| why.to_string())
        }) {
            tracing::warn!(event = "pack.left", %name, %why);
        }
    }

    /// Removes a pack that is not needed any more.
    pub(crate) fn forget(self: &Arc<Self>, name: &str) {
        let Ok(name) = FileName::new(name) else { return };
        let packs = Arc::clone(self);
        spawn_blocking(move || packs.remove_one(&name));
    }

    /// Unpacks arrivals, those that wait together, and tells what became of each.
    pub(crate) fn unpacker(self: &Arc<Self>) -> Unpacker {
        let (arrived, mut arrivals) = unbounded_channel::<Notice>();
        let (done, unpacked) = unbounded_channel();
        let (packs, others) = (Arc::clone(self), done.clone());
        tokio::spawn(async move {
            while let Some(first) = arrivals.recv().await {
                let mut notices = vec![first];
                while let Ok(another) = arrivals.try_recv()
                    && notices.len() < TOGETHER
                {
                    notices.push(another);
                }
                let (packs, all) = (Arc::clone(&packs), notices.clone());
                let finished = spawn_blocking(move || packs.unpack(notices)).await;
                let lost = |notice| (notice, Err(PackingError::Files(Error::Io(ErrorKind::Other))));
                let finished = finished.unwrap_or_else(|_| all.into_iter().map(lost).collect());
                for unpacked in finished {
                    if done.send(unpacked).is_err() {
                        return;
                    }
                }
            }
        });
        Unpacker { packs: arrived, others, done: unpacked }
    }

    fn unpack(&self, notices: Vec<Notice>) -> Vec<Unpacked> {
        let names = notices.iter().map(|notice| FileName::new(&notice.name));
        let names: Result<Vec<FileName>, _> = names.collect();
        let done = match (self.open(), names) {
            (Ok(folder), Ok(names)) => folder.unpack(&names),
            // A published name is one, and the folder was opened at the start.
            _ => notices.iter().map(|_| Err(PackingError::Missing)).collect(),
        };
        notices.into_iter().zip(done.into_iter().map(|done| done.map(Some))).collect()
    }
}

/// Whether this is the name of a pack that was made for this request.
pub(crate) fn is_pack(name: &str, id: &JobId) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.strip_suffix(SUFFIX).is_some_and(|stem| stem == id.to_string())
}

/// Files of one pack.
#[derive(Default)]
struct Group {
    files: Vec<(FileName, Small)>,
    names: NameSet,
    bytes: usize,
}

impl Group {
    fn has_room(&self, name: &FileName, small: &Small) -> bool {
        let names = self.files.iter().map(|(name, _)| name.as_str());
        let is_first = self.files.is_empty();
        let fits = self.bytes + small.content.len() <= PACK;
        is_first || (fits && Manifest::has_room(names.chain([name.as_str()])))
    }

    /// How its pack could be called, with one file more: a folder has a class, too.
    fn name_with(&self, name: &FileName) -> Option<FileName> {
        let names = self.files.iter().map(|(name, _)| name.as_str()).chain([name.as_str()]);
        FileName::new(&format!("{}{}{SUFFIX}", common_folder(names), JobId([0; 16]))).ok()
    }

    /// `false` if some file system takes it for another one.
    fn add(&mut self, name: FileName, small: Small) -> bool {
        if !self.names.insert(&name).unwrap_or(false) {
            return false;
        }
        self.bytes += small.content.len();
        self.files.push((name, small));
        true
    }
}

fn write(
    folder: &files_local::Packs,
    files: Vec<(FileName, Small)>,
    replaces: bool,
) -> Result<Packed, String> {
    let id = JobId(clock::entropy().map_err(|why| why.to_string())?);
    let within = common_folder(files.iter().map(|(name, _)| name.as_str()));
    let name = FileName::new(&format!("{within}{id}{SUFFIX}")).map_err(|why| why.to_string())?;
    let files: Result<Vec<_>, _> = files
        .into_iter()
        .map(|(name, file)| Ok((FileName::new(&name.as_str()[within.len()..])?, file)))
        .collect();
    let files = files.map_err(|why: filexfer::BadName| why.to_string())?;
    let written = folder.write(&name, &files, replaces);
    let (manifest, root) = written.map_err(|why| format!("{name}: {why}"))?;
    let mut bytes = Vec::new();
    manifest.encode(&mut bytes).map_err(|why| why.to_string())?;
    let (size, files) = (manifest.size(), manifest.entries().len());
    Ok(Packed { id, name, size, root, files, manifest: bytes })
}

/// The folder that all names lie in, with its slash; empty for the root.
fn common_folder<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let folder = |name: &'a str| name.rfind('/').map_or("", |slash| &name[..=slash]);
    let mut common = names.next().map_or("", folder);
    for name in names {
        while !name.starts_with(common) {
            common = common.strip_suffix('/').map_or("", folder);
        }
    }
    common.to_owned()
}

const SUFFIX: &str = ".pack";
/// Files in one question: their packs are recorded together.
const NAMES: usize = 1_000;
/// Packs in one question, less one: each has three rows of one batch.
const PACKS: usize = Batch::OPS_MAX / 3 - 1;
/// Larger files have requests of their own.
const SMALL: u64 = 256 << 10;
/// Contents of one pack.
const PACK: usize = 8 << 20;
/// Packs whose files are forced to disk together.
const TOGETHER: usize = 16;
/// Readable for the group, as published files are.
pub(crate) const MODE: u32 = 0o640;
/// As in [`Wish::on_conflict`].
const REPLACE: u8 = 2;
const VERSION: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_lies_in_the_folder_that_all_its_files_share() {
        let common = |names: &[&str]| common_folder(names.iter().copied());
        assert_eq!(common(&["a/b/1", "a/b/2"]), "a/b/");
        assert_eq!(common(&["a/b/1", "a/c/2"]), "a/");
        assert_eq!(common(&["a/b/1", "a/bc/2"]), "a/");
        assert_eq!(common(&["a/b/1", "a/b/c/2", "x"]), "");
        assert_eq!(common(&["a/b/1"]), "a/b/");
    }

    #[test]
    fn groups_are_as_large_as_a_pack_may_be() {
        let small = |len: usize| Small { content: vec![0; len], changed: std::time::UNIX_EPOCH };
        let fill = |len: usize| {
            let mut group = Group::default();
            for n in 0.. {
                let name = FileName::new(&format!("many/{n:05}.bin")).unwrap();
                if !group.has_room(&name, &small(len)) {
                    break;
                }
                assert!(group.add(name, small(len)));
            }
            group.files.len()
        };
        assert_eq!(fill(256 << 10), 32);
        assert_eq!(fill(1), (Manifest::BYTES_MAX - Manifest::HEAD_BYTES) / (14 + 42));
        // One name, and one that some file system takes for it.
        let mut group = Group::default();
        let add = |group: &mut Group, name: &str| group.add(FileName::new(name).unwrap(), small(1));
        assert_eq!(
            ["a", "a", "A", "b"].map(|name| add(&mut group, name)),
            [true, false, false, true]
        );
    }

    #[test]
    fn a_pack_is_known_by_the_id_in_its_name() {
        assert!(is_pack(&format!("a/{}.pack", JobId([7; 16])), &JobId([7; 16])));
        assert!(!is_pack(&format!("a/{}.pack", JobId([7; 16])), &JobId([8; 16])));
        assert!(!is_pack("a/day.pack", &JobId([7; 16])));
    }
}
