//! What is allowed: who may send which class of files to whom, and when.

use crate::{FileClass, Hours, Mode, PartyId, SiteId};
use alloc::string::String;

/// One line of the grant table. What no line allows is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who may send.
    pub sender: Who,
    /// To whom.
    pub destination: Who,
    /// Which class of files; `None`: every class.
    pub class: Option<FileClass>,
    /// Only names in this folder; `""`: every name.
    pub folder: String,
    /// In which direction; `None`: both.
    pub mode: Option<Mode>,
    /// When a request may come.
    pub hours: Hours,
    /// The largest file, in bytes.
    pub size_max: u64,
}

impl Grant {
    /// Every class, name, direction and hour, up to `size_max` bytes.
    pub const fn new(sender: Who, destination: Who, size_max: u64) -> Self {
        Self {
            sender,
            destination,
            class: None,
            folder: String::new(),
            mode: None,
            hours: Hours::ALWAYS,
            size_max,
        }
    }
}

/// A party, or all of some kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody who can send or receive.
    Anyone,
    /// Everybody at a site.
    At(SiteId),
    /// One party.
    Party(PartyId),
}

impl Who {
    /// Whether it means this party, which is at this site.
    pub fn means(&self, party: &PartyId, site: &SiteId) -> bool {
        match self {
            Self::Anyone => true,
            Self::At(at) => at == site,
            Self::Party(one) => one == party,
        }
    }
}
