//! The data that a code is computed from, and the message it makes (RFC 6287 §5.1, §6.3).

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::decimal::Decimal;
use super::error::{Field, OcraError};
use super::key::Feed;
use super::suite::{Format, Hash, SUITE_MAX_BYTES, Suite};

/// The inputs of one code. Has to hold exactly what the suite names.
///
/// Not shown by `Debug` beyond its counter and time: questions may be one-time secrets, and a PIN
/// hash is one.
#[derive(Clone, Copy)]
pub struct DataInput<'a> {
    pub(super) question: Question<'a>,
    pub(super) counter: Option<u64>,
    pub(super) pin_hash: Option<&'a [u8]>,
    pub(super) session: Option<&'a [u8]>,
    pub(super) time_steps: Option<u64>,
}

impl<'a> DataInput<'a> {
    /// Inputs with this question alone.
    pub fn new(question: impl Into<Question<'a>>) -> Self {
        Self {
            question: question.into(),
            counter: None,
            pin_hash: None,
            session: None,
            time_steps: None,
        }
    }

    /// Adds the counter (C).
    #[must_use]
    pub fn counter(mut self, counter: u64) -> Self {
        self.counter = Some(counter);
        self
    }

    /// Adds the hash of the PIN (P), computed by the caller with the hash that the suite names.
    #[must_use]
    pub fn pin_hash(mut self, pin_hash: &'a [u8]) -> Self {
        self.pin_hash = Some(pin_hash);
        self
    }

    /// Adds the session information (S). Shorter than the suite says, it is filled with zeros on
    /// the left, as the RFC's reference implementation does.
    #[must_use]
    pub fn session(mut self, session: &'a [u8]) -> Self {
        self.session = Some(session);
        self
    }

    /// Adds the time (T) as a count of whole steps; see [`TimeStep::steps_at`](super::TimeStep).
    #[must_use]
    pub fn time_steps(mut self, time_steps: u64) -> Self {
        self.time_steps = Some(time_steps);
        self
    }
}

impl fmt::Debug for DataInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataInput")
            .field("counter", &self.counter)
            .field("time_steps", &self.time_steps)
            .finish_non_exhaustive()
    }
}

/// A challenge question: one text, or two joined for mutual authentication, where each may have
/// the length that the suite allows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    first: &'a str,
    second: Option<&'a str>,
}

impl<'a> Question<'a> {
    /// A question of one part: one-way challenge and response (RFC 6287 §7.1), or the text to be
    /// signed, or its hash (§7.3).
    pub const fn one(text: &'a str) -> Self {
        Self { first: text, second: None }
    }

    fn parts(self) -> [&'a str; 2] {
        [self.first, self.second.unwrap_or_default()]
    }

    fn chars(self) -> impl Iterator<Item = u8> + Clone + 'a {
        self.parts().into_iter().flat_map(str::bytes)
    }

    fn all(self, mut fits: impl FnMut(u8) -> bool) -> bool {
        self.parts().iter().all(|part| part.bytes().all(&mut fits))
    }

    fn len(self) -> usize {
        self.parts().map(str::len).iter().sum()
    }

    /// The number that up to 19 digits make; `None` where anything else is among them.
    #[inline]
    fn small_number(self) -> Option<u64> {
        let [first, second] = self.parts();
        Decimal::new().read(first).read(second).number()
    }
}

impl<'a> From<&'a str> for Question<'a> {
    fn from(text: &'a str) -> Self {
        Self::one(text)
    }
}

impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({} characters)", self.len())
    }
}

/// Mutual authentication (RFC 6287 §7.2, and with a signature §7.4): each side asks a question,
/// and each answers over both, the other's first.
///
/// The client sends its challenge; the server answers with its own and a code over
/// [`Mutual::server_question`]; the client checks that code and answers with one over
/// [`Mutual::client_question`].
#[derive(Clone, Copy, Debug)]
pub struct Mutual<'a> {
    client: Question<'a>,
    server: Question<'a>,
}

impl<'a> Mutual<'a> {
    /// Both challenges.
    pub const fn new(client_challenge: &'a str, server_challenge: &'a str) -> Self {
        Self { client: Question::one(client_challenge), server: Question::one(server_challenge) }
    }

    /// What the server's code answers: the client's challenge, then its own.
    pub const fn server_question(&self) -> Question<'a> {
        Question { first: self.client.first, second: Some(self.server.first) }
    }

    /// What the client's code answers: the server's challenge, then its own.
    pub const fn client_question(&self) -> Question<'a> {
        Question { first: self.server.first, second: Some(self.client.first) }
    }
}

impl Suite {
    /// The message whose HMAC is the code, for an HSM that holds the key: the suite string, a zero
    /// byte, then C, Q, P, S and T as far as the suite has them.
    ///
    /// # Errors
    ///
    /// `InputMissing`, `InputUnexpected`, and what is wrong with the inputs given.
    pub fn message(&self, input: &DataInput<'_>) -> Result<Zeroizing<Vec<u8>>, OcraError> {
        let mut message = Zeroizing::new(Vec::with_capacity(self.message_bytes()));
        Message { suite: self, input }.feed(|bytes| message.extend_from_slice(bytes))?;
        Ok(message)
    }

    /// How long a message of this suite is.
    pub fn message_bytes(&self) -> usize {
        self.as_str().len()
            + 1
            + if self.has_counter() { 8 } else { 0 }
            + QUESTION_BYTES
            + self.pin().map_or(0, Hash::output_bytes)
            + self.session_bytes().map_or(0, usize::from)
            + if self.step().is_some() { 8 } else { 0 }
    }

    /// Writes the question to the left of the 128 zero bytes that it takes in a message.
    #[inline]
    fn write_question(&self, question: Question<'_>, bytes: &mut [u8]) -> Result<(), OcraError> {
        let allowed = 1..=usize::from(self.question_chars());
        let lengths = [Some(question.first), question.second];
        if !lengths.iter().flatten().all(|part| allowed.contains(&part.len())) {
            return Err(OcraError::QuestionLength);
        }
        // Below 10^19, so in nearly all cases, a machine word holds the number.
        if self.format() == Format::Numeric && question.len() <= 19 {
            let number = question.small_number().ok_or(OcraError::QuestionFormat)?;
            let leading = number.leading_zeros() / 4 * 4;
            if let Some(head) = bytes.first_chunk_mut() {
                *head = number.checked_shl(leading).unwrap_or(0).to_be_bytes();
            }
            return Ok(());
        }
        let fits = match self.format() {
            Format::Alphanumeric => question.all(|byte| byte.is_ascii_alphanumeric()),
            Format::Numeric => question.all(|byte| byte.is_ascii_digit()),
            Format::Hexadecimal => question.all(|byte| byte.is_ascii_hexdigit()),
        };
        if !fits {
            return Err(OcraError::QuestionFormat);
        }
        match self.format() {
            Format::Alphanumeric => {
                for (byte, char) in bytes.iter_mut().zip(question.chars()) {
                    *byte = char;
                }
            }
            Format::Numeric => write_number(bytes, question.chars()),
            Format::Hexadecimal => {
                write_nibbles(
                    bytes,
                    question.chars().map(|char| match char {
                        b'0'..=b'9' => char - b'0',
                        _ => (char | 0x20) - b'a' + 10,
                    }),
                );
            }
        }
        Ok(())
    }
}

/// The message of a suite and its inputs.
pub(super) struct Message<'a> {
    pub(super) suite: &'a Suite,
    pub(super) input: &'a DataInput<'a>,
}

impl Feed for Message<'_> {
    /// `write` is not called before the input was found to be in order.
    #[inline]
    fn feed(&self, mut write: impl FnMut(&[u8])) -> Result<(), OcraError> {
        let Self { suite, input } = self;
        let counter = matched(suite.has_counter(), input.counter, Field::Counter)?;
        let pin_hash = matched(suite.pin().is_some(), input.pin_hash, Field::Pin)?;
        let session = matched(suite.session_bytes().is_some(), input.session, Field::Session)?;
        let time_steps = matched(suite.step().is_some(), input.time_steps, Field::Time)?;
        if pin_hash.map(<[u8]>::len) != suite.pin().map(Hash::output_bytes) {
            return Err(OcraError::PinLength);
        }
        let fill = match (session, suite.session_bytes()) {
            (Some(session), Some(bytes)) => {
                usize::from(bytes).checked_sub(session.len()).ok_or(OcraError::SessionLength)?
            }
            _ => 0,
        };
        // One large piece costs an HMAC less than three small ones.
        let mut head = Head::of(suite);
        if let Some(counter) = counter {
            head.push(&counter.to_be_bytes());
        }
        suite.write_question(input.question, head.question())?;
        write(head.bytes.get(..head.len).unwrap_or_default());
        if let Some(pin_hash) = pin_hash {
            write(pin_hash);
        }
        if let Some(session) = session {
            for _ in 0..fill {
                write(&[0]);
            }
            write(session);
        }
        if let Some(time_steps) = time_steps {
            write(&time_steps.to_be_bytes());
        }
        Ok(())
    }
}

/// The first part of a message: suite, counter and question.
struct Head {
    bytes: [u8; HEAD_BYTES],
    len: usize,
}

impl Head {
    /// The suite and the zero byte after it. All of its room is copied: a copy of fixed length is a few instructions.
    #[inline]
    fn of(suite: &Suite) -> Self {
        let (room, len) = suite.with_zero();
        let mut bytes = [0; HEAD_BYTES];
        bytes[..SUITE_MAX_BYTES].copy_from_slice(room);
        Self { bytes, len }
    }

    fn push(&mut self, piece: &[u8]) {
        let end = self.len + piece.len();
        if let Some(place) = self.bytes.get_mut(self.len..end) {
            place.copy_from_slice(piece);
            self.len = end;
        }
    }

    /// Room for the question, all zeros.
    fn question(&mut self) -> &mut [u8] {
        let start = self.len;
        self.len += QUESTION_BYTES;
        self.bytes.get_mut(start..self.len).unwrap_or_default()
    }
}

/// An input that is there exactly when the suite has it.
fn matched<T>(wanted: bool, given: Option<T>, field: Field) -> Result<Option<T>, OcraError> {
    match (wanted, &given) {
        (true, None) => Err(OcraError::InputMissing(field)),
        (false, Some(_)) => Err(OcraError::InputUnexpected(field)),
        _ => Ok(given),
    }
}

/// Writes a decimal number as hexadecimal digits without leading zeros, packed from the left: an
/// odd last digit gets a zero on its right (RFC 6287 §6.3 and Appendix A).
fn write_number(bytes: &mut [u8], digits: impl Iterator<Item = u8>) {
    // Least significant word first. `used` words are in play, so short questions stay cheap.
    let mut number = [0u64; NUMBER_WORDS];
    let mut used = 1;
    for digit in digits {
        let mut carry = u64::from(digit - b'0');
        for word in number.iter_mut().take(used) {
            let sum = *word * 10 + carry;
            (carry, *word) = (sum >> WORD_BITS, sum & WORD_MASK);
        }
        if let Some(word) = number.get_mut(used).filter(|_| carry > 0) {
            *word = carry;
            used += 1;
        }
    }
    let nibbles = number.iter().take(used).rev().flat_map(|&word| {
        let [_, _, _, _, bytes @ ..] = word.to_be_bytes();
        bytes.into_iter().flat_map(|byte| [byte >> 4, byte & 15])
    });
    // Zero itself is one digit, which then stands for a whole byte of zeros like the filling.
    write_nibbles(bytes, nibbles.skip_while(|&nibble| nibble == 0));
}

fn write_nibbles(bytes: &mut [u8], nibbles: impl Iterator<Item = u8>) {
    for (place, nibble) in nibbles.enumerate() {
        if let Some(byte) = bytes.get_mut(place / 2) {
            *byte |= if place % 2 == 0 { nibble << 4 } else { nibble };
        }
    }
}

/// What the question takes in a message, in bytes.
const QUESTION_BYTES: usize = 128;

/// The longest suite with its zero byte, a counter and a question.
const HEAD_BYTES: usize = SUITE_MAX_BYTES + 8 + QUESTION_BYTES;

/// Words of 32 bits: two questions of 64 digits are below 2^426.
const NUMBER_WORDS: usize = 14;
const WORD_BITS: u32 = 32;
const WORD_MASK: u64 = 0xFFFF_FFFF;
