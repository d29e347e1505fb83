//! The first thing that each end says: its name, as a frame of `01`, length (1), name.

use port::Peer;
use port::wire::{Reader, Writer};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Writes a name.
///
/// # Errors
/// The stream's.
pub async fn write_name<S: AsyncWrite + Unpin>(stream: &mut S, name: &Peer) -> io::Result<()> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidInput);
    let mut hello = Vec::with_capacity(Peer::BYTES_MAX + 2);
    let mut to = Writer::new(&mut hello, 1);
    to.lp8(name.as_str().as_bytes()).map_err(|_| wrong())?;
    let len = u32::try_from(hello.len()).map_err(|_| wrong())?;
    stream.write_all(&len.to_be_bytes()).await?;
    stream.write_all(&hello).await?;
    stream.flush().await
}

/// Reads a name; `None` if what comes is none.
///
/// # Errors
/// The stream's.
pub async fn read_name<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Peer>> {
    let len = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if len > Peer::BYTES_MAX + 2 {
        return Ok(None);
    }
    let mut hello = vec![0; len];
    stream.read_exact(&mut hello).await?;
    let parse = || {
        let mut from = Reader::new(&hello);
        from.version(1)?;
        let name = Reader::text(from.lp8()?)?.to_owned();
        from.finish()?;
        Ok::<_, port::WireError>(name)
    };
    Ok(parse().ok().and_then(Peer::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> io::Result<Option<Peer>> {
        let mut stream = bytes;
        read_name(&mut stream).await
    }

    #[tokio::test]
    async fn names_are_read_as_they_are_written_and_nothing_else_is() {
        let longest = "n".repeat(Peer::BYTES_MAX);
        for name in ["b", "r1.hq.example", &longest] {
            let name = Peer::new(name).unwrap();
            let mut bytes = Vec::new();
            write_name(&mut bytes, &name).await.unwrap();
            assert_eq!(read(&bytes).await.unwrap(), Some(name));
            bytes.pop();
            assert_eq!(read(&bytes).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
        let wrong: [&[u8]; 6] = [
            &[0, 0, 0, 0],
            &[0, 1, 0, 0, 1],             // longer than names are: not even read
            &[0, 0, 0, 3, 2, 1, b'b'],    // another version
            &[0, 0, 0, 2, 1, 0],          // no name
            &[0, 0, 0, 4, 1, 1, b'b', 0], // something after it
            &[0, 0, 0, 3, 1, 1, 0xff],    // no UTF-8
        ];
        for bytes in wrong {
            assert_eq!(read(bytes).await.unwrap(), None, "{bytes:?}");
        }
    }
}
