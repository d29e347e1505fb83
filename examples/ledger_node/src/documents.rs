//! Sealed documents in rows, in parts that a batch can carry.

use crate::failure::Failure;
use crate::rows::{self, Table};
use bytes::Bytes;
use ledger::SealedDocument;
use port::{Batch, Commit, Expect, Key, ReadSet, Row, Scan, Store, Version};

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
///
/// Who may read a document stands at its end. So what was kept before stays whole until that last batch, which has the end of the
/// new one and its length, is there.
pub(crate) async fn keep_most<S: Store>(
    store: &S,
    mut rows: Vec<(Key, Bytes)>,
) -> Result<Vec<(Key, Bytes)>, Failure> {
    let last = rows.split_off(rows.len().saturating_sub(PARTS));
    for some in rows.chunks(PARTS) {
        let mut batch = Batch::with_capacity(PARTS);
        for (key, part) in some {
            batch.put(key.clone(), Expect::Any, part.clone());
        }
        commit(store, &batch).await?;
    }
    Ok(last)
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

/// A sealed document as it is kept.
pub(crate) struct Kept {
    pub(crate) sealed: SealedDocument,
    /// Its form.
    pub(crate) bytes: Bytes,
    version: Version,
}

/// A sealed document, if it is here.
pub(crate) async fn load<S: Store>(store: &S, digest: &[u8; 32]) -> Result<Option<Kept>, Failure> {
    // In one read: it may be shared with somebody meanwhile.
    let parts = Scan { prefix: Table::Parts.row(digest)?, after: None, limit: Scan::ROWS_MAX };
    let wanted = ReadSet { points: vec![Table::Documents.row(digest)?], scans: vec![parts] };
    let rows = store.read(&wanted).await.map_err(Failure::run)?;
    let Some(row) = rows.points.into_iter().next().flatten() else { return Ok(None) };
    let mut bytes = Vec::new();
    for (_, part) in rows.scans.iter().flatten() {
        bytes.extend_from_slice(&part.value);
    }
    let is_whole = row.value[..] == (bytes.len() as u64).to_be_bytes();
    let sealed = SealedDocument::parse(&bytes).ok().filter(|it| is_whole && it.digest() == *digest);
    let sealed = sealed.ok_or_else(|| Failure::run("a stored document is damaged"))?;
    Ok(Some(Kept { sealed, bytes: bytes.into(), version: row.version }))
}

/// Puts a kept document under other readers' keys, in a batch that applies only if nobody else has done so meanwhile, or deleted it.
///
/// Who may read a document stands at its end: only the parts there are written, so that it is one form or the other at any moment.
pub(crate) fn replace(
    batch: &mut Batch,
    digest: &[u8; 32],
    kept: &Kept,
    sealed: &SealedDocument,
) -> Result<(), Failure> {
    let mut rows = rows_of(digest, sealed)?;
    let Some((key, len)) = rows.pop() else { return Ok(()) };
    for ((key, part), from) in rows.into_iter().zip((0..).step_by(PART)) {
        if kept.bytes.get(from..from + part.len()) != Some(&part[..]) {
            batch.put(key, Expect::Any, part);
        }
    }
    batch.put(key, Expect::At(kept.version), len);
    Ok(())
}

/// The digests of documents that are here, after one and in their order: some of them.
pub(crate) async fn digests<S: Store>(
    store: &S,
    after: Option<[u8; 32]>,
) -> Result<Vec<[u8; 32]>, Failure> {
    let after = after.map(|digest| Table::Documents.row(&digest)).transpose()?;
    let scan = Scan { prefix: Table::Documents.prefix(), after, limit: Scan::ROWS_MAX };
    let page = store.read(&ReadSet::scan(scan)).await.map_err(Failure::run)?;
    let page = page.scans.into_iter().flatten();
    let digests = page.map(|(key, _)| key.as_bytes().get(Key::HEAD_BYTES..)?.try_into().ok());
    digests.collect::<Option<_>>().ok_or_else(|| Failure::run("a row is damaged"))
}

/// Deletes what is here of a sealed document; its end, where the keys are, first. Says whether there was anything.
pub(crate) async fn erase<S: Store>(store: &S, digest: &[u8; 32]) -> Result<bool, Failure> {
    let mut keys = vec![Table::Documents.row(digest)?];
    let whole = rows::one(store, keys[0].clone()).await?.is_some();
    let parts = rows::all(store, Table::Parts.row(digest)?).await?;
    if !whole && parts.is_empty() {
        return Ok(false);
    }
    keys.extend(parts.into_iter().rev().map(|(key, _)| key));
    for some in keys.chunks(Batch::OPS_MAX) {
        let mut batch = Batch::with_capacity(some.len());
        some.iter().for_each(|key| {
            batch.delete(key.clone(), Expect::Any);
        });
        commit(store, &batch).await?;
    }
    Ok(true)
}

/// Commits what is nobody else's.
pub(crate) async fn commit<S: Store>(store: &S, batch: &Batch) -> Result<(), Failure> {
    match applied(store, batch).await? {
        true => Ok(()),
        false => Err(Failure::run("a row was changed by somebody else")),
    }
}

/// Commits unless a row is not as it was; says whether it did.
pub(crate) async fn applied<S: Store>(store: &S, batch: &Batch) -> Result<bool, Failure> {
    match store.commit(batch).await {
        Ok(Commit::Applied(_)) => Ok(true),
        Ok(Commit::Conflict) => Ok(false),
        Err(why) => Err(Failure::run(why)),
    }
}

const PART: usize = Row::VALUE_BYTES_MAX - 1_024;
/// So many parts in one batch, with room for other rows beside them.
const PARTS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{ChainId, Document, Height, NodeId, SealingKey};
    use port::MemoryStore;
    use seal::Secret;

    #[tokio::test]
    async fn what_was_kept_stays_whole_until_all_of_what_replaces_it_is_there() {
        let (store, chain) = (MemoryStore::new(), ChainId([1; 32]));
        let nodes = [1, 2].map(|seed| SealingKey::from_seed(&Secret::new([seed; 32])));
        let [first, second] = [0, 1].map(|number| NodeId(Height(number)));
        // Its rows are one more than fill batches.
        let bytes = vec![7; 2 * PARTS * PART - 1_000];
        let document = Document::new("text/plain", bytes, [2; 32]).unwrap();
        let readers = [(first, nodes[0].public())];
        let mut sealed =
            SealedDocument::seal(chain, &document, &readers, &Secret::new([3; 32])).unwrap();
        let digest = sealed.digest();
        assert_eq!(rows_of(&digest, &sealed).unwrap().len(), 2 * PARTS + 1);
        keep(&store, &digest, &sealed).await.unwrap();
        let (own, reader) = ((first, &nodes[0]), (second, nodes[1].public()));
        let commitment = document.commitment();
        sealed.share(chain, &commitment, own, reader, &Secret::new([4; 32])).unwrap();
        // It stops before the last batch.
        let last = keep_most(&store, rows_of(&digest, &sealed).unwrap()).await.unwrap();
        let kept = load(&store, &digest).await.unwrap().unwrap();
        assert_eq!(kept.sealed.readers().collect::<Vec<_>>(), [first]);
        let mut batch = Batch::with_capacity(PARTS);
        last.into_iter().for_each(|(key, part)| {
            batch.put(key, Expect::Any, part);
        });
        commit(&store, &batch).await.unwrap();
        let before = load(&store, &digest).await.unwrap().unwrap();
        assert_eq!(before.sealed, sealed);
        // Another reader's key takes the end and no more, if nobody came before.
        let third = (NodeId(Height(2)), nodes[1].public());
        sealed.share(chain, &commitment, own, third, &Secret::new([5; 32])).unwrap();
        let replaced = || {
            let mut batch = Batch::with_capacity(PARTS);
            replace(&mut batch, &digest, &before, &sealed).unwrap();
            batch
        };
        assert_eq!(replaced().ops().len(), 2);
        commit(&store, &replaced()).await.unwrap();
        assert_eq!(load(&store, &digest).await.unwrap().unwrap().sealed, sealed);
        assert!(commit(&store, &replaced()).await.is_err());
        assert_eq!(digests(&store, None).await.unwrap(), [digest]);
        assert!(digests(&store, Some(digest)).await.unwrap().is_empty());
        // What was deleted does not come back.
        let before = load(&store, &digest).await.unwrap().unwrap();
        erase(&store, &digest).await.unwrap();
        let mut late = Batch::with_capacity(PARTS);
        replace(&mut late, &digest, &before, &sealed).unwrap();
        assert!(commit(&store, &late).await.is_err());
    }

    #[tokio::test]
    async fn what_was_erased_is_gone_in_all_its_parts() {
        let (store, chain) = (MemoryStore::new(), ChainId([1; 32]));
        let key = SealingKey::from_seed(&Secret::new([1; 32]));
        let mut digests = Vec::new();
        for salt in [2, 3] {
            let document = Document::new("text/plain", vec![7; 3 * PART], [salt; 32]).unwrap();
            let readers = [(NodeId(Height(0)), key.public())];
            let sealed =
                SealedDocument::seal(chain, &document, &readers, &Secret::new([salt; 32])).unwrap();
            keep(&store, &sealed.digest(), &sealed).await.unwrap();
            digests.push(sealed.digest());
        }
        assert!(erase(&store, &digests[0]).await.unwrap());
        assert!(!erase(&store, &digests[0]).await.unwrap());
        assert!(load(&store, &digests[0]).await.unwrap().is_none());
        assert!(load(&store, &digests[1]).await.unwrap().is_some());
        assert_eq!(rows::all(&store, Table::Parts.prefix()).await.unwrap().len(), 4);
    }
}
