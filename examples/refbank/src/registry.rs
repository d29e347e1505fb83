//! The registry of ownership: vehicles and property that the bank holds as security.
//!
//! The bank reaches it as everybody does, through a member node, and is that member's user. It asks over the node's local socket: one line
//! of JSON out, one line back (`examples/ledger_node`). What comes back is data to show; a proof goes to the visitor as it is, and is
//! worth what `ledger_node verify` makes of it.

use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::timeout;

/// A member node of a registry.
#[derive(Debug)]
pub(crate) struct Registry {
    socket: PathBuf,
    /// The bank itself.
    party: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// The node does not run, or is too slow.
    Away,
    /// The node's own words.
    Refused(String),
}

impl Registry {
    /// By the socket of the node, and what the registry calls the bank.
    pub(crate) const fn new(socket: PathBuf, party: Option<String>) -> Self {
        Self { socket, party }
    }

    /// What the registry calls the bank.
    pub(crate) fn party(&self) -> Option<&str> {
        self.party.as_deref()
    }

    /// Owner, state and history of a thing.
    pub(crate) async fn show(&self, what: &str) -> Result<Value, Unanswered> {
        self.ask(&json!({ "ask": "show", "what": what })).await
    }

    /// What the bank holds as security.
    pub(crate) async fn securities(&self) -> Result<Value, Unanswered> {
        let Some(party) = &self.party else { return Ok(json!([])) };
        let question = json!({ "ask": "list", "owner": null, "lienholder": party, "kind": null });
        self.ask(&question).await
    }

    /// A proof file.
    pub(crate) async fn prove(&self, what: &str) -> Result<Value, Unanswered> {
        self.ask(&json!({ "ask": "prove", "what": what, "history": true })).await
    }

    async fn ask(&self, question: &Value) -> Result<Value, Unanswered> {
        let answer = timeout(PATIENCE, self.exchange(question)).await;
        let line = answer.ok().and_then(Result::ok).ok_or(Unanswered::Away)?;
        let mut answer: Value = serde_json::from_str(&line).map_err(|_| Unanswered::Away)?;
        match answer["error"].as_str() {
            Some(why) => Err(Unanswered::Refused(why.to_owned())),
            None => Ok(answer["ok"].take()),
        }
    }

    #[cfg(unix)]
    async fn exchange(&self, question: &Value) -> std::io::Result<String> {
        use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
        let stream = tokio::net::UnixStream::connect(&self.socket).await?;
        let (reading, mut writing) = stream.into_split();
        writing.write_all(format!("{question}\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(reading.take(ANSWER_MAX)).read_line(&mut line).await?;
        Ok(line)
    }

    #[cfg(not(unix))]
    async fn exchange(&self, _: &Value) -> std::io::Result<String> {
        // Nodes run on Unix alone.
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
#[cfg(unix)]
const ANSWER_MAX: u64 = 4 << 20;
