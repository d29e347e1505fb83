//! What a node answers to whoever may ask it.

use super::{Desk, Node};
use crate::base::Base;
use crate::clock;
use crate::control::{Asked, Question};
use crate::hex;
use crate::index;
use crate::look;
use crate::network::Network;
use crate::proof::Proof;
use crate::purging::Over;
use crate::say;
use crate::windows;
use ledger::{At, Body, Chain, Note, OnFile, Signer, Supervised, Transaction};
use port::Time;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store_redb::RedbStore;

impl Node {
    pub(super) async fn on_question(&mut self, asked: Asked) {
        let Asked { question, reply } = asked;
        let Some(chain) = self.keeper.chain() else {
            let _ = reply.send(Err("the node still reads its chain; ask again".into()));
            return;
        };
        if let (Question::Submit { transaction }, Desk::Member(member)) =
            (&question, &mut self.desk)
        {
            return member.submit(&self.keys, chain, transaction, reply);
        }
        let answer = self.answer(question).await;
        // Who asked may have gone meanwhile.
        let _ = reply.send(answer);
    }

    async fn answer(&mut self, question: Question) -> Result<Value, String> {
        let now = clock::now();
        // Of nodes that order, the own one.
        if matches!(question, Question::Prove { .. })
            && let Some(note) = self.keeper.checkpoint().cloned()
        {
            self.take_checkpoint(&note);
        }
        let store = &*self.store;
        let chain = self.keeper.chain().ok_or("the node still reads its chain; ask again")?;
        match (question, &mut self.desk) {
            (Question::Status, _) => Ok(self.status(chain)),
            (Question::Rotate { sealing }, _) => {
                self.rotation.begin(now, chain, &self.keys, sealing)
            }
            (Question::Rewrap { pass }, desk) => {
                let open = match desk {
                    Desk::Supervision(auditor, _) => auditor.oldest(chain),
                    Desk::Member(_) => None,
                };
                self.rewrap.ask(store, chain, &self.keys, open, pass).await
            }
            (Question::Party { party }, _) => look::party(chain, &party),
            (Question::Show { what }, _) => {
                look::show(store, chain, self.base.as_ref(), &what).await
            }
            (Question::List { owner, lienholder, kind }, _) => {
                look::list(chain, owner.as_deref(), lienholder.as_deref(), kind.as_deref())
            }
            (Question::Prove { what, history }, _) => {
                let log = chain.log();
                let checkpoint = match history {
                    true => Some(self.checkpoints.of(log.size(), log.root()).ok_or(NOT_YET)?),
                    false => None,
                };
                let base = self.base.as_ref();
                prove(store, chain, (&self.network, base), checkpoint, &what).await
            }
            (Question::Document { file }, Desk::Member(member)) => {
                let found = member.document(chain, &self.keys, say::file(&file)?).await?;
                found.ok_or_else(|| format!("the document of {file} is not here"))
            }
            (Question::Document { file }, Desk::Supervision(auditor, _)) => {
                let found = auditor.document(now, say::file(&file)?);
                found.ok_or_else(|| {
                    format!(
                        "the document of {file} is not here; if it waits for a person, ask again"
                    )
                })
            }
            (Question::Build { wish }, Desk::Member(member)) => {
                member.build(now, chain, wish).await
            }
            (Question::Outcome { digest }, Desk::Member(member)) => {
                member.outcome(chain, &digest).await
            }
            (Question::Offers, Desk::Member(member)) => member.offers(chain).await,
            (Question::Audit, Desk::Supervision(auditor, _)) => Ok(auditor.list(chain)),
            (Question::Say { file, approves, reason }, Desk::Supervision(auditor, _)) => {
                auditor.say(now, store, chain, &file, (approves, &reason)).await
            }
            (Question::Nodes, desk) => {
                let motions = match desk {
                    Desk::Supervision(_, motions) => Some(motions.list(chain)),
                    Desk::Member(_) => None,
                };
                Ok(look::nodes(chain, motions))
            }
            (Question::Reload, _) => {
                self.reloads = true;
                Ok(json!({ "node": self.name, "state": "reads its configuration again" }))
            }
            (Question::Admit { name }, Desk::Supervision(_, motions)) => {
                motions.admit(chain, store, &self.keys, &name).await
            }
            (Question::Revoke { name }, Desk::Supervision(_, motions)) => {
                motions.revoke(chain, store, &self.keys, &name).await
            }
            (Question::Admit { .. } | Question::Revoke { .. }, _) => Err(format!(
                "{} is a member; supervision nodes say who joins and leaves",
                self.name
            )),
            (Question::Freeze { what, reference, is_frozen }, Desk::Supervision(..)) => {
                let reference = Sha256::digest(reference.as_bytes()).into();
                self.freeze(now, &what, reference, is_frozen)
            }
            (Question::Freeze { .. }, _) => {
                Err(format!("{} is a member; supervision nodes freeze things", self.name))
            }
            (Question::Purge { files, as_of, is_dry }, Desk::Supervision(..)) => {
                self.purge(now, &files, as_of, is_dry)
            }
            (Question::Purge { .. }, _) => {
                Err(format!("{} is a member; supervision nodes purge files", self.name))
            }
            (Question::Audit | Question::Say { .. }, _) => {
                Err(format!("{} is a member; audits are made by supervision nodes", self.name))
            }
            (_, _) => Err(format!(
                "{} is a supervision node; users reach the chain through members",
                self.name
            )),
        }
    }

    /// Has a file frozen or let go, by this node's own signature; says how it stands now.
    fn freeze(
        &mut self,
        now: Time,
        what: &str,
        reference: [u8; 32],
        is_frozen: bool,
    ) -> Result<Value, String> {
        let chain = self.keeper.chain().ok_or("the node still reads its chain; ask again")?;
        let (id, file) = look::file(chain, what)?;
        let shown = json!({ "file": hex::text(&id.0), "is_frozen": file.frozen });
        if file.frozen == is_frozen {
            return Ok(shown);
        }
        let by = self.id;
        let on = OnFile { file: id, revision: file.revision };
        let it = Supervised { on, by, reference };
        let body = if is_frozen { Body::Freeze(it) } else { Body::Unfreeze(it) };
        let state = chain.state();
        let wish = Transaction::new(chain.id(), windows::own(chain), body);
        let (number, key) = (self.keys.number, &self.keys.signing);
        let signed = wish.sign(Signer::Node(by), number, key).map_err(|why| why.to_string())?;
        let at = At { height: chain.next_height(), time: now };
        state.judge(at, &signed).map_err(|why| format!("{why} ({})", why.code()))?;
        // What is not taken now is asked for again.
        if let Err(code) = self.keeper.submit(now, signed) {
            tracing::debug!(event = "freeze.waits", code);
        }
        Ok(shown)
    }

    /// Has files go whose time is over; says which are still there.
    fn purge(
        &mut self,
        now: Time,
        files: &[String],
        as_of: Option<u64>,
        is_dry: bool,
    ) -> Result<Value, String> {
        let chain = self.keeper.chain().ok_or("the node still reads its chain; ask again")?;
        let over = Over::of(chain, files, as_of)?;
        // Also what would only be listed has to be what the chain lets go.
        let wishes = over.transactions(now, chain, self.id, &self.keys)?;
        if is_dry {
            return Ok(over.show(chain));
        }
        for wish in wishes {
            // What is not taken now is asked for again.
            if let Err(code) = self.keeper.submit(now, wish) {
                tracing::debug!(event = "purge.waits", code);
            }
        }
        Ok(json!({ "is_done": over.is_done() }))
    }

    fn status(&self, chain: &Chain) -> Value {
        let head = chain.head().map(|head| head.header);
        let peers: serde_json::Map<_, _> = self
            .peers
            .iter()
            .map(|peer| (peer.as_str().to_owned(), self.link.is_connected(peer).into()))
            .collect();
        let former = self.keys.sealing.former().map(|(number, _)| number);
        let mut status = json!({
            "node": self.name,
            "chain": hex::text(&chain.id().0),
            "height": head.map(|head| head.height.0),
            "time": head.map(|head| head.time.to_string()),
            "state_root": head.map(|head| hex::text(&head.state_root)),
            "log_root": head.map(|head| hex::text(&head.log_root)),
            "records": chain.log().size(),
            "blocks_from": self.base.map(|base| base.from().0),
            "things": chain.state().holdings().count(),
            "peers": peers,
            "key": self.keys.number,
            "next_key": self.rotation.is_under_way().then_some(self.keys.number + 1),
            "sealing_key": self.keys.sealing.number(),
            "former_sealing_keys": former.collect::<Vec<_>>(),
        });
        match &self.desk {
            Desk::Member(member) => {
                status["role"] = "member".into();
                status["waiting"] = member.waiting().into();
            }
            Desk::Supervision(auditor, _) => {
                status["role"] = "supervision".into();
                status["audits"] = auditor.list(chain)["open"].clone();
            }
        }
        status
    }
}

async fn prove(
    store: &RedbStore,
    chain: &Chain,
    (network, base): (&Network, Option<&Base>),
    checkpoint: Option<&Note>,
    what: &str,
) -> Result<Value, String> {
    index::catch_up(store, chain).await.map_err(|why| why.to_string())?;
    let (thing, words) = look::what(store, chain, base, what).await?;
    if let (Some(base), Some(_)) = (base, checkpoint) {
        let title = look::title(store, chain, thing).await.map_err(|why| why.to_string())?;
        if !look::is_whole(chain, &title) {
            return Err(format!(
                "not all of its history is here: {}; with --only-now this node proves who owns it now",
                base.why(chain)
            ));
        }
    }
    let proof = Proof::make(store, chain, network, checkpoint, thing, words.as_ref()).await;
    let proof = proof.map_err(|why| why.to_string())?;
    serde_json::to_value(proof).map_err(|why| why.to_string())
}

pub(crate) const NOT_YET: &str = "the newest checkpoint is not here yet; ask again";
