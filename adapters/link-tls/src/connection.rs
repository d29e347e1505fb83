//! One connection: frames in both directions until it ends.
//!
//! A frame is its length (`u32`, big-endian) and its bytes. Length 0 is a sign of life.

use crate::ended::ended;
use crate::spent::Spent;
use bytes::Bytes;
use link::{Connection, Ended, Kind, Limits, Wire, read_name, write_name};
use port::Peer;
use rustls::pki_types::CertificateDer;
use std::io;
use std::time::Duration;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, BufWriter, split,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsStream;

/// A connection after its handshake.
#[derive(Debug)]
pub struct Stream(pub(crate) TlsStream<TcpStream>);

impl Connection for Stream {
    fn certificate(&self) -> Option<CertificateDer<'static>> {
        let (_, state) = self.0.get_ref();
        Some(state.peer_certificates()?.first()?.clone().into_owned())
    }

    async fn say(&mut self, name: &Peer) -> Result<(), Ended> {
        write_name(&mut self.0, name).await.map_err(|why| ended(&why))
    }

    async fn hear(&mut self) -> Result<Peer, Ended> {
        read_name(&mut self.0).await.map_err(|why| ended(&why))?.ok_or(Ended::Protocol)
    }

    /// Hanging up says it.
    fn refuse(self) {}

    async fn carry(self, wire: &Wire, limits: &Limits) -> Ended {
        let (reading, writing) = split(self.0);
        tokio::select! {
            why = read(BufReader::with_capacity(BUFFER, reading), wire, limits) => why,
            why = write(BufWriter::with_capacity(BUFFER, writing), wire, limits) => why,
        }
    }
}

async fn read<S: AsyncRead + Unpin>(mut stream: S, wire: &Wire, limits: &Limits) -> Ended {
    let silence = Duration::from_millis(limits.keepalive_ms.saturating_mul(3));
    let mut spent = Spent::default();
    loop {
        let mut head = [0; 4];
        match timeout(silence, stream.read_exact(&mut head)).await {
            Err(_) => return Ended::Silent,
            Ok(Err(why)) => return ended(&why),
            Ok(Ok(_)) => {}
        }
        wire.alive();
        let Ok(len) = usize::try_from(u32::from_be_bytes(head)) else { return Ended::FrameTooLong };
        if len > limits.frame_bytes_max {
            return Ended::FrameTooLong;
        }
        if len == 0 {
            spent.clear();
            continue;
        }
        // Here a peer waits that sends faster than its frames are used up.
        let Some(room) = wire.room_for(Kind::Control, len).await else { return Ended::Closed };
        let mut body = spent.room(len);
        while body.len() < len {
            let rest = len - body.len();
            match timeout(silence, (&mut stream).take(rest as u64).read_buf(&mut body)).await {
                Err(_) => return Ended::Silent,
                Ok(Err(why)) => return ended(&why),
                Ok(Ok(0)) => return Ended::Closed,
                Ok(Ok(_)) => {}
            }
        }
        let frame = body.freeze();
        spent.keep(&frame);
        wire.received(frame, room);
    }
}

async fn write<S: AsyncWrite + Unpin>(mut stream: S, wire: &Wire, limits: &Limits) -> Ended {
    let keepalive = Duration::from_millis(limits.keepalive_ms);
    // At once: it tells the peer that it is accepted.
    if let Err(why) = write_frame(&mut stream, &[], false).await {
        return ended(&why);
    }
    loop {
        let (frame, more) = match timeout(keepalive, wire.next(Kind::Control)).await {
            Ok(next) => next,
            Err(_) => (Bytes::new(), false),
        };
        // A peer that reads slowly makes this wait, for as long as it gives signs of life.
        if let Err(why) = write_frame(&mut stream, &frame, more).await {
            return ended(&why);
        }
        if !frame.is_empty() {
            wire.sent(&frame);
        }
    }
}

async fn write_frame<S: AsyncWrite + Unpin>(
    stream: &mut S,
    frame: &[u8],
    more: bool,
) -> io::Result<()> {
    let len = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&len.to_be_bytes()).await?;
    stream.write_all(frame).await?;
    if more { Ok(()) } else { stream.flush().await }
}

const BUFFER: usize = 32 << 10;
