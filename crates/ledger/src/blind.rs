//! The blind index: private fields of documents, found by nodes that may read them, and saying nothing to who reads the index.

use crate::{FileId, Label};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Bound;
use port::MacAlgorithm;
use seal::{PreparedMac, Secret};

/// Which documents have which private values, kept by a node that can open them, under a key of its own.
///
/// A node puts the fields of a document in when it has opened it, and takes them out when the document is shredded, sealed
/// anew without it, or its file goes. Whoever is not related has nothing to put in; whoever gets hold of the index without the key
/// learns which documents share a value, and how many there are, and no value. It finds equal values only: bring them into one
/// spelling first.
///
/// ```
/// use interbank_ledger::{BlindIndex, FileId, Label};
/// use seal::Secret;
/// let mut index = BlindIndex::new(&Secret::new([1; 32]));
/// let plate = Label::new("plate")?;
/// index.put(FileId([7; 32]), [(&plate, &b"M-AB 123"[..])]);
/// assert_eq!(index.find(&plate, b"M-AB 123", None, 10), [FileId([7; 32])]);
/// assert_eq!(index.find(&plate, b"M-AB 124", None, 10), []);
/// # Ok::<(), interbank_ledger::Misuse>(())
/// ```
#[derive(Clone)]
pub struct BlindIndex {
    key: PreparedMac,
    tokens: BTreeSet<(BlindToken, FileId)>,
    files: BTreeMap<FileId, Vec<BlindToken>>,
}

impl BlindIndex {
    /// Of no document yet. The key is drawn once by each node, and kept like its other keys.
    pub fn new(key: &Secret<32>) -> Self {
        let key = seal::derive::<32>(key.expose(), "interbank/ledger/blind-index/v1", &[]);
        let key = PreparedMac::new(MacAlgorithm::HmacSha256, key.expose());
        Self { key, tokens: BTreeSet::new(), files: BTreeMap::new() }
    }

    /// Puts the fields of a document in, in place of what was there of its file before.
    pub fn put<'a>(
        &mut self,
        file: FileId,
        fields: impl IntoIterator<Item = (&'a Label, &'a [u8])>,
    ) {
        self.remove(file);
        let tokens = fields.into_iter().map(|(field, value)| self.token(field, value));
        let tokens: Vec<BlindToken> = tokens.collect();
        self.tokens.extend(tokens.iter().map(|token| (*token, file)));
        self.files.insert(file, tokens);
    }

    /// Takes everything of a file out.
    pub fn remove(&mut self, file: FileId) {
        for token in self.files.remove(&file).unwrap_or_default() {
            self.tokens.remove(&(token, file));
        }
    }

    /// What stands for a value of a field: the first 16 bytes of HMAC-SHA-256 over the field (`u8` length) and the value.
    pub fn token(&self, field: &Label, value: &[u8]) -> BlindToken {
        let mut message = Vec::with_capacity(1 + 32 + value.len());
        // A label is shorter than 256 bytes.
        message.push(u8::try_from(field.as_str().len()).unwrap_or(u8::MAX));
        message.extend_from_slice(field.as_str().as_bytes());
        message.extend_from_slice(value);
        let tag = self.key.tag(&message);
        let mut token = [0; 16];
        token.iter_mut().zip(tag.as_bytes()).for_each(|(to, from)| *to = *from);
        BlindToken(token)
    }

    /// Files whose documents have a value in a field: after one of them, at most so many, in order.
    pub fn find(
        &self,
        field: &Label,
        value: &[u8],
        after: Option<FileId>,
        most: usize,
    ) -> Vec<FileId> {
        let token = self.token(field, value);
        let from = match after {
            Some(file) => Bound::Excluded((token, file)),
            None => Bound::Included((token, FileId([0; 32]))),
        };
        let found = self.tokens.range((from, Bound::Unbounded));
        let found = found.take_while(|(other, _)| *other == token).take(most);
        found.map(|(_, file)| *file).collect()
    }
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlindIndex").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

/// What stands for a value of a field; to be stored, where an index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlindToken(pub [u8; 16]);
