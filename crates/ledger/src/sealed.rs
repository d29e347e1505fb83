//! Sealed documents: for the nodes that are concerned, and for nobody else.

use crate::{ChainId, Document, Height, NodeId};
use alloc::vec::Vec;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};
use seal::{HpkeKey, Secret, hpke_seal};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A document under a key of its own, and that key wrapped for each node that may read it.
///
/// The document is encrypted with XChaCha20-Poly1305; its key is wrapped by HPKE (RFC 9180, base mode, DHKEM(X25519,
/// HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305), bound to chain, commitment and node. Every reader can let in another
/// one. Nobody can take back what a reader has read, or a copy of the sealed form and its key: to end an access means to seal
/// the document anew, under another key, for those who stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedDocument {
    nonce: [u8; 24],
    ciphertext: Vec<u8>,
    /// In the order of the nodes.
    wraps: Vec<Wrap>,
}

impl SealedDocument {
    /// At most this many nodes can read one.
    pub const READERS_MAX: usize = 64;

    /// Seals a document for nodes and their X25519 keys. `entropy` must be fresh.
    ///
    /// # Errors
    /// [`SealError::Readers`], [`SealError::BadKey`], [`SealError::Form`].
    pub fn seal(
        chain: ChainId,
        document: &Document,
        readers: &[(NodeId, [u8; 32])],
        entropy: &Secret<32>,
    ) -> Result<Self, SealError> {
        let key = seal::derive::<32>(entropy.expose(), "interbank/ledger/document-key/v1", &[]);
        let nonce = seal::derive::<24>(entropy.expose(), "interbank/ledger/document-nonce/v1", &[]);
        let commitment = document.commitment();
        let mut plain = Zeroizing::new(Vec::with_capacity(document.bytes().len() + 256));
        document.encode(&mut plain)?;
        let payload = Payload { msg: &plain, aad: &context(chain, &commitment) };
        let ciphertext = XChaCha20Poly1305::new(key.expose().into())
            .encrypt(&XNonce::from(*nonce.expose()), payload)
            .map_err(|_| SealError::Form)?;
        let mut sealed = Self { nonce: *nonce.expose(), ciphertext, wraps: Vec::new() };
        for (node, public) in readers {
            sealed.wrap(chain, &commitment, &key, *node, public, entropy)?;
        }
        Ok(sealed)
    }

    /// Opens it, and holds what is inside against the commitment.
    ///
    /// # Errors
    /// [`SealError::NotForYou`], [`SealError::Damaged`], [`SealError::NotCommitted`].
    pub fn open(
        &self,
        chain: ChainId,
        commitment: &[u8; 32],
        node: NodeId,
        key: &SealingKey,
    ) -> Result<Document, SealError> {
        let key = self.unwrap(chain, commitment, node, key)?;
        let payload = Payload { msg: &self.ciphertext, aad: &context(chain, commitment) };
        let plain = XChaCha20Poly1305::new(key.expose().into())
            .decrypt(&XNonce::from(self.nonce), payload)
            .map_err(|_| SealError::Damaged)?;
        let plain = Zeroizing::new(plain);
        let document = Document::parse(&plain)?;
        if document.commitment() == *commitment {
            Ok(document)
        } else {
            Err(SealError::NotCommitted)
        }
    }

    /// Lets another node in, or the same one under its next key. `entropy` must be fresh.
    ///
    /// # Errors
    /// As [`SealedDocument::open`] and [`SealedDocument::seal`].
    pub fn share(
        &mut self,
        chain: ChainId,
        commitment: &[u8; 32],
        own: (NodeId, &SealingKey),
        reader: (NodeId, [u8; 32]),
        entropy: &Secret<32>,
    ) -> Result<(), SealError> {
        let key = self.unwrap(chain, commitment, own.0, own.1)?;
        self.wrap(chain, commitment, &key, reader.0, &reader.1, entropy)
    }

    /// Whether a document's key is wrapped for this key of a node. The document itself is not looked at.
    pub fn is_for(
        &self,
        chain: ChainId,
        commitment: &[u8; 32],
        node: NodeId,
        key: &SealingKey,
    ) -> bool {
        self.unwrap(chain, commitment, node, key).is_ok()
    }

    /// Forgets every wrapped key. What is left cannot be opened by anybody who holds no copy of one; it still has its digest,
    /// so that everything the chain says of it stays provable.
    ///
    /// Whoever stores it has to overwrite or drop the earlier form, also in backups; the nodes' own X25519 keys open any copy
    /// that is left.
    pub fn shred(&mut self) {
        self.wraps.clear();
    }

    /// Whether nobody can open it.
    pub const fn is_shredded(&self) -> bool {
        self.wraps.is_empty()
    }

    /// For whom it is sealed.
    pub fn readers(&self) -> impl Iterator<Item = NodeId> {
        self.wraps.iter().map(|wrap| wrap.node)
    }

    /// What the chain calls this form of the document: SHA-256 of the domain `interbank/ledger/sealed/v1`, a zero byte, nonce
    /// (24) and ciphertext. It does not depend on who can read it.
    pub fn digest(&self) -> [u8; 32] {
        let hash = Sha256::new_with_prefix(b"interbank/ledger/sealed/v1\0");
        hash.chain_update(self.nonce).chain_update(&self.ciphertext).finalize().into()
    }

    /// Appends the stored and sent form: version 1, nonce (24), ciphertext (`u32` length), count of wrapped keys (1), and for
    /// each node (8), encapsulated key (32), wrapped key (48).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let count = u8::try_from(self.wraps.len()).map_err(|_| WireError::TooLong)?;
        let mut to = Writer::new(to, 1);
        to.fixed(&self.nonce).lp32(&self.ciphertext)?.u8(count);
        for wrap in &self.wraps {
            to.u64(wrap.node.0.0).fixed(&wrap.encapsulated).fixed(&wrap.wrapped);
        }
        Ok(())
    }

    /// Reads the stored and sent form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let nonce = from.array()?;
        let ciphertext = from.lp32()?;
        if ciphertext.len() > Document::BYTES_MAX + OVERHEAD_MAX {
            return Err(WireError::TooLong);
        }
        let count = usize::from(from.u8()?);
        if count > Self::READERS_MAX {
            return Err(WireError::TooLong);
        }
        let mut wraps: Vec<Wrap> = Vec::with_capacity(count);
        for _ in 0..count {
            let node = NodeId(Height(from.u64()?));
            if wraps.last().is_some_and(|before| before.node >= node) {
                return Err(WireError::Invalid);
            }
            wraps.push(Wrap { node, encapsulated: from.array()?, wrapped: from.array()? });
        }
        from.finish()?;
        Ok(Self { nonce, ciphertext: ciphertext.to_vec(), wraps })
    }

    fn wrap(
        &mut self,
        chain: ChainId,
        commitment: &[u8; 32],
        key: &Secret<32>,
        node: NodeId,
        public: &[u8; 32],
        entropy: &Secret<32>,
    ) -> Result<(), SealError> {
        let label = "interbank/ledger/encapsulation/v1";
        let seed = seal::derive::<32>(entropy.expose(), label, &[&node.0.0.to_be_bytes()]);
        let info = context(chain, commitment);
        let aad = node.0.0.to_be_bytes();
        let (encapsulated, wrapped) =
            hpke_seal(public, &info, &aad, key.expose(), seed).ok_or(SealError::BadKey)?;
        let wrapped = wrapped.try_into().map_err(|_| SealError::Form)?;
        let wrap = Wrap { node, encapsulated, wrapped };
        let place = self.wraps.partition_point(|other| other.node < node);
        let count = self.wraps.len();
        match self.wraps.get_mut(place) {
            Some(before) if before.node == node => *before = wrap,
            _ if count >= Self::READERS_MAX => return Err(SealError::Readers),
            _ => self.wraps.insert(place, wrap),
        }
        Ok(())
    }

    fn unwrap(
        &self,
        chain: ChainId,
        commitment: &[u8; 32],
        node: NodeId,
        key: &SealingKey,
    ) -> Result<Secret<32>, SealError> {
        let wrap = self.wraps.iter().find(|wrap| wrap.node == node).ok_or(SealError::NotForYou)?;
        let info = context(chain, commitment);
        let aad = node.0.0.to_be_bytes();
        let key = key.0.open(&wrap.encapsulated, &info, &aad, &wrap.wrapped);
        let key = Zeroizing::new(key.ok_or(SealError::NotForYou)?);
        let bytes: &[u8; 32] = key.as_slice().try_into().map_err(|_| SealError::NotForYou)?;
        Ok(Secret::new(*bytes))
    }
}

/// The document's key for one node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wrap {
    node: NodeId,
    encapsulated: [u8; 32],
    wrapped: [u8; 48],
}

/// An X25519 key in software, with which a node opens what was sealed for it.
#[derive(Clone)]
pub struct SealingKey(HpkeKey);

impl SealingKey {
    /// From 32 bytes of secret randomness (RFC 9180 §7.1.3, `DeriveKeyPair`).
    pub fn from_seed(seed: &Secret<32>) -> Self {
        Self(HpkeKey::derive(seed))
    }

    /// The key that others seal with, as identity records name it.
    pub fn public(&self) -> [u8; 32] {
        self.0.public()
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

/// Why a document cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// It is not sealed for this node, or not for this key of it.
    NotForYou,
    /// It is not what was sealed.
    Damaged,
    /// It is what was sealed, and not what was committed to.
    NotCommitted,
    /// More nodes than one document can be sealed for.
    Readers,
    /// A reader's key is no usable X25519 key.
    BadKey,
    /// It is longer than a document may be, or has no form.
    Form,
}

impl SealError {
    /// Stable number, 7020 to 7025.
    pub const fn code(self) -> u32 {
        7_020 + self as u32
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotForYou => "the document is not sealed for this key",
            Self::Damaged => "the document is not what was sealed",
            Self::NotCommitted => "the document is not what was committed to",
            Self::Readers => "the document is sealed for too many nodes",
            Self::BadKey => "a reader's key is not usable",
            Self::Form => "the bytes are no document",
        })
    }
}

impl core::error::Error for SealError {}

impl From<WireError> for SealError {
    fn from(_: WireError) -> Self {
        Self::Form
    }
}

/// Whether something can be sealed for an X25519 key: for some points of small order whatever is sealed would be open to all
/// (RFC 9180 §7.1.4). It is the same for every entropy.
pub(crate) fn is_usable(public: &[u8; 32]) -> bool {
    hpke_seal(public, &[], &[], &[], Secret::new([0; 32])).is_some()
}

/// What keys and ciphertexts are bound to.
fn context(chain: ChainId, commitment: &[u8; 32]) -> Vec<u8> {
    seal::in_domain("interbank/ledger/seal/v1", &[chain.0, *commitment].concat())
}

/// Version, salt, media type and its length, length of the bytes, tag.
const OVERHEAD_MAX: usize = 1 + 32 + 128 + 4 + 16;
