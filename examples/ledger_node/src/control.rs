//! How a running node is asked: one line of JSON in, one line out, over a socket in its own folder.
//!
//! Whoever can open the socket may ask. The folder is for the node's user alone. What needs a user's signature is built by the
//! node, shown to the user's command, signed there, and handed back: users' keys never come here.

use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Question {
    /// Of every node: where it stands.
    Status,
    /// Of every node: its next signing key, and its next sealing key as well if that is to be replaced.
    Rotate {
        #[serde(default)]
        sealing: bool,
    },
    /// Of every node: its documents are to be wrapped anew for its newest sealing key; how far that is.
    Rewrap { pass: Option<u64> },
    /// Of every node: what the chain knows of a party.
    Party { party: String },
    /// Of every node: a thing or a file, with its history.
    Show { what: String },
    /// Of every node: registered things, by what is known of them.
    List { owner: Option<String>, lienholder: Option<String>, kind: Option<String> },
    /// Of every node: the parts of a proof about a thing.
    Prove { what: String, history: bool },
    /// Of every node that may read it: a file's document.
    Document { file: String },
    /// Of a member: a transaction for a user to sign.
    Build { wish: Wish },
    /// Of a member: a transaction that its users have signed.
    Submit { transaction: String },
    /// Of a member: what became of a transaction.
    Outcome { digest: String },
    /// Of a member: offers that wait, own and others'.
    Offers,
    /// Of every node: the nodes of the chain; of a supervision node also who is to join or leave.
    Nodes,
    /// Of every node: read the configuration again.
    Reload,
    /// Of a supervision node: this node may join.
    Admit { name: String },
    /// Of a supervision node: this node shall be revoked.
    Revoke { name: String },
    /// Of a supervision node: nothing more is to happen with a file, or everything again.
    Freeze { what: String, reference: String, is_frozen: bool },
    /// Of a supervision node: what may go that is over, of what was over at a height, and unless it is only to be listed, that it
    /// goes.
    Purge { files: Vec<String>, as_of: Option<u64>, is_dry: bool },
    /// Of a supervision node: what waits for a person.
    Audit,
    /// Of a supervision node: what a person says.
    Say { file: String, approves: bool, reason: String },
}

/// What a user wants.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub(crate) enum Wish {
    /// To reach the chain through this member.
    Associate { name: String, key: String, is_intermediary: bool },
    /// To have a file registered.
    Register {
        owner: String,
        thing: String,
        kind: String,
        region: String,
        media_type: String,
        /// In base64.
        document: String,
        /// What hides it on the chain; drawn by the user, who so knows what it has to look like there.
        salt: String,
    },
    /// To offer a thing to somebody.
    Offer { owner: String, thing: String, to: String, settlement: Option<Payment> },
    /// To offer a thing as security.
    Lien { owner: String, thing: String, to: String, reference: String },
    /// To let a thing to somebody, from a time until another one, in milliseconds.
    Lease { owner: String, thing: String, to: String, from_ms: u64, until_ms: u64, exclusive: bool },
    /// To end a lease; the only one of this party on the thing, if none is named.
    EndLease { party: String, thing: String, lease: Option<String> },
    /// To have a document's keys destroyed by everybody who holds one.
    Erase { owner: String, file: String },
    /// To take a thing out of the registry.
    Retire { owner: String, thing: String },
    /// To sign with another key from now on.
    Rotate { party: String, key: String },
    /// To release what one has as security.
    Release { party: String, thing: String },
    /// To accept an offer.
    Accept { party: String, offer: String },
    /// To say that a payment was made.
    Settle { thing: String },
}

/// What has to be paid first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) reference: String,
    /// Public key.
    pub(crate) witness: String,
    /// For so many blocks.
    pub(crate) blocks: u64,
}

/// A question on its way to a node.
pub(crate) struct Asked {
    pub(crate) question: Question,
    pub(crate) reply: Reply,
}

/// Where an answer goes; why it is refused is a sentence for the user.
pub(crate) type Reply = oneshot::Sender<Result<Value, String>>;

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
pub(crate) async fn serve(listener: UnixListener, to: mpsc::Sender<Asked>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let to = to.clone();
        tokio::spawn(async move {
            // Whoever asks and hangs up is not missed.
            let _ = timeout(PATIENCE, talk(stream, to)).await;
        });
    }
}

async fn talk(stream: UnixStream, to: mpsc::Sender<Asked>) -> std::io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reading.take(LINE_MAX)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Err(why) => Answer::Error(format!("this is no question: {why}")),
        Ok(question) => {
            let (reply, answer) = oneshot::channel();
            let is_sent = to.send(Asked { question, reply }).await.is_ok();
            match answer.await {
                Ok(Ok(value)) if is_sent => Answer::Ok(value),
                Ok(Err(why)) => Answer::Error(why),
                _ => Answer::Error("the node is stopping".into()),
            }
        }
    };
    let mut text = serde_json::to_string(&answer).unwrap_or_default();
    text.push('\n');
    writing.write_all(text.as_bytes()).await
}

/// Asks a running node.
pub(crate) async fn ask(socket: &Path, node: &str, question: &Question) -> Result<Value, Failure> {
    let away = |why: String| Failure::Away { node: node.into(), why };
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

const PATIENCE: Duration = Duration::from_secs(20);
/// The longest document in base64, and the rest of a question.
const LINE_MAX: u64 = 24 << 20;
