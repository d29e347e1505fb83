//! Keeps a connection to a peer that has an address: dials, and dials again.

use crate::line::{Direction, Line};
use crate::link::Shared;
use crate::{Connection as _, Ended, Incoming, Limits, Transport, Wire};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

pub(crate) async fn keep<T: Transport>(shared: Arc<Shared<T>>, line: Arc<Line>, address: String) {
    let mut failures = 0;
    loop {
        let limit = Duration::from_millis(shared.limits.handshake_ms);
        let connected = timeout(limit, connect(&shared, &line, &address)).await;
        match connected.unwrap_or(Err(Ended::Timeout)) {
            Ok(connection) => {
                let wire = Wire::sit(Arc::clone(&line), Direction::Dialled).await;
                let why = tokio::select! {
                    why = connection.carry(&wire, &shared.limits) => why,
                    () = wire.replaced() => Ended::Replaced,
                };
                wire.leave(why);
                // What ends before the peer showed itself counts as a failure: no hot loop on a peer that hangs up.
                if wire.was_alive() {
                    failures = 0;
                }
            }
            Err(why) => shared.failed(Incoming::Failed { peer: Some(line.peer.clone()), why }),
        }
        failures += 1;
        sleep(pause(&shared.limits, failures)).await;
    }
}

async fn connect<T: Transport>(
    shared: &Shared<T>,
    line: &Line,
    address: &str,
) -> Result<T::Connection, Ended> {
    let mut connection = shared.transport.dial(&line.peer, address).await?;
    let greet = async {
        connection.say(&shared.name).await?;
        connection.hear().await
    };
    // Its certificate carries the name of whom was dialled; its answer shows that it has accepted ours. Whoever does not
    // accept it may have hung up before its alert got through.
    let given = greet.await.map_err(|why| match why {
        Ended::Closed | Ended::Io(_) => Ended::Refused,
        other => other,
    })?;
    if given == line.peer { Ok(connection) } else { Err(Ended::Protocol) }
}

/// Doubled with each failure, up to a bound; half of it is jitter, so that many do not come back at one moment.
fn pause(limits: &Limits, failures: u32) -> Duration {
    let doubled = limits.backoff_first_ms.saturating_mul(1 << (failures - 1).min(20));
    let most = doubled.min(limits.backoff_most_ms);
    let mut draw = [0; 2];
    // Without entropy there is no jitter, which is no reason not to dial.
    let _ = getrandom::fill(&mut draw);
    let jitter = (most / 2).saturating_mul(u64::from(u16::from_be_bytes(draw))) / 65_536;
    Duration::from_millis(most - jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_each_time_within_bounds() {
        let limits = Limits { backoff_first_ms: 100, backoff_most_ms: 5_000, ..Limits::default() };
        for (failures, most) in [(1, 100), (2, 200), (6, 3_200), (7, 5_000), (u32::MAX, 5_000)] {
            for _ in 0..50 {
                let ms = pause(&limits, failures).as_millis();
                assert!(ms > most / 2 - 1 && ms <= most, "{failures}: {ms}");
            }
        }
        let draws: Vec<Duration> = (0..20).map(|_| pause(&limits, 7)).collect();
        assert!(draws.iter().any(|draw| *draw != draws[0]), "no jitter");
    }
}
