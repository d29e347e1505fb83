//! One TCP connection as two tasks: frames that come in go to a queue, frames from a queue go out.

use crate::network::FRAMING;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use wire_iso8583::FrameReader;

/// Splits a connection: whoever has the reader reads, and what is put into the queue is written.
pub(crate) fn split(stream: TcpStream) -> (FrameReader<OwnedReadHalf>, mpsc::Sender<Vec<u8>>) {
    // Small messages must not wait for each other.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (frames, queue) = mpsc::channel(FRAMES_MAX);
    tokio::spawn(write(writer, queue));
    (FrameReader::new(reader, FRAMING), frames)
}

/// Writes what is there in one go. Ends with the connection, or when nobody can send any more.
async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>) {
    let mut bytes = Vec::with_capacity(TOGETHER_BYTES);
    while let Some(frame) = queue.recv().await {
        bytes.clear();
        let mut next = Some(frame);
        while let Some(frame) = next {
            // What is longer than a frame may be was never a message of the dialect.
            let _ = FRAMING.put(&frame, &mut bytes);
            next = if bytes.len() < TOGETHER_BYTES { queue.try_recv().ok() } else { None };
        }
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

const FRAMES_MAX: usize = 65_536;
const TOGETHER_BYTES: usize = 32 * 1_024;
