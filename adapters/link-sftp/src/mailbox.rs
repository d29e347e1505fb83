//! What a client has here: uploads on their way to whole, files on their way out, files to fetch.

mod inbox;
mod outbox;

use crate::coverage::Coverage;
use crate::record::Record;
use crate::{BadPath, Error, OpenError};
use filexfer::{FileName, JobId, PartyId, TransferId, Work};
use rustix::fs::{Dir, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

/// The files of one client.
///
/// No text of a client names anything on disk: contents lie under numbers in two flat folders, and which name means which
/// number is kept in records. So nothing a client writes can lead anywhere. It blocks: call it from threads that may wait.
///
/// ```text
/// <root>/outbox/<number>.content    what was written, whole or not
/// <root>/outbox/<number>.record     its name; and its job, from the moment that it is whole
/// <root>/inbox/<number>.whole       published by the client's machine
/// <root>/inbox/<number>.gone        the same, while it is removed
/// ```
#[derive(Debug)]
pub struct Mailbox {
    root: PathBuf,
    destinations: BTreeMap<PartyId, String>,
    limits: MailboxLimits,
    outbox: OwnedFd,
    inbox: OwnedFd,
    /// Held as long as this is.
    _lock: File,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By what requests call them.
    items: BTreeMap<FileName, Item>,
    bytes: u64,
    /// Counts who opened something to write it.
    writers: u64,
    /// Jobs whose verdict a session waits for: it is the one that says what becomes of them.
    asked: BTreeSet<JobId>,
    offers: BTreeMap<FileName, Offer>,
}

/// An upload, or a file whose job is under way.
#[derive(Clone, Debug)]
struct Item {
    number: [u8; 16],
    to: PartyId,
    name: FileName,
    len: u64,
    modified: SystemTime,
    job: Option<JobId>,
    /// Who writes it; an earlier one does not any more.
    writer: u64,
}

/// A file to fetch. Another one may lie under its name already: its machine has published it, and has not told yet.
#[derive(Debug)]
struct Offer {
    transfer: TransferId,
    content: Content,
    /// The number of the file that was compared with the content and is it.
    is: Option<u64>,
    coverage: Coverage,
    /// The number of the file of which that went out.
    of: Option<u64>,
    is_handed_over: bool,
}

/// What a published file has to be, as its receipt says ([`filexfer::Receipt`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// In bytes.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
}

/// What a client may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxLimits {
    /// Bytes of uploads and of files on their way.
    pub quota_bytes: u64,
    /// How many of them.
    pub files_max: usize,
    /// How long an upload that nobody goes on with is kept, in milliseconds.
    pub partial_kept_ms: u64,
}

impl Default for MailboxLimits {
    /// 16 GiB, 10,000 files, three days.
    fn default() -> Self {
        Self { quota_bytes: 16 << 30, files_max: 10_000, partial_kept_ms: 3 * 24 * 3_600_000 }
    }
}

/// A file that is whole: what its job has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The job's id; drawn anew for each upload, and kept.
    pub job: JobId,
    /// For whom.
    pub to: PartyId,
    /// The name for the request.
    pub name: FileName,
    /// In bytes.
    pub size: u64,
}

/// How an upload is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct How {
    pub(crate) create: bool,
    /// It must not be there.
    pub(crate) exclusive: bool,
    /// What is there is thrown away.
    pub(crate) truncate: bool,
}

/// An open upload.
#[derive(Debug)]
pub(crate) struct Upload {
    file: File,
    sent: FileName,
    writer: u64,
    /// Something was not written. Clients close all the same, and then it is not whole.
    failed: OnceLock<Error>,
}

/// A session waits for the verdict about a job. Until this is dropped nobody else concludes it.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    mailbox: &'a Mailbox,
    job: JobId,
}

/// An open file to fetch.
#[derive(Debug)]
pub(crate) struct Fetch {
    file: File,
    /// The file's own.
    number: u64,
    name: FileName,
    transfer: TransferId,
    pub(crate) about: About,
}

/// What is told of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    /// May be written on.
    Partial,
    /// May be read, or only looked at.
    Fixed,
}

impl Mailbox {
    /// Opens a client's files under a folder, and takes stock. `destinations` are the parties that it may push to, each with
    /// the folder that its files lie in there: a request names `<folder>/<name>`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        root: impl Into<PathBuf>,
        destinations: BTreeMap<PartyId, String>,
        limits: MailboxLimits,
    ) -> Result<Self, OpenError> {
        let root = root.into();
        if limits.quota_bytes == 0 || limits.files_max == 0 || limits.partial_kept_ms == 0 {
            return Err(OpenError::Bounds);
        }
        let folders: Vec<FileName> = destinations
            .values()
            .map(|folder| FileName::new(folder).map_err(|_| OpenError::Folder))
            .collect::<Result<_, _>>()?;
        for (at, folder) in folders.iter().enumerate() {
            let lies_in = |other: &FileName| folder == other || folder.is_in(other.as_str());
            if folders.iter().enumerate().any(|(other, of)| other != at && lies_in(of)) {
                return Err(OpenError::Folder);
            }
        }
        let failed = |why: io::Error| OpenError::Root(why.kind());
        let outbox = folder(&root.join(OUTBOX)).map_err(failed)?;
        let inbox = folder(&root.join(INBOX)).map_err(failed)?;
        inbox::put_back_all(&inbox).map_err(failed)?;
        let lock = File::open(root.join(OUTBOX)).map_err(failed)?;
        lock.try_lock().map_err(|why| match why {
            TryLockError::WouldBlock => OpenError::InUse,
            TryLockError::Error(why) => failed(why),
        })?;
        let state = found(&outbox).map_err(failed)?;
        let state = Mutex::new(state);
        Ok(Self { root, destinations, limits, outbox, inbox, _lock: lock, state })
    }

    /// The folder that holds all of it: the client's place for `files-local`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What a machine wants done, said in names that are on disk here.
    ///
    /// A file is given to a machine only if it was pushed: another one is as missing as one that is not there.
    pub fn at_home(&self, work: Work) -> Work {
        // A folder of ours and digits are a name at any time.
        let named = |folder: &str, file: &str, or: FileName| {
            FileName::new(&format!("{folder}/{file}")).unwrap_or(or)
        };
        match work {
            Work::Prepare { transfer, from, name, stamp } => {
                let state = self.state();
                let item = state.items.get(&name).filter(|item| item.job.is_some());
                let file = item.map_or_else(|| "none".into(), |item| content(&item.number));
                Work::Prepare { transfer, from, name: named(OUTBOX, &file, name), stamp }
            }
            Work::Publish { transfer, into, name, replace } => {
                let file = whole(&name);
                Work::Publish { transfer, into, name: named(INBOX, &file, name), replace }
            }
            other => other,
        }
    }

    /// Whom the client may push to.
    pub(crate) fn destinations(&self) -> impl Iterator<Item = &PartyId> {
        self.destinations.keys()
    }

    pub(crate) fn is_destination(&self, to: &PartyId) -> bool {
        self.destinations.contains_key(to)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The item, if this upload still is the one that writes it.
    fn written_by(&mut self, upload: &Upload) -> Result<&mut Item, Error> {
        let item = self.items.get_mut(&upload.sent).ok_or(Error::Busy)?;
        if item.writer == upload.writer && item.job.is_none() { Ok(item) } else { Err(Error::Busy) }
    }

    fn sent(&mut self, fetch: &Fetch, range: Range<u64>) {
        if let Some(offer) = self.offers.get_mut(&fetch.name)
            && offer.counts(fetch)
        {
            offer.coverage.add(range);
        }
    }

    /// Something lies in a folder of this name.
    fn has_folder(&self, sent: &FileName) -> bool {
        self.items.keys().any(|other| other.is_in(sent.as_str()))
    }

    /// A folder of this name is a file.
    fn lies_in_file(&self, sent: &FileName) -> bool {
        self.items.keys().any(|other| sent.is_in(other.as_str()))
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.mailbox.state().asked.remove(&self.job);
    }
}

impl Item {
    const fn about(&self) -> About {
        let kind = if self.job.is_some() { Kind::Fixed } else { Kind::Partial };
        About { kind, size: self.len, modified: self.modified }
    }
}

impl About {
    pub(crate) const fn folder() -> Self {
        Self { kind: Kind::Folder, size: 0, modified: SystemTime::UNIX_EPOCH }
    }
}

/// Names by which clients say that more is to come: what common ones use while they write, and what begins with a dot.
pub(crate) fn is_temporary(name: &FileName) -> bool {
    let last = name.components().last().unwrap_or_default();
    last.starts_with('.') || TEMPORARY.iter().any(|suffix| last.ends_with(suffix))
}

/// Of names, those one step below a folder.
fn listing<'a>(
    all: impl Iterator<Item = (&'a FileName, About)>,
    folder: Option<&FileName>,
) -> Result<BTreeMap<String, About>, Error> {
    let folder = folder.map_or("", FileName::as_str);
    let mut found = BTreeMap::new();
    for (name, about) in all.filter(|(name, _)| name.is_in(folder)) {
        let rest = name.as_str().get(folder.len()..).unwrap_or_default().trim_start_matches('/');
        match rest.split_once('/') {
            Some((below, _)) => found.insert(below.to_owned(), About::folder()),
            None => found.insert(rest.to_owned(), about),
        };
    }
    if found.is_empty() && !folder.is_empty() {
        return Err(BadPath::Missing.into());
    }
    Ok(found)
}

/// What an earlier process left. Content without a record was never named, and a record without content is removed.
fn found(outbox: &OwnedFd) -> io::Result<State> {
    let mut state = State::default();
    let names = names(outbox)?;
    for name in &names {
        let Some(number) = name.strip_suffix(RECORD).and_then(parse_hex) else { continue };
        let read = || -> io::Result<(Record, u64, SystemTime)> {
            let mut bytes = Vec::new();
            let file = File::from(openat(outbox, name, READ, Mode::empty())?);
            file.take(RECORD_BYTES_MAX).read_to_end(&mut bytes)?;
            let record = Record::parse(&bytes).map_err(io::Error::other)?;
            let about = File::from(openat(outbox, content(&number), READ, Mode::empty())?);
            let about = about.metadata()?;
            Ok((record, about.len(), about.modified()?))
        };
        // A record that cannot be read belongs to an upload that was not whole yet: whole ones are synced.
        let Ok((Record { to, name, sent, job }, len, modified)) = read() else { continue };
        state.bytes = state.bytes.saturating_add(len);
        let item = Item { number, to, name, len, modified, job, writer: 0 };
        state.items.insert(sent, item);
    }
    let is_known = |number: [u8; 16]| state.items.values().any(|item| item.number == number);
    for name in &names {
        let number = name.split_once('.').and_then(|(number, _)| parse_hex(number));
        let is_kept = !name.ends_with(NEW) && number.is_some_and(is_known);
        if number.is_some() && !is_kept {
            remove(outbox, name)?;
        }
    }
    Ok(state)
}

/// The names in a folder that are text: those that are given here are.
fn names(folder: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        if let Ok(name) = entry?.file_name().to_str() {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn folder(path: &Path) -> io::Result<OwnedFd> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn about(file: &File) -> Result<About, Error> {
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(BadPath::Missing.into());
    }
    Ok(About { kind: Kind::Fixed, size: found.len(), modified: found.modified()? })
}

fn remove(folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    match unlinkat(folder, name, rustix::fs::AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn draw() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Error::Io(io::ErrorKind::Other))?;
    Ok(bytes)
}

/// The name on disk of what is published under a name.
fn whole(name: &FileName) -> String {
    let digest = blake3::hash(name.as_str().as_bytes());
    let number = digest.as_bytes().first_chunk::<16>().copied().unwrap_or_default();
    format!("{}{WHOLE}", hex(&number))
}

fn content(number: &[u8; 16]) -> String {
    format!("{}.content", hex(number))
}

fn hex(number: &[u8; 16]) -> String {
    base16ct::lower::encode_string(number)
}

fn parse_hex(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let written = base16ct::lower::decode(text, &mut bytes).ok()?.len();
    (written == bytes.len()).then_some(bytes)
}

fn len_u64(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

const OUTBOX: &str = "outbox";
const INBOX: &str = "inbox";
const RECORD: &str = ".record";
const WHOLE: &str = ".whole";
const GONE: &str = ".gone";
const NEW: &str = ".new";
const FAILED: &str = ".failed";
const TEMPORARY: [&str; 5] = [".filepart", ".part", ".partial", ".tmp", FAILED];
const MODE: Mode = Mode::from_raw_mode(0o600);
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
/// Two names, a party and a job.
const RECORD_BYTES_MAX: u64 = 4_096;

#[cfg(test)]
mod tests;
