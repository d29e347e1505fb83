//! One connection: who is at the other end, then frames in both directions until it ends.
//!
//! A frame is its length (`u32`, big-endian) and its bytes. Length 0 is a sign of life. The first frame of each end is its
//! name: `01`, length (1), name.

use crate::certificates::carries;
use crate::line::{Line, Seat};
use crate::{Ended, Limits};
use bytes::{Bytes, BytesMut};
use port::Peer;
use port::wire::{Reader, Writer};
use rustls::pki_types::CertificateDer;
use std::io;
use std::time::Duration;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, BufWriter, split,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsStream;

/// Says this end's name.
pub(crate) async fn write_name<S: AsyncWrite + Unpin>(
    stream: &mut S,
    name: &Peer,
) -> Result<(), Ended> {
    let mut hello = Vec::with_capacity(Peer::BYTES_MAX + 2);
    let mut to = Writer::new(&mut hello, 1);
    to.lp8(name.as_str().as_bytes()).map_err(|_| Ended::Protocol)?;
    let len = u32::try_from(hello.len()).map_err(|_| Ended::Protocol)?;
    let write = async {
        stream.write_all(&len.to_be_bytes()).await?;
        stream.write_all(&hello).await?;
        stream.flush().await
    };
    write.await.map_err(|why: io::Error| Ended::of(&why))
}

/// Reads the name that the other end gives.
pub(crate) async fn read_name<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Peer, Ended> {
    let len = stream.read_u32().await.map_err(|why| Ended::of(&why))?;
    let len = usize::try_from(len).ok().filter(|len| *len <= Peer::BYTES_MAX + 2);
    let mut hello = vec![0; len.ok_or(Ended::Protocol)?];
    stream.read_exact(&mut hello).await.map_err(|why| Ended::of(&why))?;
    let parse = || {
        let mut from = Reader::new(&hello);
        from.version(1)?;
        let name = Reader::text(from.lp8()?)?.to_owned();
        from.finish()?;
        Ok::<_, port::WireError>(name)
    };
    parse().ok().and_then(Peer::new).ok_or(Ended::Protocol)
}

/// Whether the other end's certificate, which was verified, carries the name that it gave.
pub(crate) fn check_name(
    certificates: Option<&[CertificateDer<'_>]>,
    name: &Peer,
) -> Result<(), Ended> {
    let certificate = certificates.and_then(<[_]>::first).ok_or(Ended::Certificate)?;
    match carries(certificate, name) {
        Ok(true) => Ok(()),
        _ => Err(Ended::Certificate),
    }
}

/// Frames in both directions until the connection ends. `alive` is called once, when the first sign came from the peer.
pub(crate) async fn carry(
    stream: TlsStream<TcpStream>,
    line: &Line,
    seat: &Seat,
    limits: &Limits,
    alive: impl FnOnce() + Send,
) -> Ended {
    let (reading, writing) = split(stream);
    tokio::select! {
        why = read(BufReader::with_capacity(BUFFER, reading), line, limits, alive) => why,
        why = write(BufWriter::with_capacity(BUFFER, writing), line, limits) => why,
        () = seat.replaced.notified() => Ended::Replaced,
    }
}

async fn read<S: AsyncRead + Unpin>(
    mut stream: S,
    line: &Line,
    limits: &Limits,
    alive: impl FnOnce() + Send,
) -> Ended {
    let silence = Duration::from_millis(limits.keepalive_ms.saturating_mul(3));
    let mut alive = Some(alive);
    loop {
        let mut head = [0; 4];
        match timeout(silence, stream.read_exact(&mut head)).await {
            Err(_) => return Ended::Silent,
            Ok(Err(why)) => return Ended::of(&why),
            Ok(Ok(_)) => {}
        }
        if let Some(alive) = alive.take() {
            alive();
        }
        let Ok(len) = usize::try_from(u32::from_be_bytes(head)) else { return Ended::FrameTooLong };
        if len > limits.frame_bytes_max {
            return Ended::FrameTooLong;
        }
        if len == 0 {
            continue;
        }
        // Here a peer waits that sends faster than its frames are used up.
        let Some(room) = line.room_for(len).await else { return Ended::Closed };
        let mut body = BytesMut::with_capacity(len);
        while body.len() < len {
            let rest = len - body.len();
            match timeout(silence, (&mut stream).take(rest as u64).read_buf(&mut body)).await {
                Err(_) => return Ended::Silent,
                Ok(Err(why)) => return Ended::of(&why),
                Ok(Ok(0)) => return Ended::Closed,
                Ok(Ok(_)) => {}
            }
        }
        line.received(body.freeze(), room);
    }
}

async fn write<S: AsyncWrite + Unpin>(mut stream: S, line: &Line, limits: &Limits) -> Ended {
    let keepalive = Duration::from_millis(limits.keepalive_ms);
    // At once: it tells the peer that it is accepted.
    if let Err(why) = write_frame(&mut stream, &[], false).await {
        return Ended::of(&why);
    }
    loop {
        let (frame, more) = match timeout(keepalive, line.pop()).await {
            Ok(next) => next,
            Err(_) => (Bytes::new(), false),
        };
        // A peer that reads slowly makes this wait, for as long as it gives signs of life.
        if let Err(why) = write_frame(&mut stream, &frame, more).await {
            return Ended::of(&why);
        }
        if !frame.is_empty() {
            line.sent(&frame);
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
