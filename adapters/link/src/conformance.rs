//! The tests that every link has to pass, as functions over its transport and over a network that misbehaves.
//!
//! A link's test file is one line, `interbank_link::conformance!(MyTransport, MyNetwork);`, which makes a test of each. It
//! needs `tokio` with `macros` and `rt-multi-thread`. What only one transport can get wrong is tested beside it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

use crate::{
    Certificates, Contact, Ended, Error, Identity, Inbox, Incoming, Limits, Link, OpenError,
    Options, Transport,
};
use port::{Bytes, Link as _, Peer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ClientConfig;
use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What stands between two ends.
pub trait Network: Send + Sync + Sized {
    /// In front of an address, on one of its own.
    ///
    /// # Errors
    /// The operating system's.
    fn before(target: SocketAddr) -> io::Result<Self>;

    /// Where to dial.
    fn addr(&self) -> SocketAddr;

    /// Connections that are there carry nothing any more.
    fn cut(&self);

    /// The same, after so many pieces more from the end that dialled.
    fn cut_after(&self, pieces: u64);

    /// What the end that dialled says does not get through, and nobody is told.
    fn deafen(&self);

    /// Whether new connections get nowhere.
    fn refuse(&self, refuses: bool);

    /// Chance cuts and loses from now on, as this seed says.
    fn misbehave(&self, seed: u64);

    /// Chance has no say any more. What is broken stays broken.
    fn behave(&self);

    /// How often chance had its way.
    fn broken(&self) -> u64;

    /// An address that nobody listens at.
    ///
    /// # Errors
    /// The operating system's.
    fn free() -> io::Result<SocketAddr>;
}

/// A test of each function of this module.
#[macro_export]
macro_rules! conformance {
    ($transport:ty, $network:ty) => {
        $crate::conformance!(
            @each $transport, $network:
            frames_arrive_whole_and_in_order_both_ways,
            a_cut_connection_comes_back_by_itself,
            a_frame_cut_in_the_middle_is_no_frame,
            whatever_the_network_does_a_frame_is_whole_and_comes_once,
            a_peer_that_gives_no_sign_of_life_is_given_up,
            a_slow_reader_holds_up_its_sender_and_nobody_else,
            who_shows_a_wrong_certificate_gets_nowhere,
            both_ends_may_dial,
            what_cannot_work_is_refused_at_once,
            a_link_that_is_dropped_is_gone,
            a_certificate_is_replaced_without_opening_anew
        );
    };
    (@each $transport:ty, $network:ty: $($test:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::conformance::$test::<$transport, $network>().await;
            }
        )+
    };
}

/// Whom both ends believe.
#[derive(Debug)]
pub struct Authority {
    /// Its certificate.
    pub pem: String,
    /// What it signs with.
    pub issuer: Issuer<'static, KeyPair>,
}

#[allow(clippy::new_without_default, reason = "each is another")]
impl Authority {
    /// With a key of its own.
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a name.
    pub fn identity(&self, name: &str) -> Identity {
        self.issue(CertificateParams::new(vec![name.into()]).unwrap())
    }

    /// A certificate as described.
    pub fn issue(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity::new(chain, key.serialize_pem())
    }

    /// What a client by hand dials with: the certificate of a name, and a protocol (ALPN).
    pub fn client(&self, name: &str, protocol: &[u8]) -> ClientConfig {
        let identity = self.identity(name);
        let certificates =
            Certificates::new(&peer(name), &identity, self.pem.as_bytes(), protocol).unwrap();
        Arc::unwrap_or_clone(certificates.client)
    }

    /// An end that listens at any port and knows nobody, with short waits.
    pub fn options(&self, name: &str) -> Options {
        Options {
            name: peer(name),
            identity: self.identity(name),
            roots: self.pem.clone().into_bytes(),
            listen: Some((Ipv4Addr::LOCALHOST, 0).into()),
            contacts: Vec::new(),
            limits: Limits {
                keepalive_ms: 200,
                backoff_first_ms: 5,
                backoff_most_ms: 50,
                handshake_ms: 2_000,
                ..Limits::default()
            },
        }
    }
}

/// A name.
pub fn peer(name: &str) -> Peer {
    Peer::new(name).unwrap()
}

/// With one more contact.
pub fn knows(mut options: Options, name: &str, address: Option<SocketAddr>) -> Options {
    let address = address.map(|address| address.to_string());
    options.contacts.push(Contact { peer: peer(name), address });
    options
}

/// What comes next, frames and all; a test does not wait for ever.
pub async fn next(inbox: &mut Inbox) -> Incoming {
    timeout(Duration::from_secs(20), inbox.recv()).await.unwrap().unwrap()
}

/// Waits until a peer is there.
pub async fn connected(inbox: &mut Inbox, name: &str) {
    loop {
        match next(inbox).await {
            Incoming::Connected(who) if who == peer(name) => return,
            Incoming::Failed { .. } | Incoming::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The next thing has to be a failed connection.
pub async fn failed(inbox: &mut Inbox) -> (Option<Peer>, Ended) {
    match next(inbox).await {
        Incoming::Failed { peer, why } => (peer, why),
        other => panic!("{other:?}"),
    }
}

/// Waits until a peer is gone.
pub async fn gone(inbox: &mut Inbox) -> Ended {
    loop {
        match next(inbox).await {
            Incoming::Disconnected { why, .. } => return why,
            Incoming::Frame(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A link of `a`, which listens, and one of `b`, which dials it by way of a network.
#[derive(Debug)]
pub struct Pair<T, N> {
    /// Listens.
    pub a: (Link<T>, Inbox),
    /// Dials.
    pub b: (Link<T>, Inbox),
    /// Between them.
    pub network: N,
}

/// Two ends that are connected.
pub async fn pair<T: Transport, N: Network>(change: impl Fn(&mut Limits)) -> Pair<T, N> {
    let authority = Authority::new();
    let mut options = knows(authority.options("a"), "b", None);
    change(&mut options.limits);
    let mut a = Link::open(options).await.unwrap();
    let network = N::before(a.0.local_addr().unwrap()).unwrap();
    let mut options = knows(authority.options("b"), "a", Some(network.addr()));
    options.listen = None;
    change(&mut options.limits);
    let mut b = Link::open(options).await.unwrap();
    connected(&mut a.1, "b").await;
    connected(&mut b.1, "a").await;
    Pair { a, b, network }
}

/// Frames of all lengths, in their order, and what is refused.
pub async fn frames_arrive_whole_and_in_order_both_ways<T: Transport, N: Network>() {
    let Pair { mut a, mut b, network: _network } = pair::<T, N>(|_| {}).await;
    let frames: Vec<Bytes> =
        [1, 2, 255, 65_536, 2 << 20].map(|len| (0..=255_u8).cycle().take(len).collect()).into();
    for frame in &frames {
        a.0.send_when_room(&peer("b"), frame).await.unwrap();
        b.0.send_when_room(&peer("a"), frame).await.unwrap();
    }
    for (inbox, from) in [(&mut a.1, "b"), (&mut b.1, "a")] {
        for frame in &frames {
            match next(inbox).await {
                Incoming::Frame(got) => {
                    assert_eq!((got.from(), got.bytes()), (&peer(from), frame));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let traffic = a.0.traffic(&peer("b")).unwrap();
    assert_eq!((traffic.frames_in, traffic.frames_out, traffic.connections), (5, 5, 1));
    assert_eq!(traffic.bytes_in, frames.iter().map(|frame| frame.len() as u64).sum::<u64>());
    let frame = Bytes::from_static(b"x");
    assert_eq!(a.0.send(&peer("c"), &frame).await, Err(Error::Stranger));
    assert_eq!(a.0.send(&peer("b"), &Bytes::new()).await, Err(Error::Empty));
    let long = Bytes::from(vec![0; (2 << 20) + 1]);
    assert_eq!(a.0.send(&peer("b"), &long).await, Err(Error::TooLong));
}

/// A lost connection is told and dialled again; who is away gets nothing.
pub async fn a_cut_connection_comes_back_by_itself<T: Transport, N: Network>() {
    let Pair { mut a, mut b, network } = pair::<T, N>(|_| {}).await;
    for round in 0..3_u8 {
        network.cut();
        for (inbox, name) in [(&mut a.1, "b"), (&mut b.1, "a")] {
            gone(inbox).await;
            connected(inbox, name).await;
        }
        b.0.send(&peer("a"), &Bytes::from(vec![round])).await.unwrap();
        match next(&mut a.1).await {
            Incoming::Frame(frame) => assert_eq!(frame.bytes()[..], [round]),
            other => panic!("{other:?}"),
        }
    }
    network.refuse(true);
    network.cut();
    gone(&mut b.1).await;
    let frame = Bytes::from_static(b"to nobody");
    assert_eq!(b.0.send(&peer("a"), &frame).await, Err(Error::Absent));
    assert_eq!(b.0.send_when_room(&peer("a"), &frame).await, Err(Error::Absent));
    assert!(!b.0.is_connected(&peer("a")));
    failed(&mut b.1).await;
    network.refuse(false);
    connected(&mut b.1, "a").await;
}

/// Half a frame is none.
pub async fn a_frame_cut_in_the_middle_is_no_frame<T: Transport, N: Network>() {
    let Pair { mut a, b, network } = pair::<T, N>(|_| {}).await;
    let big = Bytes::from(vec![7; 2 << 20]);
    // The second piece of it does not get through.
    network.cut_after(2);
    for _ in 0..3 {
        let _ = b.0.send(&peer("a"), &big).await;
    }
    loop {
        match next(&mut a.1).await {
            Incoming::Frame(frame) => assert_eq!(frame.bytes(), &big),
            Incoming::Disconnected { .. } => break,
            other => panic!("{other:?}"),
        }
    }
}

/// On a bad network frames may be lost with their connection, and nothing worse.
pub async fn whatever_the_network_does_a_frame_is_whole_and_comes_once<T: Transport, N: Network>() {
    // The end of a connection may take frames with it; what comes is what was sent, in its order, and never twice.
    let Pair { mut a, b, network } = pair::<T, N>(|limits| limits.keepalive_ms = 100).await;
    network.misbehave(7);
    let content = |number: u32| -> Bytes {
        let len = usize::try_from(number % 20).unwrap() * 1_000 + 4;
        number.to_be_bytes().into_iter().cycle().take(len).collect()
    };
    // How much of it comes while the network is bad depends on the machine, too: it stays bad until enough has.
    let (came, good_from) = (Cell::new(0), Cell::new(None));
    let send = async {
        for number in 0..100_000 {
            if good_from.get().is_none() && came.get() > 50 && network.broken() > 5 {
                network.behave();
                network.cut();
                // What was sent last may be lost with its connection; what is sent after that is not.
                good_from.set(Some(number + 100));
            }
            while b.0.send_when_room(&peer("a"), &content(number)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            // Little waits at a time, so that little is lost with a connection, and the network has its say.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let mut got = Vec::new();
    let receive = async {
        while good_from.get().is_none_or(|good| got.last().is_none_or(|last| *last < good)) {
            if let Incoming::Frame(frame) = next(&mut a.1).await {
                let number = u32::from_be_bytes(frame.bytes()[..4].try_into().unwrap());
                assert_eq!(*frame.bytes(), content(number));
                got.push(number);
                came.set(got.len());
            }
        }
    };
    tokio::select! {
        () = send => panic!("too little happens: {} broken, {} frames", network.broken(), came.get()),
        () = receive => {}
    }
    assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "a frame came twice, or too early");
}

/// Idle connections stay, dead ones do not.
pub async fn a_peer_that_gives_no_sign_of_life_is_given_up<T: Transport, N: Network>() {
    let Pair { mut a, mut b, network } = pair::<T, N>(|limits| limits.keepalive_ms = 100).await;
    // Idle, it stays: signs of life go to and fro.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(a.1.try_recv().is_none() && b.1.try_recv().is_none());
    network.deafen();
    assert_eq!(gone(&mut a.1).await, Ended::Silent);
    gone(&mut b.1).await;
    connected(&mut a.1, "b").await;
}

/// Back-pressure by peer, with room for what cannot wait.
pub async fn a_slow_reader_holds_up_its_sender_and_nobody_else<T: Transport, N: Network>() {
    let authority = Authority::new();
    let small = |options: &mut Options| {
        options.limits.frame_bytes_max = 64 << 10;
        options.limits.outgoing_bytes_max = 256 << 10;
        options.limits.incoming_bytes_max = 256 << 10;
    };
    let mut options = knows(knows(authority.options("a"), "slow", None), "quick", None);
    small(&mut options);
    let (a, mut a_inbox) = Link::<T>::open(options).await.unwrap();
    let mut ends = Vec::new();
    for name in ["slow", "quick"] {
        let mut options = knows(authority.options(name), "a", a.local_addr());
        small(&mut options);
        let (link, mut inbox) = Link::<T>::open(options).await.unwrap();
        connected(&mut inbox, "a").await;
        connected(&mut a_inbox, name).await;
        ends.push((link, inbox));
    }
    let (_quick, mut quick_inbox) = ends.pop().unwrap();
    let (_slow, mut slow_inbox) = ends.pop().unwrap();
    let frame = Bytes::from(vec![1; 64 << 10]);
    // Until nothing more is taken: inbox, sockets and queue are full. It is not given up, since it lives.
    let mut sent = 0_u32;
    while timeout(Duration::from_secs(1), a.send_when_room(&peer("slow"), &frame)).await.is_ok() {
        sent += 1;
        assert!(sent < 1_000, "there is no back-pressure");
    }
    let small = Bytes::from_static(b"control");
    assert_eq!(a.send(&peer("slow"), &small).await, Ok(()), "a quarter is kept for control");
    let urgent = Bytes::from(vec![2; 64 << 10]);
    let mut refused = 0;
    while a.send(&peer("slow"), &urgent).await != Err(Error::Full) {
        refused += 1;
        assert!(refused < 10);
    }
    for _ in 0..100 {
        a.send_when_room(&peer("quick"), &frame).await.unwrap();
        assert!(matches!(next(&mut quick_inbox).await, Incoming::Frame(_)));
    }
    // A frame counts until it is dropped, not until it is taken.
    let mut held = Vec::new();
    while let Ok(Some(Incoming::Frame(frame))) =
        timeout(Duration::from_millis(500), slow_inbox.recv()).await
    {
        held.push(frame);
    }
    let is_bulk = |got: &Bytes| *got == frame;
    let bulk = held.iter().filter(|held| is_bulk(held.bytes())).count();
    assert_eq!(bulk, 4, "256 KiB of 64 KiB frames");
    // What cannot wait is there all the same, if it has a way of its own.
    assert_eq!(held.iter().any(|held| held.bytes() == &small), T::HAS_TWO_WAYS);
    drop(held);
    let mut got = 4;
    while got < sent {
        match next(&mut slow_inbox).await {
            Incoming::Frame(frame) => got += u32::from(is_bulk(frame.bytes())),
            other => panic!("{other:?}"),
        }
    }
    assert!(a.is_connected(&peer("slow")));
}

/// Wrong authority, expired, unknown, another name: each end is told its part.
pub async fn who_shows_a_wrong_certificate_gets_nowhere<T: Transport, N: Network>() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let options = knows(knows(right.options("a"), "b", None), "c", None);
    let (a, mut a_inbox) = Link::<T>::open(options).await.unwrap();
    let dial = |mut options: Options| {
        options.limits.backoff_first_ms = 50_000;
        options.limits.backoff_most_ms = 50_000;
        knows(options, "a", a.local_addr())
    };

    // Issued by somebody else.
    let mut options = dial(right.options("b"));
    options.identity = wrong.identity("b");
    let (_b, mut inbox) = Link::<T>::open(options).await.unwrap();
    assert_eq!(failed(&mut a_inbox).await, (None, Ended::Certificate));
    assert_eq!(failed(&mut inbox).await, (Some(peer("a")), Ended::Refused));

    // Expired.
    let mut params = CertificateParams::new(vec!["b".into()]).unwrap();
    params.not_after = date_time_ymd(2020, 1, 1);
    let mut options = dial(right.options("b"));
    options.identity = right.issue(params);
    let (_b, mut inbox) = Link::<T>::open(options).await.unwrap();
    assert_eq!(failed(&mut a_inbox).await, (None, Ended::Certificate));
    assert_eq!(failed(&mut inbox).await, (Some(peer("a")), Ended::Refused));

    // Good, and nobody that `a` knows.
    let (_d, mut inbox) = Link::<T>::open(dial(right.options("d"))).await.unwrap();
    assert_eq!(failed(&mut a_inbox).await, (Some(peer("d")), Ended::Stranger));
    assert_eq!(failed(&mut inbox).await, (Some(peer("a")), Ended::Refused));

    // The server's own: of another authority, and under another name.
    let mut options = dial(right.options("b"));
    options.roots = wrong.pem.clone().into_bytes();
    let (_b, mut inbox) = Link::<T>::open(options).await.unwrap();
    assert_eq!(failed(&mut inbox).await, (Some(peer("a")), Ended::Certificate));
    let options = knows(right.options("b"), "c", a.local_addr());
    let (_b, mut inbox) = Link::<T>::open(options).await.unwrap();
    assert_eq!(failed(&mut inbox).await, (Some(peer("c")), Ended::Certificate));

    assert!(!a.is_connected(&peer("b")) && !a.is_connected(&peer("c")));
}

/// Two connections, and either serves.
pub async fn both_ends_may_dial<T: Transport, N: Network>() {
    let authority = Authority::new();
    let (address_a, address_b) = (N::free().unwrap(), N::free().unwrap());
    let mut options = knows(authority.options("a"), "b", Some(address_b));
    options.listen = Some(address_a);
    let (a, mut a_inbox) = Link::<T>::open(options).await.unwrap();
    let mut options = knows(authority.options("b"), "a", Some(address_a));
    options.listen = Some(address_b);
    let (b, mut b_inbox) = Link::<T>::open(options).await.unwrap();
    connected(&mut a_inbox, "b").await;
    connected(&mut b_inbox, "a").await;
    for _ in 0..200 {
        if a.traffic(&peer("b")).unwrap().connections == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // They stay, both of them: neither takes the other's place.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(a.traffic(&peer("b")).unwrap().connections, 2);
    for n in 0..100_u8 {
        a.send(&peer("b"), &Bytes::from(vec![n])).await.unwrap();
    }
    let mut got = Vec::new();
    while got.len() < 100 {
        match next(&mut b_inbox).await {
            Incoming::Frame(frame) => got.push(frame.bytes()[0]),
            other => panic!("{other:?}"),
        }
    }
    got.sort_unstable();
    assert_eq!(got, (0..100).collect::<Vec<u8>>());
    assert!(b.is_connected(&peer("a")));
}

/// Faults of options, each under its name.
pub async fn what_cannot_work_is_refused_at_once<T: Transport, N: Network>() {
    let authority = Authority::new();
    let refusal = async |options| Link::<T>::open(options).await.map(drop);
    let right = || knows(authority.options("a"), "b", None);
    assert_eq!(refusal(right()).await, Ok(()));
    assert_eq!(refusal(knows(right(), "b", None)).await, Err(OpenError::Contacts));
    assert_eq!(refusal(knows(right(), "a", None)).await, Err(OpenError::Contacts));
    assert_eq!(refusal(knows(right(), "127.0.0.1", None)).await, Err(OpenError::Name));
    assert_eq!(refusal(knows(right(), "not a name", None)).await, Err(OpenError::Name));
    let changed = |change: fn(&mut Options)| {
        let mut options = right();
        change(&mut options);
        options
    };
    let none = changed(|options| options.roots = Vec::new());
    assert_eq!(refusal(none).await, Err(OpenError::Roots));
    let limits = changed(|options| options.limits.incoming_bytes_max = 100);
    assert_eq!(refusal(limits).await, Err(OpenError::Limits));
    let mut other = right();
    other.identity = authority.identity("z");
    assert_eq!(refusal(other).await, Err(OpenError::IdentityName));
    let no_key = changed(|options| options.identity = Identity::new("", ""));
    assert_eq!(refusal(no_key).await, Err(OpenError::Identity));
    let (link, _inbox) = Link::<T>::open(right()).await.unwrap();
    let mut taken = right();
    taken.listen = link.local_addr();
    assert!(matches!(refusal(taken).await, Err(OpenError::Listen(_))));
}

/// Peers notice, and the address is free again.
pub async fn a_link_that_is_dropped_is_gone<T: Transport, N: Network>() {
    let Pair { a, mut b, network: _network } = pair::<T, N>(|_| {}).await;
    let address = a.0.local_addr().unwrap();
    drop(a);
    gone(&mut b.1).await;
    for _ in 0..200 {
        let mut options = Authority::new().options("a");
        options.listen = Some(address);
        if Link::<T>::open(options).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("somebody still listens");
}

/// A renewed certificate and renewed roots count from the next handshake on, and what cannot be used changes nothing.
pub async fn a_certificate_is_replaced_without_opening_anew<T: Transport, N: Network>() {
    let (old, new) = (Authority::new(), Authority::new());
    let (a, mut a_inbox) =
        Link::<T>::open(knows(knows(old.options("a"), "b", None), "c", None)).await.unwrap();
    let dial = |authority: &Authority, name: &str| {
        let mut options = knows(authority.options(name), "a", a.local_addr());
        options.listen = None;
        options
    };
    let (b, mut b_inbox) = Link::<T>::open(dial(&old, "b")).await.unwrap();
    connected(&mut a_inbox, "b").await;
    connected(&mut b_inbox, "a").await;
    let roots = new.pem.as_bytes();
    assert_eq!(a.renew(&Identity::new("", ""), roots), Err(OpenError::Identity));
    assert_eq!(a.renew(&new.identity("z"), roots), Err(OpenError::IdentityName));
    assert_eq!(a.renew(&new.identity("a"), b""), Err(OpenError::Roots));
    assert_eq!(a.renew(&new.identity("a"), roots), Ok(()));
    // Who was there stays, and whoever the new authority vouches for comes.
    let (_c, mut c_inbox) = Link::<T>::open(dial(&new, "c")).await.unwrap();
    connected(&mut a_inbox, "c").await;
    connected(&mut c_inbox, "a").await;
    a.send(&peer("b"), &Bytes::from_static(b"still here")).await.unwrap();
    assert!(matches!(next(&mut b_inbox).await, Incoming::Frame(_)));
    // Of the old authority nobody gets in any more, until that end has been renewed, too.
    drop(b);
    gone(&mut a_inbox).await;
    let (b, mut b_inbox) = Link::<T>::open(dial(&old, "b")).await.unwrap();
    assert_eq!(failed(&mut b_inbox).await, (Some(peer("a")), Ended::Certificate));
    b.renew(&new.identity("b"), roots).unwrap();
    connected(&mut b_inbox, "a").await;
    connected(&mut a_inbox, "b").await;
}
