//! Paths as clients write them: two folders, and nothing else.

use core::fmt;
use filexfer::{BadName, FileName, PartyId};

/// Where a path leads. There is nothing beside these places, so that no path leads out of them.
///
/// ```text
/// /                          Root
/// /outbox                    Outbox
/// /outbox/<party>            Destination
/// /outbox/<party>/<name>     Upload: a file, or a folder that names lie in
/// /inbox                     Inbox
/// /inbox/<name>              Download: the same
/// ```
///
/// Empty components and `.` mean nothing, as everywhere (POSIX.1-2017 §4.13). What a file may be called is [`FileName`]'s
/// business, and refused rather than repaired.
///
/// ```
/// use interbank_link_sftp::{BadPath, VirtualPath};
/// assert_eq!(VirtualPath::parse("./inbox/"), Ok(VirtualPath::Inbox));
/// assert_eq!(VirtualPath::parse("/inbox/../outbox"), Err(BadPath::Traversal));
/// assert_eq!(VirtualPath::parse("/etc/passwd"), Err(BadPath::Missing));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VirtualPath {
    /// The folder that a client begins in.
    Root,
    /// What it pushes.
    Outbox,
    /// What it pushes to one party.
    Destination(PartyId),
    /// A file for a party.
    Upload {
        /// For whom.
        to: PartyId,
        /// Its name in that party's folder.
        name: FileName,
    },
    /// What it may fetch.
    Inbox,
    /// A file to fetch.
    Download(FileName),
}

impl VirtualPath {
    /// The longest path, in bytes: the longest name, the longest party, and room.
    pub const BYTES_MAX: usize = FileName::BYTES_MAX + 128;

    /// Of a request. A path upwards is refused, wherever it leads.
    ///
    /// # Errors
    /// [`BadPath`].
    pub fn parse(path: &str) -> Result<Self, BadPath> {
        let mut parts = Vec::new();
        for part in components(path)? {
            if part == ".." {
                return Err(BadPath::Traversal);
            }
            parts.push(part);
        }
        Self::of(&parts)
    }

    /// Of a request for the canonical path (`SSH_FXP_REALPATH`), by which clients find out where `..` leads. It is the text
    /// that is resolved; above the root there is nothing.
    ///
    /// # Errors
    /// [`BadPath`].
    pub fn resolve(path: &str) -> Result<Self, BadPath> {
        let mut parts = Vec::new();
        for part in components(path)? {
            if part == ".." {
                parts.pop().ok_or(BadPath::Traversal)?;
            } else {
                parts.push(part);
            }
        }
        Self::of(&parts)
    }

    fn of(parts: &[&str]) -> Result<Self, BadPath> {
        match parts {
            [] => Ok(Self::Root),
            [OUTBOX] => Ok(Self::Outbox),
            [INBOX] => Ok(Self::Inbox),
            [INBOX, name @ ..] => Ok(Self::Download(FileName::new(&name.join("/"))?)),
            [OUTBOX, to, name @ ..] => {
                let to = PartyId::new(to).map_err(|_| BadPath::Missing)?;
                if name.is_empty() {
                    return Ok(Self::Destination(to));
                }
                Ok(Self::Upload { to, name: FileName::new(&name.join("/"))? })
            }
            _ => Err(BadPath::Missing),
        }
    }
}

/// The canonical path.
impl fmt::Display for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("/"),
            Self::Outbox => write!(f, "/{OUTBOX}"),
            Self::Destination(to) => write!(f, "/{OUTBOX}/{to}"),
            Self::Upload { to, name } => write!(f, "/{OUTBOX}/{to}/{name}"),
            Self::Inbox => write!(f, "/{INBOX}"),
            Self::Download(name) => write!(f, "/{INBOX}/{name}"),
        }
    }
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadPath {
    /// There is no such place.
    Missing,
    /// A part of it is no name of a file.
    Name(BadName),
    /// More than [`VirtualPath::BYTES_MAX`] bytes.
    TooLong,
    /// It leads upwards.
    Traversal,
}

impl BadPath {
    /// Stable number, 9900 to 9902, or the one of the [`BadName`].
    pub const fn code(self) -> u32 {
        match self {
            Self::Missing => 9_900,
            Self::Name(why) => why.code(),
            Self::TooLong => 9_901,
            Self::Traversal => 9_902,
        }
    }
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file"),
            Self::Name(why) => why.fmt(f),
            Self::TooLong => f.write_str("the path is too long"),
            Self::Traversal => f.write_str("a path must not lead upwards"),
        }
    }
}

impl core::error::Error for BadPath {}

impl From<BadName> for BadPath {
    fn from(why: BadName) -> Self {
        Self::Name(why)
    }
}

fn components(path: &str) -> Result<impl Iterator<Item = &str>, BadPath> {
    if path.len() > VirtualPath::BYTES_MAX {
        return Err(BadPath::TooLong);
    }
    Ok(path.split('/').filter(|part| !matches!(*part, "" | ".")))
}

pub(crate) const OUTBOX: &str = "outbox";
pub(crate) const INBOX: &str = "inbox";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_clients_write_leads_where_it_should() {
        let is = |path: &str, canonical: &str| {
            let found = VirtualPath::parse(path).unwrap();
            assert_eq!(found.to_string(), canonical, "{path}");
        };
        for path in ["", ".", "/", "./", "//", "/./"] {
            is(path, "/");
        }
        is("outbox", "/outbox");
        is("/inbox/", "/inbox");
        is("/outbox/ledger/", "/outbox/ledger");
        is("outbox//ledger/./day.csv", "/outbox/ledger/day.csv");
        is("/outbox/ledger/2026/11/day.csv", "/outbox/ledger/2026/11/day.csv");
        is("inbox/a/b", "/inbox/a/b");
    }

    #[test]
    fn a_path_leads_to_nothing_else() {
        let wrong = |path: &str, why: BadPath| {
            assert_eq!(VirtualPath::parse(path), Err(why), "{path}");
        };
        for path in
            ["/etc/passwd", "etc", "/Outbox", "/inbox2", "/outbox2/ledger/a", "~", "/root/.ssh"]
        {
            wrong(path, BadPath::Missing);
        }
        for path in ["..", "/..", "/inbox/..", "/outbox/ledger/../../x", "/../inbox", "a/../inbox"]
        {
            wrong(path, BadPath::Traversal);
        }
        // No party has such a name.
        for path in ["/outbox/Ledger/a", "/outbox/a b/c", "/outbox/…/c"] {
            wrong(path, BadPath::Missing);
        }
        wrong("/inbox/a\\..\\b", BadPath::Name(BadName::Traversal));
        wrong("/inbox/aux", BadPath::Name(BadName::Reserved));
        wrong("/inbox/.filexfer-unpublished", BadPath::Name(BadName::Reserved));
        wrong("/outbox/ledger/ab:c", BadPath::Name(BadName::Special));
        wrong("/outbox/ledger/a\0b", BadPath::Name(BadName::Control));
        wrong("/outbox/ledger/C:", BadPath::Name(BadName::Absolute));
        wrong(&"a/".repeat(700), BadPath::TooLong);
    }

    #[test]
    fn only_the_canonical_path_is_asked_for_with_dots() {
        let is = |path: &str, canonical: &str| {
            assert_eq!(VirtualPath::resolve(path).unwrap().to_string(), canonical, "{path}");
        };
        is("/inbox/..", "/");
        is("/outbox/ledger/..", "/outbox");
        is("/inbox/a/../../outbox/./ledger", "/outbox/ledger");
        for path in ["..", "/..", "/inbox/../..", "/inbox/../../inbox"] {
            assert_eq!(VirtualPath::resolve(path), Err(BadPath::Traversal), "{path}");
        }
        assert_eq!(VirtualPath::resolve("/inbox/../etc"), Err(BadPath::Missing));
    }

    /// Texts of the parts that attacks are made of.
    fn texts() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("outbox".to_owned()),
            Just("inbox".to_owned()),
            Just("ledger".to_owned()),
            Just("..".to_owned()),
            Just(".".to_owned()),
            Just(String::new()),
            Just("․․".to_owned()),
            Just("a\\..".to_owned()),
            Just("%2e%2e".to_owned()),
            Just("CON".to_owned()),
            "[a-z]{1,4}",
            any::<String>(),
        ];
        let joined = (prop::collection::vec(part, 0..8), any::<bool>());
        joined.prop_map(|(parts, root)| {
            let path = parts.join("/");
            if root { format!("/{path}") } else { path }
        })
    }

    proptest! {
        #[test]
        fn what_is_taken_lies_in_one_of_the_folders(path in texts()) {
            if let Ok(found) = VirtualPath::parse(&path) {
                let canonical = found.to_string();
                prop_assert!(!canonical.split('/').any(|part| part == ".." || part == "."));
                prop_assert!(!canonical.contains('\\') && !canonical.contains('\0') && !canonical.contains("//"));
                let is_ours = ["/outbox", "/inbox"].iter().any(|own| {
                    canonical == *own || canonical.strip_prefix(own).is_some_and(|rest| rest.starts_with('/'))
                });
                prop_assert!(canonical == "/" || is_ours, "{canonical}");
                // Read again it is the same place.
                prop_assert_eq!(VirtualPath::parse(&canonical), Ok(found.clone()));
                prop_assert_eq!(VirtualPath::resolve(&canonical), Ok(found.clone()));
                // It is what was written, but for what means nothing.
                let kept = |text: &str| -> Vec<String> {
                    text.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect()
                };
                prop_assert_eq!(kept(&path), kept(&canonical));
                if let VirtualPath::Upload { name, .. } | VirtualPath::Download(name) = found {
                    prop_assert!(FileName::new(name.as_str()).is_ok());
                }
            }
        }

        #[test]
        fn resolving_never_leaves_the_root(path in texts()) {
            if let Ok(found) = VirtualPath::resolve(&path) {
                prop_assert_eq!(VirtualPath::parse(&found.to_string()), Ok(found));
            }
            let mut depth = 0_i32;
            let mut left = false;
            for part in path.split('/') {
                depth += match part { "" | "." => 0, ".." => -1, _ => 1 };
                left |= depth < 0;
            }
            if left && path.len() <= VirtualPath::BYTES_MAX {
                prop_assert_eq!(VirtualPath::resolve(&path), Err(BadPath::Traversal));
            }
        }
    }
}
