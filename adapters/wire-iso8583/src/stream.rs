//! Frames over tokio's readers and writers.

use crate::framing::{FrameDecoder, FrameError, Framing};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::{Zeroize as _, Zeroizing};

/// Reads frames from an asynchronous reader, such as the reading half of a `TcpStream`.
pub struct FrameReader<R> {
    reader: R,
    decoder: FrameDecoder,
    chunk: Zeroizing<Vec<u8>>,
    /// The part of the chunk that was read and not taken.
    left: (usize, usize),
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// At the beginning of a stream.
    pub fn new(reader: R, framing: Framing) -> Self {
        let chunk = Zeroizing::new(vec![0; CHUNK]);
        Self { reader, decoder: FrameDecoder::new(framing), chunk, left: (0, 0) }
    }

    /// The next frame; `None` when the stream has ended between two. If the future is dropped, nothing is lost: the next
    /// call goes on where this one was.
    ///
    /// # Errors
    /// What the reader says; [`FrameError`] as `InvalidData`, and as `UnexpectedEof` for a stream that was cut.
    pub async fn next(&mut self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        loop {
            let (from, to) = self.left;
            let mut chunk = self.chunk.get(from..to).unwrap_or_default();
            let taken = self.decoder.take(&mut chunk);
            self.left.0 = to - chunk.len();
            match taken {
                Ok(Some(frame)) => return Ok(Some(Zeroizing::new(frame.to_vec()))),
                Ok(None) => {}
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
            // All is taken here, so that nothing is overwritten.
            let read = self.reader.read(&mut self.chunk).await?;
            self.left = (0, read);
            if read == 0 {
                let cut = io::Error::new(io::ErrorKind::UnexpectedEof, FrameError::Cut);
                return if self.decoder.is_inside() { Err(cut) } else { Ok(None) };
            }
        }
    }
}

impl<R> fmt::Debug for FrameReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReader").field("decoder", &self.decoder).finish_non_exhaustive()
    }
}

/// Writes one frame and flushes. If the future is dropped, a part of the frame may be out: the connection is of no use then.
///
/// # Errors
/// What the writer says; [`FrameError::TooLong`] as `InvalidInput`, with nothing written.
pub async fn write_frame<W: AsyncWrite + Unpin>(
    writer: &mut W,
    framing: Framing,
    message: &[u8],
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let put = framing.put(message, &mut bytes);
    put.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let written = writer.write_all(&bytes).await;
    bytes.zeroize();
    written?;
    writer.flush().await
}

/// How much is read at once.
const CHUNK: usize = 8_192;
