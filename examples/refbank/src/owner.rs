//! Whose keys the rows of a store were made with.

use crate::failure::Failure;
use crate::rows;
use crate::secrets;
use crate::trouble::Trouble;
use crate::vault::Vault;
use interbank::port::{Batch, Commit, Expect, ReadSet, Row, Store as _};
use interbank::seal::VerifyingKey;
use std::path::Path;

/// The bank that a store belongs to, named by the key that checks its signatures.
///
/// A database is found by a URL, and its keys by a folder: with the keys of another bank every reply would be refused as
/// wrong, and accounts would lock.
pub(crate) struct Owner(Option<Row>);

impl Owner {
    /// Reads it; a new store has none.
    pub(crate) async fn of(vault: &Vault) -> Result<Self, Failure> {
        let found = vault.read(&ReadSet::points([rows::owner()])).await.map_err(Trouble::store)?;
        Ok(Self(found.points.into_iter().next().flatten()))
    }

    /// Whether a bank took this store already.
    pub(crate) const fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// Takes a new store for the bank of this key, and refuses another bank's. `keys` is the file that the key comes from.
    pub(crate) async fn must_be(
        mut self,
        issuer: &VerifyingKey,
        vault: &Vault,
        keys: &Path,
    ) -> Result<(), Failure> {
        let ours = issuer.to_bytes();
        if self.0.is_none() {
            let mut batch = Batch::new();
            batch.put(rows::owner(), Expect::Absent, ours.to_vec());
            match vault.commit(&batch).await.map_err(Trouble::store)? {
                Commit::Applied(_) => return Ok(()),
                // Another process was first.
                Commit::Conflict => self = Self::of(vault).await?,
            }
        }
        if self.0.is_some_and(|row| row.value[..] == ours) {
            return Ok(());
        }
        let why = "the store belongs to a bank with other keys; name its folder with --data, or another store";
        Err(secrets::refuse(keys, why.into()))
    }
}
