//! What a client may fetch.

use super::{About, Fetch, Mailbox, Offer, READ, about, len_u64, listing, remove, whole};
use crate::coverage::Coverage;
use crate::{BadPath, Error};
use filexfer::{FileName, TransferId};
use rustix::fs::{Mode, fsync, openat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

impl Mailbox {
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
}
