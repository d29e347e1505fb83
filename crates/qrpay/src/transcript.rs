//! What a reply is computed over: everything that the payer approves, in one canonical form.

use crate::item::PriceRow;
use crate::{Challenge, Terms};
use alloc::vec::Vec;
use bytes::Bytes;
use port::Currency;
use seal::Account;
use zeroize::{ZeroizeOnDrop, Zeroizing, zeroize_bytes};

/// The parts that a reply binds together.
///
/// Form (spec: default wire form), all integers big-endian: `qr-reply-v1` and a zero byte, identifier behind its `u16`
/// length, challenge (16), account behind its `u16` length, amount in minor units (`u64`), currency letters (3), payee
/// behind its `u16` length, expiry in seconds (`u64`). Terms that the code does not carry count as amount 0, `XXX`, an empty
/// payee and expiry 0.
#[derive(Clone, Copy, Debug)]
pub struct Transcript<'a> {
    /// Which order or commodity.
    pub uid: &'a [u8],
    /// The challenge.
    pub challenge: &'a Challenge,
    /// The payer's account, in clear.
    pub account: &'a Account,
    /// What the code carried.
    pub terms: &'a Terms,
}

impl Transcript<'_> {
    /// The bytes; they hold the account number and are erased on drop.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let parts = TranscriptParts {
            uid: self.uid,
            challenge: self.challenge,
            account: self.account,
            price: self.terms.price.as_ref().map(Into::into),
            expires_s: self.terms.expires_s.unwrap_or(0),
        };
        Zeroizing::new(parts.to_vec())
    }
}

/// A [`Transcript`] whose terms are still in the item's row.
pub(crate) struct TranscriptParts<'a> {
    pub(crate) uid: &'a [u8],
    pub(crate) challenge: &'a Challenge,
    pub(crate) account: &'a Account,
    pub(crate) price: Option<PriceRow<'a>>,
    /// 0 for none.
    pub(crate) expires_s: u64,
}

impl TranscriptParts<'_> {
    /// The bytes, shared: whoever holds them last erases them.
    pub(crate) fn to_shared(&self) -> Bytes {
        Bytes::from_owner(Erased(self.to_vec()))
    }

    /// In a buffer that does not grow, so that no copy stays behind.
    fn to_vec(&self) -> Vec<u8> {
        let account = self.account.expose();
        let (minor, currency, payee) = match &self.price {
            Some(price) => {
                (price.amount.minor().unsigned_abs(), price.amount.currency(), price.payee)
            }
            None => (0, Currency::NONE, &[][..]),
        };
        let mut to = Vec::with_capacity(
            DOMAIN.len() + 6 + self.uid.len() + 16 + account.len() + 11 + payee.len() + 8,
        );
        to.extend_from_slice(DOMAIN);
        prefixed(&mut to, self.uid);
        to.extend_from_slice(&self.challenge.0);
        prefixed(&mut to, account);
        to.extend_from_slice(&minor.to_be_bytes());
        to.extend_from_slice(&currency.letters());
        prefixed(&mut to, payee);
        to.extend_from_slice(&self.expires_s.to_be_bytes());
        to
    }
}

/// Bytes that are erased on drop, in as few writes as the processor offers.
struct Erased(Vec<u8>);

impl AsRef<[u8]> for Erased {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Erased {
    fn drop(&mut self) {
        zeroize_bytes(&mut self.0);
    }
}

impl ZeroizeOnDrop for Erased {}

/// All parts are at most 64 bytes by their types.
fn prefixed(to: &mut Vec<u8>, part: &[u8]) {
    let len = u16::try_from(part.len()).unwrap_or(u16::MAX);
    to.extend_from_slice(&len.to_be_bytes());
    to.extend_from_slice(part);
}

const DOMAIN: &[u8] = b"qr-reply-v1\0";
