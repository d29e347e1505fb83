//! How long it takes to know what is to be done for a file of 1 TB of which half has arrived, after a stop.
//!
//! Ours reads the rows of the bitmap from the store on disk. rsync reads and compares what is there at both ends; whoever
//! keeps nothing hashes it. Both are measured on a smaller file, sparse as the large one would be, and scaled: neither would
//! end on the large one within a bench's patience. How much each reads is reckoned: what it has to look at again.

use super::measure::timed;
use super::rsync::Rsync;
use interbank_benches_processes::Figures;
use interbank_filexfer::{Bitmap, Groups, Resume, TransferId};
use port::blocking::Store as _;
use port::{Commit, ReadSet, Scan, Tenant};
use std::fs::File;
use std::path::Path;
use store_redb::{Options, RedbStore};

pub(crate) fn decide(disk: &Path, is_quick: bool, figures: &Figures) {
    let (tenant, transfer) = (Tenant::new(1), TransferId([1; 16]));
    let target = disk.join("tera.bin");
    File::create(&target).unwrap().set_len(TERA).unwrap();
    let home = disk.join("rows");
    let half = {
        let store = RedbStore::open(&home, Options::new().create(true)).unwrap();
        fill(&store, tenant, &transfer)
    };
    let mut found = None;
    let took = timed(|| {
        let store = RedbStore::open(&home, Options::new()).unwrap();
        let bitmap = restore(&store, tenant, &transfer);
        assert_eq!(std::fs::metadata(&target).unwrap().len(), bitmap.groups().size());
        found = Some(bitmap.resume());
    });
    let Resume { reread, missing_groups, .. } = found.unwrap();
    assert_eq!(missing_groups, Groups::new(TERA).count() - half);
    let again: u64 =
        reread.iter().map(|range| range.end - range.start).sum::<u64>() * Groups::BYTES;
    assert!(again <= 64 << 20, "{again} bytes to be read again");
    figures.put("resume/ours", took.as_secs_f64() * 1e3, "ms");
    figures.put("resume/ours_reads", again as f64 / 1e9, "GB");

    let part: u64 = if is_quick { 1 << 30 } else { 8 << 30 };
    let scale = TERA as f64 / part as f64;
    let rsync = Rsync::new(disk);
    let source = disk.join("part.bin");
    File::create(&source).unwrap().set_len(part).unwrap();
    File::create(rsync.target("part.bin")).unwrap().set_len(part / 2).unwrap();
    // What it takes to send the other half is not what is asked for here.
    let both = timed(|| rsync.resume(&source));
    std::fs::remove_file(rsync.target("part.bin")).unwrap();
    File::create(&source).unwrap().set_len(part / 2).unwrap();
    let rest = timed(|| rsync.send(&source));
    let theirs = both.saturating_sub(rest).as_secs_f64() * scale * 1e3;
    figures.put("resume/rsync", theirs, "ms");
    // At both ends.
    figures.put("resume/rsync_reads", TERA as f64 / 1e9, "GB");
    let hash = timed(|| assert_ne!(super::content::root(&source), [0; 32]));
    figures.put("resume/rehash", hash.as_secs_f64() * scale * 1e3, "ms");
    figures.put("resume/rehash_reads", TERA as f64 / 2e9, "GB");
}

/// The first half is there, but for gaps in sixty segments. Returns how many groups are.
fn fill(store: &RedbStore, tenant: Tenant, transfer: &TransferId) -> u64 {
    let mut bitmap = Bitmap::new([7; 32], TERA);
    let keep = |bitmap: &mut Bitmap| {
        let checkpoint = bitmap.checkpoint(tenant, transfer).unwrap();
        assert!(matches!(store.commit(&checkpoint.batch), Ok(Commit::Applied(_))));
    };
    let half = bitmap.groups().count() / 2 / Groups::SEGMENT * Groups::SEGMENT;
    bitmap.mark(&(0..half)).unwrap();
    keep(&mut bitmap);
    for n in 0..60 {
        let start = half + n * 100 * Groups::SEGMENT + 17;
        bitmap.mark(&(start..start + 1_000)).unwrap();
        if bitmap.is_due() {
            keep(&mut bitmap);
        }
    }
    keep(&mut bitmap);
    half + 60_000
}

fn restore(store: &RedbStore, tenant: Tenant, transfer: &TransferId) -> Bitmap {
    let mut rows = Vec::new();
    let mut scan = Bitmap::scan(tenant, transfer).unwrap();
    loop {
        let page = store.read(&ReadSet::scan(scan.clone())).unwrap().scans.remove(0);
        let is_last = page.len() < Scan::ROWS_MAX;
        scan.after = page.last().map(|(key, _)| key.clone());
        rows.extend(page);
        if is_last {
            let rows = rows.iter().map(|(key, row)| (key, &row.value[..]));
            return Bitmap::restore(rows).unwrap().unwrap();
        }
    }
}

const TERA: u64 = 1_000_000_000_000;
