//! Names of files: relative paths that mean the same file on every file system, or are refused.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// The name of a file: 1 to 16 components joined by `/`, at most 1,024 bytes.
///
/// A name is taken as it is or refused, never repaired: a repaired name is another name. What is refused is whatever one
/// file system of Unix, Windows or macOS reads in another way than the others: paths upwards and absolute ones, drive and
/// stream marks, names of devices, short (8.3) aliases, control, formatting and invisible characters, trailing dots and
/// spaces, text that is not in NFC. Two names that some file system takes for one have the same [`FileName::fold`].
///
/// Symbolic links are not a matter of names: [`crate::FileKind`] tells what is really there.
///
/// ```
/// use interbank_filexfer::{BadName, FileName};
/// assert!(FileName::new("settlement/2026-11-26.csv").is_ok());
/// assert_eq!(FileName::new("../etc/passwd"), Err(BadName::Traversal));
/// assert_eq!(FileName::new("aux.txt"), Err(BadName::Reserved));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 1_024;

    /// The longest component, in bytes: leaves room for a version suffix within 255. The last component of a version's name has
    /// that suffix beyond it ([`FileName::versioned`]).
    pub const COMPONENT_BYTES_MAX: usize = 240;

    /// The most components.
    pub const COMPONENTS_MAX: usize = 16;

    /// Checks a name.
    ///
    /// # Errors
    /// [`BadName`], the first fault found.
    pub fn new(name: &str) -> Result<Self, BadName> {
        if name.is_empty() {
            return Err(BadName::Empty);
        }
        if name.len() > Self::BYTES_MAX {
            return Err(BadName::TooLong);
        }
        if name.starts_with(['/', '\\']) || has_drive(name) {
            return Err(BadName::Absolute);
        }
        // Both separators: what Windows takes for a path upwards must not pass as one component.
        if name.split(['/', '\\']).any(|part| part == "." || part == "..") {
            return Err(BadName::Traversal);
        }
        if let Some(fault) = name.chars().find_map(fault_of) {
            return Err(fault);
        }
        if !name.is_ascii() && !is_nfc(name) {
            return Err(BadName::NotNormal);
        }
        let mut components = 0;
        let mut parts = name.split('/').peekable();
        while let Some(component) = parts.next() {
            components += 1;
            let suffix = if parts.peek().is_none() { version_bytes(component) } else { 0 };
            check_component(component, suffix)?;
        }
        if components > Self::COMPONENTS_MAX {
            return Err(BadName::TooLong);
        }
        Ok(Self(name.to_owned()))
    }

    /// A name for the `number`th version of this file, for [`crate::OnConflict::Version`]: `a/b.csv` becomes `a/b.v2.csv`.
    ///
    /// # Errors
    /// [`BadName::TooLong`] if the whole name has no room for it, or this is the name of a version that has used up its room.
    pub fn versioned(&self, number: u32) -> Result<Self, BadName> {
        let at = self.0.rfind('/').map_or(0, |slash| slash + 1);
        let (folder, last) = self.0.split_at(at);
        let (stem, extension) = stem_of(last);
        Self::new(&alloc::format!("{folder}{stem}.v{number}{extension}"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether it lies in this folder (`""`: every name does).
    pub fn is_in(&self, folder: &str) -> bool {
        let folder = folder.strip_suffix('/').unwrap_or(folder);
        let rest = self.0.strip_prefix(folder);
        folder.is_empty() || rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// What names that some file system takes for one have in common: compatibility-normalised (NFKC) and without case.
    ///
    /// Coarser than any single file system: `ﬁle`, `FILE` and `file` are one, as are `straße` and `STRASSE`.
    pub fn fold(&self) -> String {
        fold(&self.0)
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileName({:?})", self.0)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The names of one folder tree, in which no two may be one to any file system.
///
/// Folders count: `A/x` and `a/y` would be one folder on some file systems and two on others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSet {
    /// Each folded prefix with the spelling that came first, and how many names lie at or under it.
    spellings: BTreeMap<String, (String, usize)>,
    /// Folded names of files.
    files: BTreeMap<String, FileName>,
}

impl NameSet {
    /// Without names.
    pub const fn new() -> Self {
        Self { spellings: BTreeMap::new(), files: BTreeMap::new() }
    }

    /// Adds a name; the same name once more is no fault. Returns whether it is new.
    ///
    /// # Errors
    /// [`BadName::Collision`] if another name is taken for it, or it is a folder of another or the other way round.
    pub fn insert(&mut self, name: &FileName) -> Result<bool, BadName> {
        let folded = name.fold();
        if let Some(found) = self.files.get(&folded) {
            return if found == name { Ok(false) } else { Err(BadName::Collision) };
        }
        if self.spellings.contains_key(&folded) {
            return Err(BadName::Collision);
        }
        for prefix in prefixes(name.as_str()) {
            let key = fold(prefix);
            if self.files.contains_key(&key) {
                return Err(BadName::Collision);
            }
            if self.spellings.get(&key).is_some_and(|(spelling, _)| spelling != prefix) {
                return Err(BadName::Collision);
            }
        }
        for prefix in prefixes(name.as_str()) {
            self.spellings.entry(fold(prefix)).or_insert((prefix.to_owned(), 0)).1 += 1;
        }
        self.files.insert(folded, name.clone());
        Ok(true)
    }

    /// Removes a name. Returns whether it was there.
    pub fn remove(&mut self, name: &FileName) -> bool {
        let folded = name.fold();
        if self.files.get(&folded) != Some(name) {
            return false;
        }
        self.files.remove(&folded);
        for prefix in prefixes(name.as_str()) {
            let key = fold(prefix);
            if let Some((_, count)) = self.spellings.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.spellings.remove(&key);
                }
            }
        }
        true
    }

    /// How many names.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadName {
    /// It begins at a root, a drive or a share.
    Absolute,
    /// Some file system takes another name of the folder for it.
    Collision,
    /// A control character, a formatting or invisible one, or no character at all.
    Control,
    /// No name, or an empty component.
    Empty,
    /// Not in Unicode normalisation form C.
    NotNormal,
    /// The name of a device, a short alias, or a name that the transfer itself uses.
    Reserved,
    /// A character that some file system does not allow or gives a meaning: `< > : " | ? * \`.
    Special,
    /// Too many bytes or components.
    TooLong,
    /// A component ends with a dot or a space, or begins with a space.
    Trailing,
    /// A component that leads elsewhere.
    Traversal,
}

impl BadName {
    /// Stable number, 5020 to 5029.
    pub const fn code(self) -> u32 {
        match self {
            Self::Absolute => 5_020,
            Self::Collision => 5_021,
            Self::Control => 5_022,
            Self::Empty => 5_023,
            Self::NotNormal => 5_024,
            Self::Reserved => 5_025,
            Self::Special => 5_026,
            Self::TooLong => 5_027,
            Self::Trailing => 5_028,
            Self::Traversal => 5_029,
        }
    }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absolute => "a name must not begin at a root, a drive or a share",
            Self::Collision => "another name of the folder is the same to some file system",
            Self::Control => "a name has no control, formatting or invisible characters",
            Self::Empty => "a name and its components are not empty",
            Self::NotNormal => "a name must be in Unicode normalisation form C",
            Self::Reserved => "the name is reserved",
            Self::Special => "a name has no < > : \" | ? * or backslash",
            Self::TooLong => "the name is too long",
            Self::Trailing => "a component must not end with a dot or a space, or begin with one",
            Self::Traversal => "a name must not lead to another folder",
        })
    }
}

impl core::error::Error for BadName {}

/// Stem and extension, which begins with its dot. A leading dot is part of the stem.
fn stem_of(component: &str) -> (&str, &str) {
    let dot = component.char_indices().skip(1).filter(|(_, c)| *c == '.').last();
    component.split_at(dot.map_or(component.len(), |(at, _)| at))
}

/// How many bytes of a component are the suffix that [`FileName::versioned`] gives: `.v2` at the end of the stem, or of all.
fn version_bytes(component: &str) -> usize {
    let (stem, extension) = stem_of(component);
    let numbered = |text: &str| {
        let number = text.strip_prefix(".v")?;
        let is_number = number.bytes().all(|digit| digit.is_ascii_digit())
            && !number.starts_with('0')
            && number.parse::<u32>().is_ok();
        is_number.then_some(text.len())
    };
    numbered(extension).or_else(|| numbered(stem_of(stem).1)).unwrap_or(0)
}

/// `suffix` bytes of it count for nothing.
fn check_component(component: &str, suffix: usize) -> Result<(), BadName> {
    if component.is_empty() {
        return Err(BadName::Empty);
    }
    if component.len() - suffix > FileName::COMPONENT_BYTES_MAX {
        return Err(BadName::TooLong);
    }
    if component.ends_with(['.', ' ']) || component.starts_with(' ') {
        return Err(BadName::Trailing);
    }
    // The folded form: `ＡＵＸ` in full width, or `COM¹`, is a device to some.
    let folded = fold(component);
    // A compatibility form may hide what was looked for above: `․․` is `..`, `／` is `/`.
    let hidden = |c: char| matches!(c, '/' | '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*');
    if folded.contains(hidden) || folded.ends_with(['.', ' ']) || folded.starts_with(' ') {
        return Err(BadName::Special);
    }
    if is_device(&folded) || is_short_alias(&folded) || folded.starts_with(OWN_PREFIX) {
        return Err(BadName::Reserved);
    }
    Ok(())
}

/// Names of devices count with any extension: `nul.tar.gz` is `NUL`.
fn is_device(folded: &str) -> bool {
    let stem = folded.split('.').next().unwrap_or(folded).trim_end();
    let numbered = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    DEVICES.contains(&stem)
        || numbered.is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
}

/// `PROGRA~1`: the alias under which Windows may know another file.
fn is_short_alias(folded: &str) -> bool {
    let (stem, extension) = folded.split_once('.').unwrap_or((folded, ""));
    let Some((head, number)) = stem.rsplit_once('~') else { return false };
    let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    is_number && head.len() + 1 + number.len() <= 8 && extension.len() <= 3
}

fn has_drive(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':'
}

fn fault_of(c: char) -> Option<BadName> {
    match c {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\\' => Some(BadName::Special),
        c if c.is_control() || is_invisible(c) => Some(BadName::Control),
        c if c != ' ' && c.is_whitespace() => Some(BadName::Control),
        _ => None,
    }
}

/// Default-ignorable code points, formatting characters, noncharacters and private use (Unicode 16, DerivedCoreProperties):
/// what changes a name without being seen.
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x600..=0x605 | 0x61C | 0x6DD | 0x70F | 0x890..=0x891 | 0x8E2 | 0x115F..=0x1160
        | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F
        | 0x3164 | 0xE000..=0xF8FF | 0xFDD0..=0xFDEF | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFF
        | 0x110BD | 0x110CD | 0x13430..=0x1343F | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A
        | 0xE0000..=0xE0FFF | 0xF0000..=0x0010_FFFF)
        || u32::from(c) & 0xFFFE == 0xFFFE
}

/// NFKC without case, repeated until it is stable: a step can make room for the next.
fn fold(text: &str) -> String {
    // ASCII is in normal form already: only case is left.
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    fold_any(text)
}

fn fold_any(text: &str) -> String {
    let mut folded: String = once(text);
    for _ in 0..4 {
        let again = once(&folded);
        if again == folded {
            break;
        }
        folded = again;
    }
    folded
}

/// Upper case before lower: `ß`, `SS` and `ẞ` meet, as do the three sigmas.
fn once(text: &str) -> String {
    let upper = text.nfkd().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfkc().collect()
}

/// `a/b/c`: `a`, `a/b`.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(|(at, _)| &name[..at])
}

const DEVICES: &[&str] =
    &["aux", "clock$", "con", "conin$", "conout$", "nul", "prn", "config$", "keybd$", "screen$"];

/// Names of what is not published yet.
const OWN_PREFIX: &str = ".filexfer-";

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn refused(name: &str) -> Option<BadName> {
        FileName::new(name).err()
    }

    #[test]
    fn fd04_names_that_mean_one_thing_pass() {
        for name in [
            "a",
            ".profile",
            "settlement/2026-11-26.csv",
            "Überweisung/März.txt",
            "結算/報告.xml",
            "communication",
            "com",
            "com10",
            "a b.txt",
            "~",
            "file~name",
            "console.log",
            "auxiliary",
            "nullable",
        ] {
            assert_eq!(refused(name), None, "{name}");
        }
    }

    #[test]
    fn fd04_paths_that_lead_elsewhere_are_refused() {
        for name in ["..", ".", "a/..", "../a", "a/../b", "./a", "a/./b", "a\\..\\b", "..\\a"] {
            assert_eq!(refused(name), Some(BadName::Traversal), "{name}");
        }
        for name in ["/etc/passwd", "//host/share", "\\\\host\\share", "C:\\x", "c:x", "\\x"] {
            assert_eq!(refused(name), Some(BadName::Absolute), "{name}");
        }
        // One and two leaders, full-width signs: compatibility forms of dots and separators.
        for name in ["\u{2024}\u{2024}/a", "\u{2025}/a", "a\u{FF0F}b", "a\u{FF3C}b", "a\u{FF1A}b"] {
            assert!(matches!(refused(name), Some(BadName::Special)), "{name}");
        }
        for name in ["", "a//b", "a/"] {
            assert_eq!(refused(name), Some(BadName::Empty), "{name}");
        }
    }

    #[test]
    fn fd04_devices_and_aliases_are_refused() {
        for name in [
            "CON",
            "con.txt",
            "Aux",
            "a/NUL.tar.gz",
            "prn",
            "COM1",
            "com9.log",
            "LPT0",
            "COM\u{B9}",
            "\u{FF21}\u{FF35}\u{FF38}",
            "CONIN$",
            "clock$",
            "nul .txt",
            "PROGRA~1",
            "git~1",
            "longna~1.txt",
            ".filexfer-0a",
            ".FILEXFER-0a",
        ] {
            assert_eq!(refused(name), Some(BadName::Reserved), "{name}");
        }
    }

    #[test]
    fn fd04_characters_that_trick_are_refused() {
        for name in
            ["a\0", "a\nb", "a\u{7F}", "a\u{85}", "\u{202E}gpj.exe", "a\u{200B}b", "a\u{FEFF}"]
        {
            assert_eq!(refused(name), Some(BadName::Control), "{name:?}");
        }
        for name in ["a\u{FE0F}", "a\u{E0041}", "a\u{AD}b", "a\u{A0}b", "a\u{3000}b", "a\u{E000}"] {
            assert_eq!(refused(name), Some(BadName::Control), "{name:?}");
        }
        for name in ["ab:c", "a?", "a*", "a|b", "<a>", "\"a\"", "a\\b", "file::$DATA"] {
            assert_eq!(refused(name), Some(BadName::Special), "{name}");
        }
        for name in ["a.", "a ", " a", "a./b", "a /b", "..."] {
            assert_eq!(refused(name), Some(BadName::Trailing), "{name}");
        }
        let (long, deep) = ("a".repeat(241), "a/".repeat(16) + "a");
        assert_eq!([refused(&long), refused(&deep)], [Some(BadName::TooLong); 2]);
        assert_eq!(refused(&"a".repeat(1_025)), Some(BadName::TooLong));
    }

    #[test]
    fn fd04_one_text_has_one_form() {
        assert_eq!(refused("Mu\u{308}ller"), Some(BadName::NotNormal));
        assert_eq!(refused("M\u{FC}ller"), None);
        // The Kelvin and Angstrom signs have canonical equivalents.
        assert_eq!(refused("\u{212A}"), Some(BadName::NotNormal));
    }

    #[test]
    fn fd04_names_that_are_one_to_some_file_system_collide() {
        for (first, second) in [
            ("Report.csv", "report.CSV"),
            ("straße", "STRASSE"),
            ("ﬁle", "file"),
            ("ΣΑΣ", "σας"),
            ("A/x", "a/y"),
            ("a", "a/b"),
            ("a/b", "A"),
            ("x²", "x2"),
        ] {
            let names = [FileName::new(first).unwrap(), FileName::new(second).unwrap()];
            let mut set = NameSet::new();
            assert_eq!(set.insert(&names[0]), Ok(true));
            assert_eq!(set.insert(&names[0]), Ok(false));
            assert_eq!(set.insert(&names[1]), Err(BadName::Collision), "{first} {second}");
            assert!(!set.remove(&names[1]) && set.remove(&names[0]) && set.is_empty());
            assert_eq!(set, NameSet::new());
            assert_eq!(set.insert(&names[1]), Ok(true));
        }
    }

    #[test]
    fn versions_stand_before_the_extension() {
        let versioned = |name: &str| FileName::new(name).unwrap().versioned(2).unwrap().0;
        assert_eq!(versioned("a.b/c.tar.gz"), "a.b/c.tar.v2.gz");
        assert_eq!(versioned("a/c"), "a/c.v2");
        assert_eq!(versioned(".c"), ".c.v2");
    }

    #[test]
    fn versions_of_the_longest_names_have_their_room() {
        for name in ["a".repeat(240), "a".repeat(236) + ".csv", "a/.".to_owned() + &"b".repeat(239)]
        {
            let name = FileName::new(&name).unwrap();
            for number in [2, 10_000, u32::MAX] {
                let version = name.versioned(number).unwrap();
                assert!(version.components().all(|component| component.len() <= 255));
                // It is read again as it is written.
                assert_eq!(FileName::new(version.as_str()), Ok(version.clone()));
                assert_eq!(version.versioned(2), Err(BadName::TooLong), "its room is used up");
            }
        }
        // Only what looks like a version has that room, and only at the end of the name.
        for name in [
            "a".repeat(240) + ".v0",
            "a".repeat(240) + ".v02",
            "a".repeat(240) + ".v",
            "a".repeat(240) + ".v4294967296",
            "a".repeat(240) + ".w2",
            "a".repeat(240) + ".v2/a",
            "a".repeat(241) + ".v2",
        ] {
            assert_eq!(refused(&name), Some(BadName::TooLong), "{name}");
        }
        let long = FileName::new(&(("a".repeat(203) + "/").repeat(5) + "aa")).unwrap();
        assert_eq!(long.as_str().len(), 1_022);
        assert_eq!(long.versioned(2), Err(BadName::TooLong));
    }

    #[test]
    fn folders_hold_whole_components() {
        let name = FileName::new("out/day/a").unwrap();
        assert!(name.is_in("") && name.is_in("out") && name.is_in("out/day/"));
        assert!(!name.is_in("ou") && !name.is_in("out/day/a") && !name.is_in("in"));
    }

    proptest! {
        #[test]
        fn fd04_no_name_leaves_its_folder(text in "\\PC{0,12}|[./\\\\:a ]{0,12}") {
            if let Ok(name) = FileName::new(&text) {
                prop_assert!(is_nfc(name.as_str()));
                for component in name.components() {
                    prop_assert!(!component.is_empty() && component != "." && component != "..");
                    prop_assert!(!component.contains(['\\', ':', '\0']));
                    prop_assert!(!component.ends_with(['.', ' ']));
                }
                for component in name.fold().split('/') {
                    prop_assert!(component != "." && component != ".." && !component.is_empty());
                }
            }
        }

        #[test]
        fn fd04_folding_is_stable_and_blind_to_case(text in "\\PC{1,12}") {
            let folded = fold(&text);
            prop_assert_eq!(&fold(&folded), &folded);
            let upper: String = text.chars().flat_map(char::to_uppercase).collect();
            prop_assert_eq!(fold(&upper), folded);
        }

        #[test]
        fn fd04_the_short_way_to_fold_is_the_long_one(text in "[\\x00-\\x7F]{0,40}") {
            prop_assert_eq!(fold(&text), fold_any(&text));
            prop_assert!(is_nfc(&text));
        }

        #[test]
        fn fd04_a_set_never_holds_two_names_of_one_fold(
            texts in prop::collection::vec("[aAßsSxX/]{1,5}", 1..12),
        ) {
            let mut set = NameSet::new();
            let mut kept: Vec<FileName> = Vec::new();
            for name in texts.iter().filter_map(|text| FileName::new(text).ok()) {
                if set.insert(&name) == Ok(true) {
                    kept.push(name);
                }
            }
            let mut folds: Vec<String> = kept.iter().map(FileName::fold).collect();
            folds.sort();
            folds.dedup();
            prop_assert_eq!(folds.len(), kept.len());
            for name in &kept {
                prop_assert!(set.remove(name));
            }
            prop_assert_eq!(set, NameSet::new());
        }
    }
}
