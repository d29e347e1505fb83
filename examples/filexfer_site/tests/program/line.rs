//! A bad line between the two halves of a site: 50 ms there and back, one in a hundred lost.
//!
//! Two network namespaces with `tc netem` between them where that is permitted. Elsewhere the halves are two processes, and what
//! they say to each other goes through a relay that holds it for as long, and now and then for as long as it takes TCP to notice
//! a loss and to send again.

use crate::home::{Home, Running};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) enum Line {
    Namespaces(Namespaces),
    Relay,
}

/// Which half of the site.
#[derive(Clone, Copy)]
pub(crate) enum Half {
    /// With the forwarding server.
    Inside,
    /// Which dials it.
    Outside,
}

impl Line {
    /// Lays the line, and changes the configuration so that the halves talk over it.
    pub(crate) fn lay(home: &Home) -> Self {
        let port = home.forwarder_port();
        let listen = format!("listen = \"127.0.0.1:{port}\"");
        if let Some(namespaces) = Namespaces::new() {
            home.change(&listen, &format!("listen = \"{INSIDE}:{port}\""));
            return Self::Namespaces(namespaces);
        }
        let relay = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = relay.local_addr().unwrap();
        home.change(&listen, &format!("{listen}\naddress = \"{at}\""));
        // It ends with the process: there is nothing to clean up.
        thread::spawn(move || {
            for from in relay.incoming().flatten() {
                if let Ok(to) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                    carry(from, to);
                }
            }
        });
        Self::Relay
    }

    pub(crate) fn start(&self, home: &Home, half: Half, args: &[&str]) -> Running {
        match (self, half) {
            (Self::Relay, _) => home.start(args),
            (Self::Namespaces(spaces), Half::Inside) => home.start_within(&spaces.inside, args),
            (Self::Namespaces(spaces), Half::Outside) => home.start_within(&spaces.outside, args),
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Namespaces(_) => "network namespaces with netem",
            Self::Relay => "a relay",
        }
    }
}

/// They end with this value.
pub(crate) struct Namespaces {
    inside: String,
    outside: String,
}

impl Namespaces {
    /// `None` where they are not permitted, or the kernel has no `netem`.
    fn new() -> Option<Self> {
        let id = std::process::id();
        let spaces = Self { inside: format!("fx{id}i"), outside: format!("fx{id}o") };
        let Self { inside, outside } = &spaces;
        let netem = ["qdisc", "add", "dev", "line", "root", "netem", "delay", "25ms", "loss", "1%"];
        let is_laid = run("ip", &["netns", "add", inside])
            && run("ip", &["netns", "add", outside])
            && run(
                "ip",
                &[
                    "link", "add", "line", "netns", inside, "type", "veth", "peer", "name", "line",
                    "netns", outside,
                ],
            )
            && [(inside, INSIDE), (outside, OUTSIDE)].iter().all(|(space, address)| {
                run("ip", &["-n", space, "address", "add", &format!("{address}/30"), "dev", "line"])
                    && run("ip", &["-n", space, "link", "set", "lo", "up"])
                    && run("ip", &["-n", space, "link", "set", "line", "up"])
                    && run("tc", &[&["-n", space.as_str()], &netem[..]].concat())
            });
        is_laid.then_some(spaces)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for space in [&self.inside, &self.outside] {
            run("ip", &["netns", "delete", space]);
        }
    }
}

fn run(program: &str, args: &[&str]) -> bool {
    let ended =
        Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ended.is_ok_and(|status| status.success())
}

fn carry(one: TcpStream, other: TcpStream) {
    let copies = (one.try_clone().unwrap(), other.try_clone().unwrap());
    for (from, to) in [(one, other), (copies.1, copies.0)] {
        let (sender, receiver) = sync_channel(256);
        thread::spawn(move || take(from, &sender));
        thread::spawn(move || give(&receiver, to));
    }
}

fn take(mut from: TcpStream, to: &SyncSender<(Instant, Vec<u8>)>) {
    let mut buffer = vec![0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.send((Instant::now(), buffer[..read].to_vec())).is_err() {
            break;
        }
    }
    // Whoever sends to this end learns that it is gone.
    let _ = from.shutdown(Shutdown::Both);
}

fn give(from: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    let mut count = 0_u32;
    for (at, bytes) in from {
        count += 1;
        let lost = if count.is_multiple_of(100) { AGAIN } else { Duration::ZERO };
        thread::sleep((at + ONE_WAY + lost).saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

const INSIDE: &str = "10.77.0.1";
const OUTSIDE: &str = "10.77.0.2";
const ONE_WAY: Duration = Duration::from_millis(25);
/// The least that TCP waits before it sends again.
const AGAIN: Duration = Duration::from_millis(200);
