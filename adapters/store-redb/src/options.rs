//! How a store is opened.

/// How to open a store; the defaults are the careful ones.
///
/// ```
/// use interbank_store_redb::{Integrity, Options};
/// let options = Options::new().create(true).integrity(Integrity::Full);
/// assert_ne!(options, Options::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub(crate) integrity: Integrity,
    pub(crate) create: bool,
    pub(crate) cache_bytes: usize,
    pub(crate) journal_bytes: usize,
    pub(crate) waiting_max: usize,
    pub(crate) two_phase: bool,
}

impl Options {
    /// An existing store, opened quickly, with 64 MiB of cache, 32 MiB of journal in each of two files, and room for 4,096 waiting
    /// commits.
    pub const fn new() -> Self {
        Self {
            integrity: Integrity::Quick,
            create: false,
            cache_bytes: 64 * 1024 * 1024,
            journal_bytes: 32 * 1024 * 1024,
            waiting_max: 4_096,
            two_phase: false,
        }
    }

    /// Whether to make the folder and an empty store where there is none. Off by default: a mistyped path would open as an
    /// empty bank.
    #[must_use]
    pub const fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// How much to verify before the store is used.
    #[must_use]
    pub const fn integrity(mut self, integrity: Integrity) -> Self {
        self.integrity = integrity;
        self
    }

    /// How many bytes of pages to keep in memory.
    #[must_use]
    pub const fn cache_bytes(mut self, cache_bytes: usize) -> Self {
        self.cache_bytes = cache_bytes;
        self
    }

    /// How many bytes of journal are written before the rows in it move into the tree; at most twice as many wait for that. More
    /// means that rows which change often are moved less often, but more memory and a longer opening after a crash.
    #[must_use]
    pub const fn journal_bytes(mut self, journal_bytes: usize) -> Self {
        self.journal_bytes = journal_bytes;
        self
    }

    /// How many commits may wait for their turn; beyond it [`crate::Error::Busy`].
    #[must_use]
    pub const fn waiting_max(mut self, waiting_max: usize) -> Self {
        self.waiting_max = waiting_max;
        self
    }

    /// Syncs twice whenever rows move into the tree: first the pages, then the header that points to them. With one sync a power
    /// cut can leave half of the pages behind their header; redb tells that by its page checksums, which are quick
    /// ones that someone who chooses the stored bytes and the moment of the cut could try to forge. Off by default.
    #[must_use]
    pub const fn two_phase(mut self, two_phase: bool) -> Self {
        self.two_phase = two_phase;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// How much of a store is verified when it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Integrity {
    /// Header, format, account of the rows and high-water mark; after a crash every page too. Rows are verified when read.
    #[default]
    Quick,
    /// Every page and every row as well: takes as long as reading the whole file.
    Full,
}
