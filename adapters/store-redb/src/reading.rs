//! Reads: what lies over the tree first, then the tree, as of one moment.

use crate::Damage;
use crate::database::{ROWS, Trouble};
use crate::memtable::Memtables;
use crate::opened::Opened;
use crate::record::{Held, Record};
use bytes::Bytes;
use port::{Key, ReadSet, Row, Rows, Scan, Version};
use redb::{ReadOnlyTable, ReadableDatabase};
use std::ops::Bound;

type Tree = ReadOnlyTable<&'static [u8], &'static [u8]>;

pub(crate) fn read(opened: &Opened, want: &ReadSet) -> Result<Rows, Trouble> {
    // Nobody waits while pages are read: both moments are taken at once, the tree's after the memtables', so that what is in none
    // of these is in the tree.
    let (over, tree) = {
        let memtables = opened.memtables();
        (Over::of(&memtables, want), opened.database.begin_read()?.open_table(ROWS)?)
    };
    let points = want.points.iter().zip(over.points).map(|(key, over)| match over {
        Some(row) => Ok(row),
        None => {
            let row = tree.get(key.as_bytes())?;
            Ok(row.map(|bytes| row_of(key.as_bytes(), bytes.value())).transpose()?)
        }
    });
    let points = points.collect::<Result<_, Trouble>>()?;
    let scans = want.scans.iter().zip(over.scans).map(|(scan, over)| page(over, &tree, scan));
    Ok(Rows { points, scans: scans.collect::<Result<_, Trouble>>()? })
}

/// What the memtables know of what is wanted: a row, or that there is none.
#[derive(Debug)]
struct Over {
    /// `None`: the tree knows.
    points: Vec<Option<Option<Row>>>,
    /// As far as a page can reach: to its last row, if all of them lay over the tree.
    scans: Vec<Vec<(Key, Option<Row>)>>,
}

impl Over {
    fn of(memtables: &Memtables, want: &ReadSet) -> Self {
        let row = |held: &Option<Held>| held.as_ref().map(Held::row);
        let points = want.points.iter().map(|key| memtables.get(key).map(row)).collect();
        let scan = |scan: &Scan| {
            let (mut page, mut left) = (Vec::new(), scan.limit);
            for (key, held) in memtables.from(start(scan)) {
                if left == 0 || !key.starts_with(&scan.prefix) {
                    break;
                }
                left -= usize::from(held.is_some());
                page.push((key.clone(), row(held)));
            }
            page
        };
        Self { points, scans: want.scans.iter().map(scan).collect() }
    }
}

/// One page of a scan: both orders merged, and where both have a key, the tree's row is the older one.
fn page(
    over: Vec<(Key, Option<Row>)>,
    tree: &Tree,
    scan: &Scan,
) -> Result<Vec<(Key, Row)>, Trouble> {
    let mut page = Vec::new();
    if scan.limit == 0 {
        return Ok(page);
    }
    let prefix = scan.prefix.as_bytes();
    let mut over = over.into_iter().peekable();
    let mut under = tree.range::<&[u8]>((start(scan).map(Key::as_bytes), Bound::Unbounded))?;
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
            page.extend(held.map(|row| (key, row)));
            continue;
        };
        let row = row_of(key.value(), bytes.value())?;
        page.push((Key::from_bytes(key.value()).map_err(|_| Damage::Record)?, row));
        next = under.next().transpose()?;
    }
    Ok(page)
}

fn start(scan: &Scan) -> Bound<&Key> {
    match &scan.after {
        Some(after) if *after >= scan.prefix => Bound::Excluded(after),
        _ => Bound::Included(&scan.prefix),
    }
}

fn row_of(key: &[u8], bytes: &[u8]) -> Result<Row, Damage> {
    let record = Record::parse(key, bytes)?;
    Ok(Row { version: Version::new(record.version), value: Bytes::copy_from_slice(record.value) })
}
