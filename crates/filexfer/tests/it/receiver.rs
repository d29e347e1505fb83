use crate::asking::NOW;
use crate::tree::{content, encode};
use interbank_filexfer::*;
use port::Tenant;
use proptest::prelude::*;

const TENANT: Tenant = Tenant::new(1);
const TRANSFER: TransferId = TransferId([4; 16]);

fn receiver(outboard: &Outboard, paces: Paces) -> Receiver {
    let bitmap = Bitmap::new(*outboard.root(), outboard.groups().size());
    Receiver::new(TENANT, TRANSFER, bitmap, paces)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Ranges lost, doubled, late and out of order: everything arrives, nothing is asked for twice in vain.
    /// The link loses as much as it likes, but not all for ever: of eight in a row it lets one pass.
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
        let (mut now, mut way, mut moved, mut lost, mut in_a_row) = (NOW, Vec::new(), 0, 0, 0);
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
            if way.is_empty() { now = now.plus_ms(100); continue; }
            let (fate, which) = fates.next().unwrap();
            let range = way.remove(which.index(way.len()));
            in_a_row = if fate == 0 && in_a_row < 7 { in_a_row + 1 } else { 0 };
            match fate {
                0 if in_a_row > 0 => { lost += 1; continue; }
                1 => now = now.plus_ms(60),
                2 => way.push(range.clone()),
                _ => {}
            }
            let bytes = encode(&content, &outboard, &range);
            if let Ok(slice) = receiver.open(&range, &bytes) {
                prop_assert_eq!(slice.groups.len() as u64, range.end - range.start);
                moved += receiver.written(&range, &mut pool).unwrap();
            }
        }
        prop_assert!(receiver.bitmap().is_complete());
        prop_assert!(moved == groups && lost <= 10_000);
        receiver.stop(&mut pool);
        prop_assert_eq!(pool.out(), 0);
    }
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
