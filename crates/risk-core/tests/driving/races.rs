//! Every order of requests that race, with commits of unknown fate and tasks that die.

use crate::registration::DAY_MS;
use crate::service::{Device, car, request, start};
use interbank_risk_core::driving::{EvaluateRequest, Event, LevelNotice, Refusal, Verdict};
use port::outbox::Entry;
use port::{Key, Snapshot};
use seal::SoftKeys;
use simkit::{Fate, Faults, FaultyStore, Stage, every};

/// What a task was told: the level's notice, or why there is none; `None` if the store failed.
type Told = Option<Result<LevelNotice, Refusal>>;

fn notices(rows: &Snapshot, outbox: &Key) -> Vec<LevelNotice> {
    let entries = rows.rows.iter().filter(|(key, _)| key.starts_with(outbox));
    let notice = |row: &port::Row| LevelNotice::parse(&Entry::parse(&row.value).unwrap().content);
    entries.map(|(_, row)| notice(row).unwrap()).collect()
}

/// Asks for requests by their ids, and perhaps suspends the registration meanwhile; returns how many orders were played.
fn play(device: &Device, ids: &[u8], suspends: bool, faults: &Faults, deaths: usize) -> usize {
    let (now, keys) = (start().plus_ms(DAY_MS), SoftKeys::with_prepared(0));
    let (base, outbox) = (device.store.inner.snapshot(), device.server.outbox());
    let setup = || {
        let mut stage: Stage<'_, Told> = Stage::new(FaultyStore::over(&base, faults.clone()));
        stage.deaths(deaths);
        for id in ids {
            let ask: EvaluateRequest = request(*id);
            let name = format!("request {id}");
            let make = move || device.server.evaluate(now, ask);
            stage.decide(name, &keys, make, |decided| {
                Some(match decided.ok()?.verdict {
                    Verdict::Granted(evaluated) => Ok(evaluated.notice),
                    Verdict::Declined(why) => Err(why),
                })
            });
        }
        let suspend = || device.server.change(now, car(), Event::Suspend);
        if suspends {
            stage.decide("suspend", &keys, suspend, |decided| {
                let _ = decided.ok()?;
                None
            });
        }
        let outbox = &outbox;
        stage.invariant("one notice for each request", move |rows| {
            let mut ids: Vec<_> =
                notices(rows, outbox).iter().map(|notice| notice.request).collect();
            ids.sort_unstable();
            ids.dedup();
            let count = notices(rows, outbox).len();
            if ids.len() == count { Ok(()) } else { Err(format!("{count} notices")) }
        });
        stage
    };
    let mut granted = 0;
    let played = every(200_000, setup, |ending| {
        ending.store().settle();
        let stored = notices(&ending.snapshot(), &outbox);
        for told in ending.told().flatten() {
            match told {
                // Whatever anybody was told is what the platform gets.
                Ok(notice) if stored.contains(notice) => granted += 1,
                Err(Refusal::Suspended) => {}
                other => return Err(format!("told {other:?}, stored {stored:?}")),
            }
        }
        Ok(())
    });
    let orders = played.unwrap_or_else(|failure| panic!("{failure}"));
    // Not all are suspended, die or fail.
    let least = if suspends { 1 } else { orders };
    assert!(granted >= least, "{granted} levels in {orders} orders");
    orders
}

#[test]
fn v13_one_notice_for_each_request_in_every_order_and_under_every_failure() {
    let mut device = Device::active();
    device.drive(start().plus_ms(DAY_MS), 900, true);
    let mut orders = 0;
    for (ids, suspends) in [(&[1, 1][..], false), (&[1, 2], false), (&[1], true)] {
        orders += play(&device, ids, suspends, &Faults::None, 1);
        for fate in [Fate::Conflict, Fate::UnknownApplied, Fate::UnknownLost, Fate::CrashAfter] {
            orders += play(&device, ids, suspends, &Faults::commits([(1, fate)]), 0);
        }
    }
    assert!(orders > 300, "{orders}");
    println!("{orders} orders");
}
