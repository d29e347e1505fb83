//! Files that nobody on the way can read: sealed by who sends them, opened by who they are for.
//!
//! A sealed file is an ordinary file to all servers between the ends: they verify its BLAKE3 root range by range, resume it
//! and sign receipts for it, and see neither its content nor a hash of it. Its form:
//!
//! - a header of [`SealedHeader::BYTES`]: version 1, suite 1, number of the chunk's size (1), key number (1), what it is for
//!   (32), encapsulated key (32), wrapped content key (48). The suite is HPKE in base mode, DHKEM(X25519, HKDF-SHA256),
//!   HKDF-SHA256, ChaCha20-Poly1305 (RFC 9180 §5.1.1, §7), and STREAM with ChaCha20-Poly1305 for the content.
//! - chunks of 2ⁿ groups of 16 KiB, the header counting to the first: the borders of chunks are borders of groups, so that a
//!   range of chunks is a range of verified groups. A chunk is ciphertext and tag (16) under the nonce prefix (7), number of
//!   the chunk (4), 1 for the last one and 0 for others (STREAM, Hoang, Reyhanitabar, Rogaway and Vizár 2015).
//! - the payload in them is the content, and behind it its BLAKE3 root (32).
//!
//! Key and prefix of the chunks are derived from the content key and the whole header, so that no header fits other chunks.
//! The base mode does not say who sealed a file: the signed request and the origin's receipt over the sealed file's root do.

mod header;
mod key;
mod layout;
mod opener;
mod sealer;

pub use header::{SealedFor, SealedHeader};
pub use key::{OpeningKey, RecipientKey};
pub use layout::{ChunkSize, SealedLayout};
pub use opener::{OpenError, Opened, Opener, Opening};
pub use sealer::{SealError, Sealed, Sealer};

use aead_stream::{NewStream as _, StreamBE32};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use seal::Secret;

/// The keys of one sealed file.
pub(crate) struct FileKeys {
    pub(crate) stream: StreamBE32<ChaCha20Poly1305>,
    pub(crate) blinding: Secret<32>,
}

impl FileKeys {
    pub(crate) fn new(content_key: &Secret<32>, header: &[u8]) -> Self {
        let secret = content_key.expose();
        let key = seal::derive::<32>(secret, "interbank/filexfer/sealed-key/v1", &[header]);
        let prefix = seal::derive::<7>(secret, "interbank/filexfer/sealed-prefix/v1", &[header]);
        let blinding = seal::derive(secret, "interbank/filexfer/sealed-blinding/v1", &[header]);
        let cipher = ChaCha20Poly1305::new(key.expose().into());
        Self { stream: StreamBE32::from_aead(cipher, prefix.expose().into()), blinding }
    }
}

/// What receipts of the ends say of a sealed file's content: BLAKE3, keyed with the blinding, of root (32) and size (`u64`).
///
/// Who has the blinding can show what was sent; who has not learns nothing, not even by guessing.
pub fn commitment(blinding: &Secret<32>, root: &[u8; 32], size: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(blinding.expose());
    hasher.update(root).update(&size.to_be_bytes());
    hasher.finalize().into()
}

/// Of an authentication tag.
pub(crate) const TAG: usize = 16;
/// Of the root behind the content.
pub(crate) const ROOT: usize = 32;
