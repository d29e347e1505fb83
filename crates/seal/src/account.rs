//! Accounts: the clear number in memory only, a keyed token everywhere else.

use crate::{PreparedMac, Secret};
use alloc::vec::Vec;
use core::fmt;
use port::MacAlgorithm;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// An account number (PAN, IBAN or the bank's own) in clear: zeroized on drop, compared in constant time, never printed,
/// never stored. 1 to 64 characters of `0-9 A-Z a-z . - _ : @`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Account(Vec<u8>);

impl Account {
    /// The longest account number, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Takes an account number over.
    ///
    /// # Errors
    /// [`BadAccount`] for a wrong length or other characters.
    pub fn new(number: impl Into<Vec<u8>>) -> Result<Self, BadAccount> {
        let mut number = number.into();
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:@".contains(byte);
        if (1..=Self::BYTES_MAX).contains(&number.len()) && number.iter().all(allowed) {
            Ok(Self(number))
        } else {
            number.zeroize();
            Err(BadAccount)
        }
    }

    /// The number, for the one place that needs it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        crate::equal(&self.0, &other.0)
    }
}

impl Eq for Account {}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(..)")
    }
}

/// What stands for an account in stored, logged and audited data: 16 bytes that only the holder of the token key can link
/// to a number.
///
/// Equal accounts give equal tokens under one key, so that rows can be found; tokens of different tenants cannot be linked.
/// With 2⁶⁴ accounts under one key the chance that any two collide is one half; with 10⁹ it is below 10⁻²⁰.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountRef([u8; 16]);

impl AccountRef {
    /// A token read back from storage.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for AccountRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AccountRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountRef({self})")
    }
}

/// Makes [`AccountRef`]s: HMAC-SHA-256 over the number, first 16 bytes, under a key derived for this purpose.
#[derive(Clone, Debug)]
pub struct AccountTokens {
    mac: PreparedMac,
}

impl AccountTokens {
    /// From the tenant's token secret; another tenant has another secret.
    pub fn new(secret: &Secret<32>) -> Self {
        let key = crate::derive::<32>(secret.expose(), "interbank/seal/account-token/v1", &[]);
        Self { mac: PreparedMac::new(MacAlgorithm::HmacSha256, key.expose()) }
    }

    /// The token of an account.
    pub fn token(&self, account: &Account) -> AccountRef {
        let tag = self.mac.tag(account.expose());
        AccountRef(tag.as_bytes().first_chunk().copied().unwrap_or_default())
    }
}

/// Not an account number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAccount;

impl BadAccount {
    /// Stable number: 1020.
    pub const fn code(self) -> u32 {
        1_020
    }
}

impl fmt::Display for BadAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an account has 1 to 64 letters, digits or . - _ : @")
    }
}

impl core::error::Error for BadAccount {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn the_number_is_never_printed() {
        let account = Account::new("6222000000000001").unwrap();
        let token = AccountTokens::new(&Secret::new([1; 32])).token(&account);
        let printed = format!("{account:?} {token:?} {token}");
        assert!(!printed.contains("6222"), "{printed}");
    }

    #[test]
    fn tokens_depend_on_account_and_tenant() {
        let [a, b] = ["1", "2"].map(|number| Account::new(number).unwrap());
        let [x, y] = [1, 2].map(|byte| AccountTokens::new(&Secret::new([byte; 32])));
        assert_eq!(x.token(&a), x.token(&a));
        assert_ne!(x.token(&a), x.token(&b));
        assert_ne!(x.token(&a), y.token(&a));
    }

    #[test]
    fn other_characters_are_refused() {
        for bad in ["", " ", "a b", "ü", "1\n", &"1".repeat(65)] {
            assert_eq!(Account::new(bad), Err(BadAccount));
        }
        assert!(Account::new("1".repeat(64)).is_ok());
    }
}
