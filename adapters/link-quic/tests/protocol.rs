//! What only a link over QUIC can get wrong: streams, kinds, and what is no name or no frame.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod network;

use interbank_link_quic::{Ended, Incoming, Quic, QuicLink};
use link::conformance::{Authority, connected, failed, gone, knows, next, pair, peer};
use network::Air;
use port::{Bytes, Link as _};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, SendStream, VarInt};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_certificate_does_not_give_another_name() {
    let authority = Authority::new();
    let options = knows(knows(authority.options("a"), "b", None), "c", None);
    let (a, mut inbox) = QuicLink::open(options).await.unwrap();
    // One that says it is `c`, with the certificate of `b`: no link does that, so that it is done by hand.
    let raw = Raw::new(&authority, "b", a.local_addr().unwrap(), PROTOCOL).await.unwrap();
    raw.say(&[0, 0, 0, 3, 1, 1, b'c']).await;
    assert_eq!(failed(&mut inbox).await, (Some(peer("c")), Ended::Certificate));
    assert_eq!(raw.end().await, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_protocol_ends_the_connection() {
    let authority = Authority::new();
    let (a, mut inbox) = QuicLink::open(knows(authority.options("a"), "b", None)).await.unwrap();
    let address = a.local_addr().unwrap();

    // Another protocol.
    assert!(Raw::new(&authority, "b", address, b"h3").await.is_err());
    assert_eq!(failed(&mut inbox).await, (None, Ended::Protocol));

    // A name longer than names are; another version.
    for hello in [&[0, 1, 0, 0, 1][..], &[0, 0, 0, 3, 2, 1, b'b']] {
        let raw = Raw::new(&authority, "b", address, PROTOCOL).await.unwrap();
        raw.say(hello).await;
        assert_eq!(failed(&mut inbox).await, (None, Ended::Protocol));
        assert_eq!(raw.end().await, Some(1));
    }

    // What a stream begins with, and a frame, that are not as they should be: nothing of them is taken.
    let wrong: [(&[u8], Ended); 5] = [
        (&[2], Ended::Protocol),
        (&[0, 0, 0, 0, 0], Ended::Protocol),
        (&[1, 0xff, 0xff, 0xff, 0xff], Ended::FrameTooLong),
        // Half a frame, and then the end of the stream.
        (&[0, 0, 0, 1, 0, 9, 9], Ended::Closed),
        (&[1], Ended::Closed),
    ];
    for (bytes, why) in wrong {
        let raw = Raw::greeted(&authority, address).await;
        connected(&mut inbox, "b").await;
        let mut stream = raw.stream(bytes).await;
        if why == Ended::Closed {
            stream.finish().unwrap();
        }
        assert_eq!(gone(&mut inbox).await, why, "{bytes:?}");
        assert_eq!(raw.end().await, Some(if why == Ended::Closed { 0 } else { 2 }));
        assert!(inbox.try_recv().is_none(), "half a frame is none");
    }

    // Two streams of one kind.
    let raw = Raw::greeted(&authority, address).await;
    connected(&mut inbox, "b").await;
    let _streams = (raw.stream(&[1]).await, raw.stream(&[1]).await);
    assert_eq!(gone(&mut inbox).await, Ended::Protocol);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_after_the_handshake_is_not_waited_for() {
    let authority = Authority::new();
    let mut options = knows(authority.options("a"), "b", None);
    options.limits.handshake_ms = 300;
    let (a, mut inbox) = QuicLink::open(options).await.unwrap();
    // On a busy machine the time may be over within the handshake, which is no other end.
    let _quiet = Raw::new(&authority, "b", a.local_addr().unwrap(), PROTOCOL).await;
    assert_eq!(failed(&mut inbox).await, (None, Ended::Timeout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_opens_more_streams_than_there_are_kinds() {
    let authority = Authority::new();
    let (a, mut inbox) = QuicLink::open(knows(authority.options("a"), "b", None)).await.unwrap();
    let raw = Raw::greeted(&authority, a.local_addr().unwrap()).await;
    connected(&mut inbox, "b").await;
    let _streams = (raw.stream(&[0]).await, raw.stream(&[1]).await);
    let short = Duration::from_millis(300);
    assert!(tokio::time::timeout(short, raw.connection.open_uni()).await.is_err());
    assert!(raw.connection.max_datagram_size().is_none(), "datagrams are off");
    assert!(a.is_connected(&peer("b")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newer_connection_of_a_peer_replaces_the_older() {
    let authority = Authority::new();
    let (a, mut inbox) = QuicLink::open(knows(authority.options("a"), "b", None)).await.unwrap();
    let address = a.local_addr().unwrap();
    let first = Raw::greeted(&authority, address).await;
    connected(&mut inbox, "b").await;
    let second = Raw::greeted(&authority, address).await;
    // The first is ended, and whoever listens is told that the peer has begun anew.
    assert_eq!(first.end().await, Some(0));
    assert_eq!(gone(&mut inbox).await, Ended::Replaced);
    connected(&mut inbox, "b").await;
    let _stream = second.stream(&[0, 0, 0, 0, 1, 5]).await;
    match next(&mut inbox).await {
        Incoming::Frame(frame) => assert_eq!(frame.bytes()[..], [5]),
        other => panic!("{other:?}"),
    }
    assert_eq!(a.traffic(&peer("b")).unwrap().connections, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_goes_on_when_an_address_changes() {
    let mut pair = pair::<Quic, Air>(|_| {}).await;
    for round in 0..3_u8 {
        pair.network.move_all();
        let frame = Bytes::from(vec![round]);
        for (from, to, inbox) in [(&pair.b.0, "a", &mut pair.a.1), (&pair.a.0, "b", &mut pair.b.1)]
        {
            from.send(&peer(to), &frame).await.unwrap();
            match next(inbox).await {
                Incoming::Frame(got) => assert_eq!(*got.bytes(), frame),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(pair.a.0.traffic(&peer("b")).unwrap().connections, 1);
}

/// An end by hand, after the handshake.
struct Raw {
    connection: Connection,
    _endpoint: Endpoint,
}

impl Raw {
    async fn new(
        authority: &Authority,
        name: &str,
        address: SocketAddr,
        protocol: &[u8],
    ) -> Result<Self, ConnectionError> {
        let config = authority.client(name, protocol);
        let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
        let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let connection = endpoint.connect_with(config, address, "a").unwrap().await?;
        Ok(Self { connection, _endpoint: endpoint })
    }

    /// As `b`, with its name said.
    async fn greeted(authority: &Authority, address: SocketAddr) -> Self {
        let raw = Self::new(authority, "b", address, PROTOCOL).await.unwrap();
        let (mut to, mut from) = raw.connection.open_bi().await.unwrap();
        to.write_all(&[0, 0, 0, 3, 1, 1, b'b']).await.unwrap();
        let mut name = [0; 7];
        from.read_exact(&mut name).await.unwrap();
        assert_eq!(name, [0, 0, 0, 3, 1, 1, b'a']);
        raw
    }

    async fn say(&self, hello: &[u8]) {
        let (mut to, _) = self.connection.open_bi().await.unwrap();
        to.write_all(hello).await.unwrap();
    }

    async fn stream(&self, bytes: &[u8]) -> SendStream {
        let mut stream = self.connection.open_uni().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// With which code the other end says good-bye.
    async fn end(&self) -> Option<u64> {
        match self.connection.closed().await {
            ConnectionError::ApplicationClosed(close) => Some(VarInt::into_inner(close.error_code)),
            _ => None,
        }
    }
}

const PROTOCOL: &[u8] = b"interbank-link-quic/1";
