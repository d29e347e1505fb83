//! Messages on a stream of bytes: a length in front of each.

use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroize as _;

/// How the length in front of a message is written, and how long a message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    prefix: Prefix,
    counts_itself: bool,
    bytes_max: usize,
}

impl Framing {
    /// The length as a big-endian number of two bytes that does not count itself; frames of at most 8,192 bytes.
    pub const BINARY_2: Self =
        Self { prefix: Prefix::Binary2, counts_itself: false, bytes_max: 8_192 };

    /// The length as four ASCII digits that do not count themselves; frames of at most 8,192 bytes.
    pub const ASCII_4: Self =
        Self { prefix: Prefix::Ascii4, counts_itself: false, bytes_max: 8_192 };

    /// Whether the length counts its own bytes too.
    #[must_use]
    pub const fn counting_itself(mut self, counts: bool) -> Self {
        self.counts_itself = counts;
        self
    }

    /// The most bytes of a frame, without its length. At most what the length can say; more is held to that.
    #[must_use]
    pub const fn bytes_max(mut self, bytes: usize) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// Appends the length and the message.
    ///
    /// # Errors
    /// [`FrameError::TooLong`]; nothing is appended.
    pub fn put(&self, message: &[u8], to: &mut Vec<u8>) -> Result<(), FrameError> {
        let own = if self.counts_itself { self.prefix.len() } else { 0 };
        let said = message.len() + own;
        if message.len() > self.bytes_max || said > self.prefix.greatest() {
            return Err(FrameError::TooLong);
        }
        to.reserve(self.prefix.len() + message.len());
        let said = u16::try_from(said).map_err(|_| FrameError::TooLong)?;
        match self.prefix {
            Prefix::Binary2 => to.extend_from_slice(&said.to_be_bytes()),
            Prefix::Ascii4 => {
                let digit = |place: u16| b'0' + u8::try_from(said / place % 10).unwrap_or(0);
                to.extend_from_slice(&[1_000, 100, 10, 1].map(digit));
            }
        }
        to.extend_from_slice(message);
        Ok(())
    }

    fn length(&self, prefix: &[u8]) -> Result<usize, FrameError> {
        let said = match self.prefix {
            Prefix::Binary2 => prefix.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)),
            Prefix::Ascii4 => prefix.iter().try_fold(0, |all, byte| match byte {
                b'0'..=b'9' => Ok(all * 10 + usize::from(byte - b'0')),
                _ => Err(FrameError::Length),
            })?,
        };
        let own = if self.counts_itself { self.prefix.len() } else { 0 };
        let len = said.checked_sub(own).ok_or(FrameError::Length)?;
        if len > self.bytes_max { Err(FrameError::TooLong) } else { Ok(len) }
    }
}

/// Takes chunks of a stream and gives frames: a machine without I/O that holds at most one frame, and erases it.
///
/// ```
/// use interbank_wire_iso8583::{FrameDecoder, Framing};
/// let mut decoder = FrameDecoder::new(Framing::BINARY_2);
/// let mut chunk = &b"\0\x03abc\0\x02d"[..];
/// assert_eq!(decoder.take(&mut chunk)?, Some(&b"abc"[..]));
/// assert_eq!(decoder.take(&mut chunk)?, None); // all taken, the second frame has begun
/// assert!(chunk.is_empty() && decoder.is_inside());
/// assert_eq!(decoder.take(&mut &b"e"[..])?, Some(&b"de"[..]));
/// # Ok::<(), interbank_wire_iso8583::FrameError>(())
/// ```
pub struct FrameDecoder {
    framing: Framing,
    prefix: [u8; 4],
    prefix_len: usize,
    frame: Vec<u8>,
    state: State,
}

impl FrameDecoder {
    /// At the beginning of a stream.
    pub fn new(framing: Framing) -> Self {
        Self { framing, prefix: [0; 4], prefix_len: 0, frame: Vec::new(), state: State::Prefix }
    }

    /// Takes bytes off the front of the chunk until a frame is whole, and lends it until the next call. `None`: the chunk
    /// is used up. Call it again with what is left of the chunk, and then with the next one.
    ///
    /// A frame without bytes is a frame: some networks send it to keep a connection alive.
    ///
    /// # Errors
    /// [`FrameError`]: where the next frame begins cannot be told any more. The connection is of no use; every later
    /// call gives the same error.
    pub fn take(&mut self, chunk: &mut &[u8]) -> Result<Option<&[u8]>, FrameError> {
        if self.state == State::Whole {
            self.frame.zeroize();
            self.prefix_len = 0;
            self.state = State::Prefix;
        }
        if self.state == State::Prefix {
            let wanted = self.framing.prefix.len();
            let have = self.prefix_len;
            let taken = split(chunk, wanted - have);
            if let Some(place) = self.prefix.get_mut(have..have + taken.len()) {
                place.copy_from_slice(taken);
            }
            self.prefix_len += taken.len();
            if self.prefix_len < wanted {
                return Ok(None);
            }
            match self.framing.length(self.prefix.get(..wanted).unwrap_or_default()) {
                Ok(len) => {
                    // Room for the whole frame: a vector that grows leaves copies of its bytes behind.
                    self.frame.reserve_exact(len);
                    self.state = State::Frame(len);
                }
                Err(error) => self.state = State::Failed(error),
            }
        }
        match self.state {
            State::Failed(error) => Err(error),
            State::Frame(len) => {
                self.frame.extend_from_slice(split(chunk, len - self.frame.len()));
                if self.frame.len() < len {
                    return Ok(None);
                }
                self.state = State::Whole;
                Ok(Some(&self.frame))
            }
            State::Prefix | State::Whole => Ok(None),
        }
    }

    /// Whether a frame has begun and is not whole: a stream that ends here was cut.
    pub fn is_inside(&self) -> bool {
        match self.state {
            State::Prefix => self.prefix_len > 0,
            State::Frame(_) => true,
            State::Whole | State::Failed(_) => false,
        }
    }
}

impl Drop for FrameDecoder {
    fn drop(&mut self) {
        self.frame.zeroize();
    }
}

impl fmt::Debug for FrameDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameDecoder")
            .field("framing", &self.framing)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Why bytes are no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A length that is no number, or less than its own bytes.
    Length,
    /// A frame of more bytes than are allowed.
    TooLong,
    /// The stream ended inside a frame.
    Cut,
}

impl FrameError {
    /// Stable number, 9240 to 9249.
    pub const fn code(self) -> u32 {
        match self {
            Self::Length => 9240,
            Self::TooLong => 9241,
            Self::Cut => 9242,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a frame's length is no length",
            Self::TooLong => "a frame is longer than allowed",
            Self::Cut => "the stream ended inside a frame",
        })
    }
}

impl core::error::Error for FrameError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    Binary2,
    Ascii4,
}

impl Prefix {
    const fn len(self) -> usize {
        match self {
            Self::Binary2 => 2,
            Self::Ascii4 => 4,
        }
    }

    const fn greatest(self) -> usize {
        match self {
            Self::Binary2 => 65_535,
            Self::Ascii4 => 9_999,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The length is being read.
    Prefix,
    /// A frame of this length is being read.
    Frame(usize),
    /// A frame is lent out.
    Whole,
    Failed(FrameError),
}

/// Takes at most so many bytes off the front.
fn split<'a>(chunk: &mut &'a [u8], at_most: usize) -> &'a [u8] {
    let (taken, rest) = chunk.split_at(at_most.min(chunk.len()));
    *chunk = rest;
    taken
}
