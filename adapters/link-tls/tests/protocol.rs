//! What only a link over TCP can get wrong: bytes that are no TLS, no name or no frame.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use interbank_link_tls::{Ended, Incoming, TlsLink};
use link::conformance::{Authority, connected, failed, gone, knows, next, peer};
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

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
    let (a, mut inbox) = TlsLink::open(knows(authority.options("a"), "b", None)).await.unwrap();
    let address = a.local_addr().unwrap();

    // Not TLS at all.
    let mut clear = TcpStream::connect(address).unwrap();
    clear.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(failed(&mut inbox).await, (None, Ended::Protocol));

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
async fn who_says_nothing_is_not_waited_for() {
    let authority = Authority::new();
    let mut options = knows(authority.options("a"), "b", None);
    options.limits.handshake_ms = 300;
    let (a, mut inbox) = TlsLink::open(options).await.unwrap();
    let _quiet = TcpStream::connect(a.local_addr().unwrap()).unwrap();
    assert_eq!(failed(&mut inbox).await, (None, Ended::Timeout));
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

/// A client by hand, after the handshake.
fn raw(
    authority: &Authority,
    name: &str,
    address: SocketAddr,
) -> StreamOwned<ClientConnection, TcpStream> {
    let config = Arc::new(authority.client(name, b"interbank-link/1"));
    let connection = ClientConnection::new(config, "a".try_into().unwrap()).unwrap();
    StreamOwned::new(connection, TcpStream::connect(address).unwrap())
}
