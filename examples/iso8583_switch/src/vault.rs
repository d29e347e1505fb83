//! Card numbers: tokens for what is kept, and a sealed handle from which an advice gets its number back.

use crate::clock;
use crate::failure::Failure;
use port::SecretBytes;
use seal::{Account, AccountTokens, Secret, WrapKey, derive};
use standin::AccountInfo;

/// The only place of the switch that sees card numbers.
#[derive(Debug)]
pub(crate) struct Vault {
    tokens: AccountTokens,
    handles: WrapKey,
}

impl Vault {
    /// With one secret, from which both keys come. A store is of use only with the secret that it was filled with.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let tokens = derive::<32>(secret, "iso8583-switch/tokens/v1", &[]);
        let handles = derive::<32>(secret, "iso8583-switch/handles/v1", &[]);
        Self {
            tokens: AccountTokens::new(&Secret::new(*tokens.expose())),
            handles: WrapKey::new(&Secret::new(*handles.expose())),
        }
    }

    /// What may be stored of an account.
    pub(crate) fn info(&self, account: &Account) -> Result<AccountInfo, Failure> {
        let token = self.tokens.token(account);
        let number = SecretBytes::new(account.expose().to_vec());
        let handle = self
            .handles
            .wrap(token.as_bytes(), &number, &clock::entropy()?)
            .map_err(|_| Failure::Run("an account number is too long".into()))?;
        AccountInfo::new(account, token)
            .with_handle(handle)
            .ok_or_else(|| Failure::Run("an account number is too long".into()))
    }

    /// The number again; `None` if the handle is of another secret.
    pub(crate) fn number(&self, info: &AccountInfo) -> Option<Account> {
        let number = self.handles.unwrap(info.token.as_bytes(), &info.handle).ok()?;
        Account::new(number.expose().to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_gives_the_number_back_to_the_same_secret_only() {
        let (vault, other) = (Vault::new(&[1; 32]), Vault::new(&[2; 32]));
        let account = Account::new("6200000000000005").unwrap();
        let info = vault.info(&account).unwrap();
        assert_eq!(vault.number(&info).unwrap().expose(), account.expose());
        assert!(other.number(&info).is_none());
        assert!(!info.handle.windows(8).any(|bytes| bytes == b"62000000"));
    }
}
