//! One acquirer's connection of the load generator: sends by its pace, repeats what is not answered, keeps what it is told.

use crate::clock;
use crate::failure::Failure;
use crate::line;
use crate::network::Network;
use crate::progress::Progress;
use crate::story::{Fate, Purchase, Story};
use crate::truth::Truth;
use standin::RequestKey;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use wire_iso8583::Message;

/// How an acquirer behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// How many requests it sends, repeats apart.
    pub(crate) messages: u64,
    /// How many it begins in a second.
    pub(crate) rate: f64,
    /// How many may be under way.
    pub(crate) open_max: usize,
    /// When it repeats.
    pub(crate) patience: Duration,
    /// When a request counts as unanswered.
    pub(crate) limit: Duration,
}

/// Plays a story to the switch, and says what it was told.
///
/// # Errors
/// The switch cannot be reached.
pub(crate) async fn play(
    switch: SocketAddr,
    network: Arc<Network>,
    story: Story,
    manner: Manner,
    progress: Arc<Progress>,
) -> Result<Truth, Failure> {
    let stream = TcpStream::connect(switch).await;
    let stream = stream.map_err(|why| Failure::Socket { address: switch.to_string(), why })?;
    let (mut reader, frames) = line::split(stream);
    let mut acquirer = Acquirer {
        network,
        story,
        manner,
        progress,
        frames,
        open: HashMap::new(),
        repeats: VecDeque::new(),
        reversals: VecDeque::new(),
        begun: 0,
        truth: Truth::default(),
    };
    let start = Instant::now();
    while !acquirer.is_over() {
        acquirer.begin_due(start).await?;
        let wake = acquirer.wake(start);
        tokio::select! {
            frame = reader.next() => match frame {
                Ok(Some(frame)) => acquirer.on_answer(&frame)?,
                _ => return Err(Failure::Run("the switch closed the connection".into())),
            },
            () = sleep_until(wake) => acquirer.repeat_due().await?,
        }
    }
    Ok(acquirer.truth)
}

struct Acquirer {
    network: Arc<Network>,
    story: Story,
    manner: Manner,
    progress: Arc<Progress>,
    frames: mpsc::Sender<Vec<u8>>,
    open: HashMap<RequestKey, Open>,
    /// In the order in which they are due.
    repeats: VecDeque<(Instant, RequestKey)>,
    /// Purchases to be reversed.
    reversals: VecDeque<Purchase>,
    begun: u64,
    truth: Truth,
}

impl Acquirer {
    fn is_over(&self) -> bool {
        self.begun >= self.manner.messages && self.open.is_empty()
    }

    /// Sends what the pace wants sent by now.
    async fn begin_due(&mut self, start: Instant) -> Result<(), Failure> {
        while self.begun < self.manner.messages
            && self.open.len() < self.manner.open_max
            && self.due(start) <= Instant::now()
        {
            let now = clock::now();
            if let Some(purchase) = self.reversals.pop_front() {
                let (key, message) = self.story.reversal(&purchase, now)?;
                let original = Some(purchase.key);
                self.begin(key, Open::new(message, original, None, purchase.minor)).await?;
            } else {
                let purchase = self.story.purchase(now)?;
                let minor = purchase.minor;
                if purchase.fate == Fate::GivenUp {
                    self.reversals.push_back(purchase.clone());
                }
                let (key, message) = (purchase.key, purchase.message.clone());
                self.begin(key, Open::new(message, None, Some(purchase), minor)).await?;
            }
        }
        Ok(())
    }

    async fn begin(&mut self, key: RequestKey, open: Open) -> Result<(), Failure> {
        self.send(&open.message).await?;
        self.begun += 1;
        self.repeats.push_back((open.sent + self.manner.patience, key));
        self.open.insert(key, open);
        Ok(())
    }

    fn on_answer(&mut self, frame: &[u8]) -> Result<(), Failure> {
        let unreadable = || Failure::Verdict("an answer of the switch cannot be read".into());
        let incoming = self.network.read(frame).ok_or_else(unreadable)?;
        let key = incoming.key().map_err(|_| unreadable())?;
        let code = incoming.message().response_code().ok().flatten().ok_or_else(unreadable)?;
        let approved = *code.as_bytes() == *b"00";
        let Some(open) = self.open.get_mut(&key) else {
            // It was answered before, and came again.
            if self.truth.was_told(&key) {
                self.truth.tell(key, None, None, frame);
            }
            return Ok(());
        };
        let (original, minor) = (open.original, approved.then_some(open.minor));
        if open.loses {
            // The terminal never sees it; it is kept to compare the next one with, as what the switch has said.
            open.loses = false;
            self.truth.tell(key, original, minor, frame);
            self.repeats.push_front((Instant::now(), key));
            return Ok(());
        }
        let Some(open) = self.open.remove(&key) else { return Ok(()) };
        let took = open.sent.elapsed().as_micros();
        self.truth.took_us.push(u32::try_from(took).unwrap_or(u32::MAX));
        self.truth.tell(key, original, minor, frame);
        self.progress.answered();
        if let Some(purchase) = open.purchase.filter(|one| one.fate == Fate::Reversed && approved) {
            self.reversals.push_back(purchase);
        }
        Ok(())
    }

    /// Repeats what was not answered in time, or gives up.
    async fn repeat_due(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        while let Some((due, key)) = self.repeats.front().copied()
            && due <= now
        {
            self.repeats.pop_front();
            let Some(open) = self.open.get(&key) else { continue };
            if open.sent.elapsed() >= self.manner.limit {
                self.open.remove(&key);
                self.truth.unanswered += 1;
                self.progress.answered();
                continue;
            }
            let mut repeat = open.message.clone();
            if let Some(mti) = repeat.mti().repeat() {
                repeat.set_mti(mti);
            }
            self.send(&repeat).await?;
            self.truth.repeats += 1;
            self.repeats.push_back((now + self.manner.patience, key));
        }
        Ok(())
    }

    async fn send(&self, message: &Message) -> Result<(), Failure> {
        let frame = self.network.write(message);
        let frame = frame.ok_or_else(|| Failure::run("a message cannot be written"))?;
        let sent = self.frames.send(frame).await;
        sent.map_err(|_| Failure::Run("the switch closed the connection".into()))
    }

    /// When the next request is to begin.
    fn due(&self, start: Instant) -> Instant {
        #[expect(clippy::cast_precision_loss, reason = "a pace needs no exact numbers")]
        let at = self.begun as f64 / self.manner.rate;
        start + Duration::from_secs_f64(at)
    }

    fn wake(&self, start: Instant) -> Instant {
        let begins = self.begun < self.manner.messages && self.open.len() < self.manner.open_max;
        let next = begins.then(|| self.due(start));
        let repeat = self.repeats.front().map(|(due, _)| *due);
        let idle = Instant::now() + Duration::from_secs(1);
        [next, repeat].into_iter().flatten().fold(idle, Instant::min)
    }
}

/// A request that is not answered.
struct Open {
    message: Message,
    original: Option<RequestKey>,
    /// Of a purchase: itself, for what comes after it.
    purchase: Option<Purchase>,
    minor: i64,
    sent: Instant,
    /// The next answer is lost on its way to the terminal.
    loses: bool,
}

impl Open {
    fn new(
        message: Message,
        original: Option<RequestKey>,
        purchase: Option<Purchase>,
        minor: i64,
    ) -> Self {
        let loses = purchase.as_ref().is_some_and(|one| one.fate == Fate::AnswerLost);
        Self { message, original, purchase, minor, sent: Instant::now(), loses }
    }
}
