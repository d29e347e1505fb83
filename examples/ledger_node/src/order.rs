//! The two ways of ordering behind one face: this is the one place that knows both.

use crate::config::{Config, SIGNING};
use crate::failure::Failure;
use crate::keeper::peer;
use crate::network::Ordering;
use crate::rows::TENANT;
use crate::word::Channel;
use ledger::{
    Authority, AuthorityConfig, AuthorityEvent, Chain, FileId, Height, NodeId, Note, Transaction,
};
use order_malachite::{Error, Validator, ValidatorConfig, ValidatorEvent};
use port::{Input, Machine, StoreError, Time};
use seal::SoftKeys;
use store_redb::RedbStore;

/// A machine that orders.
pub(crate) struct Order {
    machine: Either,
    brief: Brief,
}

enum Either {
    Single(Box<Authority>),
    Bft(Box<Validator>),
}

/// What a machine is opened with, again and again.
pub(crate) enum Brief {
    /// By the founder alone.
    Single(Box<AuthorityConfig>),
    /// By votes.
    Bft(Box<ValidatorConfig>),
}

/// What a machine tells.
#[derive(Debug)]
pub(crate) enum Event {
    Opened(Height),
    Block(Height),
    Requested(FileId),
    Overdue(FileId),
    NotSigned,
    Misconduct(NodeId),
}

impl Brief {
    pub(crate) fn of(config: &Config, key_number: u16) -> Result<Self, Failure> {
        let (genesis, node) = (config.network.genesis.clone(), config.node()?);
        let pace = config.file.pace;
        Ok(match config.network.ordering {
            Ordering::Single => Self::Single(Box::new(AuthorityConfig {
                tenant: TENANT,
                genesis,
                node,
                key: SIGNING,
                key_number,
                retry_ms: pace.again_ms,
            })),
            Ordering::Bft => {
                let mut brief = ValidatorConfig::new(TENANT, genesis, node, SIGNING);
                let others = config.network.orderers().filter(|(id, _)| *id != node);
                brief.seeds =
                    others.map(|(_, it)| peer(it.name.as_str())).collect::<Result<_, _>>()?;
                brief.key_number = key_number;
                brief.propose_ms = pace.propose_ms;
                brief.vote_ms = pace.vote_ms;
                brief.resend_ms = pace.resend_ms;
                Self::Bft(Box::new(brief))
            }
        })
    }

    fn open(&self) -> Result<Either, Failure> {
        Ok(match self {
            Self::Single(brief) => {
                Either::Single(Box::new(Authority::open((**brief).clone()).map_err(Failure::run)?))
            }
            Self::Bft(brief) => {
                let open = Validator::open((**brief).clone());
                Either::Bft(Box::new(open.map_err(Failure::run)?))
            }
        })
    }
}

impl Order {
    pub(crate) fn open(brief: Brief) -> Result<Self, Failure> {
        Ok(Self { machine: brief.open()?, brief })
    }

    /// Goes on from what is stored.
    pub(crate) fn reopen(&mut self) -> Result<(), Failure> {
        self.machine = self.brief.open()?;
        Ok(())
    }

    /// Goes on with another key, from what is stored: what was signed with the one before stays as it was said.
    pub(crate) fn rekey(&mut self, number: u16) -> Result<(), Failure> {
        match &mut self.brief {
            Brief::Single(brief) => brief.key_number = number,
            Brief::Bft(brief) => brief.key_number = number,
        }
        self.reopen()
    }

    pub(crate) const fn chain(&self) -> Option<&Chain> {
        match &self.machine {
            Either::Single(authority) => authority.chain(),
            Either::Bft(validator) => validator.chain(),
        }
    }

    pub(crate) const fn checkpoint(&self) -> Option<&Note> {
        match &self.machine {
            Either::Single(authority) => authority.checkpoint(),
            Either::Bft(validator) => validator.checkpoint(),
        }
    }

    pub(crate) fn submit(&mut self, now: Time, transaction: Transaction) -> Result<(), Error> {
        match &mut self.machine {
            Either::Single(authority) => Ok(authority.submit(now, transaction)?),
            Either::Bft(validator) => validator.submit(now, transaction),
        }
    }

    pub(crate) fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Error> {
        match &mut self.machine {
            Either::Single(authority) => Ok(authority.handle(now, input)?),
            Either::Bft(validator) => validator.handle(now, input),
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        match &self.machine {
            Either::Single(authority) => authority.next_deadline(),
            Either::Bft(validator) => validator.next_deadline(),
        }
    }

    pub(crate) async fn drain(
        &mut self,
        now: Time,
        store: &RedbStore,
        channel: Channel<'_>,
        keys: &SoftKeys,
    ) -> Result<Vec<Event>, Error> {
        Ok(match &mut self.machine {
            Either::Single(authority) => {
                let drained = port::drain(&mut **authority, now, store, &channel, keys).await?;
                note(drained.store_failure.as_ref());
                drained.events.into_iter().filter_map(of_authority).collect()
            }
            Either::Bft(validator) => {
                let drained = port::drain(&mut **validator, now, store, &channel, keys).await?;
                note(drained.store_failure.as_ref());
                drained.events.into_iter().filter_map(of_validator).collect()
            }
        })
    }
}

fn note(failure: Option<&impl StoreError>) {
    if let Some(why) = failure {
        tracing::error!(event = "store.failed", %why);
    }
}

fn of_authority(event: AuthorityEvent) -> Option<Event> {
    Some(match event {
        AuthorityEvent::Opened(next) => Event::Opened(next),
        AuthorityEvent::Block(height) => Event::Block(height),
        AuthorityEvent::Requested(file) => Event::Requested(file),
        AuthorityEvent::Overdue(file) => Event::Overdue(file),
        AuthorityEvent::NotSigned => Event::NotSigned,
        _ => return None,
    })
}

fn of_validator(event: ValidatorEvent) -> Option<Event> {
    Some(match event {
        ValidatorEvent::Opened(next) => Event::Opened(next),
        ValidatorEvent::Block(height) => Event::Block(height),
        ValidatorEvent::Requested(file) => Event::Requested(file),
        ValidatorEvent::Overdue(file) => Event::Overdue(file),
        ValidatorEvent::NotSigned => Event::NotSigned,
        ValidatorEvent::Misconduct(proof) => Event::Misconduct(proof.node()),
        _ => return None,
    })
}
