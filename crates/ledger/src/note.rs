//! Signed notes (C2SP `signed-note` v1), as far as logs use them.

use crate::ProofError;
use alloc::string::String;
use alloc::vec::Vec;
use base64ct::{Base64, Encoding as _};
use core::fmt;
use seal::{SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// A text with signatures under it; its printed form is the note.
///
/// ```
/// use interbank_ledger::Note;
/// use seal::{Secret, SigningKey};
/// let key = SigningKey::from_seed(&Secret::new([1; 32]));
/// let note = Note::new("registry.example\n").unwrap().signed_by("registry.example", &key);
/// let read = Note::parse(&note.to_string())?;
/// assert!(read.is_signed_by("registry.example", &key.verifying_key()));
/// assert!(!read.is_signed_by("other.example", &key.verifying_key()));
/// # Ok::<(), interbank_ledger::ProofError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// The most signatures that are read: places for witnesses.
    pub const SIGNATURES_MAX: usize = 32;

    /// The longest note that is read, in bytes.
    pub const BYTES_MAX: usize = 64 * 1024;

    /// A text without signatures: lines, the last one ended too.
    ///
    /// # Errors
    /// [`ProofError::Form`] for control characters, or if the end of the last line is missing.
    pub fn new(text: &str) -> Result<Self, ProofError> {
        let is_control = |it: char| it != '\n' && u32::from(it) < 0x20;
        if !text.ends_with('\n') || text.contains(is_control) {
            return Err(ProofError::Form);
        }
        Ok(Self { text: text.into(), signatures: Vec::new() })
    }

    /// With a signature in the name of a key.
    #[must_use]
    pub fn signed(mut self, name: &str, key: &VerifyingKey, signature: [u8; 64]) -> Self {
        let (name, id) = (name.into(), key_id(name, key));
        self.signatures.push(NoteSignature { name, id, bytes: signature.to_vec() });
        self
    }

    /// Signs with a key in software.
    #[must_use]
    pub fn signed_by(self, name: &str, key: &SigningKey) -> Self {
        let signature = key.sign(self.text.as_bytes());
        self.signed(name, &key.verifying_key(), signature)
    }

    /// Reads a printed note.
    ///
    /// # Errors
    /// [`ProofError::Form`].
    pub fn parse(note: &str) -> Result<Self, ProofError> {
        if note.len() > Self::BYTES_MAX {
            return Err(ProofError::Form);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(ProofError::Form)?;
        let text = note.get(..=text.len()).ok_or(ProofError::Form)?;
        let mut read = Self::new(text)?;
        let lines = lines.strip_suffix('\n').ok_or(ProofError::Form)?;
        for line in lines.split('\n') {
            if read.signatures.len() >= Self::SIGNATURES_MAX {
                return Err(ProofError::Form);
            }
            read.signatures.push(NoteSignature::parse(line)?);
        }
        Ok(read)
    }

    /// Whether a known key has signed, and every signature in its name and with its number is right.
    pub fn is_signed_by(&self, name: &str, key: &VerifyingKey) -> bool {
        let id = key_id(name, key);
        let mut own = self.signatures.iter().filter(|it| it.name == name && it.id == id).peekable();
        own.peek().is_some()
            && own.all(|it| {
                let bytes: Result<&[u8; 64], _> = it.bytes.as_slice().try_into();
                bytes.is_ok_and(|bytes| key.verify(self.text.as_bytes(), bytes))
            })
    }

    /// What is signed.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| {
            let bytes = [&signature.id[..], &signature.bytes].concat();
            writeln!(f, "— {} {}", signature.name, Base64::encode_string(&bytes))
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl NoteSignature {
    fn parse(line: &str) -> Result<Self, ProofError> {
        let rest = line.strip_prefix("— ").ok_or(ProofError::Form)?;
        let (name, base64) = rest.split_once(' ').ok_or(ProofError::Form)?;
        let is_name =
            !name.is_empty() && !name.contains(|it: char| it.is_whitespace() || it == '+');
        let bytes = Base64::decode_vec(base64).map_err(|_| ProofError::Form)?;
        match bytes.split_first_chunk() {
            Some((id, rest)) if is_name && !rest.is_empty() => {
                Ok(Self { name: name.into(), id: *id, bytes: rest.to_vec() })
            }
            _ => Err(ProofError::Form),
        }
    }
}

/// The first four bytes of SHA-256 over name, newline, the type Ed25519 (1), and the key.
fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let hash = Sha256::new_with_prefix(name);
    let digest: [u8; 32] =
        hash.chain_update(b"\n\x01").chain_update(key.to_bytes()).finalize().into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}
