//! One connection: names on one stream, then control and bulk on one stream each, in both directions.

use crate::ended::{Farewell, of_connection, of_io, of_read, of_read_part, of_write};
use bytes::{Bytes, BytesMut};
use link::{Ended, Kind, Limits, Wire, read_name, write_name};
use port::Peer;
use quinn::{RecvStream, SendStream};
use rustls::pki_types::CertificateDer;
use std::sync::atomic::{AtomicBool, Ordering};

/// A connection after its handshake.
#[derive(Debug)]
pub struct Connection {
    pub(crate) quic: quinn::Connection,
    /// The stream of names, once it is open.
    names: Option<(SendStream, RecvStream)>,
    is_dialled: bool,
}

impl Connection {
    pub(crate) const fn new(quic: quinn::Connection, is_dialled: bool) -> Self {
        Self { quic, names: None, is_dialled }
    }

    /// Whoever dials opens the stream of names.
    async fn names(&mut self) -> Result<&mut (SendStream, RecvStream), Ended> {
        if self.names.is_none() {
            let stream = if self.is_dialled {
                self.quic.open_bi().await
            } else {
                self.quic.accept_bi().await
            };
            self.names = Some(stream.map_err(|why| of_connection(&why))?);
        }
        self.names.as_mut().ok_or(Ended::Closed)
    }

    /// Reads one of the other end's two streams. `seen` says which kinds have come.
    async fn read(&self, wire: &Wire, limits: &Limits, seen: &[AtomicBool; 2]) -> Ended {
        let mut stream = match self.quic.accept_uni().await {
            Ok(stream) => stream,
            Err(why) => return of_connection(&why),
        };
        let mut head = [0];
        if let Err(why) = stream.read_exact(&mut head).await {
            return of_read(&why);
        }
        let kind = match head {
            [CONTROL] => Kind::Control,
            [BULK] => Kind::Bulk,
            _ => return Ended::Protocol,
        };
        if seen[kind as usize].swap(true, Ordering::Relaxed) {
            return Ended::Protocol;
        }
        wire.alive();
        loop {
            if let Err(why) = read_frame(&mut stream, kind, wire, limits).await {
                return why;
            }
        }
    }

    /// Writes one of this end's two streams.
    async fn write(&self, kind: Kind, wire: &Wire) -> Ended {
        let mut stream = match self.quic.open_uni().await {
            Ok(stream) => stream,
            Err(why) => return of_connection(&why),
        };
        let (head, priority) = match kind {
            Kind::Control => (CONTROL, 1),
            Kind::Bulk => (BULK, 0),
        };
        // What waits on a stream of more weight goes first.
        let _ = stream.set_priority(priority);
        // At once: it tells the peer that it is accepted.
        if let Err(why) = stream.write_all(&[head]).await {
            return of_write(&why);
        }
        loop {
            let (frame, _) = wire.next(kind).await;
            let Ok(len) = u32::try_from(frame.len()) else { return Ended::FrameTooLong };
            let head = Bytes::copy_from_slice(&len.to_be_bytes());
            if let Err(why) = stream.write_all_chunks(&mut [head, frame.clone()]).await {
                return of_write(&why);
            }
            wire.sent(&frame);
        }
    }
}

impl link::Connection for Connection {
    fn certificate(&self) -> Option<CertificateDer<'static>> {
        let chain = self.quic.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        chain.into_iter().next()
    }

    async fn say(&mut self, name: &Peer) -> Result<(), Ended> {
        let (to, _) = self.names().await?;
        write_name(to, name).await.map_err(|why| of_io(&why))?;
        // Nothing more comes on it; that it was finished before is no matter.
        let _ = to.finish();
        Ok(())
    }

    async fn hear(&mut self) -> Result<Peer, Ended> {
        let (_, from) = self.names().await?;
        read_name(from).await.map_err(|why| of_io(&why))?.ok_or(Ended::Protocol)
    }

    fn refuse(self) {
        self.quic.close(Farewell::Refused.into(), &[]);
    }

    async fn carry(self, wire: &Wire, limits: &Limits) -> Ended {
        let seen = [AtomicBool::new(false), AtomicBool::new(false)];
        let why = tokio::select! {
            why = self.read(wire, limits, &seen) => why,
            why = self.read(wire, limits, &seen) => why,
            why = self.write(Kind::Control, wire) => why,
            why = self.write(Kind::Bulk, wire) => why,
        };
        if matches!(why, Ended::Protocol | Ended::FrameTooLong) {
            self.quic.close(Farewell::Wrong.into(), &[]);
        }
        why
    }
}

async fn read_frame(
    stream: &mut RecvStream,
    kind: Kind,
    wire: &Wire,
    limits: &Limits,
) -> Result<(), Ended> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.map_err(|why| of_read(&why))?;
    let len = usize::try_from(u32::from_be_bytes(head)).map_err(|_| Ended::FrameTooLong)?;
    if len > limits.frame_bytes_max {
        return Err(Ended::FrameTooLong);
    }
    if len == 0 {
        return Err(Ended::Protocol);
    }
    let room = wire.room_for(kind, len).await.ok_or(Ended::Closed)?;
    let mut body = BytesMut::with_capacity(len);
    while body.len() < len {
        let chunk = stream.read_chunk(len - body.len(), true).await;
        let chunk = chunk.map_err(|why| of_read_part(&why))?.ok_or(Ended::Closed)?;
        body.extend_from_slice(&chunk.bytes);
    }
    wire.received(body.freeze(), room);
    Ok(())
}

/// The first byte of a stream says what is on it.
const CONTROL: u8 = 0;
const BULK: u8 = 1;
