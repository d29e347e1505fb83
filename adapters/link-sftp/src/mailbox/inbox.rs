//! What a client may fetch.

use super::{
    About, Content, Fetch, GONE, Mailbox, Offer, READ, WHOLE, about, len_u64, listing, names,
    remove, whole,
};
use crate::coverage::Coverage;
use crate::{BadPath, Error};
use filexfer::{FileName, TransferId};
use rustix::fs::{AtFlags, Mode, fsync, linkat, openat, renameat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

impl Mailbox {
    /// The client's machine has published a file: from now on the client sees it. That it has this content is known before it
    /// counts as fetched, and before it is removed.
    pub fn offer(
        &self,
        name: FileName,
        transfer: TransferId,
        content: Content,
        is_handed_over: bool,
    ) {
        let coverage = Coverage::default();
        let offer = Offer { transfer, content, is: None, coverage, of: None, is_handed_over };
        self.state().offers.insert(name, offer);
    }

    /// That the client has a file is signed for: from now on it may remove it.
    pub fn handed_over(&self, transfer: &TransferId) {
        let mut state = self.state();
        if let Some(offer) = state.offers.values_mut().find(|offer| offer.transfer == *transfer) {
            offer.is_handed_over = true;
        }
    }

    /// What there is to fetch under a name.
    pub(crate) fn look_offer(&self, name: &FileName) -> Result<About, Error> {
        let state = self.state();
        if let Some(offer) = state.offers.get(name) {
            return self.open_offer(name, offer).map(|(_, about, _)| about);
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
        for (name, offer) in &state.offers {
            // What somebody took away is not there.
            if let Ok((_, about, _)) = self.open_offer(name, offer) {
                seen.push((name, about));
            }
        }
        listing(seen.into_iter(), folder)
    }

    /// Opens a file to fetch.
    pub(crate) fn fetch(&self, name: &FileName) -> Result<Fetch, Error> {
        let mut state = self.state();
        let offer = state.offers.get_mut(name).ok_or(BadPath::Missing)?;
        let (file, about, number) = self.open_offer(name, offer)?;
        if offer.of != Some(number) {
            // What went out of another file is nothing of this one.
            (offer.of, offer.coverage) = (Some(number), Coverage::default());
        }
        Ok(Fetch { file, number, name: name.clone(), transfer: offer.transfer, about })
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

    /// A file to fetch was closed: the transfer, if all of it went out and that is not known yet. It reads the file: what is
    /// signed for is what was fetched.
    pub(crate) fn fetched(&self, fetch: &Fetch) -> Option<TransferId> {
        let content = {
            let state = self.state();
            let offer = state.offers.get(&fetch.name).filter(|offer| offer.is_fetched(fetch))?;
            if offer.is == Some(fetch.number) {
                return Some(offer.transfer);
            }
            offer.content
        };
        let is_it = content.is_in(&fetch.file).unwrap_or(false);
        let mut state = self.state();
        let offer = state.offers.get_mut(&fetch.name).filter(|offer| offer.is_fetched(fetch))?;
        if !is_it {
            offer.coverage = Coverage::default();
            return None;
        }
        offer.is = Some(fetch.number);
        Some(offer.transfer)
    }

    /// Removes a file that was fetched. Another one of its name stays.
    pub(crate) fn take_away(&self, name: &FileName) -> Result<(), Error> {
        let (transfer, content, known, found) = {
            let mut state = self.state();
            let offer = state.offers.get(name).ok_or(BadPath::Missing)?;
            if !offer.is_handed_over {
                return Err(Error::Denied);
            }
            let found = match openat(&self.inbox, whole(name), READ, Mode::empty()) {
                Ok(file) => File::from(file),
                Err(Errno::NOENT) => {
                    state.offers.remove(name);
                    return Ok(());
                }
                Err(why) => return Err(why.into()),
            };
            (offer.transfer, offer.content, offer.is, found)
        };
        let number = found.metadata()?.ino();
        // Without the lock: it is read at most once, and only if an earlier process has seen it fetched.
        let is_it = known.map_or_else(|| content.is_in(&found), |known| Ok(known == number))?;
        let mut state = self.state();
        let is_offered = state.offers.get(name).is_some_and(|offer| offer.transfer == transfer);
        if !is_it || !is_offered || !self.unlink(name, number)? {
            return Err(Error::Busy);
        }
        state.offers.remove(name);
        Ok(())
    }

    /// Removes what lies under a name if it is this file. It is moved away first: another one may take the name at any time.
    fn unlink(&self, name: &FileName, number: u64) -> Result<bool, Error> {
        let whole = whole(name);
        let gone = whole.replace(WHOLE, GONE);
        match renameat(&self.inbox, &whole, &self.inbox, &gone) {
            Err(Errno::NOENT) => return Ok(true),
            moved => moved?,
        }
        let moved = File::from(openat(&self.inbox, &gone, READ, Mode::empty())?);
        let is_it = moved.metadata()?.ino() == number;
        if is_it {
            remove(&self.inbox, &gone)?;
        } else {
            put_back(&self.inbox, &gone)?;
        }
        fsync(&self.inbox)?;
        Ok(is_it)
    }

    /// What lies under the name of an offer, with its own number, unless it is known to be another file.
    fn open_offer(&self, name: &FileName, offer: &Offer) -> Result<(File, About, u64), Error> {
        let file = match openat(&self.inbox, whole(name), READ, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::LOOP) => return Err(BadPath::Missing.into()),
            Err(why) => return Err(why.into()),
        };
        let about = about(&file)?;
        let number = file.metadata()?.ino();
        let is_other = offer.is.is_some_and(|is| is != number);
        if is_other || about.size != offer.content.size {
            return Err(BadPath::Missing.into());
        }
        Ok((file, about, number))
    }
}

impl Offer {
    /// What goes out by it counts.
    pub(super) fn counts(&self, fetch: &Fetch) -> bool {
        self.transfer == fetch.transfer && self.of == Some(fetch.number)
    }

    /// All of it went out, and that is not known yet.
    fn is_fetched(&self, fetch: &Fetch) -> bool {
        let is_new = self.counts(fetch) && !self.is_handed_over;
        is_new && self.coverage.is_whole(fetch.about.size)
    }
}

impl Content {
    /// Whether a file has it. Reads all of the file.
    fn is_in(&self, file: &File) -> io::Result<bool> {
        if file.metadata()?.len() != self.size {
            return Ok(false);
        }
        let (mut hasher, mut at) = (blake3::Hasher::new(), 0);
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let read = file.read_at(&mut bytes, at)?;
            let Some(part) = bytes.get(..read).filter(|part| !part.is_empty()) else { break };
            hasher.update(part);
            at = at.saturating_add(len_u64(part));
        }
        Ok(at == self.size && *hasher.finalize().as_bytes() == self.root)
    }
}

/// What a stop left half removed is there again.
pub(super) fn put_back_all(inbox: &OwnedFd) -> io::Result<()> {
    for name in names(inbox)?.iter().filter(|name| name.ends_with(GONE)) {
        put_back(inbox, name)?;
    }
    Ok(())
}

/// Gives a file its name again, unless there is a newer one by now.
fn put_back(inbox: &OwnedFd, gone: &str) -> Result<(), Errno> {
    match linkat(inbox, gone, inbox, gone.replace(GONE, WHOLE), AtFlags::empty()) {
        Ok(()) | Err(Errno::EXIST) => remove(inbox, gone),
        Err(why) => Err(why),
    }
}

const READ_BYTES: usize = 256 << 10;
