//! Two or more ends on loopback, with real sockets and real certificates.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use interbank_link_tls::{
    Contact, Ended, Error, Identity, Inbox, Incoming, Limits, OpenError, Options, TlsLink,
};
use port::{Bytes, Link as _, Peer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use testbed::{Fate, Framing, Odds, Proxy};
use tokio::time::timeout;

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn identity(&self, name: &str) -> Identity {
        self.issue(CertificateParams::new(vec![name.into()]).unwrap())
    }

    fn issue(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity::new(chain, key.serialize_pem())
    }

    fn options(&self, name: &str) -> Options {
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

fn peer(name: &str) -> Peer {
    Peer::new(name).unwrap()
}

fn knows(mut options: Options, name: &str, address: Option<SocketAddr>) -> Options {
    let address = address.map(|address| address.to_string());
    options.contacts.push(Contact { peer: peer(name), address });
    options
}

/// What comes next, frames and all; a test does not wait for ever.
async fn next(inbox: &mut Inbox) -> Incoming {
    timeout(Duration::from_secs(20), inbox.recv()).await.unwrap().unwrap()
}

async fn connected(inbox: &mut Inbox, name: &str) {
    loop {
        match next(inbox).await {
            Incoming::Connected(who) if who == peer(name) => return,
            Incoming::Failed { .. } | Incoming::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn failed(inbox: &mut Inbox) -> (Option<Peer>, Ended) {
    match next(inbox).await {
        Incoming::Failed { peer, why } => (peer, why),
        other => panic!("{other:?}"),
    }
}

async fn gone(inbox: &mut Inbox) -> Ended {
    loop {
        match next(inbox).await {
            Incoming::Disconnected { why, .. } => return why,
            Incoming::Frame(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A link of `a`, which listens, and one of `b`, which dials it by way of a proxy.
struct Pair {
    a: (TlsLink, Inbox),
    b: (TlsLink, Inbox),
    proxy: Proxy,
}

async fn pair(change: impl Fn(&mut Limits)) -> Pair {
    let authority = Authority::new();
    let mut options = knows(authority.options("a"), "b", None);
    change(&mut options.limits);
    let mut a = TlsLink::open(options).await.unwrap();
    let proxy = Proxy::framed(a.0.local_addr().unwrap(), Framing::Pieces).unwrap();
    let mut options = knows(authority.options("b"), "a", Some(proxy.addr()));
    options.listen = None;
    change(&mut options.limits);
    let mut b = TlsLink::open(options).await.unwrap();
    connected(&mut a.1, "b").await;
    connected(&mut b.1, "a").await;
    Pair { a, b, proxy }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_whole_and_in_order_both_ways() {
    let Pair { mut a, mut b, proxy: _proxy } = pair(|_| {}).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_comes_back_by_itself() {
    let Pair { mut a, mut b, proxy } = pair(|_| {}).await;
    for round in 0..5_u8 {
        assert!(proxy.cut_all() > 0);
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
    proxy.refuse(true);
    proxy.cut_all();
    gone(&mut b.1).await;
    let frame = Bytes::from_static(b"to nobody");
    assert_eq!(b.0.send(&peer("a"), &frame).await, Err(Error::Absent));
    assert_eq!(b.0.send_when_room(&peer("a"), &frame).await, Err(Error::Absent));
    assert!(!b.0.is_connected(&peer("a")));
    failed(&mut b.1).await;
    proxy.refuse(false);
    connected(&mut b.1, "a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_cut_in_the_middle_is_no_frame() {
    let Pair { mut a, b, proxy } = pair(|_| {}).await;
    let big = Bytes::from(vec![7; 2 << 20]);
    // The second piece of it does not get through.
    proxy.trap(2, Fate::CutBefore);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_network_does_a_frame_is_whole_and_comes_once() {
    // The end of a connection may take frames with it; what comes is what was sent, in its order, and never twice.
    let Pair { mut a, b, proxy } = pair(|limits| limits.keepalive_ms = 100).await;
    proxy.misbehave(
        7,
        Odds { refuse: 100, cut_before: 60, cut_during: 60, deaf: 3, ..Odds::default() },
    );
    let content = |number: u32| -> Bytes {
        let len = usize::try_from(number % 20).unwrap() * 1_000 + 4;
        number.to_be_bytes().into_iter().cycle().take(len).collect()
    };
    let send = async {
        for number in 0.. {
            if number == 150 {
                proxy.behave();
                proxy.cut_all();
            }
            while b.0.send_when_room(&peer("a"), &content(number)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    };
    let mut got = Vec::new();
    // What was sent last may be lost with its connection; what is sent after that is not.
    let receive = async {
        while got.last().is_none_or(|last| *last < 250) {
            if let Incoming::Frame(frame) = next(&mut a.1).await {
                let number = u32::from_be_bytes(frame.bytes()[..4].try_into().unwrap());
                assert_eq!(*frame.bytes(), content(number));
                got.push(number);
            }
        }
    };
    tokio::select! {
        () = send => {}
        () = receive => {}
    }
    assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "a frame came twice, or too early");
    assert!(proxy.counts().broken() > 5, "the network behaved: {:?}", proxy.counts());
    assert!(got.len() > 50, "{} frames came", got.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_gives_no_sign_of_life_is_given_up() {
    let Pair { mut a, mut b, proxy } = pair(|limits| limits.keepalive_ms = 100).await;
    // Idle, it stays: signs of life go to and fro.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(a.1.try_recv().is_none() && b.1.try_recv().is_none());
    proxy.trap(1, Fate::Deaf);
    assert_eq!(gone(&mut a.1).await, Ended::Silent);
    gone(&mut b.1).await;
    connected(&mut a.1, "b").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_holds_up_its_sender_and_nobody_else() {
    let authority = Authority::new();
    let small = |options: &mut Options| {
        options.limits.frame_bytes_max = 64 << 10;
        options.limits.outgoing_bytes_max = 256 << 10;
        options.limits.incoming_bytes_max = 256 << 10;
    };
    let mut options = knows(knows(authority.options("a"), "slow", None), "quick", None);
    small(&mut options);
    let (a, mut a_inbox) = TlsLink::open(options).await.unwrap();
    let mut ends = Vec::new();
    for name in ["slow", "quick"] {
        let mut options = knows(authority.options(name), "a", a.local_addr());
        small(&mut options);
        let (link, mut inbox) = TlsLink::open(options).await.unwrap();
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
    let mut refused = 0;
    while a.send(&peer("slow"), &frame).await != Err(Error::Full) {
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
    assert_eq!(held.len(), 4, "256 KiB of 64 KiB frames");
    drop(held);
    let mut got = 4;
    while got < sent {
        assert!(matches!(next(&mut slow_inbox).await, Incoming::Frame(_)));
        got += 1;
    }
    assert!(a.is_connected(&peer("slow")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_a_wrong_certificate_gets_nowhere() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let options = knows(knows(right.options("a"), "b", None), "c", None);
    let (a, mut a_inbox) = TlsLink::open(options).await.unwrap();
    let dial = |mut options: Options| {
        options.limits.backoff_first_ms = 50_000;
        options.limits.backoff_most_ms = 50_000;
        knows(options, "a", a.local_addr())
    };

    // Issued by somebody else.
    let mut options = dial(right.options("b"));
    options.identity = wrong.identity("b");
    let (_b, mut inbox) = TlsLink::open(options).await.unwrap();
    assert_eq!(failed(&mut a_inbox).await, (None, Ended::Certificate));
    assert_eq!(failed(&mut inbox).await, (Some(peer("a")), Ended::Refused));

    // Expired.
    let mut params = CertificateParams::new(vec!["b".into()]).unwrap();
    params.not_after = date_time_ymd(2020, 1, 1);
    let mut options = dial(right.options("b"));
    options.identity = right.issue(params);
    let (_b, mut inbox) = TlsLink::open(options).await.unwrap();
    assert_eq!(failed(&mut a_inbox).await, (None, Ended::Certificate));
    assert_eq!(failed(&mut inbox).await, (Some(peer("a")), Ended::Refused));

    // Good, and nobody that `a` knows.
    let (_d, mut inbox) = TlsLink::open(dial(right.options("d"))).await.unwrap();
    assert_eq!(failed(&mut a_inbox).await, (Some(peer("d")), Ended::Stranger));
    assert_eq!(failed(&mut inbox).await, (Some(peer("a")), Ended::Refused));

    // The server's own: of another authority, and under another name.
    let mut options = dial(right.options("b"));
    options.roots = wrong.pem.clone().into_bytes();
    let (_b, mut inbox) = TlsLink::open(options).await.unwrap();
    assert_eq!(failed(&mut inbox).await, (Some(peer("a")), Ended::Certificate));
    let options = knows(right.options("b"), "c", a.local_addr());
    let (_b, mut inbox) = TlsLink::open(options).await.unwrap();
    assert_eq!(failed(&mut inbox).await, (Some(peer("c")), Ended::Certificate));

    assert!(!a.is_connected(&peer("b")) && !a.is_connected(&peer("c")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_certificate_does_not_give_another_name() {
    let authority = Authority::new();
    let options = knows(knows(authority.options("a"), "b", None), "c", None);
    let (a, mut inbox) = TlsLink::open(options).await.unwrap();
    // One that says it is `c`, with the certificate of `b`: no link does that, so that it is done by hand.
    let address = a.local_addr().unwrap();
    let mut stream = raw(&authority, "b", address);
    stream.write_all(&[0, 0, 0, 3, 1, 1, b'c']).unwrap();
    assert_eq!(failed(&mut inbox).await, (Some(peer("c")), Ended::Certificate));
    let mut rest = Vec::new();
    assert!(stream.read_to_end(&mut rest).is_err() || rest.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_protocol_ends_the_connection() {
    let authority = Authority::new();
    let mut options = knows(authority.options("a"), "b", None);
    options.limits.handshake_ms = 300;
    let (a, mut inbox) = TlsLink::open(options).await.unwrap();
    let address = a.local_addr().unwrap();

    // Not TLS at all; nothing at all.
    let mut clear = std::net::TcpStream::connect(address).unwrap();
    clear.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(failed(&mut inbox).await, (None, Ended::Protocol));
    let _quiet = std::net::TcpStream::connect(address).unwrap();
    assert_eq!(failed(&mut inbox).await, (None, Ended::Timeout));

    // A name longer than names are; another version.
    for hello in [&[0, 1, 0, 0, 1][..], &[0, 0, 0, 3, 2, 1, b'b']] {
        let mut stream = raw(&authority, "b", address);
        stream.write_all(hello).unwrap();
        assert_eq!(failed(&mut inbox).await, (None, Ended::Protocol));
    }

    // A frame longer than allowed: nothing of it is read.
    let mut stream = raw(&authority, "b", address);
    stream.write_all(&[0, 0, 0, 3, 1, 1, b'b']).unwrap();
    connected(&mut inbox, "b").await;
    stream.write_all(&[0, 0, 0, 0]).unwrap();
    stream.write_all(&[0xff, 0xff, 0xff, 0xff]).unwrap();
    assert_eq!(gone(&mut inbox).await, Ended::FrameTooLong);

    // A length that is right, and half the bytes.
    let mut stream = raw(&authority, "b", address);
    stream.write_all(&[0, 0, 0, 3, 1, 1, b'b']).unwrap();
    connected(&mut inbox, "b").await;
    stream.write_all(&[0, 0, 1, 0, 9, 9]).unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    drop(stream);
    assert!(matches!(gone(&mut inbox).await, Ended::Closed | Ended::Io(_)));
    assert!(inbox.try_recv().is_none(), "half a frame is none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newer_connection_of_a_peer_replaces_the_older() {
    let authority = Authority::new();
    let (a, mut inbox) = TlsLink::open(knows(authority.options("a"), "b", None)).await.unwrap();
    let one = || {
        let mut stream = raw(&authority, "b", a.local_addr().unwrap());
        stream.write_all(&[0, 0, 0, 3, 1, 1, b'b']).unwrap();
        stream
    };
    let mut first = one();
    connected(&mut inbox, "b").await;
    let mut second = one();
    // The first is cut, and whoever listens is told that the peer has begun anew.
    let mut rest = Vec::new();
    first.sock.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let ended = tokio::task::spawn_blocking(move || first.read_to_end(&mut rest).is_err());
    assert!(ended.await.unwrap(), "it ends without the farewell of TLS");
    assert_eq!(gone(&mut inbox).await, Ended::Replaced);
    connected(&mut inbox, "b").await;
    second.write_all(&[0, 0, 0, 1, 5]).unwrap();
    match next(&mut inbox).await {
        Incoming::Frame(frame) => assert_eq!(frame.bytes()[..], [5]),
        other => panic!("{other:?}"),
    }
    assert_eq!(a.traffic(&peer("b")).unwrap().connections, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_may_dial() {
    let authority = Authority::new();
    let free = |_: &str| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (at_a, at_b) = (free("a"), free("b"));
    let (address_a, address_b) = (at_a.local_addr().unwrap(), at_b.local_addr().unwrap());
    drop((at_a, at_b));
    let mut options = knows(authority.options("a"), "b", Some(address_b));
    options.listen = Some(address_a);
    let (a, mut a_inbox) = TlsLink::open(options).await.unwrap();
    let mut options = knows(authority.options("b"), "a", Some(address_a));
    options.listen = Some(address_b);
    let (b, mut b_inbox) = TlsLink::open(options).await.unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_work_is_refused_at_once() {
    let authority = Authority::new();
    let refusal = async |options| TlsLink::open(options).await.map(drop);
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
    let (link, _inbox) = TlsLink::open(right()).await.unwrap();
    let mut taken = right();
    taken.listen = link.local_addr();
    assert!(matches!(refusal(taken).await, Err(OpenError::Listen(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_dropped_is_gone() {
    let Pair { a, mut b, proxy: _proxy } = pair(|_| {}).await;
    let address = a.0.local_addr().unwrap();
    drop(a);
    gone(&mut b.1).await;
    for _ in 0..100 {
        if std::net::TcpStream::connect(address).is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("somebody still listens");
}

/// A client by hand, after the handshake.
fn raw(
    authority: &Authority,
    name: &str,
    address: SocketAddr,
) -> rustls::StreamOwned<rustls::ClientConnection, std::net::TcpStream> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.into()]).unwrap();
    let chain = params.signed_by(&key, &authority.issuer).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![chain.der().clone()],
            PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"interbank-link/1".to_vec()];
    let connection =
        rustls::ClientConnection::new(std::sync::Arc::new(config), "a".try_into().unwrap())
            .unwrap();
    let socket = std::net::TcpStream::connect(address).unwrap();
    rustls::StreamOwned::new(connection, socket)
}
