//! The accounting system as the payment network sees it: somebody behind a link, who may be away, slow, or late.

use crate::book::Book;
use crate::clock;
use crate::rows;
use crate::trouble::Trouble;
use interbank::port::wire::{Reader, Writer};
use interbank::port::{Batch, Expect, ReadSet, Store as _, WireError};
use interbank::standin::{
    Advice, AdviceOutcome, NetworkRequest, RequestKey, Response, TransactionRequest,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Answers until nobody can ask any more.
pub(crate) async fn run(
    book: Book,
    mut inbound: mpsc::Receiver<Question>,
    said: mpsc::Sender<Said>,
) {
    // One posting at a time, so that no two wait for each other's rows. Delays are not in it.
    let turns = Arc::new(Mutex::new(()));
    let mut busy = JoinSet::new();
    loop {
        tokio::select! {
            question = inbound.recv(), if busy.len() < BUSY_MAX => match question {
                Some(question) => {
                    let (book, turns, said) = (book.clone(), turns.clone(), said.clone());
                    busy.spawn(async move {
                        if let Err(why) = answer(&book, &turns, question, &said).await {
                            // No answer: whoever asked asks again, or somebody else.
                            tracing::warn!(event = "book.failed", %why);
                        }
                    });
                }
                None => break,
            },
            Some(_) = busy.join_next() => {}
        }
    }
    // Nobody is in the middle of a posting now; who only waits need not be waited for.
    let _turn = turns.lock().await;
    busy.shutdown().await;
}

async fn answer(
    book: &Book,
    turns: &Mutex<()>,
    question: Question,
    said: &mpsc::Sender<Said>,
) -> Result<(), Trouble> {
    let turn = turns.lock().await;
    let mood = book.mood().await?;
    drop(turn);
    match mood {
        Mood::Down => return Ok(()),
        Mood::Slow { ms } => sleep(Duration::from_millis(ms.into())).await,
        Mood::Up | Mood::Late { .. } => {}
    }
    let turn = turns.lock().await;
    let (answer, is_echo) = match question {
        Question::Request(request) => {
            (Said::Answer(book.ask(clock::now(), &request).await?), false)
        }
        Question::Advice(advice) => {
            let outcome = book.tell(clock::now(), &advice).await?;
            (Said::Advised(advice.key, outcome), false)
        }
        Question::Echo(request) => (Said::Echo(request.key), true),
    };
    drop(turn);
    if let Mood::Late { ms } = mood
        && !is_echo
    {
        sleep(Duration::from_millis(ms.into())).await;
    }
    // Nobody may be there any more to hear it.
    let _ = said.send(answer).await;
    Ok(())
}

impl Book {
    /// How the accounting system behaves.
    pub(crate) async fn mood(&self) -> Result<Mood, Trouble> {
        let found = self.vault().read(&ReadSet::points([rows::mood()])).await;
        let row = found.map_err(Trouble::store)?.points.into_iter().next().flatten();
        Ok(row.map(|row| Mood::parse(&row.value)).transpose()?.unwrap_or_default())
    }

    /// Makes it behave so from now on, also after a restart.
    pub(crate) async fn behave(&self, mood: Mood) -> Result<(), Trouble> {
        let mut batch = Batch::new();
        batch.put(rows::mood(), Expect::Any, mood.encode());
        // Without requirements there is no conflict.
        let _ = self.vault().commit(&batch).await.map_err(Trouble::store)?;
        tracing::info!(event = "book.mood", ?mood);
        Ok(())
    }
}

/// What the accounting system is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// May this be done?
    Request(Box<TransactionRequest>),
    /// This was done.
    Advice(Box<Advice>),
    /// Is anybody there?
    Echo(NetworkRequest),
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// To a request.
    Answer(Response),
    /// To an advice.
    Advised(RequestKey, AdviceOutcome),
    /// To an echo.
    Echo(RequestKey),
}

/// How the accounting system behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It answers at once.
    #[default]
    Up,
    /// It neither acts nor answers.
    Down,
    /// It takes its time, then acts and answers.
    Slow {
        /// So long, in milliseconds.
        ms: u32,
    },
    /// It acts at once, and its answer is on its way for long.
    Late {
        /// So long, in milliseconds.
        ms: u32,
    },
}

impl Mood {
    /// The slowest it can be told to be.
    pub(crate) const MS_MAX: u32 = 60_000;

    fn encode(self) -> Vec<u8> {
        let (mood, ms) = match self {
            Self::Up => (0, 0),
            Self::Down => (1, 0),
            Self::Slow { ms } => (2, ms),
            Self::Late { ms } => (3, ms),
        };
        let mut bytes = Vec::with_capacity(6);
        Writer::new(&mut bytes, 1).u8(mood).u32(ms);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let mood = match (reader.u8()?, reader.u32()?) {
            (0, 0) => Self::Up,
            (1, 0) => Self::Down,
            (2, ms) => Self::Slow { ms },
            (3, ms) => Self::Late { ms },
            _ => return Err(WireError::Invalid),
        };
        reader.finish()?;
        Ok(mood)
    }
}

/// How many answers may be under way.
const BUSY_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::{entry, instruction};
    use crate::options::Place;
    use crate::vault::Vault;
    use interbank::qrpay::InstructionKind;
    use std::time::Instant;
    use tokio::time::timeout;

    #[test]
    fn moods_come_back() {
        for mood in [Mood::Up, Mood::Down, Mood::Slow { ms: 7 }, Mood::Late { ms: 60_000 }] {
            assert_eq!(Mood::parse(&mood.encode()), Ok(mood));
        }
        assert!(Mood::parse(&[1, 1, 0, 0, 0, 1]).is_err());
        assert!(Mood::parse(&[1, 4, 0, 0, 0, 0]).is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_is_away_slow_or_late_as_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = Vault::open(&folder.path().join("store"), &Place::Folder).await;
        let book = Book::new(Arc::new(store.unwrap()));
        let (ask, inbound) = mpsc::channel(4);
        let (say, mut heard) = mpsc::channel(4);
        let running = tokio::spawn(run(book.clone(), inbound, say));
        let debit = instruction(InstructionKind::Debit, 400);
        let question = |id| {
            let request = crate::message::tests::request(&entry(id, &debit), &debit, None).unwrap();
            Question::Request(Box::new(request))
        };

        book.behave(Mood::Down).await.unwrap();
        ask.send(question(1)).await.unwrap();
        assert!(timeout(Duration::from_millis(200), heard.recv()).await.is_err());
        assert!(book.postings(10).await.unwrap().is_empty());

        book.behave(Mood::Slow { ms: 150 }).await.unwrap();
        let begun = Instant::now();
        ask.send(question(2)).await.unwrap();
        assert!(matches!(heard.recv().await, Some(Said::Answer(_))));
        assert!(begun.elapsed() >= Duration::from_millis(150));

        // Late: what it did is there before it says so.
        book.behave(Mood::Late { ms: 60_000 }).await.unwrap();
        ask.send(question(3)).await.unwrap();
        while book.postings(10).await.unwrap().len() < 2 {
            sleep(Duration::from_millis(5)).await;
        }
        assert!(heard.try_recv().is_err());

        // Who only waits is not waited for.
        drop(ask);
        timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
    }
}
