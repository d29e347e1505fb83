//! What every link has to do, over TCP.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use interbank_link_tls::Tls;
use link::conformance::Network;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use testbed::{Fate, Framing, Odds, Proxy};

link::conformance!(Tls, Wires);

/// A proxy that can cut, by connection and by piece.
struct Wires(Proxy);

impl Network for Wires {
    fn before(target: SocketAddr) -> io::Result<Self> {
        Proxy::framed(target, Framing::Pieces).map(Self)
    }

    fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// Chance may have cut what was there a moment ago: then what is dialled next is cut.
    fn cut(&self) {
        let begun = Instant::now();
        while self.0.cut_all() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "there was nothing to cut");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn cut_after(&self, pieces: u64) {
        self.0.trap(pieces, Fate::CutBefore);
    }

    fn deafen(&self) {
        self.0.trap(1, Fate::Deaf);
    }

    fn refuse(&self, refuses: bool) {
        self.0.refuse(refuses);
    }

    fn misbehave(&self, seed: u64) {
        let odds = Odds { refuse: 100, cut_before: 60, cut_during: 60, deaf: 3, ..Odds::default() };
        self.0.misbehave(seed, odds);
    }

    fn behave(&self) {
        self.0.behave();
    }

    fn broken(&self) -> u64 {
        self.0.counts().broken()
    }

    fn free() -> io::Result<SocketAddr> {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
    }
}
