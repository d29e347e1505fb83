//! The client server: takes offers into its folder, gives files that are asked for.

use crate::control::Question;
use crate::failure::Failure;
use crate::hex;
use crate::sftp::content_of;
use crate::station::{Role, Told};
use filexfer::{
    Bitmap, ClientConfig, ClientEvent, ClientServer, Error, Groups, Message, PartyId, Place,
    SliceProof, TransferId, Work,
};
use link_sftp::Mailbox;
use port::{Peer, ReadSet, Store, Time};
use seal::SoftKeys;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

pub(crate) struct Client {
    config: ClientConfig,
    machine: ClientServer,
    party: PartyId,
    taking: BTreeMap<TransferId, Taking>,
    /// Its access server is there.
    has_access: bool,
    /// Of a client that speaks only SFTP: then this runs on its behalf.
    mailbox: Option<Arc<Mailbox>>,
}

/// What is known of an offer, for whoever asks.
struct Taking {
    name: String,
    groups: u64,
    /// Verified before this process began.
    resumed: u64,
    /// Written by this process; a range that came twice counts twice.
    moved: u64,
}

impl Client {
    pub(crate) fn new(config: ClientConfig) -> Result<Self, Failure> {
        let machine = ClientServer::open(config.clone()).map_err(Failure::run)?;
        let party = config.party.clone();
        Ok(Self {
            config,
            machine,
            party,
            taking: BTreeMap::new(),
            has_access: false,
            mailbox: None,
        })
    }

    /// With files that lie in a mailbox, and are handed over when the client has fetched them from there.
    pub(crate) fn with_mailbox(mut self, mailbox: Arc<Mailbox>) -> Self {
        self.mailbox = Some(mailbox);
        self
    }

    /// Groups that the last checkpoint recorded: what a crash at this moment would leave. 0 when it is over.
    async fn safe<S: Store>(&self, store: &S, transfer: &TransferId) -> u64 {
        let Ok(scan) = Bitmap::scan(self.config.tenant, transfer) else { return 0 };
        let Ok(rows) = store.read(&ReadSet::scan(scan)).await else { return 0 };
        let rows = rows.scans.into_iter().next().unwrap_or_default();
        let rows = rows.iter().map(|(key, row)| (key, &row.value[..]));
        Bitmap::restore(rows).ok().flatten().map_or(0, |bitmap| bitmap.verified())
    }
}

impl Role for Client {
    type Machine = ClientServer;

    fn machine(&mut self) -> &mut ClientServer {
        &mut self.machine
    }

    fn reopen(&mut self) -> Result<(), Failure> {
        self.machine = ClientServer::open(self.config.clone()).map_err(Failure::run)?;
        Ok(())
    }

    fn poll_work(&mut self) -> Option<Work> {
        let work = self.machine.poll_work()?;
        Some(match &self.mailbox {
            Some(mailbox) => mailbox.at_home(work),
            None => work,
        })
    }

    fn tell(&mut self, now: Time, transfer: &TransferId, told: Told) -> Result<(), Error> {
        match told {
            Told::Prepared(file) => self.machine.prepared(now, transfer, file),
            Told::Written(range) => {
                if let Some(taking) = self.taking.get_mut(transfer) {
                    taking.moved += range.end - range.start;
                }
                self.machine.written(now, transfer, &range)
            }
            Told::Synced => self.machine.synced(now, transfer),
            Told::Published(done) => self.machine.published(now, transfer, done),
            Told::Failed(fault) => self.machine.store_failed(now, transfer, fault),
            Told::Unstable => self.machine.unstable(transfer),
            Told::Looked(_) => Ok(()),
        }
    }

    fn slice_proof(
        &mut self,
        from: &Peer,
        transfer: &TransferId,
        range: &Range<u64>,
    ) -> Result<(Place, SliceProof), Error> {
        let proof = self.machine.slice_proof(from, transfer, range)?;
        Ok((Place::Store(self.party.clone()), proof))
    }

    async fn notice<S: Store>(&mut self, store: &S, message: &Message) {
        let Message::Offer(offer) = message else { return };
        if self.taking.contains_key(&offer.transfer) {
            return;
        }
        if self.taking.len() >= TAKING_MAX {
            self.taking.pop_first();
        }
        let resumed = self.safe(store, &offer.transfer).await;
        let groups = Groups::new(offer.size).count();
        let name = offer.name.as_str().to_owned();
        self.taking.insert(offer.transfer, Taking { name, groups, resumed, moved: 0 });
    }

    async fn on_events<S: Store>(&mut self, store: &S, events: Vec<ClientEvent>) {
        for event in events {
            tracing::info!(event = "client", ?event);
            match (&self.mailbox, event) {
                (Some(mailbox), ClientEvent::Published { transfer, name }) => {
                    match content_of(store, &transfer).await {
                        Ok(content) => mailbox.offer(name, transfer, content, false),
                        // It is, after the next start.
                        Err(why) => tracing::error!(event = "sftp.not_shown", %name, %why),
                    }
                }
                (Some(mailbox), ClientEvent::HandedOver { transfer }) => {
                    mailbox.handed_over(&transfer);
                }
                _ => {}
            }
        }
    }

    fn on_peer(&mut self, _: &Peer, present: bool) -> Result<(), Error> {
        // It talks to no other.
        self.has_access = present;
        Ok(())
    }

    async fn answer<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        _: &SoftKeys,
        asked: &Question,
    ) -> Result<Value, String> {
        if let Question::HandOver { transfer } = asked {
            let transfer = hex::bytes::<16>(transfer).map(|bytes| TransferId(*bytes));
            let transfer = transfer.ok_or("this is no transfer of 32 digits")?;
            let asked = self.machine.hand_over(now, &transfer, None);
            return asked.map(|()| json!({})).map_err(|why| why.to_string());
        }
        if matches!(asked, Question::Collect) {
            if !self.has_access {
                return Err("its access server is not there".into());
            }
            let asked = self.machine.collect();
            let said = json!({ "said": "what waits is asked for" });
            return asked.map(|()| said).map_err(|why| why.to_string());
        }
        let Question::Status { .. } = asked else {
            return Err("a client server only knows what it takes".into());
        };
        let mut all = Vec::new();
        for (transfer, taking) in &self.taking {
            all.push(json!({
                "transfer": hex::text(&transfer.0),
                "name": taking.name,
                "groups": taking.groups,
                "groups_resumed": taking.resumed,
                "groups_moved": taking.moved,
                "groups_safe": self.safe(store, transfer).await,
            }));
        }
        Ok(Value::Array(all))
    }
}

const TAKING_MAX: usize = 256;
