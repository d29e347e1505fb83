//! A network that loses, doubles, holds back and cuts what it carries, packet by packet.

use link::conformance::Network;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// Between one end that is called and those who dial it.
pub(crate) struct Air {
    front: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    front: UdpSocket,
    target: SocketAddr,
    flows: Mutex<BTreeMap<SocketAddr, Arc<Flow>>>,
    dice: Mutex<Option<u64>>,
    refuses: AtomicBool,
    is_over: AtomicBool,
    broken: AtomicU64,
    /// Packets until a cut; 0 without one.
    fuse: AtomicU64,
}

/// One connection of somebody who dials.
struct Flow {
    back: UdpSocket,
    is_cut: AtomicBool,
    is_deaf: AtomicBool,
    /// How the other end is addressed on this connection: packets of an older one do not have it.
    ids: Mutex<Vec<Vec<u8>>>,
    /// Held back, to come after the next one.
    late: Mutex<Option<Vec<u8>>>,
}

impl Air {
    /// Those who dial have other addresses from now on, as behind a translation of addresses that was begun anew.
    #[allow(dead_code, reason = "not each test file moves")]
    pub(crate) fn move_all(&self) {
        let mut flows = self.shared.flows();
        let moved: Vec<_> = flows.iter().map(|(from, flow)| (*from, Arc::clone(flow))).collect();
        for (from, old) in moved {
            old.is_cut.store(true, Ordering::Relaxed);
            let new = self.shared.flow_to(from).unwrap();
            new.ids.lock().unwrap().clone_from(&old.ids.lock().unwrap());
            flows.insert(from, new);
        }
    }
}

impl Network for Air {
    fn before(target: SocketAddr) -> io::Result<Self> {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        front.set_read_timeout(Some(TICK))?;
        let address = front.local_addr()?;
        let shared = Arc::new(Shared {
            front,
            target,
            flows: Mutex::default(),
            dice: Mutex::default(),
            refuses: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            broken: AtomicU64::new(0),
            fuse: AtomicU64::new(0),
        });
        let of_thread = Arc::clone(&shared);
        thread::Builder::new().spawn(move || of_thread.forward())?;
        Ok(Self { front: address, shared })
    }

    fn addr(&self) -> SocketAddr {
        self.front
    }

    fn cut(&self) {
        self.shared.cut();
    }

    fn cut_after(&self, pieces: u64) {
        self.shared.fuse.store(pieces, Ordering::Relaxed);
    }

    fn deafen(&self) {
        self.shared.flows().values().for_each(|flow| flow.is_deaf.store(true, Ordering::Relaxed));
    }

    fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::Relaxed);
    }

    fn misbehave(&self, seed: u64) {
        *self.shared.dice.lock().unwrap() = Some(seed);
    }

    fn behave(&self) {
        *self.shared.dice.lock().unwrap() = None;
    }

    fn broken(&self) -> u64 {
        self.shared.broken.load(Ordering::Relaxed)
    }

    fn free() -> io::Result<SocketAddr> {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
    }
}

impl Drop for Air {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    /// What those who dial say.
    fn forward(self: Arc<Self>) {
        let mut buffer = vec![0; 65_536];
        while !self.is_over.load(Ordering::Relaxed) {
            let Ok((len, from)) = self.front.recv_from(&mut buffer) else { continue };
            let packet = &buffer[..len];
            let Some(flow) = self.flow(from, packet) else { continue };
            if self.fuse.load(Ordering::Relaxed) > 0
                && self.fuse.fetch_sub(1, Ordering::Relaxed) == 1
            {
                self.cut();
            }
            let is_lost = flow.is_deaf.load(Ordering::Relaxed) || !flow.knows(packet);
            if !is_lost && !flow.is_cut.load(Ordering::Relaxed) {
                self.pass(&flow, packet);
            }
        }
    }

    /// The connection of who dials; a first packet of QUIC begins another one after a cut.
    fn flow(self: &Arc<Self>, from: SocketAddr, packet: &[u8]) -> Option<Arc<Flow>> {
        let mut flows = self.flows();
        let is_first = packet.first()? & 0xf0 == 0xc0;
        if let Some(flow) = flows.get(&from) {
            // Who is not heard and begins anew is on another connection.
            if is_first && flow.is_deaf.load(Ordering::Relaxed) {
                flow.is_cut.store(true, Ordering::Relaxed);
            }
            if !flow.is_cut.load(Ordering::Relaxed) {
                return Some(Arc::clone(flow));
            }
        }
        if !is_first || self.refuses.load(Ordering::Relaxed) {
            return None;
        }
        let flow = self.flow_to(from).ok()?;
        flows.insert(from, Arc::clone(&flow));
        Some(flow)
    }

    /// Another connection for who dials from there.
    fn flow_to(self: &Arc<Self>, from: SocketAddr) -> io::Result<Arc<Flow>> {
        let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        back.connect(self.target)?;
        back.set_read_timeout(Some(TICK))?;
        let flow = Arc::new(Flow {
            back,
            is_cut: AtomicBool::new(false),
            is_deaf: AtomicBool::new(false),
            ids: Mutex::default(),
            late: Mutex::default(),
        });
        let (shared, of_thread) = (Arc::clone(self), Arc::clone(&flow));
        thread::Builder::new().spawn(move || shared.back(&of_thread, from))?;
        Ok(flow)
    }

    /// What the end that is called says.
    fn back(&self, flow: &Flow, to: SocketAddr) {
        let mut buffer = vec![0; 65_536];
        while !self.is_over.load(Ordering::Relaxed) && !flow.is_cut.load(Ordering::Relaxed) {
            let Ok(len) = flow.back.recv(&mut buffer) else { continue };
            flow.learn(&buffer[..len]);
            if !flow.is_cut.load(Ordering::Relaxed) && self.roll() != Luck::Lost {
                let _ = self.front.send_to(&buffer[..len], to);
            }
        }
    }

    fn pass(&self, flow: &Flow, packet: &[u8]) {
        let mut late = flow.late.lock().unwrap();
        match self.roll() {
            Luck::Lost => return,
            Luck::Cut => {
                flow.is_cut.store(true, Ordering::Relaxed);
                return;
            }
            Luck::Late if late.is_none() => {
                *late = Some(packet.to_vec());
                return;
            }
            Luck::Twice => {
                let _ = flow.back.send(packet);
            }
            Luck::Late | Luck::Good => {}
        }
        let _ = flow.back.send(packet);
        if let Some(packet) = late.take() {
            let _ = flow.back.send(&packet);
        }
    }

    fn roll(&self) -> Luck {
        let mut dice = self.dice.lock().unwrap();
        let Some(state) = dice.as_mut() else { return Luck::Good };
        // xorshift64 (Marsaglia 2003).
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        let luck = match *state % 1_000 {
            0..50 => Luck::Lost,
            50..80 => Luck::Twice,
            80..110 => Luck::Late,
            110..115 => Luck::Cut,
            _ => return Luck::Good,
        };
        self.broken.fetch_add(1, Ordering::Relaxed);
        luck
    }

    fn cut(&self) {
        self.flows().values().for_each(|flow| flow.is_cut.store(true, Ordering::Relaxed));
    }

    fn flows(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Arc<Flow>>> {
        self.flows.lock().unwrap()
    }
}

impl Flow {
    /// Notes the sender's connection id of a packet with a long header (RFC 9000 §17.2).
    fn learn(&self, packet: &[u8]) {
        if packet.first().is_none_or(|first| first & 0x80 == 0) {
            return;
        }
        let id = || {
            let after = packet.get(6 + usize::from(*packet.get(5)?)..)?;
            after.get(1..1 + usize::from(*after.first()?))
        };
        let mut ids = self.ids.lock().unwrap();
        if let Some(id) = id().filter(|id| ids.iter().all(|known| known != id)) {
            ids.push(id.to_vec());
        }
    }

    /// Whether a packet belongs to this connection and to no older one from the same address.
    fn knows(&self, packet: &[u8]) -> bool {
        let is_long = packet.first().is_some_and(|first| first & 0x80 != 0);
        is_long || self.ids.lock().unwrap().iter().any(|id| packet[1..].starts_with(id))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Luck {
    Good,
    Lost,
    Twice,
    Late,
    Cut,
}

const TICK: Duration = Duration::from_millis(20);
