//! Reads: what lies over the tree first, then the tree, as of one moment.

use crate::Damage;
use crate::database::{ROWS, Trouble};
use crate::opened::Opened;
use crate::overlay::Layers;
use crate::record::Record;
use bytes::Bytes;
use port::{Key, ReadSet, Row, Rows, Scan, Version};
use redb::{ReadOnlyTable, ReadableDatabase};
use std::ops::Bound;

pub(crate) fn read(opened: &Opened, want: &ReadSet) -> Result<Rows, Trouble> {
    let layers = opened.layers();
    // Begun after the layers were looked at: what is in none of them is in the tree.
    let tree = opened.database.begin_read()?.open_table(ROWS)?;
    let mut rows = Rows::default();
    for key in &want.points {
        rows.points.push(match layers.get(key) {
            Some(held) => held.as_ref().map(|held| held.row()),
            None => {
                let row = tree.get(key.as_bytes())?;
                row.map(|bytes| row_of(key.as_bytes(), bytes.value())).transpose()?
            }
        });
    }
    for scan in &want.scans {
        rows.scans.push(page(&layers, &tree, scan)?);
    }
    Ok(rows)
}

/// One page of a scan: both orders merged, and where both have a key, the tree's row is the older one.
fn page(
    layers: &Layers,
    tree: &ReadOnlyTable<&'static [u8], &'static [u8]>,
    scan: &Scan,
) -> Result<Vec<(Key, Row)>, Trouble> {
    let prefix = scan.prefix.as_bytes();
    let from = match &scan.after {
        Some(after) if *after >= scan.prefix => Bound::Excluded(after),
        _ => Bound::Included(&scan.prefix),
    };
    let mut page = Vec::new();
    if scan.limit == 0 {
        return Ok(page);
    }
    let mut over =
        layers.from(from).take_while(|(key, _)| key.starts_with(&scan.prefix)).peekable();
    let mut under = tree.range::<&[u8]>((from.map(Key::as_bytes), Bound::Unbounded))?;
    let mut next = under.next().transpose()?;
    while page.len() < scan.limit {
        let row = next.as_ref().filter(|(key, _)| key.value().starts_with(prefix));
        let first = over.peek().map(|(key, _)| key.as_bytes());
        let Some((key, bytes)) =
            row.filter(|(key, _)| first.is_none_or(|first| key.value() < first))
        else {
            let Some((key, held)) = over.next() else { break };
            if row.is_some_and(|(under, _)| under.value() == key.as_bytes()) {
                next = under.next().transpose()?;
            }
            page.extend(held.as_ref().map(|held| (key.clone(), held.row())));
            continue;
        };
        let row = row_of(key.value(), bytes.value())?;
        page.push((Key::from_bytes(key.value()).map_err(|_| Damage::Record)?, row));
        next = under.next().transpose()?;
    }
    Ok(page)
}

fn row_of(key: &[u8], bytes: &[u8]) -> Result<Row, Damage> {
    let record = Record::parse(key, bytes)?;
    Ok(Row { version: Version::new(record.version), value: Bytes::copy_from_slice(record.value) })
}
