//! What a purge comes to.

use port::Key;

/// What came of one page of a purge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// How many rows were deleted or emptied.
    pub rows: usize,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Key>,
}
