//! The proxy between a client and a server whose every byte the test knows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use interbank_testbed::{Fate, Framing, Odds, Proxy};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Answers each query of PostgreSQL's protocol with its own text, and remembers which it got.
struct Echo {
    addr: SocketAddr,
    got: Arc<Mutex<Vec<u8>>>,
}

impl Echo {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let got = Arc::<Mutex<Vec<u8>>>::default();
        let all = got.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let all = all.clone();
                std::thread::spawn(move || Self::serve(stream, &all));
            }
        });
        Self { addr, got }
    }

    fn serve(mut stream: TcpStream, got: &Mutex<Vec<u8>>) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut opening = [0; 8];
        stream.read_exact(&mut opening).ok()?;
        stream.write_all(&typed(b'Z', b"I")).ok()?;
        while let Some((kind, body)) = message(&mut stream) {
            if kind == b'Q' {
                got.lock().unwrap().push(body[0]);
                stream.write_all(&typed(b'D', &body)).ok()?;
                stream.write_all(&typed(b'Z', b"I")).ok()?;
            }
        }
        Some(())
    }

    fn got(&self) -> Vec<u8> {
        self.got.lock().unwrap().clone()
    }

    /// Waits until it got so many queries.
    fn await_got(&self, count: usize) -> Vec<u8> {
        let until = Instant::now() + PATIENCE;
        while self.got().len() < count && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.got()
    }
}

struct Client(TcpStream);

impl Client {
    fn connect(proxy: &Proxy) -> Self {
        let mut stream = TcpStream::connect(proxy.addr()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&[0, 0, 0, 8, 0, 3, 0, 0]).unwrap();
        let mut client = Self(stream);
        assert_eq!(client.hear(), Heard::Message(b'Z', b"I".to_vec()));
        client
    }

    fn send(&mut self, number: u8) {
        self.0.write_all(&typed(b'Q', &[number; BODY])).unwrap();
    }

    /// The whole answer to a query, or how it ended.
    fn ask(&mut self, number: u8) -> Heard {
        self.send(number);
        self.answer()
    }

    fn answer(&mut self) -> Heard {
        let row = self.hear();
        match self.hear() {
            Heard::Message(b'Z', _) => row,
            end => end,
        }
    }

    fn hear(&mut self) -> Heard {
        let mut byte = [0];
        match self.0.peek(&mut byte) {
            Ok(0) => Heard::End,
            Ok(_) => match message(&mut self.0) {
                Some((kind, body)) => Heard::Message(kind, body),
                None => Heard::End,
            },
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Heard::Nothing
            }
            Err(_) => Heard::End,
        }
    }

    fn hears_nothing(&mut self) -> bool {
        self.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let heard = self.hear();
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        heard == Heard::Nothing
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Message(u8, Vec<u8>),
    End,
    Nothing,
}

fn typed(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(4 + body.len()).unwrap();
    [&[kind][..], &len.to_be_bytes(), body].concat()
}

fn message(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).ok()?;
    let len = u32::from_be_bytes(head[1..].try_into().unwrap());
    let mut body = vec![0; usize::try_from(len).unwrap() - 4];
    stream.read_exact(&mut body).ok()?;
    Some((head[0], body))
}

fn echo(number: u8) -> Heard {
    Heard::Message(b'D', vec![number; BODY])
}

#[test]
fn everything_gets_through_until_told_otherwise() {
    let echo_server = Echo::start();
    let proxy = Proxy::to(echo_server.addr).unwrap();
    let mut clients = [Client::connect(&proxy), Client::connect(&proxy)];
    for number in 0..50 {
        for client in &mut clients {
            assert_eq!(client.ask(number), echo(number));
        }
    }
    let counts = proxy.counts();
    assert_eq!((counts.connections, counts.requests, counts.broken()), (2, 100, 0));
    assert!(counts.bytes_up >= 100 * BODY as u64 && counts.bytes_down > counts.bytes_up);
}

#[test]
fn each_fate_does_what_it_says() {
    for (fate, heard, arrives) in [
        (Fate::Pass, echo(7), true),
        (Fate::Delay(30), echo(7), true),
        (Fate::CutBefore, Heard::End, false),
        (Fate::CutDuring, Heard::End, true),
        (Fate::CutAfter, Heard::End, true),
        (Fate::CutWithin(9), Heard::End, true),
        (Fate::HalfClose, Heard::End, true),
    ] {
        let server = Echo::start();
        let proxy = Proxy::to(server.addr).unwrap();
        let mut client = Client::connect(&proxy);
        proxy.trap(1, fate);
        assert_eq!(client.ask(6), echo(6));
        let begun = Instant::now();
        assert_eq!(client.ask(7), heard, "{fate:?}");
        if let Fate::Delay(ms) = fate {
            // the request, and two messages of the answer
            assert!(begun.elapsed() >= Duration::from_millis(3 * u64::from(ms)));
        }
        // what was cut while it was on its way may arrive or not
        if fate != Fate::CutDuring {
            let expected = if arrives { &[6, 7][..] } else { &[6] };
            assert_eq!(server.await_got(expected.len()), expected, "{fate:?}");
        }
        let mut other = Client::connect(&proxy);
        assert_eq!(other.ask(8), echo(8), "others go on after {fate:?}");
    }
}

#[test]
fn the_last_message_counts_as_part_of_an_answer_that_is_cut_within() {
    let server = Echo::start();
    let proxy = Proxy::to(server.addr).unwrap();
    let mut client = Client::connect(&proxy);
    // the row is through, its end is not
    let row = u16::try_from(typed(b'D', &[1; BODY]).len()).unwrap();
    proxy.trap(0, Fate::CutWithin(row));
    client.send(1);
    assert_eq!(client.hear(), echo(1));
    assert_eq!(client.hear(), Heard::End);
}

#[test]
fn only_the_answer_of_the_trapped_request_is_withheld_from_a_pipeline() {
    let server = Echo::start();
    let proxy = Proxy::to(server.addr).unwrap();
    let mut client = Client::connect(&proxy);
    proxy.trap(2, Fate::CutAfter);
    (1..=3).for_each(|number| client.send(number));
    assert_eq!([client.answer(), client.answer()], [echo(1), echo(2)]);
    assert_eq!(client.hear(), Heard::End);
    assert_eq!(server.got(), [1, 2, 3]);
}

#[test]
fn a_half_closed_client_can_still_send() {
    let server = Echo::start();
    let proxy = Proxy::to(server.addr).unwrap();
    let mut client = Client::connect(&proxy);
    proxy.trap(0, Fate::HalfClose);
    assert_eq!(client.ask(1), Heard::End);
    client.send(2);
    assert_eq!(server.await_got(2), [1, 2]);
}

#[test]
fn silence_loses_answers_and_deafness_requests_and_both_stay_open() {
    let server = Echo::start();
    let proxy = Proxy::to(server.addr).unwrap();
    let mut client = Client::connect(&proxy);
    proxy.trap(0, Fate::Silence);
    client.send(1);
    assert!(client.hears_nothing());
    client.send(2);
    assert!(client.hears_nothing());
    assert_eq!(server.await_got(2), [1, 2]);

    let mut client = Client::connect(&proxy);
    proxy.trap(0, Fate::Deaf);
    client.send(3);
    client.send(4);
    assert!(client.hears_nothing());
    assert_eq!(server.got(), [1, 2]);
    assert_eq!(proxy.counts().broken(), 2);
}

#[test]
fn by_hand_all_are_cut_and_new_ones_refused() {
    let server = Echo::start();
    let proxy = Proxy::to(server.addr).unwrap();
    let mut clients = [(); 3].map(|()| Client::connect(&proxy));
    proxy.refuse(true);
    let mut refused = TcpStream::connect(proxy.addr()).unwrap();
    assert!(matches!(refused.read(&mut [0]), Ok(0) | Err(_)));
    assert_eq!(clients[0].ask(1), echo(1), "open ones go on");
    assert_eq!(proxy.cut_all(), 3);
    for client in &mut clients {
        assert_eq!(client.hear(), Heard::End);
    }
    proxy.behave();
    assert_eq!(Client::connect(&proxy).ask(2), echo(2));
    let counts = proxy.counts();
    assert_eq!((counts.refused, counts.cut_by_hand, counts.connections), (1, 3, 4));
}

#[test]
fn the_same_seed_breaks_the_same_requests() {
    let server = Echo::start();
    let run = |seed| {
        let proxy = Proxy::to(server.addr).unwrap();
        let odds = Odds { cut_before: 100, cut_after: 100, ..Odds::default() };
        proxy.misbehave(seed, odds);
        let lives = (0..20).map(|_| {
            let mut client = Client::connect(&proxy);
            (0..200).take_while(|number| client.ask(*number) != Heard::End).count()
        });
        let lives: Vec<_> = lives.collect();
        (lives, proxy.counts())
    };
    let (lives, counts) = run(1);
    assert_eq!((lives.clone(), counts.cut_after), (run(1).0, run(1).1.cut_after));
    assert_ne!(lives, run(2).0);
    assert!(counts.cut_before > 0 && counts.cut_after > 0, "{counts:?}");
    assert_eq!(counts.cut_before + counts.cut_after, 20);
}

#[test]
fn any_protocol_passes_in_pieces() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut bytes = [0; 64];
            while let Ok(read @ 1..) = stream.read(&mut bytes) {
                if stream.write_all(&bytes[..read]).is_err() {
                    break;
                }
            }
        }
    });
    let proxy = Proxy::framed(addr, Framing::Pieces).unwrap();
    let mut stream = TcpStream::connect(proxy.addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut back = [0; 5];
    stream.write_all(b"hello").unwrap();
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello");
    // an orderly end goes through too
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut back).unwrap(), 0);

    proxy.trap(0, Fate::CutWithin(2));
    let mut stream = TcpStream::connect(proxy.addr()).unwrap();
    stream.write_all(b"hello").unwrap();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    assert_eq!(all, b"he");
}

#[test]
fn a_server_that_is_down_is_a_connection_that_ends() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::to(addr).unwrap();
    let mut stream = TcpStream::connect(proxy.addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
    assert_eq!(proxy.counts().connections, 0);
}

#[test]
fn dropped_it_cuts_everybody_and_its_port_is_free() {
    let server = Echo::start();
    let proxy = Proxy::to(server.addr).unwrap();
    let addr = proxy.addr();
    let mut client = Client::connect(&proxy);
    proxy.trap(0, Fate::Silence);
    client.send(1);
    drop(proxy);
    assert_eq!(client.hear(), Heard::End);
    assert!(TcpListener::bind(addr).is_ok());
}

const BODY: usize = 40;
const PATIENCE: Duration = Duration::from_secs(10);
