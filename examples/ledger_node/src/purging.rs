//! What is over for longer than the policy says goes out of the state, when a supervision node says so.

use crate::config::{Config, NodeKeys};
use crate::control::Question;
use crate::desk::{POLL, ask_of};
use crate::failure::Failure;
use crate::hex;
use crate::options::Purging;
use crate::say;
use crate::windows;
use ledger::{At, Body, Chain, File, FileId, Height, NodeId, Purge, Signer, Status, Transaction};
use port::Time;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Lists what may go, or has it go and returns when it is gone.
pub(crate) async fn purge(options: &Purging) -> Result<Value, Failure> {
    let config = Config::load(&options.at.config)?;
    for file in &options.files {
        say::file(file).map_err(Failure::Usage)?;
    }
    let question = |as_of: Option<u64>, is_dry: bool| Question::Purge {
        files: options.files.clone(),
        as_of,
        is_dry,
    };
    let found = ask_of(&config, &question(None, true)).await?;
    if options.dry_run {
        return Ok(found);
    }
    // What is over later is for another time, so that this ends.
    let as_of = found["as_of"].as_u64();
    let mut is_done = found["count"] == 0;
    let until = Instant::now() + Duration::from_secs(options.timeout_s);
    while !is_done {
        if Instant::now() >= until {
            let why = format!("not all of it is gone after {} s; ask again", options.timeout_s);
            return Err(Failure::Unfinished(why));
        }
        match ask_of(&config, &question(as_of, false)).await {
            Ok(answer) => is_done = answer["is_done"] == true,
            // One that was stopped and comes back goes on.
            Err(Failure::Away { .. }) => {}
            Err(why) => return Err(why),
        }
        if !is_done {
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(json!({ "purged": found["count"], "as_of": as_of }))
}

/// Files that may go: the first of them.
pub(crate) struct Over {
    as_of: Height,
    files: Vec<FileId>,
}

impl Over {
    /// All files whose time is over at a height that is not ahead, those first that wait for the longest time; or those that are named.
    ///
    /// A file that is named and gone already is left out, if it was asked for before.
    pub(crate) fn of(chain: &Chain, named: &[String], as_of: Option<u64>) -> Result<Self, String> {
        let next = chain.next_height();
        let (state, is_first) = (chain.state(), as_of.is_none());
        let as_of = as_of.map_or(next, |height| Height(height).min(next));
        if named.is_empty() {
            return Ok(Self { as_of, files: state.purgeable(as_of).take(LIST_MAX).collect() });
        }
        if named.len() > LIST_MAX {
            return Err(format!("more than {LIST_MAX} files are named; name some of them"));
        }
        let mut files = Vec::with_capacity(named.len());
        for text in named {
            let id = say::file(text)?;
            match state.file(id) {
                Some(file) => {
                    may_go(state.genesis().policy().keep, as_of, file)
                        .map_err(|why| format!("the file {text} stays: {why}"))?;
                    files.push(id);
                }
                None if is_first => {
                    return Err(format!("no file {text} is known; it may be gone already"));
                }
                None => {}
            }
        }
        files.sort_unstable();
        files.dedup();
        Ok(Self { as_of, files })
    }

    /// Transactions that have them go, by one node's signature; not all at one time, where there are many.
    pub(crate) fn transactions(
        &self,
        now: Time,
        chain: &Chain,
        by: NodeId,
        keys: &NodeKeys,
    ) -> Result<Vec<Transaction>, String> {
        let at = At { height: chain.next_height(), time: now };
        let some = self.files.chunks(Purge::FILES_MAX).take(AT_ONCE);
        let transactions = some.map(|files| {
            let mut files = files.to_vec();
            files.sort_unstable();
            let body = Body::Purge(Purge { by, files });
            let wish = Transaction::new(chain.id(), windows::own(chain), body);
            let signed = wish.sign(Signer::Node(by), keys.number, &keys.signing);
            let signed = signed.map_err(|why| why.to_string())?;
            let judged = chain.state().judge(at, &signed);
            judged.map_err(|why| format!("{why} ({})", why.code()))?;
            Ok(signed)
        });
        transactions.collect()
    }

    /// Whether all is gone.
    pub(crate) const fn is_done(&self) -> bool {
        self.files.is_empty()
    }

    /// The first ones with what they were, and how many there are.
    pub(crate) fn show(&self, chain: &Chain) -> Value {
        let rows = self.files.iter().filter_map(|id| {
            let file = chain.state().file(*id)?;
            Some(json!({
                "file": hex::text(&id.0),
                "thing_key": hex::text(&file.thing.0),
                "type": file.kind.as_str(),
                "state": say::stage(file.stage()),
                "since": file.since.0,
            }))
        });
        let count = match self.files.len() {
            LIST_MAX => chain.state().purgeable(self.as_of).count(),
            count => count,
        };
        json!({ "count": count, "as_of": self.as_of.0, "files": rows.collect::<Vec<_>>() })
    }
}

/// Whether the time of a file is over at a height, in words for people; the chain judges it again.
fn may_go(keep: u64, as_of: Height, file: &File) -> Result<(), String> {
    let from = file.since.after(keep);
    match file.status {
        _ if file.frozen => Err("it is frozen".into()),
        Status::Rejected(_) | Status::Retired { .. } if from <= as_of => Ok(()),
        Status::Rejected(_) | Status::Retired { .. } => {
            Err(format!("it may go from block {from} on, and the next one is {as_of}"))
        }
        _ => {
            let stage = say::stage(file.stage());
            Err(format!("it is {stage}; what was rejected or retired goes"))
        }
    }
}

/// So many transactions wait at one time.
const AT_ONCE: usize = 8;
/// So many files are listed at most.
const LIST_MAX: usize = 1_000;
