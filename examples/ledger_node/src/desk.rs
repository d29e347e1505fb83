//! The user's side of a member: a transaction is built there, checked and signed here, handed back, and followed to its end.

use crate::clock;
use crate::config::Config;
use crate::control::{Question, Wish, ask};
use crate::failure::Failure;
use crate::hex;
use crate::options::{User, Wait};
use crate::progress;
use crate::rotating::{self, UserKey};
use crate::say;
use base64ct::{Base64, Encoding as _};
use ledger::{Body, NodeId, PartyId, Signer, Through, Transaction};
use seal::SigningKey;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A user and the member that is asked.
pub(crate) struct Desk {
    pub(crate) config: Config,
    /// The member.
    pub(crate) node: NodeId,
    pub(crate) key: SigningKey,
    /// Which of the party's keys that is.
    pub(crate) number: u16,
    pub(crate) party: PartyId,
}

impl Desk {
    pub(crate) async fn open(user: &User) -> Result<Self, Failure> {
        let config = Config::load(&user.at.config)?;
        let path = key_path(&config, &user.user, user.key.as_deref())?;
        let UserKey { key, number, party } = rotating::key_in_use(&config, &path).await?;
        let node = config.node()?;
        Ok(Self { config, node, key, number, party })
    }

    pub(crate) fn party(&self) -> String {
        hex::text(&self.party.0)
    }

    /// Has a transaction built, checks it, signs it, and hands it back; returns its digest.
    pub(crate) async fn submit(
        &self,
        wish: Wish,
        is_meant: impl Fn(&Transaction) -> bool,
    ) -> Result<String, Failure> {
        let by = [(Signer::Party(self.party), self.number, &self.key)];
        submit(&self.config, wish, is_meant, &by).await.map(|it| it.digest)
    }

    /// Has a file of a type registered; what is said of the document binds the member, too.
    pub(crate) async fn register(
        &self,
        thing: &str,
        (kind, region): (&str, &str),
        (media_type, bytes): (&str, Vec<u8>),
    ) -> Result<String, Failure> {
        let key = say::thing(thing).map_err(Failure::Usage)?.key();
        let text = Base64::encode_string(&bytes);
        let salt = clock::entropy()?;
        let document = ledger::Document::new(media_type, bytes, salt);
        let commitment = document.map_err(|why| Failure::usage(format!("the document: {why}")))?;
        let commitment = commitment.commitment();
        let wish = Wish::Register {
            owner: self.party(),
            thing: thing.into(),
            kind: kind.into(),
            region: region.into(),
            media_type: media_type.into(),
            document: text,
            salt: hex::text(&salt),
        };
        let is_meant = |it: &Transaction| match &it.body {
            Body::Register(it) => {
                it.thing == key
                    && it.owner == self.through()
                    && it.kind.as_str() == kind
                    && it.region.as_str() == region
                    && it.commitment == commitment
            }
            _ => false,
        };
        self.submit(wish, is_meant).await
    }

    /// The user, by the member that is asked.
    pub(crate) const fn through(&self) -> Through {
        Through { party: self.party, member: self.node }
    }

    pub(crate) async fn outcome(&self, digest: &str, wait: Wait) -> Result<Value, Failure> {
        outcome(&self.config, digest, wait).await
    }
}

pub(crate) async fn ask_of(config: &Config, question: &Question) -> Result<Value, Failure> {
    ask(&config.socket(), &config.file.name, question).await
}

/// Where a user's key is; it has to be there.
pub(crate) fn key_path(
    config: &Config,
    user: &str,
    key: Option<&Path>,
) -> Result<PathBuf, Failure> {
    let usual = || config.parties().join(format!("{user}.seed"));
    let path = key.map_or_else(usual, Path::to_owned);
    if path.exists() {
        return Ok(path);
    }
    let why = format!("{user} has no key there; `ledger_node party {user}` makes one");
    Err(Failure::file(&path, why))
}

/// What became of a wish that was signed.
pub(crate) struct Submitted {
    pub(crate) digest: String,
    /// Whether the other side has to sign first.
    pub(crate) is_offer: bool,
}

/// Has a transaction built, checks it, signs it, and hands it back.
pub(crate) async fn submit(
    config: &Config,
    wish: Wish,
    is_meant: impl Fn(&Transaction) -> bool,
    by: &[(Signer, u16, &SigningKey)],
) -> Result<Submitted, Failure> {
    let built = ask_of(config, &Question::Build { wish }).await?;
    let text = built["transaction"].as_str().unwrap_or_default();
    let read = hex::all(text).and_then(|bytes| Transaction::parse(&bytes).ok());
    // A node that is not honest must not get a signature under something else.
    let meant = read.filter(|it| it.chain == config.network.chain && is_meant(it));
    let mut transaction = meant.ok_or_else(|| {
        Failure::run(format!("{} built something else than was asked for", config.file.name))
    })?;
    for (signer, number, key) in by {
        transaction = transaction.sign(*signer, *number, key).map_err(Failure::run)?;
    }
    let bytes = transaction.to_bytes().map_err(Failure::run)?;
    let question = Question::Submit { transaction: hex::text(&bytes) };
    let answer = ask_of(config, &question).await?;
    let digest = answer["digest"].as_str().map(str::to_owned);
    let digest = digest.ok_or_else(|| Failure::run("the node gave no digest"))?;
    Ok(Submitted { digest, is_offer: answer["is_offer"] == true })
}

/// Waits until something is decided.
pub(crate) async fn outcome(config: &Config, digest: &str, wait: Wait) -> Result<Value, Failure> {
    if wait.no_wait {
        return Ok(json!({ "transaction": digest, "state": "submitted" }));
    }
    let until = Instant::now() + Duration::from_secs(wait.timeout_s);
    let line = progress::line();
    let question = Question::Outcome { digest: digest.into() };
    let mut state = String::from("submitted");
    loop {
        match ask_of(config, &question).await {
            Ok(mut outcome) => {
                state = outcome["state"].as_str().unwrap_or_default().to_owned();
                if outcome["is_over"] == true {
                    line.finish_and_clear();
                    let why = outcome["why"].as_str().unwrap_or_default().to_owned();
                    return match state.as_str() {
                        "refused" => {
                            let code = outcome["code"].as_u64().unwrap_or(0);
                            Err(Failure::Refused { code: u32::try_from(code).unwrap_or(0), why })
                        }
                        "rejected" => Err(Failure::Rejected(why)),
                        _ => {
                            outcome["transaction"] = digest.into();
                            Ok(outcome)
                        }
                    };
                }
            }
            // A node that was stopped and comes back goes on.
            Err(Failure::Away { .. }) => "the node is away".clone_into(&mut state),
            Err(why) => return Err(why),
        }
        if Instant::now() >= until {
            line.finish_and_clear();
            return Err(Failure::Unfinished(format!(
                "it is {state} after {} s; ask again with `ledger_node status {digest}`",
                wait.timeout_s
            )));
        }
        line.set_message(state.clone());
        tokio::time::sleep(POLL).await;
    }
}

pub(crate) const POLL: Duration = Duration::from_millis(50);
