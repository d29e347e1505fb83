//! Four weeks at home, then a payment at home and one by a thief: challenge, check and confirm over a store.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use interbank_risk_core::surroundings::*;
use port::blocking::decide;
use port::{MemoryStore, Tenant, Time, Zone};
use seal::{Secret, SoftKeys};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let policies = PolicyBook::new(vec![Policy::new(PolicyDraft::default())?])?;
    let server = SurroundingsServer::new(SurroundingsConfig::new(Tenant::new(1), policies))?;
    let (store, no_keys, zone) = (MemoryStore::new(), SoftKeys::new(), Zone::utc());
    let terminal = TerminalId::new("phone-1")?;
    let keys = TerminalKeys::new(TokenKey::derive(&Secret::new([7; 32]), 1, &terminal));
    let (home, street) = ([0x10, 0x20, 0x30], [0x80, 0x90, 0xa0, 0xb0]);

    let mut id = 0_u8;
    let mut pay = |at: Time, routers: &[u8], pin: bool| -> Result<Plan, Box<dyn Error>> {
        id += 1;
        let mut ask = server.challenge(at, terminal.clone(), [id; 32]);
        let nonce = decide(&store, &no_keys, &mut ask)?.verdict.nonce;
        let router = |n: &u8| Address::octets(Protocol::Wifi, [0, 0, 0x5e, 0, 0x53, *n]);
        // The dwell differs from scan to scan, as it does in life.
        let dwell_s = 1_800 + u32::from(id) * 60;
        let found = |n| Observation::new(router(n), Relation::InRange).dwelling_s(dwell_s);
        let report = Report {
            taken: at,
            zone: "UTC".into(),
            nonce: Some(nonce),
            scanned: Scanned::ALL,
            neighbours: routers.iter().map(found).collect(),
        };
        let when = Grid::HOUR_OF_WEEK.moment(&zone, at);
        let request = CheckRequest {
            id: [id; 16],
            terminal: terminal.clone(),
            scan: Scan::take(&report, &keys, when, None),
            amount_minor: 1_500,
            account_limit_minor: None,
            population: None,
        };
        let audited = decide(&store, &no_keys, &mut server.check(at, request))?;
        let checked = audited.verdict.granted().ok_or("declined")?;
        println!("{at}: {:?}", checked.assessment.plan);
        for why in checked.assessment.reasons().as_slice() {
            println!("    {:+6} bp  {} ({})", why.basis_points, why.reason, why.reason.code());
        }
        if pin {
            let mut confirm = server.confirm(at, terminal.clone(), [id; 16]);
            let _ = decide(&store, &no_keys, &mut confirm)?;
        }
        Ok(checked.assessment.plan)
    };

    let evening = |week: u64| Time::from_s(1_700_001_000 + week * 7 * 86_400);
    for week in 0..4 {
        pay(evening(week), &home, true)?;
    }
    let at_home = pay(evening(4), &home, false)?;
    let by_a_thief = pay(evening(4).plus_ms(60_000), &street, false)?;
    assert_eq!(at_home, Plan::Allow { limit_minor: 20_000 });
    assert_eq!(by_a_thief, Plan::Refuse);
    Ok(())
}
