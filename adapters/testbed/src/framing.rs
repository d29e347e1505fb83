//! Where a request ends and an answer ends.

/// How the bytes of a connection are taken for requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each piece is one, as the operating system hands it over.
    Pieces,
    /// The messages of PostgreSQL's protocol, version 3: a request ends with `Query`, `FunctionCall` or `Sync`, its answer
    /// with `ReadyForQuery`. Logging in is no request. With TLS the messages cannot be seen: as [`Pieces`](Self::Pieces)
    /// from there on.
    Postgres,
}

/// A part of what a client sends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Belongs to no request, or to one that goes on.
    Part(Vec<u8>),
    /// Asks for encryption: the answer is one byte.
    Encrypt(Vec<u8>),
    /// A request, up to its end.
    Request(Vec<u8>),
}

/// What a client sends, cut into requests.
#[derive(Debug)]
pub(crate) struct Requests {
    phase: Phase,
    bytes: Vec<u8>,
    /// How much of `bytes` is whole messages of the request that has begun.
    whole: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Before the message that opens a session.
    Opening,
    Messages,
    Opaque,
}

impl Requests {
    pub(crate) fn new(framing: Framing) -> Self {
        let phase = match framing {
            Framing::Pieces => Phase::Opaque,
            Framing::Postgres => Phase::Opening,
        };
        Self { phase, bytes: Vec::new(), whole: 0 }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether messages can be told apart.
    pub(crate) fn is_opaque(&self) -> bool {
        self.phase == Phase::Opaque
    }

    pub(crate) fn next(&mut self) -> Option<Sent> {
        match self.phase {
            Phase::Opaque if self.bytes.is_empty() => None,
            Phase::Opaque => Some(Sent::Request(std::mem::take(&mut self.bytes))),
            Phase::Opening => self.opening(),
            Phase::Messages => self.message(),
        }
    }

    fn opening(&mut self) -> Option<Sent> {
        if self.bytes.first() == Some(&TLS_HANDSHAKE) {
            self.phase = Phase::Opaque;
            return self.next();
        }
        let len = length(&self.bytes, 0)?;
        let code = length(&self.bytes, 4)?;
        if self.bytes.len() < len {
            return None;
        }
        let message = self.take(len);
        match code {
            SSL_REQUEST | GSSENC_REQUEST => Some(Sent::Encrypt(message)),
            CANCEL_REQUEST => Some(Sent::Part(message)),
            _ => {
                self.phase = Phase::Messages;
                Some(Sent::Part(message))
            }
        }
    }

    fn message(&mut self) -> Option<Sent> {
        while let Some(len) = message(&self.bytes[self.whole..]) {
            let kind = self.bytes[self.whole];
            self.whole += len;
            let whole = self.whole;
            match kind {
                b'Q' | b'F' | b'S' => return Some(Sent::Request(self.take(whole))),
                // a password, the end, or what the client wants answered before it goes on
                b'p' | b'X' | b'H' => return Some(Sent::Part(self.take(whole))),
                _ => {}
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        self.whole = 0;
        let rest = self.bytes.split_off(len);
        std::mem::replace(&mut self.bytes, rest)
    }
}

/// What a server sends, cut into messages.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    bytes: Vec<u8>,
}

impl Answers {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// All there is.
    pub(crate) fn piece(&mut self) -> Option<Vec<u8>> {
        (!self.bytes.is_empty()).then(|| std::mem::take(&mut self.bytes))
    }

    /// The single byte that answers [`Sent::Encrypt`].
    pub(crate) fn byte(&mut self) -> Option<u8> {
        (!self.bytes.is_empty()).then(|| self.bytes.remove(0))
    }

    /// The next message, and whether it ends an answer.
    pub(crate) fn message(&mut self) -> Option<(Vec<u8>, bool)> {
        let len = message(&self.bytes)?;
        let rest = self.bytes.split_off(len);
        let message = std::mem::replace(&mut self.bytes, rest);
        let ends = message.first() == Some(&b'Z');
        Some((message, ends))
    }
}

/// The length of the message with which these bytes begin, if it is there whole.
fn message(bytes: &[u8]) -> Option<usize> {
    let len = length(bytes, 1)?.saturating_add(1);
    (bytes.len() >= len).then_some(len)
}

fn length(bytes: &[u8], at: usize) -> Option<usize> {
    let field: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(field)).ok()
}

/// The first byte of a TLS record that begins a handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;
// PostgreSQL, "Message Formats"
const CANCEL_REQUEST: usize = 80_877_102;
const SSL_REQUEST: usize = 80_877_103;
const GSSENC_REQUEST: usize = 80_877_104;

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(code: u32, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(8 + body.len()).unwrap();
        [&len.to_be_bytes(), &code.to_be_bytes(), body].concat()
    }

    fn typed(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(4 + body.len()).unwrap();
        [&[kind][..], &len.to_be_bytes(), body].concat()
    }

    #[test]
    fn requests_are_found_whatever_the_pieces() {
        let open = opening(196_608, b"user\0me\0\0");
        let word = typed(b'p', b"secret\0");
        let query = typed(b'Q', b"COMMIT\0");
        let extended = [typed(b'P', b"x"), typed(b'B', b"yy"), typed(b'E', b""), typed(b'S', b"")];
        let extended = extended.concat();
        let flushed = typed(b'H', b"");
        let all = [&open[..], &word, &query, &extended, &flushed, &query].concat();
        let expected = [
            Sent::Part(open),
            Sent::Part(word),
            Sent::Request(query.clone()),
            Sent::Request(extended),
            Sent::Part(flushed),
            Sent::Request(query),
        ];
        for size in [1, 2, 3, 7, all.len()] {
            let mut requests = Requests::new(Framing::Postgres);
            let mut found = Vec::new();
            for piece in all.chunks(size) {
                requests.push(piece);
                found.extend(std::iter::from_fn(|| requests.next()));
            }
            assert_eq!(found, expected, "pieces of {size}");
        }
    }

    #[test]
    fn after_tls_begins_every_piece_is_a_request() {
        let ask = opening(80_877_103, b"");
        let mut requests = Requests::new(Framing::Postgres);
        requests.push(&ask);
        assert_eq!(requests.next(), Some(Sent::Encrypt(ask)));
        assert!(!requests.is_opaque());
        requests.push(&[22, 3, 1]);
        assert_eq!(requests.next(), Some(Sent::Request(vec![22, 3, 1])));
        assert!(requests.is_opaque() && requests.next().is_none());
    }

    #[test]
    fn an_answer_ends_when_the_server_is_ready() {
        let mut answers = Answers::default();
        answers.push(b"N");
        assert_eq!(answers.byte(), Some(b'N'));
        let (row, ready) = (typed(b'D', b"abc"), typed(b'Z', b"I"));
        answers.push(&[&row[..], &ready[..3]].concat());
        assert_eq!(answers.message(), Some((row, false)));
        assert_eq!(answers.message(), None);
        answers.push(&ready[3..]);
        assert_eq!(answers.message(), Some((ready, true)));
        assert_eq!(answers.piece(), None);
    }
}
