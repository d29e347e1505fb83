//! Takes connections of peers that dial.

use crate::certificates::carries;
use crate::line::{Direction, Line};
use crate::link::Shared;
use crate::{Connection, Ended, Incoming, Transport, Wire};
use port::Peer;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub(crate) async fn serve<T: Transport>(shared: Arc<Shared<T>>) {
    let handshakes = Arc::new(Semaphore::new(shared.limits.handshakes_max));
    let mut connections = JoinSet::new();
    loop {
        // Strangers that connect and say nothing hold up other newcomers for a handshake's time, and nobody else.
        let Ok(turn) = Arc::clone(&handshakes).acquire_owned().await else { return };
        match shared.transport.accept().await {
            Ok(caller) => {
                connections.spawn(receive(Arc::clone(&shared), caller, turn));
            }
            // Out of descriptors, or a connection that was gone before it was taken.
            Err(_) => sleep(PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn receive<T: Transport>(
    shared: Arc<Shared<T>>,
    caller: T::Caller,
    turn: OwnedSemaphorePermit,
) {
    let limit = Duration::from_millis(shared.limits.handshake_ms);
    let mut named = None;
    let accepted = timeout(limit, accept(&shared, caller, &mut named)).await;
    drop(turn);
    match accepted.unwrap_or(Err(Ended::Timeout)) {
        Ok((connection, line)) => {
            let wire = Wire::sit(line, Direction::Accepted).await;
            let why = tokio::select! {
                why = connection.carry(&wire, &shared.limits) => why,
                () = wire.replaced() => Ended::Replaced,
            };
            wire.leave(why);
        }
        Err(why) => shared.failed(Incoming::Failed { peer: named, why }),
    }
}

async fn accept<T: Transport>(
    shared: &Shared<T>,
    caller: T::Caller,
    named: &mut Option<Peer>,
) -> Result<(T::Connection, Arc<Line>), Ended> {
    let mut connection = shared.transport.greet(caller).await?;
    match known(shared, &mut connection, named).await {
        Ok(line) => Ok((connection, line)),
        Err(why) => {
            connection.refuse();
            Err(why)
        }
    }
}

/// Whose connection it is: the name that is given, if the certificate carries it and it is that of a contact.
async fn known<T: Transport>(
    shared: &Shared<T>,
    connection: &mut T::Connection,
    named: &mut Option<Peer>,
) -> Result<Arc<Line>, Ended> {
    let name = connection.hear().await?;
    *named = Some(name.clone());
    let certificate = connection.certificate().ok_or(Ended::Certificate)?;
    if carries(&certificate, &name) != Ok(true) {
        return Err(Ended::Certificate);
    }
    let line = shared.lines.get(&name).ok_or(Ended::Stranger)?;
    connection.say(&shared.name).await?;
    Ok(Arc::clone(line))
}

const PAUSE: Duration = Duration::from_millis(50);
