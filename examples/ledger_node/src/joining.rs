//! A node that is not in the network's public file: follows the chain, asks to join, and waits until supervision has let it.

use crate::clock;
use crate::config::Config;
use crate::control::{self, Asked, Question};
use crate::documents::commit;
use crate::failure::Failure;
use crate::follower::Follower;
use crate::hex;
use crate::keeper::peer;
use crate::linking;
use crate::motions::{motion, role_name};
use crate::node;
use crate::rows::{self, Table};
use crate::word::{Channel, Word};
use ledger::{Body, Chain, Identity, Message, NodeId, NodeName, Refusal, Signer, Transaction};
use link_tls::{Incoming, TlsLink};
use port::{Batch, Expect, Link as _, Peer, Time};
use serde_json::{Value, json};
use std::time::Duration;
use store_redb::RedbStore;
use tokio::sync::mpsc;

/// Returns when the node has joined, which is written down then. One that took a snapshot before is ready already.
pub(crate) async fn join(config: &Config, is_first: bool) -> Result<(), Failure> {
    let keys = config.keys()?;
    let name = NodeName::new(&config.file.name);
    let name = name.map_err(|why| Failure::usage(format!("{:?}: {why}", config.file.name)))?;
    let identity = Identity {
        name,
        role: config.role,
        signing: keys.signing.verifying_key(),
        sealing: keys.sealing.newest().public(),
    };
    let store = node::rows(config)?;
    let orderers = config.network.orderers();
    let suppliers = orderers.map(|(_, it)| peer(it.name.as_str()));
    let suppliers = suppliers.collect::<Result<Vec<_>, _>>()?;
    let again_ms = config.file.pace.again_ms;
    let genesis = &config.network.genesis;
    let follower = Follower::open(&store, genesis, suppliers.clone(), again_ms).await?;
    let number = keys.number;
    let (request, due) = (None, Time::EPOCH);
    let mut joining = Joining { identity, number, follower, store, request, again_ms, due };
    if let Some(id) = joining.joined()? {
        return config.write_node(id);
    }
    let (link, mut inbox) = match is_first {
        true => linking::open(config).await?,
        false => linking::open_again(config).await?,
    };
    let socket = config.socket();
    let (to, mut questions) = mpsc::channel(8);
    let serving = tokio::spawn(control::serve(control::listen(&socket)?, to));
    if is_first {
        node::say_ready(&config.file.name);
    }
    let done = loop {
        if let Err(why) = joining.attend(&link, &suppliers, &keys.signing).await {
            break Err(why);
        }
        match joining.joined() {
            Ok(None) => {}
            Ok(Some(id)) => break config.write_node(id),
            Err(why) => break Err(why),
        }
        let wait = joining.follower.next_deadline().min(joining.due).since_ms(clock::now());
        tokio::select! {
            incoming = inbox.recv() => match incoming {
                Some(incoming) => joining.on_incoming(incoming),
                None => break Err(Failure::run("the link has ended")),
            },
            Some(asked) = questions.recv() => joining.answer(asked),
            () = tokio::time::sleep(Duration::from_millis(wait.max(LEAST_MS))) => {}
        }
    };
    serving.abort();
    let _ = std::fs::remove_file(socket);
    done
}

struct Joining {
    identity: Identity,
    /// Which of its keys that has; a later one if its rows were lost.
    number: u16,
    follower: Follower,
    store: RedbStore,
    /// What supervision is asked to sign; the same one again and again.
    request: Option<Transaction>,
    again_ms: u64,
    due: Time,
}

impl Joining {
    /// Which node this is, once it is one.
    fn joined(&self) -> Result<Option<NodeId>, Failure> {
        let name = self.identity.name.as_str();
        let Some((id, node)) = self.follower.chain().state().node_named(name) else {
            return Ok(None);
        };
        let (ring, next) = (&node.ring, self.follower.chain().next_height());
        if ring.at(self.number, next) == Some(&self.identity.signing) {
            return Ok(Some(id));
        }
        match ring.newest() < self.number {
            // Its key was replaced since, in a block that is not here yet.
            true => Ok(None),
            false => Err(Failure::usage(format!(
                "another node of the chain is called {name}, or this one was revoked"
            ))),
        }
    }

    async fn attend(
        &mut self,
        link: &TlsLink,
        supervision: &[Peer],
        key: &seal::SigningKey,
    ) -> Result<(), Failure> {
        let now = clock::now();
        self.follower.on_tick(now);
        self.follower.apply(now, &self.store).await?;
        while let Some((to, message)) = self.follower.poll_send() {
            let frame = message.to_frame().map_err(Failure::run)?;
            // Who is away is asked again.
            let _ = Channel { link, number: Channel::LEDGER }.send(&to, &frame).await;
        }
        if now < self.due || !self.follower.has_caught_up() {
            return Ok(());
        }
        self.due = now.plus_ms(self.again_ms);
        let request = self.request(key).await?;
        let frame = Word::Motion(Box::new(request)).to_frame().map_err(Failure::run)?;
        for to in supervision {
            let _ = link.send(to, &frame).await;
        }
        Ok(())
    }

    /// The request; another one only after the one before was not let in for too long.
    async fn request(&mut self, key: &seal::SigningKey) -> Result<Transaction, Failure> {
        let chain = self.follower.chain();
        if self.request.is_none() {
            let row = rows::all(&self.store, Table::Motions.prefix()).await?.pop();
            self.request = row.and_then(|(_, row)| Transaction::parse(&row.value).ok());
        }
        let body = Body::Join(self.identity.clone());
        let stands = |it: &&Transaction| chain.next_height() < it.window.until && it.body == body;
        if let Some(request) = self.request.as_ref().filter(stands) {
            return Ok(request.clone());
        }
        let own = Signer::Key(self.identity.signing.to_bytes());
        let request = motion(chain, body).sign(own, 0, key).map_err(Failure::run)?;
        let time = chain.head().map_or(clock::now(), |head| head.header.time);
        let at = ledger::At { height: chain.next_height(), time };
        match chain.state().judge(at, &request) {
            // What it still takes.
            Ok(_) | Err(Refusal::Unsigned) => {}
            Err(why) => return Err(Failure::Refused { code: why.code(), why: why.to_string() }),
        }
        let mut batch = Batch::with_capacity(1);
        let bytes = request.to_bytes().map_err(Failure::run)?;
        batch.put(Table::Motions.row(&[0; 32])?, Expect::Any, bytes);
        commit(&self.store, &batch).await?;
        tracing::info!(event = "node.asks", name = %self.identity.name);
        self.request = Some(request.clone());
        Ok(request)
    }

    fn on_incoming(&mut self, incoming: Incoming) {
        let now = clock::now();
        let Incoming::Frame(frame) = incoming else { return };
        match frame.bytes().split_first() {
            Some((&Channel::LEDGER, rest)) => {
                if let Ok(message @ (Message::Block(_) | Message::Next(_))) = Message::parse(rest) {
                    self.follower.on_message(now, frame.from(), message);
                }
            }
            Some((&Channel::WORDS, rest)) => {
                if let Ok(Word::Head { next, .. }) = Word::parse(rest) {
                    self.follower.on_head(now, frame.from(), next);
                    self.due = self.due.min(now);
                }
            }
            _ => {}
        }
    }

    fn answer(&self, asked: Asked) {
        let name = &self.identity.name;
        let answer = match asked.question {
            Question::Status => Ok(self.status()),
            _ => Err(format!(
                "{name} has not joined yet; `ledger_node node admit {name}` at supervision nodes lets it"
            )),
        };
        // Who asked may have gone meanwhile.
        let _ = asked.reply.send(answer);
    }

    fn status(&self) -> Value {
        let chain: &Chain = self.follower.chain();
        json!({
            "node": self.identity.name.as_str(),
            "role": role_name(self.identity.role),
            "state": "asks to join",
            "height": chain.head().map(|head| head.header.height.0),
            "public_key": hex::text(&self.identity.signing.to_bytes()),
        })
    }
}

const LEAST_MS: u64 = 5;
