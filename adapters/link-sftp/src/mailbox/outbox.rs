//! What a client pushes: uploads, and files on their way.

use super::{
    About, Asking, FAILED, How, Item, MODE, Mailbox, NEW, RECORD, State, Upload, Whole, content,
    draw, hex, is_temporary, len_u64, listing, remove,
};
use crate::record::Record;
use crate::{BadPath, Error};
use filexfer::{FileName, JobId, PartyId};
use rustix::fs::{OFlags, fsync, openat, renameat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

impl Mailbox {
    /// The files whose jobs are not known to be over, but for those whose verdict a client waits for: it is told first.
    pub fn under_way(&self) -> Vec<Whole> {
        let state = self.state();
        let whole = |(sent, item): (&FileName, &Item)| {
            let (to, name) = (item.to.clone(), sent.clone());
            let job = item.job.filter(|job| !state.asked.contains(job));
            job.map(|job| Whole { job, to, name, size: item.len })
        };
        state.items.iter().filter_map(whole).collect()
    }

    /// A job is over. What was delivered goes; what was not stays, under the name with `.failed` behind it, which can be
    /// renamed to be sent again; where that is too long for a name, under its own. A job whose verdict a client waits for is
    /// left as it is.
    ///
    /// # Errors
    /// [`Error::Io`]; it may be tried again.
    pub fn conclude(&self, job: &JobId, is_delivered: bool) -> Result<(), Error> {
        let mut state = self.state();
        if state.asked.contains(job) {
            return Ok(());
        }
        let found = state.items.iter().find(|(_, item)| item.job == Some(*job));
        let Some((sent, item)) = found.map(|(sent, item)| (sent.clone(), item.clone())) else {
            return Ok(());
        };
        if is_delivered {
            return self.discard(&mut state, &sent);
        }
        let failed = |name: &FileName| FileName::new(&format!("{name}{FAILED}"));
        let item = Item { job: None, ..item };
        match (failed(&item.name), failed(&sent)) {
            (Ok(name), Ok(new)) => {
                self.discard(&mut state, &new)?;
                self.rename_item(&mut state, &sent, new, Item { name, ..item })
            }
            _ => self.rename_item(&mut state, &sent.clone(), sent, item),
        }
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

    /// Opens an upload. Whoever had it open before does not write any more: a client that lost its connection goes on in
    /// another one before the first is known to be dead.
    pub(crate) fn upload(&self, to: &PartyId, name: &FileName, how: How) -> Result<Upload, Error> {
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
                self.put(&sent, &item, false)?;
                state.items.insert(sent.clone(), item);
                number
            }
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.outbox, content(&number), flags, MODE)?;
        let upload = Upload { file: File::from(opened), sent, writer, failed: OnceLock::new() };
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

    /// Bytes that go on where the upload ends, or lie within it. Behind a fault nothing more is written.
    pub(crate) fn write(&self, upload: &Upload, at: u64, bytes: &[u8]) -> Result<(), Error> {
        upload.is_right()?;
        self.put_bytes(upload, at, bytes).inspect_err(|why| upload.fail(*why))
    }

    fn put_bytes(&self, upload: &Upload, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut state = self.state();
        let all = state.bytes;
        let item = state.written_by(upload)?;
        let end = at.checked_add(len_u64(bytes)).ok_or(Error::Full)?;
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
        upload.is_right()?;
        self.cut(upload, size).inspect_err(|why| upload.fail(*why))
    }

    fn cut(&self, upload: &Upload, size: u64) -> Result<(), Error> {
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

    /// The upload is closed: if its name says so, it is whole, and its job is to be asked for. One that something was not
    /// written of can be gone on with.
    pub(crate) fn close(&self, upload: &Upload) -> Result<Option<Whole>, Error> {
        upload.is_right()?;
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
            if state.items.contains_key(&new) || state.has_folder(&new) || state.lies_in_file(&new)
            {
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

    /// From now on a session waits for the verdict about a job.
    pub(crate) fn asking(&self, job: JobId) -> Asking<'_> {
        self.state().asked.insert(job);
        Asking { mailbox: self, job }
    }

    /// A file was refused: nothing of it stays.
    pub(crate) fn withdraw(&self, job: &JobId) -> Result<(), Error> {
        let mut state = self.state();
        let found = state.items.iter().find(|(_, item)| item.job == Some(*job));
        let Some(sent) = found.map(|(sent, _)| sent.clone()) else { return Ok(()) };
        self.discard(&mut state, &sent)
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
        self.put(sent, &sealed, true)?;
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
        self.put(&new, &item, true)?;
        state.items.remove(old);
        state.items.insert(new, item);
        Ok(())
    }

    /// Writes a record, in one step; where it says so, the disk has it afterwards.
    fn put(&self, sent: &FileName, item: &Item, is_durable: bool) -> Result<(), Error> {
        let Item { to, name, job, number, .. } = item;
        let record = Record { to: to.clone(), name: name.clone(), sent: sent.clone(), job: *job };
        let mut bytes = Vec::new();
        record.encode(&mut bytes).map_err(|_| Error::Path(BadPath::TooLong))?;
        let new = format!("{}{NEW}", hex(number));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let mut file = File::from(openat(&self.outbox, &new, flags | OFlags::CLOEXEC, MODE)?);
        file.write_all(&bytes)?;
        if is_durable {
            file.sync_all()?;
        }
        renameat(&self.outbox, &new, &self.outbox, format!("{}{RECORD}", hex(number)))?;
        if is_durable {
            fsync(&self.outbox)?;
        }
        Ok(())
    }

    /// Content first: a record without content is nothing. It is emptied, too: who has served it may have it open for long.
    fn discard(&self, state: &mut State, sent: &FileName) -> Result<(), Error> {
        let Some(item) = state.items.get(sent) else { return Ok(()) };
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.outbox, content(&item.number), flags, MODE) {
            Ok(file) => File::from(file).set_len(0)?,
            Err(Errno::NOENT) => {}
            Err(why) => return Err(why.into()),
        }
        remove(&self.outbox, &content(&item.number))?;
        remove(&self.outbox, &format!("{}{RECORD}", hex(&item.number)))?;
        fsync(&self.outbox)?;
        state.bytes = state.bytes.saturating_sub(item.len);
        state.items.remove(sent);
        Ok(())
    }
}

impl Upload {
    /// All that was asked for was written.
    pub(crate) fn is_right(&self) -> Result<(), Error> {
        self.failed.get().map_or(Ok(()), |why| Err(*why))
    }

    fn fail(&self, why: Error) {
        // The first fault is what the client is told.
        let _ = self.failed.set(why);
    }
}
