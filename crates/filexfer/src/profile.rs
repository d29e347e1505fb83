//! How one client is served.

use crate::{BadName, FileName, Hours, Limit, Misuse};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use port::{Time, Zone};

/// A client's own terms (spec: client profile): its protocol, who begins, when in its own time, how fast, and what its files
/// are called there. A client without a profile is served at once, at all times, under the names that requests say.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Which adapter speaks with it, such as `tls` or `sftp`.
    pub protocol: ProtocolName,
    /// Who begins.
    pub delivery: Delivery,
    /// When files may move, in the client's time.
    pub hours: Hours,
    /// The client's time.
    pub zone: Zone,
    /// How fast they may move.
    pub rate: Option<Limit>,
    /// What files are called at the client.
    pub names: NameMapping,
    /// How long receipts of its transfers are kept, in milliseconds, if longer than others ([`crate::Keeping`]).
    pub receipts_kept_ms: Option<u64>,
}

impl Profile {
    /// As without a profile, by a protocol.
    pub fn new(protocol: ProtocolName) -> Self {
        Self {
            protocol,
            delivery: Delivery::Offered,
            hours: Hours::ALWAYS,
            zone: Zone::utc(),
            rate: None,
            names: NameMapping::default(),
            receipts_kept_ms: None,
        }
    }

    /// The client collects its files.
    #[must_use]
    pub fn collected(self) -> Self {
        Self { delivery: Delivery::Collected, ..self }
    }

    /// Within hours of the client's time.
    #[must_use]
    pub fn within(self, hours: Hours, zone: Zone) -> Self {
        Self { hours, zone, ..self }
    }

    /// Not faster than this.
    #[must_use]
    pub fn at_rate(self, rate: Limit) -> Self {
        Self { rate: Some(rate), ..self }
    }

    /// With other names.
    #[must_use]
    pub fn with_names(self, names: NameMapping) -> Self {
        Self { names, ..self }
    }

    /// With receipts that are kept at least so long.
    #[must_use]
    pub fn keeping_receipts(self, kept_ms: u64) -> Self {
        Self { receipts_kept_ms: Some(kept_ms), ..self }
    }

    /// Whether files may move now.
    pub fn is_open(&self, now: Time) -> bool {
        self.hours.hold(now, &self.zone)
    }

    /// When they may move next: `now` if they may.
    pub fn opens(&self, now: Time) -> Time {
        self.hours.next(now, &self.zone)
    }
}

/// Who begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// The forwarding server offers a file, and asks for one, as soon as it may (push).
    #[default]
    Offered,
    /// Everything waits until the client asks for it by [`crate::Message::Collect`] (pull).
    Collected,
}

impl Delivery {
    pub(crate) const fn as_u8(self) -> u8 {
        match self {
            Self::Offered => 1,
            Self::Collected => 2,
        }
    }
}

/// The name of a protocol: what an access server's adapter is called.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolName(String);

impl ProtocolName {
    /// By its text: 1 to 48 characters of `0-9 a-z . _ -`.
    ///
    /// # Errors
    /// [`Misuse::Identifier`].
    pub fn new(text: &str) -> Result<Self, Misuse> {
        crate::FileClass::new(text).map(|_| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProtocolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProtocolName({})", self.0)
    }
}

impl fmt::Display for ProtocolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What our folders are called at a client: of the folders that a name lies in the deepest one in the table decides, and the
/// rest of the name stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameMapping {
    /// Deepest first. Ours, theirs; `""` is the place where names begin.
    folders: Vec<(String, String)>,
}

impl NameMapping {
    /// The most folders.
    pub const FOLDERS_MAX: usize = 256;

    /// Of folders: ours, and what it is called there. `""` is the place where names begin.
    ///
    /// # Errors
    /// [`BadName`] for what is no folder's name; [`BadName::TooLong`] for more than [`NameMapping::FOLDERS_MAX`], [`BadName::Collision`] for one of
    /// ours that is there twice.
    pub fn new(folders: &[(&str, &str)]) -> Result<Self, BadName> {
        if folders.len() > Self::FOLDERS_MAX {
            return Err(BadName::TooLong);
        }
        let mut checked: Vec<(String, String)> = Vec::with_capacity(folders.len());
        for (ours, theirs) in folders {
            for folder in [ours, theirs] {
                if !folder.is_empty() {
                    FileName::new(folder)?;
                }
            }
            if checked.iter().any(|(other, _)| other == ours) {
                return Err(BadName::Collision);
            }
            checked.push(((*ours).into(), (*theirs).into()));
        }
        let depth =
            |folder: &str| if folder.is_empty() { 0 } else { 1 + folder.matches('/').count() };
        checked
            .sort_by(|one, other| depth(&other.0).cmp(&depth(&one.0)).then_with(|| one.cmp(other)));
        Ok(Self { folders: checked })
    }

    /// What a file of ours is called at the client.
    ///
    /// # Errors
    /// [`BadName`] if that is no name of a file, such as one that is too long.
    pub fn to_client(&self, name: &FileName) -> Result<FileName, BadName> {
        let Some((ours, theirs)) = self.folders.iter().find(|(ours, _)| name.is_in(ours)) else {
            return Ok(name.clone());
        };
        let rest = name.as_str().get(ours.len()..).unwrap_or_default().trim_start_matches('/');
        if theirs.is_empty() {
            return FileName::new(rest);
        }
        FileName::new(&alloc::format!("{theirs}/{rest}"))
    }

    /// The table, deepest of ours first.
    pub fn folders(&self) -> impl Iterator<Item = (&str, &str)> {
        self.folders.iter().map(|(ours, theirs)| (&ours[..], &theirs[..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_folder_decides() {
        let names =
            NameMapping::new(&[("out", "inbox"), ("out/pay", "cards"), ("", "bank")]).unwrap();
        let there = |name: &str| names.to_client(&FileName::new(name).unwrap()).unwrap();
        assert_eq!(there("out/a.csv").as_str(), "inbox/a.csv");
        assert_eq!(there("out/pay/b/c.csv").as_str(), "cards/b/c.csv");
        assert_eq!(there("outer/a").as_str(), "bank/outer/a");
        assert_eq!(there("a").as_str(), "bank/a");
        let flat = NameMapping::new(&[("out", "")]).unwrap();
        assert_eq!(flat.to_client(&FileName::new("out/a").unwrap()).unwrap().as_str(), "a");
        let same = NameMapping::default();
        assert_eq!(same.to_client(&FileName::new("out/a").unwrap()).unwrap().as_str(), "out/a");
    }

    #[test]
    fn fd04_no_mapping_leaves_the_place_of_names() {
        for folder in ["../out", "/out", "out/", "a\\b", "con", "."] {
            assert!(NameMapping::new(&[("x", folder)]).is_err(), "{folder}");
            assert!(NameMapping::new(&[(folder, "x")]).is_err(), "{folder}");
        }
        assert_eq!(NameMapping::new(&[("x", "a"), ("x", "b")]), Err(BadName::Collision));
        // A name that gets too long there is none.
        let long = "long/".repeat(14) + "folder";
        let names = NameMapping::new(&[("", &long)]).unwrap();
        let name = FileName::new(&("d/".repeat(2) + "f")).unwrap();
        assert!(names.to_client(&name).is_err());
    }
}
