//! A prepared HMAC key.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::suite::Hash;

/// A shared secret, prepared: the two blocks that every HMAC starts with are hashed once.
///
/// Wiped on drop; never shown.
#[derive(Clone)]
pub struct Key {
    state: State,
}

// One size fits all: a box would cost an allocation per clone, and keys are few.
#[allow(clippy::large_enum_variant)]
#[derive(Clone)]
enum State {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Key {
    /// Prepares a secret of any length; RFC 6287 §5.3 wants as many bytes as the hash puts out.
    pub fn new(hash: Hash, secret: &[u8]) -> Self {
        let state = match hash {
            Hash::Sha1 => State::Sha1(prepare(secret)),
            Hash::Sha256 => State::Sha256(prepare(secret)),
            Hash::Sha512 => State::Sha512(prepare(secret)),
        };
        Self { state }
    }

    /// The hash it was prepared for.
    pub fn hash(&self) -> Hash {
        match self.state {
            State::Sha1(_) => Hash::Sha1,
            State::Sha256(_) => Hash::Sha256,
            State::Sha512(_) => Hash::Sha512,
        }
    }

    /// The HMAC of what `feed` writes.
    pub(super) fn mac<E>(
        &self,
        feed: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<Tag, E> {
        match &self.state {
            State::Sha1(mac) => run(mac, feed),
            State::Sha256(mac) => run(mac, feed),
            State::Sha512(mac) => run(mac, feed),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(HMAC-{})", self.hash())
    }
}

// The states wipe themselves: the `zeroize` features of the hash crates are on.
impl ZeroizeOnDrop for Key {}

/// An HMAC value, wiped on drop.
pub(super) struct Tag {
    bytes: [u8; 64],
    len: usize,
}

impl Tag {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[expect(clippy::expect_used, reason = "the trait allows for MACs with keys of one length only")]
fn prepare<M: KeyInit>(secret: &[u8]) -> M {
    M::new_from_slice(secret).expect("HMAC accepts keys of any length")
}

fn run<M: Mac + Clone, E>(
    prepared: &M,
    feed: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
) -> Result<Tag, E> {
    let mut mac = prepared.clone();
    feed(&mut |bytes| mac.update(bytes))?;
    let output = mac.finalize().into_bytes();
    let mut tag = Tag { bytes: [0; 64], len: output.len() };
    for (to, from) in tag.bytes.iter_mut().zip(&output) {
        *to = *from;
    }
    Ok(tag)
}
