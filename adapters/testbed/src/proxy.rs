//! A network that fails as it is told to.

use crate::connection::Connection;
use crate::fault::{Dice, Plan};
use crate::{Fate, Framing, Odds};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Stands between clients and a server, on a port of its own, and passes everything on until it is told otherwise.
///
/// Faults meet requests ([`Framing`]): chosen ones ([`Self::trap`]) or by chance from a seed ([`Self::misbehave`]). Dropped,
/// it cuts all connections.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    server: SocketAddr,
    pub(crate) framing: Framing,
    plan: Mutex<Plan>,
    counts: Mutex<Counts>,
    connections: Mutex<Vec<Arc<Connection>>>,
    closing: AtomicBool,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were let through to the server.
    pub connections: u64,
    /// Connections that were closed at once.
    pub refused: u64,
    /// Requests that met a fate, [`Fate::Pass`] included.
    pub requests: u64,
    /// [`Fate::Delay`].
    pub delayed: u64,
    /// [`Fate::CutBefore`].
    pub cut_before: u64,
    /// [`Fate::CutDuring`].
    pub cut_during: u64,
    /// [`Fate::CutAfter`].
    pub cut_after: u64,
    /// [`Fate::CutWithin`].
    pub cut_within: u64,
    /// [`Fate::HalfClose`].
    pub half_closed: u64,
    /// [`Fate::Silence`].
    pub silenced: u64,
    /// [`Fate::Deaf`].
    pub deafened: u64,
    /// Open connections that [`Proxy::cut_all`] cut.
    pub cut_by_hand: u64,
    /// Bytes passed on to the server.
    pub bytes_up: u64,
    /// Bytes passed on to clients.
    pub bytes_down: u64,
}

impl Counts {
    /// Connections that were broken in some way after they had been let through.
    pub fn broken(&self) -> u64 {
        self.cut_before
            + self.cut_during
            + self.cut_after
            + self.cut_within
            + self.half_closed
            + self.silenced
            + self.deafened
            + self.cut_by_hand
    }
}

impl Proxy {
    /// Between clients and this PostgreSQL server.
    ///
    /// # Errors
    /// The operating system gives no port.
    pub fn to(server: SocketAddr) -> std::io::Result<Self> {
        Self::framed(server, Framing::Postgres)
    }

    /// Between clients and any server.
    ///
    /// # Errors
    /// The operating system gives no port.
    pub fn framed(server: SocketAddr, framing: Framing) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            framing,
            plan: Mutex::default(),
            counts: Mutex::default(),
            connections: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let of_acceptor = shared.clone();
        let acceptor = std::thread::Builder::new()
            .name("proxy".into())
            .spawn(move || accept(&listener, &of_acceptor))?;
        Ok(Self { addr, shared, acceptor: Some(acceptor) })
    }

    /// The request after this many further ones, on whichever connection, meets this fate. Traps spring one after the
    /// other, each counting from the one before.
    pub fn trap(&self, after: u64, fate: Fate) {
        self.shared.plan().trap(after, fate);
    }

    /// Takes traps back that did not spring; how many those were.
    pub fn disarm(&self) -> usize {
        self.shared.plan().disarm()
    }

    /// From now on chance decides: the n-th connection from here meets the same for the same seed.
    pub fn misbehave(&self, seed: u64, odds: Odds) {
        self.shared.plan().set_odds(Some((seed, odds)));
    }

    /// Chance has no say any more, and nobody is refused. Broken connections stay broken.
    pub fn behave(&self) {
        let mut plan = self.shared.plan();
        plan.set_odds(None);
        plan.refuses = false;
    }

    /// Whether new connections are closed at once. Those that are open go on.
    pub fn refuse(&self, refuses: bool) {
        self.shared.plan().refuses = refuses;
    }

    /// Cuts every open connection, both directions at once; how many.
    pub fn cut_all(&self) -> usize {
        let cut = self.shared.cut_all();
        self.shared.counts().cut_by_hand += cut as u64;
        cut
    }

    /// Where clients are to connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        *self.shared.counts()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        // wakes the one who waits for clients
        let _ = TcpStream::connect_timeout(&self.addr, DIAL_TIMEOUT);
        self.shared.cut_all();
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    /// What becomes of the next request; counted.
    pub(crate) fn fate(&self, dice: &mut Dice) -> Fate {
        let fate = self.plan().fate(dice);
        let mut counts = self.counts();
        counts.requests += 1;
        match fate {
            Fate::Pass => {}
            Fate::Delay(_) => counts.delayed += 1,
            Fate::CutBefore => counts.cut_before += 1,
            Fate::CutDuring => counts.cut_during += 1,
            Fate::CutAfter => counts.cut_after += 1,
            Fate::CutWithin(_) => counts.cut_within += 1,
            Fate::HalfClose => counts.half_closed += 1,
            Fate::Silence => counts.silenced += 1,
            Fate::Deaf => counts.deafened += 1,
        }
        fate
    }

    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_opaque(&self) -> bool {
        self.framing == Framing::Pieces
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut_all(&self) -> usize {
        let connections = std::mem::take(&mut *self.connections());
        let open = connections.iter().filter(|connection| !connection.is_cut());
        open.map(|connection| connection.cut()).count()
    }

    fn forget(&self, over: &Arc<Connection>) {
        self.connections().retain(|connection| !Arc::ptr_eq(connection, over));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for client in listener.incoming() {
        if shared.closing.load(Ordering::Acquire) {
            break;
        }
        threads.retain(|thread| !thread.is_finished());
        let Ok(client) = client else { continue };
        let (dice, refused) = shared.plan().connect();
        if refused {
            shared.counts().refused += 1;
            continue;
        }
        let shared = shared.clone();
        let thread = std::thread::Builder::new()
            .name("proxied".into())
            .spawn(move || serve(client, dice, &shared));
        threads.extend(thread);
    }
    shared.cut_all();
    for thread in threads {
        let _ = thread.join();
    }
}

fn serve(client: TcpStream, dice: Dice, shared: &Arc<Shared>) {
    // a server that is down is seen by the client as a connection that ends
    let Ok(server) = TcpStream::connect_timeout(&shared.server, DIAL_TIMEOUT) else { return };
    let Ok(connection) = Connection::new(client, server, shared.clone()) else { return };
    let connection = Arc::new(connection);
    shared.connections().push(connection.clone());
    shared.counts().connections += 1;
    if shared.closing.load(Ordering::Acquire) {
        connection.cut();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| connection.pump_answers());
        connection.pump_requests(dice);
    });
    connection.cut();
    shared.forget(&connection);
}

const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
