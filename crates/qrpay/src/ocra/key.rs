//! A prepared HMAC key.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::error::OcraError;
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

    /// What `finish` makes of the HMAC of what `input` writes; the HMAC itself is erased.
    #[inline]
    pub(super) fn with_tag<T>(
        &self,
        input: &impl Feed,
        finish: impl Fn(&[u8]) -> Result<T, OcraError>,
    ) -> Result<T, OcraError> {
        match &self.state {
            State::Sha1(mac) => run(mac, input, finish),
            State::Sha256(mac) => run(mac, input, finish),
            State::Sha512(mac) => run(mac, input, finish),
        }
    }
}

/// What an HMAC is taken over, given piece by piece. A trait and not a closure, because each hash
/// gets a copy of the code that is made for it.
pub(super) trait Feed {
    fn feed(&self, write: impl FnMut(&[u8])) -> Result<(), OcraError>;
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(HMAC-{})", self.hash())
    }
}

// The states wipe themselves: the `zeroize` features of the hash crates are on.
impl ZeroizeOnDrop for Key {}

#[expect(clippy::expect_used, reason = "the trait allows for MACs with keys of one length only")]
fn prepare<M: KeyInit>(secret: &[u8]) -> M {
    M::new_from_slice(secret).expect("HMAC accepts keys of any length")
}

#[inline]
fn run<M: Mac + Clone, T>(
    prepared: &M,
    input: &impl Feed,
    finish: impl Fn(&[u8]) -> Result<T, OcraError>,
) -> Result<T, OcraError> {
    let mut mac = prepared.clone();
    input.feed(|bytes| mac.update(bytes))?;
    let mut tag = mac.finalize().into_bytes();
    let made = finish(&tag);
    tag.as_mut_slice().zeroize();
    made
}
