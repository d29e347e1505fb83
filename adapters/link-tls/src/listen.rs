//! Takes connections of peers that dial.

use crate::connection::{carry, check_name, read_name, write_name};
use crate::line::{Direction, Line};
use crate::link::Shared;
use crate::{Ended, Incoming};
use port::Peer;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsStream};

pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let handshakes = Arc::new(Semaphore::new(shared.limits.handshakes_max));
    let mut connections = JoinSet::new();
    loop {
        // Strangers that connect and say nothing hold up other newcomers for a handshake's time, and nobody else.
        let Ok(turn) = Arc::clone(&handshakes).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, _)) => {
                connections.spawn(receive(Arc::clone(&shared), socket, turn));
            }
            // Out of descriptors, or a connection that was gone before it was taken.
            Err(_) => sleep(PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn receive(shared: Arc<Shared>, socket: TcpStream, turn: OwnedSemaphorePermit) {
    let limit = Duration::from_millis(shared.limits.handshake_ms);
    let mut named = None;
    let accepted = timeout(limit, accept(&shared, socket, &mut named)).await;
    drop(turn);
    match accepted.unwrap_or(Err(Ended::Timeout)) {
        Ok((stream, line)) => {
            let seat = line.sit(Direction::Accepted).await;
            let why = carry(stream, &line, &seat, &shared.limits, || {}).await;
            line.leave(&seat, why);
        }
        Err(why) => shared.failed(Incoming::Failed { peer: named, why }),
    }
}

async fn accept(
    shared: &Shared,
    socket: TcpStream,
    named: &mut Option<Peer>,
) -> Result<(TlsStream<TcpStream>, Arc<Line>), Ended> {
    socket.set_nodelay(true).map_err(|why| Ended::Io(why.kind()))?;
    let acceptor = TlsAcceptor::from(Arc::clone(&shared.certificates.server));
    let mut stream = acceptor.accept(socket).await.map_err(|why| Ended::of(&why))?;
    let name = read_name(&mut stream).await?;
    *named = Some(name.clone());
    check_name(stream.get_ref().1.peer_certificates(), &name)?;
    let line = shared.lines.get(&name).ok_or(Ended::Stranger)?;
    write_name(&mut stream, &shared.name).await?;
    Ok((stream.into(), Arc::clone(line)))
}

const PAUSE: Duration = Duration::from_millis(50);
