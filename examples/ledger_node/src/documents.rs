//! Sealed documents in rows, in parts that a batch can carry.

use crate::failure::Failure;
use crate::rows::{self, Table};
use bytes::Bytes;
use ledger::SealedDocument;
use port::{Batch, Commit, Expect, Key, Row, Store};

/// The rows of a sealed document: its parts, and how long it is.
pub(crate) fn rows_of(
    digest: &[u8; 32],
    sealed: &SealedDocument,
) -> Result<Vec<(Key, Bytes)>, Failure> {
    let mut bytes = Vec::new();
    sealed.encode(&mut bytes).map_err(Failure::run)?;
    let bytes = Bytes::from(bytes);
    let mut rows = Vec::new();
    for (number, from) in (0..).zip((0..bytes.len()).step_by(PART)) {
        let part = bytes.slice(from..bytes.len().min(from + PART));
        let key = Table::Parts.row(digest)?.number(number).map_err(Failure::run)?;
        rows.push((key, part));
    }
    let len = u64::try_from(bytes.len()).map_err(Failure::run)?;
    rows.push((Table::Documents.row(digest)?, Bytes::copy_from_slice(&len.to_be_bytes())));
    Ok(rows)
}

/// Keeps a sealed document; the last rows are left for a batch of the caller, so that a small one costs no commit of its own.
pub(crate) async fn keep_most<S: Store>(
    store: &S,
    mut rows: Vec<(Key, Bytes)>,
) -> Result<Vec<(Key, Bytes)>, Failure> {
    while rows.len() > PARTS {
        let mut batch = Batch::with_capacity(PARTS);
        for (key, part) in rows.drain(..PARTS) {
            batch.put(key, Expect::Any, part);
        }
        commit(store, &batch).await?;
    }
    Ok(rows)
}

/// Keeps a sealed document.
pub(crate) async fn keep<S: Store>(
    store: &S,
    digest: &[u8; 32],
    sealed: &SealedDocument,
) -> Result<(), Failure> {
    let mut batch = Batch::with_capacity(PARTS);
    for (key, part) in keep_most(store, rows_of(digest, sealed)?).await? {
        batch.put(key, Expect::Any, part);
    }
    commit(store, &batch).await
}

/// A sealed document, if it is here.
pub(crate) async fn load<S: Store>(
    store: &S,
    digest: &[u8; 32],
) -> Result<Option<(SealedDocument, Bytes)>, Failure> {
    let Some(row) = rows::one(store, Table::Documents.row(digest)?).await? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    for (_, part) in rows::all(store, Table::Parts.row(digest)?).await? {
        bytes.extend_from_slice(&part.value);
    }
    let is_whole = row.value[..] == (bytes.len() as u64).to_be_bytes();
    let sealed = SealedDocument::parse(&bytes).ok().filter(|it| is_whole && it.digest() == *digest);
    let sealed = sealed.ok_or_else(|| Failure::run("a stored document is damaged"))?;
    Ok(Some((sealed, bytes.into())))
}

/// Commits what is nobody else's.
pub(crate) async fn commit<S: Store>(store: &S, batch: &Batch) -> Result<(), Failure> {
    match store.commit(batch).await {
        Ok(Commit::Applied(_)) => Ok(()),
        Ok(Commit::Conflict) => Err(Failure::run("a row was changed by somebody else")),
        Err(why) => Err(Failure::run(why)),
    }
}

const PART: usize = Row::VALUE_BYTES_MAX - 1_024;
/// So many parts in one batch, with room for other rows beside them.
const PARTS: usize = 12;
