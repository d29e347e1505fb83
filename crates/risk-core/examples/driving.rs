//! A month with its owner, then a payment by the owner and one by a thief: samples, learning, levels, the platform's ruling.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use interbank_risk_core::driving::*;
use port::blocking::decide;
use port::{Amount, Currency, MemoryStore, Peer, Tenant, Time};
use seal::{Secret, SigningKey, SoftKeys};
use std::error::Error as Failure;

fn main() -> Result<(), Box<dyn Failure>> {
    let platform = Peer::new("platform").ok_or("a peer has a name")?;
    let server =
        DrivingServer::new(DrivingConfig::new(Tenant::new(1), Rules::default(), platform))?;
    let (store, keys) = (MemoryStore::new(), SoftKeys::new());
    let car = VehicleId::vin("1M8GDM9AXKP042788")?;
    let device = SigningKey::from_seed(&Secret::new([7; 32]));
    let euro = Currency::parse("EUR")?;
    let policy = PlatformPolicy::new(PlatformDraft::of(euro, 2_000))?;

    let applied = Time::from_s(1_700_000_000);
    let mut apply = server.apply(applied, car.clone(), &device.verifying_key());
    let _ = decide(&store, &keys, &mut apply)?;
    let _ = decide(&store, &keys, &mut server.change(applied, car.clone(), Event::Accept))?;

    // Sends twenty minutes of driving; the numbers differ from trip to trip, as they do in life.
    let mut sent = 0;
    let mut drive = |until: Time,
                     speed: i32,
                     steering: i32,
                     seat: i32|
     -> Result<(), Box<dyn Failure>> {
        let mut readings = vec![Reading::new(until.minus_ms(1_200_000), Attribute::SeatSlot, seat)];
        for (s, wave) in (0..=1_200).step_by(4).zip((0..11).cycle()) {
            let at = until.minus_ms((1_200 - s) * 1_000);
            let trip = i32::try_from(sent % 37)?;
            readings.push(Reading::new(at, Attribute::CruiseSpeed, speed + 15 * trip + 70 * wave));
            readings.push(Reading::new(
                at,
                Attribute::SteeringRate,
                steering + 2 * trip + 9 * wave,
            ));
        }
        let samples = Samples::new(car.clone(), sent, readings)?;
        sent += samples.readings().len() as u64;
        let signature = device.sign(&samples.signed_bytes());
        let recorded = decide(&store, &keys, &mut server.record(until, samples, signature))?;
        recorded.verdict.granted().map(|_| ()).ok_or_else(|| "not recorded".into())
    };

    let day = |number: u64| applied.plus_ms(number * 86_400_000);
    for number in 1..30_u8 {
        drive(day(number.into()), 5_600, 220, 1)?;
        let mut learn = server.learn(day(number.into()), car.clone(), Driver::FIRST, [number; 16]);
        let _ = decide(&store, &keys, &mut learn)?;
    }
    let close = Event::Close { ready: 0 };
    let closed = decide(&store, &keys, &mut server.change(day(30), car.clone(), close))?;
    println!("after a month: {:?}", closed.verdict.granted().map(|it| it.registration.state()));

    for (who, number, speed, steering, seat) in [
        ("the owner", 31_u8, 5_700, 225, 1),
        ("the owner in a hurry", 32, 5_500, 420, 1),
        ("a thief", 33, 9_900, 520, 3),
    ] {
        let now = day(number.into());
        drive(now, speed, steering, seat)?;
        let (id, amount) = ([number; 16], Amount::new(6_350, euro));
        let request = EvaluateRequest { id, vehicle: car.clone(), amount };
        let audited = decide(&store, &keys, &mut server.evaluate(now, request))?;
        let Some(Evaluated { outcome, notice, .. }) = audited.verdict.granted() else { continue };
        let payment = VehiclePayment { request: id, vehicle: car.clone(), amount };
        let ruled = policy.decide(now, &payment, &notice);
        println!(
            "{who}: {:?} at {} — {:?}, {}",
            notice.level, notice.conformity, ruled.ruling, ruled.why
        );
        for one in outcome.evaluation().iter().flat_map(|it| it.reasons().as_slice().to_vec()) {
            println!("  {:+6} {}", one.basis_points, one.reason);
        }
    }
    Ok(())
}
