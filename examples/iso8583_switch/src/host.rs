//! The simulated accounting system on a socket.

use crate::accounting::Accounting;
use crate::failure::Failure;
use crate::mood::Mood;
use crate::network::{FRAMING, Network};
use seal::{Account, AccountTokens, Secret};
use simkit::Rng;
use standin::{AccountInfo, InstitutionId, Request, ResponseCode};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use wire_iso8583::{FrameReader, Incoming, Mti, write_frame};

/// The accounting system: its books, its mood, and how it reads messages.
#[derive(Debug)]
pub(crate) struct Host {
    network: Arc<Network>,
    institution: InstitutionId,
    tokens: AccountTokens,
    books: Mutex<Accounting>,
    luck: Mutex<Rng>,
    mood: watch::Sender<Mood>,
}

impl Host {
    /// Up, with empty books.
    pub(crate) fn new(
        network: Arc<Network>,
        institution: InstitutionId,
        opening_minor: i64,
        seed: u64,
    ) -> Self {
        Self {
            network,
            institution,
            tokens: AccountTokens::new(&Secret::new([2; 32])),
            books: Mutex::new(Accounting::new(opening_minor)),
            luck: Mutex::new(Rng::new(seed).fork("lost answers")),
            mood: watch::Sender::new(Mood::Up),
        }
    }

    /// From now on it behaves like this.
    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// How it behaves.
    pub(crate) fn mood(&self) -> Mood {
        *self.mood.borrow()
    }

    /// A look into the books.
    pub(crate) fn look<T>(&self, what: impl FnOnce(&Accounting) -> T) -> T {
        what(&self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves until the task is dropped. Where it is stopped nobody listens; it comes back at the same address.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) -> Result<(), Failure> {
        let address = listener.local_addr().map_err(Failure::run)?;
        let mut mood = self.mood.subscribe();
        let mut listener = Some(listener);
        loop {
            let is_stopped = *mood.borrow_and_update() == Mood::Stopped;
            if is_stopped {
                listener = None;
                if mood.changed().await.is_err() {
                    return Ok(());
                }
                continue;
            }
            let open = match listener.take() {
                Some(open) => open,
                None => rebind(address).await,
            };
            tokio::select! {
                accepted = open.accept() => {
                    if let Ok((stream, _)) = accepted {
                        tokio::spawn(self.clone().converse(stream));
                    }
                    listener = Some(open);
                }
                changed = mood.changed() => {
                    listener = Some(open);
                    if changed.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// One connection, until the other side or the mood ends it.
    async fn converse(self: Arc<Self>, stream: TcpStream) {
        // Small messages must not wait for each other.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let mut reader = FrameReader::new(reader, FRAMING);
        let (answers, queue) = mpsc::channel(ANSWERS_MAX);
        let writing = tokio::spawn(write_when_due(writer, queue));
        let mut mood = self.mood.subscribe();
        loop {
            if *mood.borrow_and_update() == Mood::Stopped {
                break;
            }
            tokio::select! {
                biased;
                _ = mood.changed() => {}
                frame = reader.next() => {
                    let Ok(Some(frame)) = frame else { break };
                    let Some(answer) = self.answer(&frame) else { continue };
                    let due = match self.mood() {
                        Mood::Stopped => break,
                        Mood::Up => Instant::now(),
                        Mood::Slow(ms) => Instant::now() + Duration::from_millis(ms),
                        Mood::Losing(percent) if self.is_lost(percent) => continue,
                        Mood::Losing(_) => Instant::now(),
                    };
                    if answers.send((due, answer)).await.is_err() {
                        break;
                    }
                }
            }
        }
        // What was not written yet is lost with the connection.
        writing.abort();
    }

    /// Acts on a message; `None` where there is nothing to answer.
    fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let incoming = self.network.read(frame)?;
        if *incoming.message().mti().digits() == *Mti::NETWORK_REQUEST.digits() {
            let answer = incoming.answer_code(ResponseCode::APPROVED).ok()?;
            return self.network.write(&answer);
        }
        let mine = self.institution;
        let accounts = |account: &Account, named: Option<InstitutionId>| {
            let info = AccountInfo::new(account, self.tokens.token(account));
            (named == Some(mine)).then_some((mine, info))
        };
        let code = match incoming.request(&self.network.usage, accounts) {
            Ok(Request::Transaction(request)) => {
                let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
                if self.is_explained(&incoming) {
                    books.explain();
                } else if is_handed_on(&incoming) {
                    books.hear();
                }
                books.handle(&request)
            }
            Ok(Request::Network(_)) => ResponseCode::APPROVED,
            Err(refused) => refused.response_code(),
        };
        let mut answer = incoming.answer_code(code).ok()?;
        if code.is_approval()
            && let Ok(Some(stan)) = incoming.message().stan()
        {
            answer.set(38, format!("{stan:06}")).ok()?;
        }
        self.network.write(&answer)
    }

    /// Whether an advice says itself that the stand-in module answered, with the code that field 39 has, and before now.
    fn is_explained(&self, incoming: &Incoming) -> bool {
        let Ok(Some(evidence)) = incoming.stood_in(&self.network.usage) else { return false };
        let Ok(Some(code)) = incoming.message().response_code() else { return false };
        incoming.message().mti().is_advice()
            && evidence.code.as_bytes() == code.as_bytes()
            && evidence.at <= incoming.at()
    }

    fn is_lost(&self, percent: u8) -> bool {
        self.luck.lock().unwrap_or_else(PoisonError::into_inner).chance(percent.into(), 100)
    }
}

/// Whether an advice is an acquirer's own: one of store-and-forward says what was answered.
fn is_handed_on(incoming: &Incoming) -> bool {
    incoming.message().mti().is_advice() && !incoming.message().has(39)
}

/// The address was free a moment ago and will be again.
async fn rebind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => sleep(REBIND).await,
        }
    }
}

/// Answers leave in the order of the messages, each when it is due.
async fn write_when_due(
    mut writer: tokio::net::tcp::OwnedWriteHalf,
    mut queue: mpsc::Receiver<(Instant, Vec<u8>)>,
) {
    while let Some((due, answer)) = queue.recv().await {
        if due > Instant::now() {
            sleep_until(due).await;
        }
        if write_frame(&mut writer, FRAMING, &answer).await.is_err() {
            return;
        }
    }
}

const ANSWERS_MAX: usize = 65_536;
const REBIND: Duration = Duration::from_millis(20);
