//! How a running server is asked: one line of JSON in, one line out, over a socket in its own folder.
//!
//! Whoever can open the socket may ask. The folder is for the server's user alone.

use crate::failure::Failure;
use crate::packs::{Packed, Packs};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Question {
    /// Of a backstage server: send files.
    Submit(Wish),
    /// Of a backstage server: how far these requests are, a [`Standing`] each; null for one that it has not heard of.
    Stands { ids: Vec<String> },
    /// Of anybody: what is under way, and what became of the rest.
    Status { id: Option<String> },
    /// Of a backstage server: the receipts of a request.
    Receipts { id: String },
    /// Of a forwarding server: is the trail whole?
    Audit,
    /// Of a client server: ask for what waits for it.
    Collect,
    /// Of a client server: its application has this transfer's file.
    HandOver { transfer: String },
}

/// Requests before they are made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Wish {
    /// Drawn without it. What was asked for under an id before is asked for again, not twice.
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// The file has to be of this size.
    #[serde(default)]
    pub(crate) size: Option<u64>,
    pub(crate) from: String,
    pub(crate) to: String,
    /// A request for each.
    pub(crate) names: Vec<String>,
    pub(crate) class: String,
    /// 1 fail, 2 replace, 3 version.
    pub(crate) on_conflict: u8,
    pub(crate) priority: u8,
    pub(crate) not_before_ms: Option<u64>,
    pub(crate) deadline_ms: Option<u64>,
    /// Small files travel together.
    #[serde(default)]
    pub(crate) pack: bool,
    /// Packs of them that were made: a request for each of these, too.
    #[serde(skip)]
    pub(crate) packed: Vec<Packed>,
}

/// A request that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) id: String,
    /// Of its file, or of its pack.
    pub(crate) name: String,
    /// How many files it is about.
    pub(crate) files: usize,
}

/// How far a request is, in words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) state: String,
    /// The stable number of why nothing came of it.
    pub(crate) code: Option<u32>,
    pub(crate) why: Option<String>,
    /// Nothing more becomes of it.
    pub(crate) is_over: bool,
    /// The destination has signed that its application has the file.
    #[serde(default)]
    pub(crate) is_handed_over: bool,
}

impl Standing {
    pub(crate) fn is_delivered(&self) -> bool {
        matches!(self.state.as_str(), "delivered" | "acknowledged")
    }
}

/// A question on its way to a station.
pub(crate) struct Asked {
    pub(crate) question: Question,
    pub(crate) reply: oneshot::Sender<Result<Value, String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(Value),
    Error(String),
}

/// Listens at a socket; what was left of an earlier process is removed.
pub(crate) fn listen(path: &Path) -> Result<UnixListener, Failure> {
    match std::fs::remove_file(path) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::file(path, why));
        }
        _ => {}
    }
    UnixListener::bind(path).map_err(|why| Failure::file(path, why))
}

/// Passes questions on until the program ends.
pub(crate) async fn serve(
    listener: UnixListener,
    to: mpsc::Sender<Asked>,
    packs: Option<Arc<Packs>>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (to, packs) = (to.clone(), packs.clone());
        tokio::spawn(async move {
            // Whoever asks and hangs up is not missed.
            let _ = timeout(PATIENCE, talk(stream, to, packs)).await;
        });
    }
}

async fn talk(
    stream: UnixStream,
    to: mpsc::Sender<Asked>,
    packs: Option<Arc<Packs>>,
) -> std::io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reading.take(LINE_MAX)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Err(why) => Answer::Error(format!("this is no question: {why}")),
        Ok(Question::Submit(wish)) if wish.pack => pack_and_pass(wish, &to, packs).await,
        Ok(question) => pass(question, &to).await,
    };
    let mut text = serde_json::to_string(&answer).unwrap_or_default();
    text.push('\n');
    writing.write_all(text.as_bytes()).await
}

async fn pass(question: Question, to: &mpsc::Sender<Asked>) -> Answer {
    let (reply, answer) = oneshot::channel();
    let is_sent = to.send(Asked { question, reply }).await.is_ok();
    match answer.await {
        Ok(Ok(value)) if is_sent => Answer::Ok(value),
        Ok(Err(why)) => Answer::Error(why),
        _ => Answer::Error("the server is stopping".into()),
    }
}

/// Files are read here and not by the station, which has other things to do.
async fn pack_and_pass(wish: Wish, to: &mpsc::Sender<Asked>, packs: Option<Arc<Packs>>) -> Answer {
    let Some(packs) = packs else {
        return Answer::Error("a backstage server is asked that".into());
    };
    let wish = match Arc::clone(&packs).pack(wish).await {
        Ok(wish) => wish,
        Err(why) => return Answer::Error(why),
    };
    pass(Question::Submit(wish), to).await
}

/// Asks a running server.
pub(crate) async fn ask(socket: &Path, party: &str, question: &Question) -> Result<Value, Failure> {
    let away = |why: String| Failure::Away { party: party.into(), why };
    let exchange = async {
        let stream = UnixStream::connect(socket).await.map_err(|why| {
            away(match why.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
                    "it does not run here".into()
                }
                _ => why.to_string(),
            })
        })?;
        let (reading, mut writing) = stream.into_split();
        let mut text = serde_json::to_string(question).map_err(Failure::run)?;
        text.push('\n');
        writing.write_all(text.as_bytes()).await.map_err(|why| away(why.to_string()))?;
        let mut line = String::new();
        let mut reading = BufReader::new(reading);
        reading.read_line(&mut line).await.map_err(|why| away(why.to_string()))?;
        match serde_json::from_str(&line) {
            Ok(Answer::Ok(value)) => Ok(value),
            Ok(Answer::Error(why)) => Err(Failure::Usage(why)),
            Err(_) => Err(away("it hung up".into())),
        }
    };
    timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(away("it does not answer".into())))
}

/// Asks a backstage server how far requests are; `None` for one that it has not heard of.
pub(crate) async fn stands(
    socket: &Path,
    party: &str,
    ids: &[String],
) -> Result<Vec<Option<Standing>>, Failure> {
    let mut stands = Vec::with_capacity(ids.len());
    for ids in ids.chunks(IDS) {
        let answer = ask(socket, party, &Question::Stands { ids: ids.to_vec() }).await?;
        let some: Vec<Option<Standing>> = serde_json::from_value(answer).map_err(Failure::run)?;
        stands.extend(some);
    }
    Ok(stands)
}

/// Ids in one question.
const IDS: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest question, in bytes.
pub(crate) const LINE_MAX: u64 = 64 << 10;
