//! The in-memory store answers like an ordered map, however many rows came and went between two scans, or are asked for at once.

use interbank_port::blocking::Store;
use interbank_port::{Batch, Commit, CrateTag, Expect, Key, MemoryStore, ReadSet, Scan, Tenant};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Act {
    /// So many rows written or deleted, from this one on.
    Change { from: u64, count: u64, delete: bool },
    /// A page of this table.
    Scan { table: u8, after: Option<u64>, limit: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..3_000_u64, 1..1_500_u64, any::<bool>()).prop_map(|(from, count, delete)| Act::Change {
            from,
            count,
            delete
        }),
        (0..3_u8, proptest::option::of(0..4_000_u64), 1..2_000_usize)
            .prop_map(|(table, after, limit)| Act::Scan { table, after, limit }),
    ]
}

fn table(table: u8) -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), table)
}

fn key(n: u64) -> Key {
    table(u8::try_from(n % 3).unwrap()).number(n).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn answers_like_an_ordered_map(acts in prop::collection::vec(act(), 1..24)) {
        let (store, mut oracle) = (MemoryStore::new(), BTreeMap::new());
        for act in acts {
            match act {
                Act::Change { from, count, delete } => for n in from..from + count {
                    let mut batch = Batch::new();
                    if delete {
                        batch.delete(key(n), Expect::Any);
                    } else {
                        batch.put(key(n), Expect::Any, n.to_be_bytes().to_vec());
                    }
                    let Ok(Commit::Applied(version)) = store.commit(&batch) else { panic!("not applied") };
                    if delete { oracle.remove(&key(n)); } else { oracle.insert(key(n), version); }
                },
                Act::Scan { table: number, after, limit } => {
                    let after = after.map(|n| table(number).number(n).unwrap());
                    let scan = Scan { prefix: table(number), after: after.clone(), limit };
                    let page = &store.read(&ReadSet::scan(scan)).unwrap().scans[0];
                    let expected = oracle
                        .iter()
                        .filter(|(key, _)| key.starts_with(&table(number)))
                        .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
                        .take(limit);
                    prop_assert!(page.iter().map(|(key, row)| (key, &row.version)).eq(expected));
                }
            }
        }
        prop_assert_eq!(store.len(), oracle.len());
        let points: Vec<_> = (0..100).map(|n| key(n * 37 % 101)).collect();
        let rows = store.read(&ReadSet::points(points.clone())).unwrap().points;
        let found = rows.iter().map(|row| row.as_ref().map(|row| row.version));
        prop_assert!(found.eq(points.iter().map(|key| oracle.get(key).copied())));
    }
}
