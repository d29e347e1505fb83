//! What a client has here: uploads on their way to whole, files on their way out, files to fetch.

use crate::coverage::Coverage;
use crate::record::Record;
use crate::{BadPath, Error, OpenError};
use filexfer::{FileName, JobId, PartyId, TransferId, Work};
use rustix::fs::{Dir, Mode, OFlags, fsync, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// The files of one client.
///
/// No text of a client names anything on disk: contents lie under numbers in two flat folders, and which name means which
/// number is kept in records. So nothing a client writes can lead anywhere. It blocks: call it from threads that may wait.
///
/// ```text
/// <root>/outbox/<number>.content    what was written, whole or not
/// <root>/outbox/<number>.record     its name; and its job, from the moment that it is whole
/// <root>/inbox/<number>.whole       published by the client's machine
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

/// A file to fetch.
#[derive(Debug)]
struct Offer {
    transfer: TransferId,
    coverage: Coverage,
    is_handed_over: bool,
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
}

/// An open file to fetch.
#[derive(Debug)]
pub(crate) struct Fetch {
    file: File,
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

    /// The client's machine has published a file: from now on the client sees it.
    pub fn offer(&self, name: FileName, transfer: TransferId, is_handed_over: bool) {
        let offer = Offer { transfer, coverage: Coverage::default(), is_handed_over };
        self.state().offers.insert(name, offer);
    }

    /// That the client has a file is signed for: from now on it may remove it.
    pub fn handed_over(&self, transfer: &TransferId) {
        let mut state = self.state();
        if let Some(offer) = state.offers.values_mut().find(|offer| offer.transfer == *transfer) {
            offer.is_handed_over = true;
        }
    }

    /// The files whose jobs are not known to be over.
    pub fn under_way(&self) -> Vec<Whole> {
        let state = self.state();
        let whole = |(sent, item): (&FileName, &Item)| {
            let (to, name) = (item.to.clone(), sent.clone());
            item.job.map(|job| Whole { job, to, name, size: item.len })
        };
        state.items.iter().filter_map(whole).collect()
    }

    /// A job is over. What was delivered goes; what was not stays, under the name with `.failed` behind it, which can be
    /// renamed to be sent again.
    ///
    /// # Errors
    /// [`Error::Io`]; it may be tried again.
    pub fn conclude(&self, job: &JobId, is_delivered: bool) -> Result<(), Error> {
        let mut state = self.state();
        let found = state.items.iter().find(|(_, item)| item.job == Some(*job));
        let Some((sent, item)) = found.map(|(sent, item)| (sent.clone(), item.clone())) else {
            return Ok(());
        };
        let failed = |name: &FileName| FileName::new(&format!("{name}{FAILED}"));
        if let (false, Ok(name), Ok(new)) = (is_delivered, failed(&item.name), failed(&sent)) {
            self.discard(&mut state, &new)?;
            return self.rename_item(&mut state, &sent, new, Item { name, job: None, ..item });
        }
        self.discard(&mut state, &sent)
    }

    /// Removes uploads that nobody went on with for long. Returns how many.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sweep(&self, now: SystemTime) -> Result<usize, Error> {
        let mut state = self.state();
        let kept = Duration::from_millis(self.limits.partial_kept_ms);
        let is_old = |item: &Item| now.duration_since(item.modified).is_ok_and(|age| age > kept);
        let old = state.items.iter().filter(|(_, item)| item.job.is_none() && is_old(item));
        let old: Vec<FileName> = old.map(|(sent, _)| sent.clone()).collect();
        for sent in &old {
            self.discard(&mut state, sent)?;
        }
        Ok(old.len())
    }

    /// Whom the client may push to.
    pub(crate) fn destinations(&self) -> impl Iterator<Item = &PartyId> {
        self.destinations.keys()
    }

    pub(crate) fn is_destination(&self, to: &PartyId) -> bool {
        self.destinations.contains_key(to)
    }

    /// Opens an upload. Whoever had it open before does not write any more: a client that lost its connection goes on in
    /// another one before the first is known to be dead.
    pub(crate) fn upload(
        &self,
        to: &PartyId,
        name: &FileName,
        how: How,
    ) -> Result<Upload, Error> {
        let sent = self.sent(to, name)?;
        let mut state = self.state();
        state.writers += 1;
        let writer = state.writers;
        let number = match state.items.get(&sent) {
            Some(Item { job: Some(_), .. }) => return Err(Error::Busy),
            Some(_) if how.exclusive => return Err(Error::Exists),
            Some(item) => item.number,
            None if !how.create => return Err(BadPath::Missing.into()),
            None => {
                let is_other = state.has_folder(&sent) || state.lies_in_file(&sent);
                if is_other {
                    return Err(Error::Exists);
                }
                if state.items.len() >= self.limits.files_max {
                    return Err(Error::TooMany);
                }
                let number = draw()?;
                let (to, name) = (to.clone(), name.clone());
                let modified = SystemTime::now();
                let item = Item { number, to, name, len: 0, modified, job: None, writer };
                self.put(&sent, &item)?;
                state.items.insert(sent.clone(), item);
                number
            }
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.outbox, content(&number), flags, MODE)?;
        let upload = Upload { file: File::from(opened), sent, writer };
        let Some(item) = state.items.get_mut(&upload.sent) else { return Err(Error::Busy) };
        item.writer = writer;
        if how.truncate {
            upload.file.set_len(0)?;
            let len = std::mem::take(&mut item.len);
            item.modified = SystemTime::now();
            state.bytes = state.bytes.saturating_sub(len);
        }
        Ok(upload)
    }

    /// Bytes that go on where the upload ends, or lie within it.
    pub(crate) fn write(&self, upload: &Upload, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut state = self.state();
        let all = state.bytes;
        let item = state.written_by(upload)?;
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = at.checked_add(len).ok_or(Error::Full)?;
        if at > item.len {
            return Err(Error::Hole);
        }
        let more = end.saturating_sub(item.len);
        if more > 0 && all.saturating_add(more) > self.limits.quota_bytes {
            return Err(Error::Full);
        }
        // Under the lock, so that nothing of a session that was replaced comes later.
        upload.file.write_all_at(bytes, at)?;
        item.len += more;
        item.modified = SystemTime::now();
        state.bytes += more;
        Ok(())
    }

    /// Cuts an upload off.
    pub(crate) fn truncate(&self, upload: &Upload, size: u64) -> Result<(), Error> {
        let mut state = self.state();
        let item = state.written_by(upload)?;
        if size > item.len {
            return Err(Error::Hole);
        }
        upload.file.set_len(size)?;
        let less = item.len - size;
        item.len = size;
        state.bytes = state.bytes.saturating_sub(less);
        Ok(())
    }

    /// The upload is closed: if its name says so, it is whole, and its job is to be asked for.
    pub(crate) fn close(&self, upload: &Upload) -> Result<Option<Whole>, Error> {
        let name = self.state().written_by(upload)?.name.clone();
        if is_temporary(&name) { Ok(None) } else { self.seal(&upload.sent).map(Some) }
    }

    /// Gives an upload another name. If that one says so, it is whole.
    pub(crate) fn rename(
        &self,
        to: &PartyId,
        from: &FileName,
        name: &FileName,
    ) -> Result<Option<Whole>, Error> {
        let (old, new) = (self.sent(to, from)?, self.sent(to, name)?);
        {
            let mut state = self.state();
            let item = state.items.get(&old).ok_or(BadPath::Missing)?.clone();
            if item.job.is_some() {
                return Err(Error::Busy);
            }
            if state.items.contains_key(&new) || state.has_folder(&new) || state.lies_in_file(&new) {
                return Err(Error::Exists);
            }
            // Nobody writes it under its old name.
            state.writers += 1;
            let item = Item { name: name.clone(), writer: state.writers, ..item };
            self.rename_item(&mut state, &old, new.clone(), item)?;
        }
        if is_temporary(name) { Ok(None) } else { self.seal(&new).map(Some) }
    }

    /// Removes an upload.
    pub(crate) fn remove(&self, to: &PartyId, name: &FileName) -> Result<(), Error> {
        let sent = self.sent(to, name)?;
        let mut state = self.state();
        match state.items.get(&sent) {
            None => Err(BadPath::Missing.into()),
            Some(Item { job: Some(_), .. }) => Err(Error::Busy),
            Some(_) => self.discard(&mut state, &sent),
        }
    }

    /// A file was refused: nothing of it stays.
    pub(crate) fn withdraw(&self, job: &JobId) -> Result<(), Error> {
        self.conclude(job, true)
    }

    /// What there is of a name, as the client may see it.
    pub(crate) fn look(&self, to: &PartyId, name: &FileName) -> Result<About, Error> {
        let sent = self.sent(to, name)?;
        let state = self.state();
        match state.items.get(&sent) {
            Some(item) => Ok(item.about()),
            None if state.has_folder(&sent) => Ok(About::folder()),
            None => Err(BadPath::Missing.into()),
        }
    }

    pub(crate) fn look_upload(&self, upload: &Upload) -> Result<About, Error> {
        self.state().items.get(&upload.sent).map(Item::about).ok_or(Error::Busy)
    }

    /// What lies in a folder of the uploads to a party; `None`: where names begin.
    pub(crate) fn uploads(
        &self,
        to: &PartyId,
        folder: Option<&FileName>,
    ) -> Result<BTreeMap<String, About>, Error> {
        let state = self.state();
        let of = state.items.values().filter(|item| item.to == *to && self.is_destination(to));
        listing(of.map(|item| (&item.name, item.about())), folder)
    }

    /// What there is to fetch under a name.
    pub(crate) fn look_offer(&self, name: &FileName) -> Result<About, Error> {
        let state = self.state();
        if state.offers.contains_key(name) {
            return self.about_offer(name);
        }
        let is_folder = state.offers.keys().any(|other| other.is_in(name.as_str()));
        if is_folder { Ok(About::folder()) } else { Err(BadPath::Missing.into()) }
    }

    /// What there is to fetch in a folder.
    pub(crate) fn offers(
        &self,
        folder: Option<&FileName>,
    ) -> Result<BTreeMap<String, About>, Error> {
        let state = self.state();
        let mut seen = Vec::new();
        for name in state.offers.keys() {
            // What somebody took away is not there.
            if let Ok(about) = self.about_offer(name) {
                seen.push((name, about));
            }
        }
        listing(seen.into_iter(), folder)
    }

    /// Opens a file to fetch.
    pub(crate) fn fetch(&self, name: &FileName) -> Result<Fetch, Error> {
        let state = self.state();
        let offer = state.offers.get(name).ok_or(BadPath::Missing)?;
        let file = self.open_offer(name)?;
        let about = about(&file)?;
        Ok(Fetch { file, name: name.clone(), transfer: offer.transfer, about })
    }

    /// Reads a part; what was read counts as sent. Empty at the end.
    pub(crate) fn read(&self, fetch: &Fetch, at: u64, most: usize) -> Result<Vec<u8>, Error> {
        let left = fetch.about.size.saturating_sub(at);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(most);
        let mut bytes = vec![0; len];
        fetch.file.read_exact_at(&mut bytes, at)?;
        self.state().sent(fetch, at..at.saturating_add(len_u64(&bytes)));
        Ok(bytes)
    }

    /// A file to fetch was closed: the transfer, if all of it went out and that is not known yet.
    pub(crate) fn fetched(&self, fetch: &Fetch) -> Option<TransferId> {
        let state = self.state();
        let offer = state.offers.get(&fetch.name)?;
        let is_new = offer.transfer == fetch.transfer && !offer.is_handed_over;
        (is_new && offer.coverage.is_whole(fetch.about.size)).then_some(offer.transfer)
    }

    /// Removes a file that was fetched.
    pub(crate) fn take_away(&self, name: &FileName) -> Result<(), Error> {
        let mut state = self.state();
        let offer = state.offers.get(name).ok_or(BadPath::Missing)?;
        if !offer.is_handed_over {
            return Err(Error::Denied);
        }
        remove(&self.inbox, &whole(name))?;
        fsync(&self.inbox)?;
        state.offers.remove(name);
        Ok(())
    }

    /// What a request calls a file: the party has to be one that the client may push to.
    fn sent(&self, to: &PartyId, name: &FileName) -> Result<FileName, Error> {
        let folder = self.destinations.get(to).ok_or(BadPath::Missing)?;
        Ok(FileName::new(&format!("{folder}/{name}")).map_err(BadPath::Name)?)
    }

    /// Makes a job of an upload: content first, then the record that says so.
    fn seal(&self, sent: &FileName) -> Result<Whole, Error> {
        let job = JobId(draw()?);
        let (number, writer) = {
            let mut state = self.state();
            state.writers += 1;
            let writer = state.writers;
            let item = state.items.get_mut(sent).ok_or(BadPath::Missing)?;
            // From here on nobody writes it.
            item.writer = writer;
            (item.number, writer)
        };
        // Without the lock: other files of the client need not wait for this disk.
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        File::from(openat(&self.outbox, content(&number), flags, MODE)?).sync_all()?;
        let mut state = self.state();
        let item = state.items.get_mut(sent).filter(|item| item.writer == writer);
        let item = item.ok_or(Error::Busy)?;
        let sealed = Item { job: Some(job), ..item.clone() };
        self.put(sent, &sealed)?;
        fsync(&self.outbox)?;
        *item = sealed;
        Ok(Whole { job, to: item.to.clone(), name: sent.clone(), size: item.len })
    }

    fn rename_item(
        &self,
        state: &mut State,
        old: &FileName,
        new: FileName,
        item: Item,
    ) -> Result<(), Error> {
        self.put(&new, &item)?;
        fsync(&self.outbox)?;
        state.items.remove(old);
        state.items.insert(new, item);
        Ok(())
    }

    /// Writes a record, in one step.
    fn put(&self, sent: &FileName, item: &Item) -> Result<(), Error> {
        let Item { to, name, job, number, .. } = item;
        let record = Record { to: to.clone(), name: name.clone(), sent: sent.clone(), job: *job };
        let mut bytes = Vec::new();
        record.encode(&mut bytes).map_err(|_| Error::Path(BadPath::TooLong))?;
        let new = format!("{}{NEW}", hex(number));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let mut file = File::from(openat(&self.outbox, &new, flags | OFlags::CLOEXEC, MODE)?);
        file.write_all(&bytes)?;
        if job.is_some() {
            file.sync_all()?;
        }
        Ok(renameat(&self.outbox, &new, &self.outbox, format!("{}{RECORD}", hex(number)))?)
    }

    /// Content first: a record without content is nothing.
    fn discard(&self, state: &mut State, sent: &FileName) -> Result<(), Error> {
        let Some(item) = state.items.get(sent) else { return Ok(()) };
        remove(&self.outbox, &content(&item.number))?;
        remove(&self.outbox, &format!("{}{RECORD}", hex(&item.number)))?;
        fsync(&self.outbox)?;
        state.bytes = state.bytes.saturating_sub(item.len);
        state.items.remove(sent);
        Ok(())
    }

    fn open_offer(&self, name: &FileName) -> Result<File, Error> {
        match openat(&self.inbox, whole(name), READ, Mode::empty()) {
            Ok(file) => Ok(File::from(file)),
            Err(Errno::NOENT | Errno::LOOP) => Err(BadPath::Missing.into()),
            Err(why) => Err(why.into()),
        }
    }

    fn about_offer(&self, name: &FileName) -> Result<About, Error> {
        about(&self.open_offer(name)?)
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
            && offer.transfer == fetch.transfer
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
    let mut names = Vec::new();
    for entry in Dir::read_from(outbox)? {
        if let Ok(name) = entry?.file_name().to_str() {
            names.push(name.to_owned());
        }
    }
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
    format!("{}.whole", hex(&number))
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
const NEW: &str = ".new";
const FAILED: &str = ".failed";
const TEMPORARY: [&str; 5] = [".filepart", ".part", ".partial", ".tmp", FAILED];
const MODE: Mode = Mode::from_raw_mode(0o600);
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);
/// Two names, a party and a job.
const RECORD_BYTES_MAX: u64 = 4_096;
