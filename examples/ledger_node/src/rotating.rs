//! Keys that are replaced: of users here, of nodes by the nodes themselves.
//!
//! A party keeps the name that its first key gave it. So a file with a later key has the party noted behind its seed; which number the
//! key has, the member says: a wrong one makes a signature that nobody takes, and nothing worse.

use crate::config::Config;
use crate::control::{Question, Wish};
use crate::desk::{POLL, Submitted, ask_of, key_path, outcome, submit};
use crate::failure::Failure;
use crate::hex;
use crate::key_file;
use crate::options::{Rotate, Wait};
use crate::progress;
use crate::say;
use crate::secrets;
use ledger::{Body, PartyId, Signer, Through, Transaction};
use seal::{SigningKey, VerifyingKey};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a user signs with.
pub(crate) struct UserKey {
    pub(crate) key: SigningKey,
    pub(crate) number: u16,
    pub(crate) party: PartyId,
}

/// Replaces a key.
pub(crate) async fn rotate(options: &Rotate) -> Result<Value, Failure> {
    let config = Config::load(&options.at.config)?;
    match &options.user {
        None => node(&config, options).await,
        Some(name) => {
            let path = key_path(&config, name, options.key.as_deref())?;
            user(&config, &path, options).await
        }
    }
}

/// A user's key, and the one that has taken its place if the chain says so.
pub(crate) async fn key_in_use(config: &Config, path: &Path) -> Result<UserKey, Failure> {
    if let Some(next) = key_file::waiting(path)? {
        let (before, known) = (stored(path)?, public(&SigningKey::from_seed(&next)));
        if let Some(number) = number_of(config, before.party, &known).await? {
            key_file::adopt(path, number.saturating_sub(1))?;
        }
    }
    let mut stored = stored(path)?;
    if stored.party == PartyId::of(&stored.key.verifying_key()) {
        return Ok(stored);
    }
    let number = number_of(config, stored.party, &public(&stored.key)).await?;
    stored.number = number.ok_or_else(|| {
        Failure::file(path, "the chain does not know this key, or it counts no more")
    })?;
    Ok(stored)
}

async fn user(config: &Config, path: &Path, options: &Rotate) -> Result<Value, Failure> {
    // One that was begun before is over with this, or goes on with the same key.
    let was_begun = key_file::waiting(path)?.is_some();
    let old = key_in_use(config, path).await?;
    let digits = hex::text(&old.party.0);
    if was_begun && key_file::waiting(path)?.is_none() {
        return Ok(shown(&digits, path, &old));
    }
    let next = SigningKey::from_seed(&key_file::prepare(path, &digits)?);
    let through = Through { party: old.party, member: config.node()? };
    let wish = Wish::Rotate { party: digits.clone(), key: public(&next) };
    let is_meant = |it: &Transaction| match &it.body {
        Body::RotateParty(it) => it.through == through && it.key == next.verifying_key(),
        _ => false,
    };
    let own = Signer::Key(next.verifying_key().to_bytes());
    let by = [(Signer::Party(old.party), old.number, &old.key), (own, 0, &next)];
    let Submitted { digest, .. } = submit(config, wish, is_meant, &by).await?;
    let wait = Wait { no_wait: false, timeout_s: options.timeout_s };
    outcome(config, &digest, wait).await?;
    let until = Instant::now() + Duration::from_secs(options.timeout_s);
    // The key takes its place as soon as this member has the block.
    while key_file::waiting(path)?.is_some() {
        key_in_use(config, path).await?;
        if Instant::now() >= until {
            return Err(Failure::Unfinished("the new key does not count yet; ask again".into()));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(shown(&digits, path, &key_in_use(config, path).await?))
}

async fn node(config: &Config, options: &Rotate) -> Result<Value, Failure> {
    let question = Question::Rotate { sealing: options.sealing };
    let begun = ask_of(config, &question).await?;
    let until = Instant::now() + Duration::from_secs(options.timeout_s);
    let line = progress::line();
    line.set_message("the new key does not count yet");
    loop {
        match ask_of(config, &Question::Status).await {
            Ok(status) if status["key"] == begun["number"] => {
                line.finish_and_clear();
                let mut shown = json!({
                    "node": config.file.name,
                    "number": begun["number"],
                    "public_key": begun["public_key"],
                    "key": config.signing().display().to_string(),
                });
                if let Some(sealing) = begun["sealing_public_key"].as_str() {
                    shown["sealing_public_key"] = sealing.into();
                    shown["sealing_key"] = config.sealing().display().to_string().into();
                }
                return Ok(shown);
            }
            // One that orders reads its chain again.
            Ok(_) | Err(Failure::Away { .. } | Failure::Usage(_)) => {}
            Err(why) => return Err(why),
        }
        if Instant::now() >= until {
            line.finish_and_clear();
            return Err(Failure::Unfinished(
                "the new key does not count yet; the node goes on asking for it".into(),
            ));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// As the file says: with its first key, a party has its number 1.
fn stored(path: &Path) -> Result<UserKey, Failure> {
    let (seed, note) = secrets::noted(path)?;
    let key = SigningKey::from_seed(&seed);
    let party = match note.as_str() {
        "" => PartyId::of(&key.verifying_key()),
        note => say::party(note).map_err(|why| Failure::file(path, why))?,
    };
    Ok(UserKey { key, number: 1, party })
}

/// Which of a party's keys that count now a public key is.
async fn number_of(config: &Config, party: PartyId, key: &str) -> Result<Option<u16>, Failure> {
    let question = Question::Party { party: hex::text(&party.0) };
    let known = ask_of(config, &question).await?;
    let keys = known["keys"].as_array().into_iter().flatten();
    let number = keys.filter(|it| it["public_key"] == *key).filter_map(|it| it["number"].as_u64());
    Ok(number.filter_map(|number| u16::try_from(number).ok()).next())
}

fn shown(party: &str, path: &Path, key: &UserKey) -> Value {
    json!({
        "party": party,
        "number": key.number,
        "public_key": public(&key.key),
        "key": path.display().to_string(),
    })
}

fn public(key: &SigningKey) -> String {
    hex::text(&VerifyingKey::to_bytes(&key.verifying_key()))
}
