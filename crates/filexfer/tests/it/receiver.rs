use crate::asking::NOW;
use crate::tree::{content, encode};
use interbank_filexfer::*;
use port::Tenant;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

const TENANT: Tenant = Tenant::new(1);
const TRANSFER: TransferId = TransferId([4; 16]);

fn receiver(outboard: &Outboard, paces: Paces) -> Receiver {
    let bitmap = Bitmap::new(*outboard.root(), outboard.groups().size());
    Receiver::new(TENANT, TRANSFER, bitmap, paces)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Ranges lost, doubled, late and out of order: everything arrives, nothing is asked for twice in vain.
    /// The link does it to one range seven times at most: what is lost or doubled for ever never arrives anywhere.
    #[test]
    fn fd03_pulls_everything_whatever_the_link_does(
        groups in 1_u64..60, range_groups in 1_u64..9, window in 1_u64..12,
        fates in prop::collection::vec((0..5_u8, any::<prop::sample::Index>()), 1..400),
    ) {
        let content = content(groups as usize * 16_384 - 7);
        let outboard = Outboard::of(&content);
        let paces = Paces { range_groups, window_bytes: window * 16_384, patience_ms: 100 };
        let mut receiver = receiver(&outboard, paces);
        let mut pool = CreditPool::new(20 * 16_384).unwrap();
        let (mut now, mut way, mut moved, mut spoilt) = (NOW, Vec::new(), 0, BTreeMap::new());
        let mut fates = fates.into_iter().cycle();
        for _ in 0..10_000 {
            match receiver.poll(now, &mut pool).unwrap() {
                Some(Pull::Range(range)) => { way.push(range); continue; }
                Some(Pull::Sync) => {
                    let checkpoint = receiver.synced().unwrap();
                    prop_assert_eq!(checkpoint.batch.check(), Ok(()));
                    receiver.committed();
                    continue;
                }
                Some(Pull::Complete) => break,
                None => {}
            }
            prop_assert!(pool.out() <= window * 16_384);
            if way.is_empty() { now = receiver.next_deadline().unwrap(); continue; }
            let (fate, which) = fates.next().unwrap();
            let range = way.remove(which.index(way.len()));
            let times: &mut u8 = spoilt.entry(range.start).or_default();
            match fate {
                0 if *times < 7 => { *times += 1; continue; }
                1 => now = now.plus_ms(60),
                2 if *times < 7 => { *times += 1; way.push(range.clone()); }
                _ => {}
            }
            let bytes = encode(&content, &outboard, &range);
            if let Ok(slice) = receiver.open(&range, &bytes) {
                prop_assert_eq!(slice.groups.len() as u64, range.end - range.start);
                moved += receiver.written(now, &range, &mut pool).unwrap();
            }
        }
        prop_assert!(receiver.bitmap().is_complete());
        prop_assert_eq!(moved, groups);
        receiver.stop(&mut pool);
        prop_assert_eq!(pool.out(), 0);
    }
}

/// What is asked for at a time takes three times as long as the receiver is patient at first: it waits for what is behind what
/// comes, and asks for nothing twice.
#[test]
fn fd03_over_a_slow_way_nothing_is_asked_for_twice() {
    assert_eq!(questions_over_a_way(200, 60), 200);
}

/// One range alone takes longer than the receiver is patient at first: it learns to wait.
#[test]
fn fd03_over_a_very_slow_way_little_is_asked_for_twice() {
    let asked = questions_over_a_way(200, 150);
    assert!((201..=240).contains(&asked), "{asked} questions");
}

/// How often is asked for so many groups over a way that carries one after the other, whether it is still of use or not, and
/// takes so long for each, by a receiver with a patience of 100 ms.
fn questions_over_a_way(groups: usize, each_ms: u64) -> usize {
    let content = content(groups * 16_384);
    let outboard = Outboard::of(&content);
    let paces = Paces { range_groups: 1, window_bytes: 5 * 16_384, patience_ms: 100 };
    let mut receiver = receiver(&outboard, paces);
    let mut pool = CreditPool::default();
    let (mut now, mut arrives, mut way, mut asked) = (NOW, NOW, VecDeque::new(), 0);
    loop {
        match receiver.poll(now, &mut pool).unwrap() {
            Some(Pull::Range(range)) => {
                asked += 1;
                if way.is_empty() {
                    arrives = now.plus_ms(each_ms);
                }
                way.push_back(range);
                continue;
            }
            Some(Pull::Sync) => {
                assert!(receiver.synced().is_some());
                receiver.committed();
                continue;
            }
            Some(Pull::Complete) => return asked,
            None => {}
        }
        let late = receiver.next_deadline();
        if late.is_some_and(|late| late < arrives) {
            now = late.unwrap();
            continue;
        }
        now = arrives;
        arrives = now.plus_ms(each_ms);
        let range = way.pop_front().unwrap();
        let bytes = encode(&content, &outboard, &range);
        if receiver.open(&range, &bytes).is_ok() {
            receiver.written(now, &range, &mut pool).unwrap();
        }
    }
}

/// On a way on which nothing comes at all it goes on asking as often as at first: what comes back is used at once.
#[test]
fn fd03_silence_makes_nobody_patient() {
    let content = content(16_384 * 4);
    let outboard = Outboard::of(&content);
    let mut receiver = receiver(&outboard, Paces { patience_ms: 100, ..Paces::default() });
    let mut pool = CreditPool::default();
    let mut now = NOW;
    for _ in 0..50 {
        assert_eq!(receiver.poll(now, &mut pool).unwrap(), Some(Pull::Range(0..4)));
        assert_eq!(receiver.next_deadline(), Some(now.plus_ms(100)));
        now = now.plus_ms(100);
    }
    let bytes = encode(&content, &outboard, &(0..4));
    assert!(receiver.open(&(0..4), &bytes).is_ok());
    assert_eq!(receiver.written(now, &(0..4), &mut pool), Ok(4));
}

#[test]
fn fd02_what_was_not_asked_for_or_is_not_right_is_refused() {
    let content = content(16_384 * 4);
    let outboard = Outboard::of(&content);
    let mut receiver = receiver(&outboard, Paces { range_groups: 2, ..Paces::default() });
    let mut pool = CreditPool::default();
    assert_eq!(receiver.poll(NOW, &mut pool).unwrap(), Some(Pull::Range(0..2)));
    let mut right = encode(&content, &outboard, &(0..2));
    assert!(receiver.open(&(0..2), &right).is_ok());
    assert_eq!(receiver.open(&(2..4), &right).err(), Some(Misuse::NotAsked.into()));
    right[200] ^= 1;
    assert!(matches!(receiver.open(&(0..2), &right), Err(Error::Peer(_))));
    assert_eq!(receiver.bitmap().verified(), 0);
}
