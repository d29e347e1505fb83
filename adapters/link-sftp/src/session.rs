//! One SFTP session: requests of version 3 of the protocol, answered from a client's mailbox.

use crate::desk::{Asked, Desk, Event};
use crate::mailbox::{About, Fetch, How, Kind, Upload};
use crate::path::{INBOX, OUTBOX};
use crate::status::Refusal;
use crate::{BadPath, Error, Mailbox, VirtualPath, Whole};
use filexfer::PartyId;
use russh_sftp::protocol::{
    Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Status, StatusCode, Version,
};
use russh_sftp::server::Handler;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What a client has open on one channel. Requests are worked off one after the other.
pub(crate) struct Session<D> {
    client: PartyId,
    mailbox: Arc<Mailbox>,
    desk: Arc<D>,
    handles: BTreeMap<String, Open>,
    handles_max: usize,
    opened: u64,
}

#[derive(Clone)]
enum Open {
    Upload(Arc<Upload>),
    Fetch(Arc<Fetch>),
    /// What is not listed yet.
    Folder(Vec<File>),
}

type Answer<T> = Result<T, Refusal>;

impl<D: Desk> Session<D> {
    pub(crate) fn new(
        client: PartyId,
        mailbox: Arc<Mailbox>,
        desk: Arc<D>,
        handles_max: usize,
    ) -> Self {
        Self { client, mailbox, desk, handles: BTreeMap::new(), handles_max, opened: 0 }
    }

    fn opened(&mut self, id: u32, open: Open) -> Answer<Handle> {
        self.has_room()?;
        self.opened += 1;
        let handle = self.opened.to_string();
        self.handles.insert(handle.clone(), open);
        Ok(Handle { id, handle })
    }

    fn has_room(&self) -> Result<(), Error> {
        if self.handles.len() < self.handles_max { Ok(()) } else { Err(Error::TooMany) }
    }

    fn handle(&self, handle: &str) -> Result<&Open, Error> {
        self.handles.get(handle).ok_or(Error::Handle)
    }

    /// What blocks, does so elsewhere.
    async fn at_mailbox<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Mailbox) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let mailbox = Arc::clone(&self.mailbox);
        let done = tokio::task::spawn_blocking(move || work(&mailbox)).await;
        done.unwrap_or(Err(Error::Io(io::ErrorKind::Other)))
    }

    async fn look(&self, path: &str) -> Result<About, Error> {
        match VirtualPath::parse(path)? {
            VirtualPath::Root | VirtualPath::Outbox | VirtualPath::Inbox => Ok(About::folder()),
            VirtualPath::Destination(to) if self.mailbox.is_destination(&to) => Ok(About::folder()),
            VirtualPath::Destination(_) => Err(BadPath::Missing.into()),
            VirtualPath::Upload { to, name } => {
                self.at_mailbox(move |mailbox| mailbox.look(&to, &name)).await
            }
            VirtualPath::Download(name) => {
                self.at_mailbox(move |mailbox| mailbox.look_offer(&name)).await
            }
        }
    }

    async fn list(&self, path: &str) -> Result<BTreeMap<String, About>, Error> {
        let folders = |names: &[&str]| {
            names.iter().map(|name| ((*name).to_owned(), About::folder())).collect()
        };
        match VirtualPath::parse(path)? {
            VirtualPath::Root => Ok(folders(&[OUTBOX, INBOX])),
            VirtualPath::Outbox => {
                let parties: Vec<&str> = self.mailbox.destinations().map(PartyId::as_str).collect();
                Ok(folders(&parties))
            }
            VirtualPath::Destination(to) if self.mailbox.is_destination(&to) => {
                self.at_mailbox(move |mailbox| mailbox.uploads(&to, None)).await
            }
            VirtualPath::Destination(_) => Err(BadPath::Missing.into()),
            VirtualPath::Upload { to, name } => {
                self.at_mailbox(move |mailbox| mailbox.uploads(&to, Some(&name))).await
            }
            VirtualPath::Inbox => self.at_mailbox(|mailbox| mailbox.offers(None)).await,
            VirtualPath::Download(name) => {
                self.at_mailbox(move |mailbox| mailbox.offers(Some(&name))).await
            }
        }
    }

    /// Asks for the job of a file that is whole. The client is told only what was judged.
    async fn push(&self, whole: Option<Whole>) -> Result<(), Error> {
        let Some(whole) = whole else { return Ok(()) };
        // Who goes after jobs might see a refusal before this does, and keep the file as one that failed.
        let _asking = self.mailbox.asking(whole.job);
        match self.desk.ask(&self.client, &whole).await {
            Asked::Accepted => {
                self.desk.on_event(Event::Pushed { client: self.client.clone(), whole });
                Ok(())
            }
            Asked::Refused(why) => {
                let job = whole.job;
                self.at_mailbox(move |mailbox| mailbox.withdraw(&job)).await?;
                Err(Error::Refused(why))
            }
            Asked::Unanswered => Err(Error::Unanswered),
        }
    }

    async fn close_handle(&mut self, handle: &str) -> Result<(), Error> {
        match self.handles.remove(handle).ok_or(Error::Handle)? {
            Open::Folder(_) => Ok(()),
            Open::Upload(upload) => {
                let whole = self.at_mailbox(move |mailbox| mailbox.close(&upload)).await?;
                self.push(whole).await
            }
            Open::Fetch(fetch) => {
                let fetched = self.at_mailbox(move |mailbox| Ok(mailbox.fetched(&fetch))).await?;
                if let Some(transfer) = fetched {
                    let client = self.client.clone();
                    self.desk.on_event(Event::Fetched { client, transfer });
                    self.desk.fetched(&self.client, transfer).await;
                }
                Ok(())
            }
        }
    }

    async fn set(&self, handle: &str, attrs: &FileAttributes) -> Result<(), Error> {
        let Open::Upload(upload) = self.handle(handle)? else { return Err(Error::Denied) };
        let (Some(size), upload) = (attrs.size, Arc::clone(upload)) else { return Ok(()) };
        self.at_mailbox(move |mailbox| mailbox.truncate(&upload, size)).await
    }

    async fn about_handle(&self, handle: &str) -> Result<About, Error> {
        match self.handle(handle)? {
            Open::Upload(upload) => {
                let upload = Arc::clone(upload);
                self.at_mailbox(move |mailbox| mailbox.look_upload(&upload)).await
            }
            Open::Fetch(fetch) => Ok(fetch.about),
            Open::Folder(_) => Ok(About::folder()),
        }
    }

    /// Writes down what a client did not get, except what it only looked for.
    fn answer<T>(&self, operation: &'static str, done: Result<T, Error>) -> Answer<T> {
        if let Err(why) = &done
            && *why != Error::Path(BadPath::Missing)
        {
            let (client, why) = (self.client.clone(), *why);
            self.desk.on_event(Event::Refused { client, operation, why });
        }
        Ok(done?)
    }
}

impl<D: Desk> Handler for Session<D> {
    type Error = Refusal;

    fn unimplemented(&self) -> Refusal {
        Refusal::Unsupported
    }

    async fn init(&mut self, _: u32, _: HashMap<String, String>) -> Answer<Version> {
        Ok(Version::new())
    }

    async fn open(
        &mut self,
        id: u32,
        filename: String,
        pflags: OpenFlags,
        _: FileAttributes,
    ) -> Answer<Handle> {
        self.has_room()?;
        let done = match (VirtualPath::parse(&filename), pflags.contains(OpenFlags::WRITE)) {
            (Ok(VirtualPath::Download(name)), false) => {
                let opened = self.at_mailbox(move |mailbox| mailbox.fetch(&name)).await;
                opened.map(|fetch| Open::Fetch(Arc::new(fetch)))
            }
            (Ok(VirtualPath::Upload { to, name }), true) if !pflags.contains(OpenFlags::READ) => {
                let how = How {
                    create: pflags.contains(OpenFlags::CREATE),
                    exclusive: pflags.contains(OpenFlags::EXCLUDE),
                    truncate: pflags.contains(OpenFlags::TRUNCATE),
                };
                let opened = self.at_mailbox(move |mailbox| mailbox.upload(&to, &name, how)).await;
                opened.map(|upload| Open::Upload(Arc::new(upload)))
            }
            (Err(why), _) => Err(why.into()),
            _ => Err(Error::Denied),
        };
        let open = self.answer("open", done)?;
        self.opened(id, open)
    }

    async fn close(&mut self, id: u32, handle: String) -> Answer<Status> {
        let done = self.close_handle(&handle).await;
        self.answer("close", done)?;
        Ok(ok(id))
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, len: u32) -> Answer<Data> {
        let Open::Fetch(fetch) = self.handle(&handle)? else {
            return Err(Error::Denied.into());
        };
        let fetch = Arc::clone(fetch);
        let most = usize::try_from(len).unwrap_or(READ_BYTES_MAX).min(READ_BYTES_MAX);
        let done = self.at_mailbox(move |mailbox| mailbox.read(&fetch, offset, most)).await;
        let data = self.answer("read", done)?;
        if data.is_empty() && most > 0 { Err(Refusal::End) } else { Ok(Data { id, data }) }
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Answer<Status> {
        let Open::Upload(upload) = self.handle(&handle)? else {
            return Err(Error::Denied.into());
        };
        // Clients have more on the way when a write fails; once is enough to write that down.
        upload.is_right()?;
        let upload = Arc::clone(upload);
        let done = self.at_mailbox(move |mailbox| mailbox.write(&upload, offset, &data)).await;
        self.answer("write", done)?;
        Ok(ok(id))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Answer<Attrs> {
        let done = self.look(&path).await;
        Ok(Attrs { id, attrs: attributes(&self.answer("lstat", done)?) })
    }

    /// There are no links.
    async fn stat(&mut self, id: u32, path: String) -> Answer<Attrs> {
        let done = self.look(&path).await;
        Ok(Attrs { id, attrs: attributes(&self.answer("stat", done)?) })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Answer<Attrs> {
        let done = self.about_handle(&handle).await;
        Ok(Attrs { id, attrs: attributes(&self.answer("fstat", done)?) })
    }

    /// Times and permissions of what is pushed are taken and forgotten: clients set them, and a transfer has none. Also of a
    /// file that was delivered meanwhile.
    async fn setstat(&mut self, id: u32, path: String, attrs: FileAttributes) -> Answer<Status> {
        let done = match VirtualPath::parse(&path) {
            Ok(VirtualPath::Upload { to, .. })
                if attrs.size.is_none() && self.mailbox.is_destination(&to) =>
            {
                Ok(())
            }
            Ok(_) => Err(Error::Denied),
            Err(why) => Err(why.into()),
        };
        self.answer("setstat", done)?;
        Ok(ok(id))
    }

    /// The same; and an upload may be cut off, as clients do that write over what is there.
    async fn fsetstat(&mut self, id: u32, handle: String, attrs: FileAttributes) -> Answer<Status> {
        let done = self.set(&handle, &attrs).await;
        self.answer("fsetstat", done)?;
        Ok(ok(id))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Answer<Handle> {
        self.has_room()?;
        let done = self.list(&path).await;
        let found = self.answer("opendir", done)?;
        let dots = [".", ".."].map(|dot| (dot.to_owned(), About::folder()));
        let all = dots.into_iter().chain(found);
        // Taken from the end.
        let mut files: Vec<File> =
            all.map(|(name, about)| File::new(name, attributes(&about))).collect();
        files.reverse();
        self.opened(id, Open::Folder(files))
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Answer<Name> {
        match self.handles.get_mut(&handle) {
            Some(Open::Folder(files)) if files.is_empty() => Err(Refusal::End),
            Some(Open::Folder(files)) => {
                let mut page = files.split_off(files.len().saturating_sub(PAGE));
                page.reverse();
                Ok(Name { id, files: page })
            }
            Some(_) => Err(Error::Denied.into()),
            None => Err(Error::Handle.into()),
        }
    }

    async fn remove(&mut self, id: u32, filename: String) -> Answer<Status> {
        let done = match VirtualPath::parse(&filename) {
            Ok(VirtualPath::Upload { to, name }) => {
                self.at_mailbox(move |mailbox| mailbox.remove(&to, &name)).await
            }
            Ok(VirtualPath::Download(name)) => {
                self.at_mailbox(move |mailbox| mailbox.take_away(&name)).await
            }
            Ok(_) => Err(Error::Denied),
            Err(why) => Err(why.into()),
        };
        self.answer("remove", done)?;
        Ok(ok(id))
    }

    /// Folders are there as soon as something lies in them.
    async fn mkdir(&mut self, _: u32, _: String, _: FileAttributes) -> Answer<Status> {
        self.answer("mkdir", Err(Error::Denied))
    }

    async fn rmdir(&mut self, _: u32, _: String) -> Answer<Status> {
        self.answer("rmdir", Err(Error::Denied))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Answer<Name> {
        let found = VirtualPath::resolve(&path).map_err(Error::from);
        let canonical = self.answer("realpath", found)?.to_string();
        Ok(Name { id, files: vec![File::dummy(canonical)] })
    }

    async fn rename(&mut self, id: u32, oldpath: String, newpath: String) -> Answer<Status> {
        let paths = (VirtualPath::parse(&oldpath), VirtualPath::parse(&newpath));
        let done = match paths {
            (
                Ok(VirtualPath::Upload { to, name }),
                Ok(VirtualPath::Upload { to: into, name: new }),
            ) if to == into => {
                match self.at_mailbox(move |mailbox| mailbox.rename(&to, &name, &new)).await {
                    Ok(whole) => self.push(whole).await,
                    Err(why) => Err(why),
                }
            }
            (Err(why), _) | (_, Err(why)) => Err(why.into()),
            _ => Err(Error::Denied),
        };
        self.answer("rename", done)?;
        Ok(ok(id))
    }
}

fn ok(id: u32) -> Status {
    Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "done".to_owned(),
        language_tag: "en".to_owned(),
    }
}

fn attributes(about: &About) -> FileAttributes {
    let (kind, mode) = match about.kind {
        Kind::Folder => (0o040_000, 0o700),
        Kind::Partial => (0o100_000, 0o600),
        Kind::Fixed => (0o100_000, 0o400),
    };
    let since = about.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
    FileAttributes {
        size: Some(about.size),
        uid: Some(0),
        gid: Some(0),
        permissions: Some(kind | mode),
        atime: Some(seconds),
        mtime: Some(seconds),
        ..FileAttributes::empty()
    }
}

/// Names in an answer: 64 of the longest fit into a packet of 256 KiB.
const PAGE: usize = 64;
/// Bytes in an answer; a client that asks for more asks again.
const READ_BYTES_MAX: usize = 128 << 10;

#[cfg(test)]
mod tests;
