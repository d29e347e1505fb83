//! A folder that nothing leads out of: every step of a name is opened by itself, and no link is followed.

use crate::Error;
use filexfer::FileName;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fsync, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// An open folder.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

/// Where the last component of a name is to be looked for.
#[derive(Debug)]
pub(crate) enum Walk<'a> {
    /// In this folder.
    In(Folder, &'a str),
    /// A folder on the way is not there.
    Missing,
    /// A folder on the way is a link.
    Link,
    /// A folder on the way is a file or a device.
    NoFolder,
}

impl Folder {
    /// A root. Links on the way to it are the operator's business.
    pub(crate) fn open(path: &Path) -> Result<Self, Errno> {
        rustix::fs::open(path, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty()).map(Self)
    }

    /// A folder in it.
    pub(crate) fn folder(&self, name: &str) -> Result<Self, Errno> {
        openat(&self.0, name, FOLDER, Mode::empty()).map(Self)
    }

    /// A folder in it, made if it is not there, for nobody else.
    pub(crate) fn make(&self, name: &str, mode: u32) -> Result<Self, Errno> {
        match mkdirat(&self.0, name, Mode::from_raw_mode(mode)) {
            Ok(()) => fsync(&self.0)?,
            Err(Errno::EXIST) => {}
            Err(why) => return Err(why),
        }
        self.folder(name)
    }

    /// Removes a file that need not be there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Errno> {
        match unlinkat(&self.0, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            other => other,
        }
    }

    /// The names in it that are text: those that this crate gives are.
    pub(crate) fn names(&self) -> Result<Vec<String>, Errno> {
        let entries = Dir::read_from(&self.0)?;
        let name = |entry: Result<rustix::fs::DirEntry, Errno>| match entry {
            Ok(entry) => entry.file_name().to_str().ok().map(|name| Ok(name.to_owned())),
            Err(why) => Some(Err(why)),
        };
        entries.filter_map(name).collect()
    }

    /// Down to the folder of the last component.
    pub(crate) fn walk<'a>(&self, name: &'a FileName, make: bool) -> Result<Walk<'a>, Error> {
        let (folders, last) = match name.as_str().rsplit_once('/') {
            Some((folders, last)) => (Some(folders), last),
            None => (None, name.as_str()),
        };
        let mut here = Self(self.0.try_clone()?);
        for component in folders.into_iter().flat_map(|folders| folders.split('/')) {
            here = match here.folder(component) {
                Ok(next) => next,
                Err(Errno::NOENT) if make => match here.make(component, 0o770) {
                    Ok(next) => next,
                    Err(Errno::NOTDIR | Errno::LOOP) => return here.obstacle(component),
                    Err(why) => return Err(why.into()),
                },
                Err(Errno::NOENT) => return Ok(Walk::Missing),
                Err(Errno::NOTDIR | Errno::LOOP) => return here.obstacle(component),
                Err(why) => return Err(why.into()),
            };
        }
        Ok(Walk::In(here, last))
    }

    /// A regular file in it, to be read. Nothing waits for the other end of a pipe.
    pub(crate) fn read(&self, name: &str) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        openat(&self.0, name, flags | OFlags::CLOEXEC, Mode::empty()).map(File::from)
    }

    /// A file in it, to be written, made if it is not there.
    pub(crate) fn write(&self, name: &str, mode: u32) -> Result<File, Errno> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.0, name, flags, Mode::from_raw_mode(mode)).map(File::from)
    }

    /// The same file to be written past the page cache, in whole blocks; not where the system has no such thing.
    pub(crate) fn write_past_cache(&self, name: &str) -> Result<File, Errno> {
        #[cfg(target_os = "linux")]
        {
            let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(&self.0, name, flags, Mode::empty()).map(File::from)
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = name;
            Err(Errno::INVAL)
        }
    }

    /// What is there, not followed.
    pub(crate) fn kind(&self, name: &str) -> Result<Option<FileType>, Errno> {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Forces everything of its file system to disk.
    pub(crate) fn sync_all(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        return Ok(rustix::fs::syncfs(&self.0)?);
        #[cfg(not(target_os = "linux"))]
        Ok(self.sync()?)
    }

    /// Whether two names are one file.
    pub(crate) fn is_same(&self, name: &str, other: &Self, its: &str) -> Result<bool, Errno> {
        let one = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let two = statat(&other.0, its, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((one.st_dev, one.st_ino) == (two.st_dev, two.st_ino))
    }

    pub(crate) fn sync(&self) -> Result<(), Errno> {
        fsync(&self.0)
    }

    pub(crate) const fn fd(&self) -> &OwnedFd {
        &self.0
    }

    fn obstacle(&self, component: &str) -> Result<Walk<'static>, Error> {
        Ok(match self.kind(component)? {
            Some(FileType::Symlink) => Walk::Link,
            Some(_) => Walk::NoFolder,
            None => Walk::Missing,
        })
    }
}

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
