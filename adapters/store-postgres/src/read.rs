//! Questions and answers of reads, as the statements carry them.

use crate::{Cause, Error};
use bytes::Bytes;
use port::{Key, ReadSet, Row, Rows, Scan, Version};
use std::collections::HashMap;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row as Found, Statement, Transaction};

/// Refuses what a store need not serve.
pub(crate) fn check(want: &ReadSet) -> Result<(), Error> {
    if want.scans.iter().any(|scan| scan.limit > Scan::ROWS_MAX) {
        return Err(Error::ScanTooLong);
    }
    Ok(())
}

/// Reads all of it with one statement, and so from one view.
pub(crate) async fn read(
    client: &Client,
    points: &Statement,
    pages: &Statement,
    want: &ReadSet,
) -> Result<Result<Rows, Error>, tokio_postgres::Error> {
    let keys = keys(want);
    if want.scans.is_empty() {
        let found = client.query(points, &[&keys]).await?;
        return Ok(answer(want, &found, 0));
    }
    let bounds = Bounds::of(want);
    let found = client.query(pages, &[&keys, &bounds.first, &bounds.behind, &bounds.up_to]).await?;
    Ok(answer(want, &found, 1))
}

/// The same inside somebody's transaction, where nothing is prepared.
pub(crate) async fn read_inside(
    transaction: &Transaction<'_>,
    points: &str,
    pages: &str,
    want: &ReadSet,
) -> Result<Rows, Error> {
    let keys = keys(want);
    let failed = |why: tokio_postgres::Error| Error::NotApplied(Cause::of(&why));
    if want.scans.is_empty() {
        let params: [(&(dyn ToSql + Sync), Type); 1] = [(&keys, Type::BYTEA_ARRAY)];
        let found = transaction.query_typed(points, &params).await.map_err(failed)?;
        return answer(want, &found, 0);
    }
    let bounds = Bounds::of(want);
    let params: [(&(dyn ToSql + Sync), Type); 4] = [
        (&keys, Type::BYTEA_ARRAY),
        (&bounds.first, Type::BYTEA_ARRAY),
        (&bounds.behind, Type::BYTEA_ARRAY),
        (&bounds.up_to, Type::INT8_ARRAY),
    ];
    let found = transaction.query_typed(pages, &params).await.map_err(failed)?;
    answer(want, &found, 1)
}

/// Ranges, half open: from the first key on, before the key behind.
struct Bounds {
    first: Vec<Vec<u8>>,
    behind: Vec<Vec<u8>>,
    up_to: Vec<i64>,
}

impl Bounds {
    fn of(want: &ReadSet) -> Self {
        Self {
            first: want.scans.iter().map(first).collect(),
            behind: want.scans.iter().map(|scan| behind(&scan.prefix)).collect(),
            up_to: (want.scans.iter())
                .map(|scan| i64::try_from(scan.limit).unwrap_or(i64::MAX))
                .collect(),
        }
    }
}

fn keys(want: &ReadSet) -> Vec<&[u8]> {
    want.points.iter().map(Key::as_bytes).collect()
}

/// The first key of a page; the key directly after another is that key and a zero byte.
fn first(scan: &Scan) -> Vec<u8> {
    match &scan.after {
        Some(after) if *after >= scan.prefix => [after.as_bytes(), &[0]].concat(),
        _ => scan.prefix.as_bytes().to_vec(),
    }
}

/// The first bytes that come after every key with this prefix.
fn behind(prefix: &Key) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    while let Some(last) = bytes.last_mut() {
        if *last < 0xFF {
            *last += 1;
            return bytes;
        }
        bytes.pop();
    }
    vec![0xFF; Key::BYTES_MAX + 1]
}

/// Sorts what was found into the shape of the question. `shift` is 1 where the first column names the page.
fn answer(want: &ReadSet, found: &[Found], shift: usize) -> Result<Rows, Error> {
    let mut points: HashMap<&[u8], Row> = HashMap::with_capacity(want.points.len());
    let mut scans: Vec<Vec<(Key, Row)>> = want.scans.iter().map(|_| Vec::new()).collect();
    for columns in found {
        let page = if shift == 0 { 0 } else { column::<i64>(columns, 0)? };
        let key: &[u8] = column(columns, shift)?;
        let version = u64::try_from(column::<i64>(columns, shift + 1)?);
        let version = Version::new(version.map_err(|_| Error::Corrupt)?);
        let value = Bytes::copy_from_slice(column(columns, shift + 2)?);
        let row = Row { version, value };
        if page == 0 {
            points.insert(key, row);
            continue;
        }
        let page = usize::try_from(page).ok().and_then(|page| scans.get_mut(page - 1));
        let key = Key::from_bytes(key).map_err(|_| Error::Corrupt)?;
        page.ok_or(Error::Corrupt)?.push((key, row));
    }
    let points = want.points.iter().map(|key| points.get(key.as_bytes()).cloned()).collect();
    Ok(Rows { points, scans })
}

fn column<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Found,
    at: usize,
) -> Result<T, Error> {
    row.try_get(at).map_err(|_| Error::Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bytes: &[u8]) -> Key {
        Key::from_bytes(bytes).unwrap_or_else(|_| panic!("a short key"))
    }

    #[test]
    fn ranges_hold_exactly_the_keys_of_their_prefix() {
        assert_eq!(behind(&key(&[1, 2])), [1, 3]);
        assert_eq!(behind(&key(&[1, 0xFF, 0xFF])), [2]);
        assert!(behind(&key(&[0xFF])).as_slice() > [0xFF; Key::BYTES_MAX].as_slice());
        assert!(behind(&key(&[])).as_slice() > [0xFF; Key::BYTES_MAX].as_slice());
        let page = |after: &[u8]| Scan { prefix: key(&[5]), after: Some(key(after)), limit: 1 };
        assert_eq!(first(&Scan::first(key(&[5]), 1)), [5]);
        assert_eq!(first(&page(&[5, 1])), [5, 1, 0]);
        assert_eq!(first(&page(&[4])), [5]);
        assert!(first(&page(&[6])) > behind(&key(&[5])));
    }
}
