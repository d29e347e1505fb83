//! A channel's bytes, which end at the first fault.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Passes packets of SFTP on as long as they are such: a length, and so many bytes.
///
/// Behind a packet that is too long, and when an answer cannot be written, there is nothing more to read. `russh-sftp` ends a
/// session only at an end, and would otherwise take whatever follows for packets.
#[derive(Debug)]
pub(crate) struct Guard<S> {
    inner: S,
    packet_bytes_max: u32,
    /// The length that is being read, and how much of it is there.
    head: ([u8; 4], usize),
    /// Bytes of the packet that are still to come.
    left: usize,
    is_over: bool,
}

impl<S> Guard<S> {
    pub(crate) const fn new(inner: S, packet_bytes_max: u32) -> Self {
        Self { inner, packet_bytes_max, head: ([0; 4], 0), left: 0, is_over: false }
    }

    /// Follows the packets; `false` where one is too long.
    fn follow(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let many = self.left.min(bytes.len());
                self.left -= many;
                bytes = bytes.get(many..).unwrap_or_default();
                continue;
            }
            let (head, known) = &mut self.head;
            if let Some(byte) = head.get_mut(*known) {
                *byte = *first;
            }
            *known += 1;
            bytes = rest;
            if *known == head.len() {
                *known = 0;
                let len = u32::from_be_bytes(*head);
                if len > self.packet_bytes_max {
                    return false;
                }
                self.left = usize::try_from(len).unwrap_or(usize::MAX);
            }
        }
        true
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        let done = ready!(Pin::new(&mut this.inner).poll_read(context, into));
        let is_right = done.is_ok() && this.follow(into.filled().get(before..).unwrap_or_default());
        if !is_right {
            this.is_over = true;
            into.set_filled(before);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let done = ready!(Pin::new(&mut self.inner).poll_write(context, bytes));
        self.is_over |= done.is_err();
        Poll::Ready(done)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let done = ready!(Pin::new(&mut self.inner).poll_flush(context));
        self.is_over |= done.is_err();
        Poll::Ready(done)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    /// What comes through, read in steps of so many bytes.
    async fn through(bytes: &[u8], step: usize) -> Vec<u8> {
        let mut guard = Guard::new(bytes, 8);
        let mut all = Vec::new();
        let mut part = vec![0; step];
        loop {
            let read = guard.read(&mut part).await.unwrap();
            if read == 0 {
                return all;
            }
            all.extend_from_slice(&part[..read]);
        }
    }

    #[tokio::test]
    async fn packets_pass_and_behind_one_that_is_too_long_there_is_nothing() {
        let right = [&[0, 0, 0, 2, 7, 7][..], &[0, 0, 0, 0], &[0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]]
            .concat();
        let wrong = [&right[..], &[0, 0, 0, 9, 1, 2, 3]].concat();
        for step in 1..right.len() + 8 {
            assert_eq!(through(&right, step).await, right);
            // Less may come through: the read in which it shows gives nothing.
            let seen = through(&wrong, step).await;
            assert!(right.starts_with(&seen) || seen.starts_with(&right), "{step}");
            assert!(seen.len() < right.len() + 4, "{step}");
        }
    }
}
