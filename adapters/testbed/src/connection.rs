//! One connection through a proxy: two pumps and what is to happen to each request.

use crate::fault::{Dice, Fate};
use crate::framing::{Answers, Requests, Sent};
use crate::proxy::Shared;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A client, its server, and the fates of the requests between them.
#[derive(Debug)]
pub(crate) struct Connection {
    client: TcpStream,
    server: TcpStream,
    shared: Arc<Shared>,
    state: Mutex<State>,
    cut: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Messages cannot be told apart any more.
    opaque: bool,
    /// Bytes that answer a wish for encryption, before messages go on.
    bare: u32,
    /// The server said for the first time that it is ready.
    greeted: bool,
    /// The fates of the requests whose answers are not through.
    fates: VecDeque<Fate>,
}

impl Connection {
    pub(crate) fn new(
        client: TcpStream,
        server: TcpStream,
        shared: Arc<Shared>,
    ) -> std::io::Result<Self> {
        // what is passed on is passed on now: delays are ours to make
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (state, cut) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { client, server, shared, state, cut })
    }

    /// Both directions end at once.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        for stream in [&self.client, &self.server] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Carries what the client sends until one side ends.
    pub(crate) fn pump_requests(&self, mut dice: Dice) {
        let mut requests = Requests::new(self.shared.framing);
        let mut deaf = false;
        let mut buffer = vec![0; BUFFER_BYTES];
        'open: while let Ok(read @ 1..) = (&self.client).read(&mut buffer) {
            if deaf {
                continue;
            }
            requests.push(&buffer[..read]);
            while let Some(sent) = requests.next() {
                let forwarded = match sent {
                    Sent::Part(bytes) => self.forward(&bytes),
                    Sent::Encrypt(bytes) => {
                        self.state().bare += 1;
                        self.forward(&bytes)
                    }
                    Sent::Request(bytes) => {
                        let fate = self.shared.fate(&mut dice);
                        deaf = fate == Fate::Deaf;
                        self.request(&bytes, fate, requests.is_opaque())
                    }
                };
                if !forwarded {
                    break 'open;
                }
                if deaf {
                    break;
                }
            }
        }
        // the client said all it has to say
        let _ = self.server.shutdown(Shutdown::Write);
    }

    /// Carries what the server answers until one side ends.
    pub(crate) fn pump_answers(&self) {
        let mut answers = Answers::default();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut passed = Passed::default();
        'open: while let Ok(read @ 1..) = (&self.server).read(&mut buffer) {
            answers.push(&buffer[..read]);
            loop {
                let (opaque, bare) = {
                    let state = self.state();
                    (state.opaque || self.shared.is_opaque(), state.bare > 0)
                };
                let (piece, ends) = if opaque {
                    let Some(piece) = answers.piece() else { break };
                    (piece, false)
                } else if bare {
                    let Some(byte) = answers.byte() else { break };
                    let mut state = self.state();
                    state.bare -= 1;
                    state.opaque = byte == b'S';
                    (vec![byte], false)
                } else {
                    let Some(message) = answers.message() else { break };
                    message
                };
                if !self.answer(&piece, ends, &mut passed) {
                    break 'open;
                }
            }
        }
        if !passed.silent {
            let _ = self.client.shutdown(Shutdown::Write);
        }
    }

    /// Whether the connection goes on.
    fn request(&self, bytes: &[u8], fate: Fate, opaque: bool) -> bool {
        match fate {
            Fate::CutBefore => {
                self.cut();
                return false;
            }
            Fate::Deaf => return true,
            Fate::Delay(ms) => std::thread::sleep(Duration::from_millis(ms.into())),
            _ => {}
        }
        {
            let mut state = self.state();
            if opaque {
                // no answer can be told to end: from here on they are this request's
                state.opaque = true;
                state.fates.clear();
            }
            state.fates.push_back(fate);
        }
        let forwarded = self.forward(bytes);
        if fate == Fate::CutDuring {
            self.cut();
            return false;
        }
        forwarded
    }

    fn forward(&self, bytes: &[u8]) -> bool {
        self.shared.counts().bytes_up += bytes.len() as u64;
        (&self.server).write_all(bytes).is_ok()
    }

    /// Whether the connection goes on.
    fn answer(&self, piece: &[u8], ends: bool, passed: &mut Passed) -> bool {
        let fate = {
            let mut state = self.state();
            let fate = match state.fates.front() {
                Some(fate) if state.greeted || state.opaque => *fate,
                _ => Fate::Pass,
            };
            if ends && state.greeted {
                state.fates.pop_front();
            }
            state.greeted |= ends;
            fate
        };
        let whole = ends || self.state().opaque || self.shared.is_opaque();
        if passed.silent {
            return true;
        }
        match fate {
            Fate::Pass | Fate::CutBefore | Fate::Deaf => self.give(piece),
            // the cut comes, and a quick answer must not be ahead of it
            Fate::CutDuring => true,
            Fate::Delay(ms) => {
                std::thread::sleep(Duration::from_millis(ms.into()));
                self.give(piece)
            }
            Fate::CutAfter => {
                if whole {
                    self.cut();
                }
                !whole
            }
            Fate::CutWithin(bytes) => {
                let left = usize::from(bytes).saturating_sub(passed.bytes);
                let given = self.give(&piece[..left.min(piece.len())]);
                passed.bytes += piece.len();
                if passed.bytes >= usize::from(bytes) || whole {
                    self.cut();
                    return false;
                }
                given
            }
            Fate::HalfClose => {
                passed.silent = true;
                let _ = self.client.shutdown(Shutdown::Write);
                true
            }
            Fate::Silence => {
                passed.silent = true;
                true
            }
        }
    }

    fn give(&self, bytes: &[u8]) -> bool {
        self.shared.counts().bytes_down += bytes.len() as u64;
        (&self.client).write_all(bytes).is_ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the client has heard.
#[derive(Default)]
struct Passed {
    /// Bytes of the answer within which the connection is to be cut.
    bytes: usize,
    /// It never hears anything again.
    silent: bool,
}

const BUFFER_BYTES: usize = 16 * 1024;
