//! The key holder in software; an HSM takes its place behind the same trait.

use crate::{PreparedMac, Secret, SigningKey, VerifyingKey, WrapKey};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;
use core::convert::Infallible;
use core::fmt;
use port::{KeyAnswer, KeyId, KeyQuestion, KeyRef, KeyRefusal, MacAlgorithm, blocking};
use std::sync::{Mutex, PoisonError};

/// Keys in this process's memory: for tests, examples, and banks without an HSM for this purpose.
///
/// It answers MAC, signature and wrap questions. It verifies no PIN blocks or cryptograms: those keys belong into an HSM,
/// and it refuses them ([`KeyRefusal::NotAllowed`]). Wrapped keys that were used lately stay prepared, up to a bound.
///
/// ```
/// use interbank_seal::{Secret, SoftKeys};
/// use port::{KeyAnswer, KeyId, KeyQuestion, blocking::Keys};
/// let mut keys = SoftKeys::new();
/// keys.add_signing(KeyId(1), &Secret::new([1; 32]));
/// let question = KeyQuestion::Sign { key: KeyId(1), message: "interbank/x/y/v1\0z".into() };
/// let answers = keys.answer(&[question]).unwrap();
/// assert!(matches!(answers[0], KeyAnswer::Signature(_)));
/// ```
pub struct SoftKeys {
    held: BTreeMap<KeyId, Held>,
    prepared: Box<[Mutex<Set>]>,
}

impl SoftKeys {
    /// Wrapped keys that stay prepared by default.
    pub const PREPARED_DEFAULT: usize = 4_096;

    /// No keys yet.
    pub fn new() -> Self {
        Self::with_prepared(Self::PREPARED_DEFAULT)
    }

    /// With room for this many prepared wrapped keys (rounded up to a multiple of four), about 500 bytes each; 0 prepares
    /// none.
    pub fn with_prepared(slots: usize) -> Self {
        let prepared = (0..slots.div_ceil(WAYS)).map(|_| Mutex::default()).collect();
        Self { held: BTreeMap::new(), prepared }
    }

    /// Holds a MAC key, for the one algorithm.
    pub fn add_mac(&mut self, id: KeyId, algorithm: MacAlgorithm, key: &[u8]) -> &mut Self {
        self.held.insert(id, Held::Mac(Box::new(PreparedMac::new(algorithm, key))));
        self
    }

    /// Holds an Ed25519 signing key by its seed.
    pub fn add_signing(&mut self, id: KeyId, seed: &Secret<32>) -> &mut Self {
        self.held.insert(id, Held::Signing(Box::new(SigningKey::from_seed(seed))));
        self
    }

    /// Holds a key-encryption key.
    pub fn add_wrapping(&mut self, id: KeyId, key: &Secret<32>) -> &mut Self {
        self.held.insert(id, Held::Wrapping(WrapKey::new(key)));
        self
    }

    /// Forgets a key, and everything prepared from it.
    pub fn remove(&mut self, id: KeyId) -> bool {
        for set in &mut self.prepared {
            *set.get_mut().unwrap_or_else(PoisonError::into_inner) = Set::default();
        }
        self.held.remove(&id).is_some()
    }

    /// The public half of a signing key.
    pub fn verifying_key(&self, id: KeyId) -> Option<VerifyingKey> {
        match self.held.get(&id)? {
            Held::Signing(key) => Some(key.verifying_key()),
            Held::Mac(_) | Held::Wrapping(_) => None,
        }
    }

    fn answer_one(&self, question: &KeyQuestion) -> Result<KeyAnswer, KeyRefusal> {
        match question {
            KeyQuestion::Mac { key: KeyRef::Held(id), algorithm, message } => {
                match self.held(*id)? {
                    Held::Mac(mac) if mac.algorithm() == *algorithm => {
                        Ok(KeyAnswer::Mac(mac.tag(message)))
                    }
                    _ => Err(KeyRefusal::NotAllowed),
                }
            }
            KeyQuestion::Mac {
                key: KeyRef::Wrapped { key, context, blob },
                algorithm,
                message,
            } => self.mac_wrapped(*key, context, blob, *algorithm, message),
            KeyQuestion::Sign { key, message } => match self.held(*key)? {
                Held::Signing(signing) => Ok(KeyAnswer::Signature(signing.sign(message))),
                Held::Mac(_) | Held::Wrapping(_) => Err(KeyRefusal::NotAllowed),
            },
            KeyQuestion::Verify { .. } => Err(KeyRefusal::NotAllowed),
            KeyQuestion::Wrap { key, context, secret, entropy } => match self.held(*key)? {
                Held::Wrapping(wrap) => wrap.wrap(context, secret, entropy).map(KeyAnswer::Wrapped),
                Held::Mac(_) | Held::Signing(_) => Err(KeyRefusal::NotAllowed),
            },
        }
    }

    fn mac_wrapped(
        &self,
        id: KeyId,
        context: &Bytes,
        blob: &Bytes,
        algorithm: MacAlgorithm,
        message: &[u8],
    ) -> Result<KeyAnswer, KeyRefusal> {
        let Held::Wrapping(wrap) = self.held(id)? else { return Err(KeyRefusal::NotAllowed) };
        let spread = spread(blob);
        let set = self.set(spread);
        let mut set = set.map(|set| set.lock().unwrap_or_else(PoisonError::into_inner));
        let is_for = |one: &Prepared| one.is_for(id, context, blob, algorithm);
        if let Some(ready) = set.as_mut().and_then(|set| set.find(spread, is_for)) {
            return Ok(KeyAnswer::Mac(ready.tag(message)));
        }
        let secret = wrap.unwrap(context, blob)?;
        let mac = PreparedMac::new(algorithm, secret.expose());
        let tag = mac.tag(message);
        if let Some(set) = &mut set {
            set.keep(spread, Prepared::new(id, context, blob, mac));
        }
        Ok(KeyAnswer::Mac(tag))
    }

    fn set(&self, spread: u64) -> Option<&Mutex<Set>> {
        let sets = u64::try_from(self.prepared.len()).ok()?;
        let at = usize::try_from(spread.checked_rem(sets)?).ok()?;
        self.prepared.get(at)
    }

    fn held(&self, id: KeyId) -> Result<&Held, KeyRefusal> {
        self.held.get(&id).ok_or(KeyRefusal::UnknownKey)
    }
}

impl blocking::Keys for SoftKeys {
    type Error = Infallible;

    fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        let answer = |question| self.answer_one(question).unwrap_or_else(KeyAnswer::Refused);
        Ok(questions.iter().map(answer).collect())
    }
}

impl port::Keys for SoftKeys {
    type Error = Infallible;

    async fn answer(&self, questions: &[KeyQuestion]) -> Result<Vec<KeyAnswer>, Infallible> {
        blocking::Keys::answer(self, questions)
    }
}

impl Default for SoftKeys {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SoftKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftKeys({} keys)", self.held.len())
    }
}

enum Held {
    Mac(Box<PreparedMac>),
    Signing(Box<SigningKey>),
    Wrapping(WrapKey),
}

/// Where a wrapped key is looked for: a version byte comes first, and then a random nonce, which spreads keys over the sets.
fn spread(blob: &[u8]) -> u64 {
    blob.get(1..9).and_then(|nonce| nonce.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// The keys used lately of those that share a place, the latest first, each behind its [`spread`]: of the others no more is read.
#[derive(Default)]
struct Set([(u64, Option<Box<Prepared>>); WAYS]);

/// With four to a set, few keys displace each other before the room is full.
const WAYS: usize = 4;

impl Set {
    fn find(&mut self, spread: u64, is_for: impl Fn(&Prepared) -> bool) -> Option<&PreparedMac> {
        let is_it = |(of, one): &(u64, Option<Box<Prepared>>)| {
            *of == spread && one.as_deref().is_some_and(&is_for)
        };
        let at = self.0.iter().position(is_it)?;
        self.0[..=at].rotate_right(1);
        self.0[0].1.as_ref().map(|one| &one.mac)
    }

    /// In place of the one that was not used for longest.
    fn keep(&mut self, spread: u64, prepared: Prepared) {
        self.0.rotate_right(1);
        self.0[0] = (spread, Some(Box::new(prepared)));
    }
}

struct Prepared {
    id: KeyId,
    context_bytes: usize,
    /// Context and wrapped key: a copy, so that the rows they were read from can go.
    bound: Bound,
    mac: PreparedMac,
}

impl Prepared {
    fn new(id: KeyId, context: &[u8], blob: &[u8], mac: PreparedMac) -> Self {
        Self { id, context_bytes: context.len(), bound: Bound::new(context, blob), mac }
    }

    fn is_for(&self, id: KeyId, context: &[u8], blob: &[u8], algorithm: MacAlgorithm) -> bool {
        self.id == id
            && self.bound.bytes().split_at_checked(self.context_bytes) == Some((context, blob))
            && self.mac.algorithm() == algorithm
    }
}

/// Beside the prepared key where it is short, as it nearly always is.
enum Bound {
    Short { len: u8, bytes: [u8; BOUND_BYTES] },
    Long(Box<[u8]>),
}

impl Bound {
    fn new(context: &[u8], blob: &[u8]) -> Self {
        let both = [context, blob].concat();
        let mut bytes = [0; BOUND_BYTES];
        match (bytes.get_mut(..both.len()), u8::try_from(both.len())) {
            (Some(short), Ok(len)) => {
                short.copy_from_slice(&both);
                Self::Short { len, bytes }
            }
            _ => Self::Long(both.into_boxed_slice()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

const BOUND_BYTES: usize = 158;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};
    use blocking::Keys as _;
    use port::{EvidenceKind, SecretBytes};

    fn keys() -> SoftKeys {
        let mut keys = SoftKeys::with_prepared(1);
        keys.add_mac(KeyId(1), MacAlgorithm::HmacSha256, b"mac")
            .add_signing(KeyId(2), &Secret::new([2; 32]))
            .add_wrapping(KeyId(3), &Secret::new([3; 32]));
        keys
    }

    fn one(keys: &SoftKeys, question: KeyQuestion) -> KeyAnswer {
        keys.answer(&[question]).unwrap().remove(0)
    }

    fn wrap(keys: &SoftKeys, context: &'static str, secret: u8) -> Bytes {
        let answer = one(
            keys,
            KeyQuestion::Wrap {
                key: KeyId(3),
                context: context.into(),
                secret: SecretBytes::new(vec![secret; 32]),
                entropy: [secret; 32],
            },
        );
        let KeyAnswer::Wrapped(blob) = answer else { panic!("{answer:?}") };
        blob
    }

    fn mac(keys: &SoftKeys, context: &'static str, blob: &Bytes) -> KeyAnswer {
        let (context, blob) = (context.into(), blob.clone());
        one(
            keys,
            KeyQuestion::Mac {
                key: KeyRef::Wrapped { key: KeyId(3), context, blob },
                algorithm: MacAlgorithm::HmacSha256,
                message: "m".into(),
            },
        )
    }

    #[test]
    fn a_wrapped_key_macs_like_the_clear_one_prepared_or_not() {
        let keys = keys();
        let [a, b] = [10, 11].map(|secret| wrap(&keys, "ctx", secret));
        let expected = |secret: u8| {
            let clear = PreparedMac::new(MacAlgorithm::HmacSha256, &[secret; 32]);
            KeyAnswer::Mac(clear.tag(b"m"))
        };
        for (blob, secret) in [(&a, 10), (&a, 10), (&b, 11), (&a, 10), (&b, 11), (&b, 11)] {
            assert_eq!(mac(&keys, "ctx", blob), expected(secret));
        }
        // One set of four: five keys displace each other, and none gets another's place.
        let all: Vec<(Bytes, u8)> =
            (20..25).map(|secret| (wrap(&keys, "ctx", secret), secret)).collect();
        for (blob, secret) in all.iter().chain(all.iter().rev()).chain(&all) {
            assert_eq!(mac(&keys, "ctx", blob), expected(*secret));
        }
        assert_eq!(mac(&keys, "other", &b), KeyAnswer::Refused(KeyRefusal::BadWrap));
    }

    #[test]
    fn a_long_context_binds_like_a_short_one() {
        let keys = keys();
        let long = "x".repeat(BOUND_BYTES);
        let (one, other) = (format!("{long}1").leak(), format!("{long}2").leak());
        let blob = wrap(&keys, one, 10);
        let clear = PreparedMac::new(MacAlgorithm::HmacSha256, &[10; 32]);
        for _ in 0..2 {
            assert_eq!(mac(&keys, one, &blob), KeyAnswer::Mac(clear.tag(b"m")));
            assert_eq!(mac(&keys, other, &blob), KeyAnswer::Refused(KeyRefusal::BadWrap));
        }
    }

    #[test]
    fn a_removed_key_is_gone_from_the_prepared_ones_too() {
        let mut keys = keys();
        let blob = wrap(&keys, "ctx", 10);
        assert!(matches!(mac(&keys, "ctx", &blob), KeyAnswer::Mac(_)));
        assert!(keys.remove(KeyId(3)));
        assert_eq!(mac(&keys, "ctx", &blob), KeyAnswer::Refused(KeyRefusal::UnknownKey));
    }

    #[test]
    fn keys_do_only_what_they_are_for() {
        let keys = keys();
        let sign = KeyQuestion::Sign { key: KeyId(1), message: Bytes::new() };
        assert_eq!(one(&keys, sign), KeyAnswer::Refused(KeyRefusal::NotAllowed));
        let sign = KeyQuestion::Sign { key: KeyId(9), message: Bytes::new() };
        assert_eq!(one(&keys, sign), KeyAnswer::Refused(KeyRefusal::UnknownKey));
        let weaker = KeyQuestion::Mac {
            key: KeyRef::Held(KeyId(1)),
            algorithm: MacAlgorithm::HmacSha1,
            message: Bytes::new(),
        };
        assert_eq!(one(&keys, weaker), KeyAnswer::Refused(KeyRefusal::NotAllowed));
        let pin = KeyQuestion::Verify {
            key: KeyId(1),
            kind: EvidenceKind::Pin,
            subject: Bytes::new(),
            evidence: Bytes::new(),
        };
        assert_eq!(one(&keys, pin), KeyAnswer::Refused(KeyRefusal::NotAllowed));
        assert_eq!(format!("{keys:?}"), "SoftKeys(3 keys)");
    }

    #[test]
    fn is_usable_from_many_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<SoftKeys>();
    }
}
