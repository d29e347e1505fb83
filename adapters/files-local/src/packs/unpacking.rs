//! Files of packs: all of them on disk before one of them is visible.

use super::error::PackingError;
use super::folders::Folders;
use crate::Error;
use crate::area::regular;
use crate::folder::Folder;
use filexfer::pack::{Manifest, PackError, Part};
use filexfer::{BadName, FileName, NameSet, StreamingRoot};
use rustix::fs::{AtFlags, FileType, linkat, renameat};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Mutex;

/// Unpacks several packs together: what is forced to disk is forced once for all of them.
pub(super) struct Unpacking<'a> {
    folders: Folders<'a>,
    own: &'a Folder,
    mode: u32,
    /// The number of the last file in `own`.
    next: &'a Mutex<u64>,
}

/// A pack, and the names that its files are to have.
struct Opened {
    file: File,
    manifest: Manifest,
    names: Vec<FileName>,
}

/// A pack whose files are written, and not visible.
struct Staged {
    manifest: Manifest,
    files: Vec<StagedFile>,
    /// What is there already.
    there: Vec<FileName>,
}

struct StagedFile {
    temporary: String,
    name: FileName,
    size: u64,
    root: [u8; 32],
}

impl<'a> Unpacking<'a> {
    pub(super) const fn new(
        root: &'a Folder,
        own: &'a Folder,
        mode: u32,
        next: &'a Mutex<u64>,
    ) -> Self {
        Self { folders: Folders::new(root), own, mode, next }
    }

    /// Returns what became of each. Packs with names in common are done one after the other: what the first has given counts for
    /// the next.
    pub(super) fn all(mut self, packs: &[FileName]) -> Vec<Result<Manifest, PackingError>> {
        let mut done = Vec::with_capacity(packs.len());
        while done.len() < packs.len() {
            let (mut names, mut round) = (NameSet::new(), Vec::new());
            for pack in &packs[done.len()..] {
                match self.open(pack) {
                    Ok(opened) if !takes(&mut names, &opened.names) && !round.is_empty() => break,
                    opened => round.push(opened),
                }
            }
            done.extend(self.round(round));
        }
        done
    }

    /// Packs without a name in common: what each has to force is forced for all of them.
    fn round(
        &mut self,
        opened: Vec<Result<Opened, PackingError>>,
    ) -> Vec<Result<Manifest, PackingError>> {
        let staged = opened.into_iter().map(|opened| self.stage(opened?));
        let staged: Vec<_> = staged.collect();
        let all: Vec<&Staged> = staged.iter().flatten().collect();
        let forced = self.force(&all);
        let published = staged.into_iter().map(|staged| {
            let Staged { manifest, files, there } = staged?;
            let mut published = forced.map_err(PackingError::from);
            for file in &files {
                published = published.and_then(|()| self.publish(file, manifest.replaces));
            }
            // Whoever gave these their names may have been stopped before they were on disk.
            there.iter().for_each(|name| self.folders.changed(name));
            // What has its name has this one no more.
            self.remove(files.iter().map(|file| &*file.temporary));
            published.map(|()| manifest)
        });
        let mut published: Vec<_> = published.collect();
        if let Err(why) = self.folders.force(self.own) {
            for published in published.iter_mut().filter(|published| published.is_ok()) {
                *published = Err(why.into());
            }
        }
        published
    }

    fn open(&mut self, pack: &FileName) -> Result<Opened, PackingError> {
        let found = match self.folders.of(pack, false)? {
            Some((folder, last)) => regular(folder.read(last))?,
            None => None,
        };
        let Some((file, found)) = found else { return Err(PackingError::Missing) };
        let manifest = read_manifest(&file, found.len())?;
        let names = manifest.entries().iter().map(|entry| beside(pack, &entry.name));
        let names = names.collect::<Result<_, _>>().map_err(PackError::from)?;
        Ok(Opened { file, manifest, names })
    }

    /// Writes the files of a pack where nobody sees them, but for those that are there already.
    fn stage(&mut self, opened: Opened) -> Result<Staged, PackingError> {
        let Opened { file, manifest, names } = opened;
        let (mut wanted, mut there) = (Vec::new(), Vec::new());
        for (name, part) in names.into_iter().zip(manifest.parts()) {
            match self.there(&name, part.entry.size, &part.entry.root)? {
                There::Same => there.push(name),
                There::Other if !manifest.replaces => return Err(PackingError::Taken(name)),
                There::NoFile => return Err(PackingError::Taken(name)),
                There::Nothing | There::Other => wanted.push((name, part)),
            }
        }
        let mut files = Vec::with_capacity(wanted.len());
        let mut buffer = Vec::new();
        for (name, Part { entry, bytes }) in wanted {
            let temporary = super::next(self.next);
            let written = self.write(&temporary, &file, bytes, &mut buffer);
            files.push(StagedFile { temporary, name, size: entry.size, root: entry.root });
            let is_right = written.map(|root| root == entry.root);
            if is_right != Ok(true) {
                self.remove(files.iter().map(|file| &*file.temporary));
                is_right?;
                return Err(PackError::Content.into());
            }
        }
        Ok(Staged { manifest, files, there })
    }

    /// Writes a part of the pack to a file of its own; returns the root of what it was.
    fn write(
        &self,
        temporary: &str,
        pack: &File,
        bytes: Range<u64>,
        buffer: &mut Vec<u8>,
    ) -> Result<[u8; 32], Error> {
        let mut file = self.own.write(temporary, self.mode)?;
        let mut root = StreamingRoot::new();
        let mut at = bytes.start;
        while at < bytes.end {
            let len = (bytes.end - at).min(PIECE);
            buffer.resize(usize::try_from(len).unwrap_or(0), 0);
            pack.read_exact_at(buffer, at)?;
            root.update(buffer);
            file.write_all(buffer)?;
            at += len;
        }
        Ok(root.finish().0)
    }

    /// Forces what is written to disk, and what is there already: whoever wrote that may not have.
    fn force(&mut self, packs: &[&Staged]) -> Result<(), Error> {
        let many = packs.iter().map(|staged| staged.files.len() + staged.there.len());
        if many.sum::<usize>() >= CROWD {
            return Ok(self.own.sync_all()?);
        }
        for staged in packs {
            for file in &staged.files {
                self.own.read(&file.temporary)?.sync_all()?;
            }
            for name in &staged.there {
                if let Some((folder, last)) = self.folders.of(name, false)? {
                    folder.read(last)?.sync_all()?;
                }
            }
        }
        Ok(())
    }

    /// Gives a file its name.
    fn publish(&mut self, file: &StagedFile, replaces: bool) -> Result<(), PackingError> {
        let taken = || PackingError::Taken(file.name.clone());
        let own = self.own;
        let Some((folder, last)) = self.folders.of(&file.name, true)? else { return Err(taken()) };
        if replaces {
            match renameat(own.fd(), &file.temporary, folder.fd(), last) {
                Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => return Err(taken()),
                done => done?,
            }
        } else {
            match linkat(own.fd(), &file.temporary, folder.fd(), last, AtFlags::empty()) {
                // Somebody was faster, or another pack of these has it, too.
                Err(Errno::EXIST) => match self.there(&file.name, file.size, &file.root)? {
                    There::Same => return Ok(()),
                    _ => return Err(taken()),
                },
                done => done?,
            }
        }
        self.folders.changed(&file.name);
        Ok(())
    }

    /// What has this name.
    fn there(
        &mut self,
        name: &FileName,
        size: u64,
        root: &[u8; 32],
    ) -> Result<There, PackingError> {
        let Some((folder, last)) = self.folders.of(name, false)? else { return Ok(There::Nothing) };
        match folder.kind(last)? {
            None => return Ok(There::Nothing),
            Some(FileType::RegularFile) => {}
            Some(_) => return Ok(There::NoFile),
        }
        let Some((file, found)) = regular(folder.read(last))? else { return Ok(There::NoFile) };
        if found.len() != size {
            return Ok(There::Other);
        }
        let (mut is, mut buffer, mut at) = (StreamingRoot::new(), Vec::new(), 0);
        while at < size {
            let len = (size - at).min(PIECE);
            buffer.resize(usize::try_from(len).unwrap_or(0), 0);
            file.read_exact_at(&mut buffer, at)?;
            is.update(&buffer);
            at += len;
        }
        Ok(if is.finish().0 == *root { There::Same } else { There::Other })
    }

    /// What is left of them is removed at the next start at the latest.
    fn remove<'n>(&self, temporaries: impl Iterator<Item = &'n str>) {
        for temporary in temporaries {
            let _ = self.own.remove(temporary);
        }
    }
}

/// What has a name already.
enum There {
    Nothing,
    /// A file with this very content.
    Same,
    /// A file with other content.
    Other,
    /// A folder, a link, a device.
    NoFile,
}

/// Adds all names, or none if one of them is there, or is one with another to some file system.
fn takes(to: &mut NameSet, names: &[FileName]) -> bool {
    for (at, name) in names.iter().enumerate() {
        if !to.insert(name).unwrap_or(false) {
            for name in &names[..at] {
                to.remove(name);
            }
            return false;
        }
    }
    true
}

/// The manifest that a pack of this size begins with.
pub(super) fn read_manifest(pack: &File, size: u64) -> Result<Manifest, PackingError> {
    let read = |len: usize| {
        if u64::try_from(len).is_ok_and(|len| len > size) {
            return Err(PackingError::Pack(PackError::NotAPack));
        }
        let mut bytes = vec![0; len];
        pack.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    };
    let length = Manifest::length(&read(Manifest::HEAD_BYTES)?)?;
    let manifest = Manifest::parse(&read(length)?)?;
    if manifest.size() == size { Ok(manifest) } else { Err(PackError::Size.into()) }
}

/// A name in the folder of the pack.
fn beside(pack: &FileName, name: &FileName) -> Result<FileName, BadName> {
    match pack.as_str().rsplit_once('/') {
        Some((folder, _)) => FileName::new(&format!("{folder}/{name}")),
        None => Ok(name.clone()),
    }
}

/// In bytes: a file is never in memory as a whole.
const PIECE: u64 = 1 << 20;
/// From so many on a file system is forced as a whole, where that can be done.
pub(super) const CROWD: usize = if cfg!(target_os = "linux") { 6 } else { usize::MAX };
