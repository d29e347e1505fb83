//! The forwarding server: judges requests, moves files, tells what became of them.

use crate::clock;
use crate::control::Question;
use crate::failure::Failure;
use crate::rows;
use crate::station::{Role, Told};
use filexfer::{
    Error, Forwarder, ForwarderConfig, ForwarderEvent, Groups, Job, Party, Place, Registry,
    Role as PartyRole, SliceProof, State, TransferId, Work,
};
use port::{Peer, ReadSet, Store, Tenant, Time};
use seal::SoftKeys;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

pub(crate) struct Forwarding {
    config: ForwarderConfig,
    registry: Arc<Registry>,
    machine: Forwarder,
    /// Groups by transfer, of this process: written here, and sent away.
    counts: BTreeMap<TransferId, Counts>,
}

#[derive(Default)]
struct Counts {
    moved: u64,
    served: u64,
}

impl Forwarding {
    pub(crate) fn new(config: ForwarderConfig, registry: Arc<Registry>) -> Result<Self, Failure> {
        let machine = open(&config, &registry)?;
        Ok(Self { config, registry, machine, counts: BTreeMap::new() })
    }

    fn counts(&mut self, transfer: &TransferId) -> &mut Counts {
        if self.counts.len() >= COUNTS_MAX && !self.counts.contains_key(transfer) {
            self.counts.pop_first();
        }
        self.counts.entry(*transfer).or_default()
    }

    fn describe(&self, job: &Job) -> Value {
        let transfer = job.request.transfer().unwrap_or(TransferId([0; 16]));
        let groups = job.size.map(|size| Groups::new(size).count());
        let counts = self.counts.get(&transfer);
        let served = counts.map_or(0, |counts| counts.served);
        let moved = counts.map_or(0, |counts| counts.moved);
        let verified = self.machine.progress(&transfer).map(|(verified, _)| verified);
        let done = if job.state.is_delivered() {
            groups
        } else {
            Some(verified.unwrap_or(0).max(served).min(groups.unwrap_or(0)))
        };
        let (state, code, why) = rows::words(job.state);
        json!({
            "id": job.request.id.to_string(),
            "requester": job.request.requester.as_str(),
            "from": job.request.sender,
            "to": job.request.destination,
            "name": job.request.file.name,
            "state": state,
            "code": code,
            "why": why,
            "since": job.since.to_string(),
            "size": job.size,
            "groups": groups,
            "groups_done": done,
            "groups_moved": moved,
            "groups_served": served,
        })
    }
}

impl Role for Forwarding {
    type Machine = Forwarder;

    fn machine(&mut self) -> &mut Forwarder {
        &mut self.machine
    }

    fn reopen(&mut self) -> Result<(), Failure> {
        self.machine = open(&self.config, &self.registry)?;
        Ok(())
    }

    fn poll_work(&mut self) -> Option<Work> {
        self.machine.poll_work()
    }

    fn tell(&mut self, now: Time, transfer: &TransferId, told: Told) -> Result<(), Error> {
        match told {
            Told::Looked(found) => self.machine.looked(now, transfer, found.as_ref()),
            Told::Prepared(file) => self.machine.prepared(now, transfer, file),
            Told::Written(range) => {
                self.counts(transfer).moved += range.end - range.start;
                self.machine.written(now, transfer, &range)
            }
            Told::Synced => self.machine.synced(now, transfer),
            Told::Published(done) => self.machine.published(now, transfer, done),
            Told::Failed(fault) => self.machine.store_failed(now, transfer, fault),
            Told::Unstable => self.machine.unstable(now, transfer),
        }
    }

    fn slice_proof(
        &mut self,
        from: &Peer,
        transfer: &TransferId,
        range: &Range<u64>,
    ) -> Result<(Place, SliceProof), Error> {
        self.machine.slice_proof(from, transfer, range)
    }

    fn served(&mut self, transfer: &TransferId, groups: u64) {
        self.counts(transfer).served += groups;
    }

    fn trail(&self) -> Option<Tenant> {
        Some(self.config.tenant)
    }

    async fn on_events<S: Store>(&mut self, _: &S, events: Vec<ForwarderEvent>) {
        events.into_iter().for_each(log);
    }

    async fn answer<S: Store>(
        &mut self,
        _: Time,
        store: &S,
        _: &SoftKeys,
        asked: &Question,
    ) -> Result<Value, String> {
        match asked {
            Question::Status { id: None } => {
                let rows = rows::all(store, Job::table(self.config.tenant)).await?;
                let jobs = rows.iter().filter_map(|(_, row)| Job::parse(&row.value).ok());
                Ok(Value::Array(jobs.map(|job| self.describe(&job)).collect()))
            }
            Question::Status { id: Some(id) } => {
                let id = rows::job_id(id)?;
                // Each requester has ids of its own.
                let of = |party: &Party| Job::key_by(self.config.tenant, &party.id, &id);
                let requesters = ROLES.into_iter().flat_map(|role| self.registry.of_role(role));
                let keys = requesters.map(of).collect::<Result<Vec<_>, _>>();
                let keys = keys.map_err(|why| why.to_string())?;
                let found = store.read(&ReadSet::points(keys)).await;
                let found = found.map_err(|why| why.to_string())?;
                let rows = found.points.iter().flatten();
                let jobs = rows.filter_map(|row| Job::parse(&row.value).ok());
                Ok(Value::Array(jobs.map(|job| self.describe(&job)).collect()))
            }
            _ => Err("a forwarding server is not asked that; ask the backstage server".into()),
        }
    }
}

fn log(event: ForwarderEvent) {
    match event {
        ForwarderEvent::Judged(signed) => {
            let id = signed.verdict.id;
            match signed.verdict.outcome {
                Ok(()) => tracing::info!(event = "job.accepted", %id),
                Err(why) => tracing::info!(event = "job.refused", %id, code = why.code(), %why),
            }
        }
        ForwarderEvent::Moved { transfer, state } => {
            let is_on_its_way = matches!(
                state,
                State::Scheduled | State::Transferring | State::Verifying | State::Acknowledged
            );
            let (state, code, _) = rows::words(state);
            // Of what goes as it should only the ends are told: many small files are many lines.
            if is_on_its_way {
                tracing::debug!(event = "job.moved", ?transfer, state, code);
            } else {
                tracing::info!(event = "job.moved", ?transfer, state, code);
            }
        }
        ForwarderEvent::HandedOver { transfer } => {
            tracing::info!(event = "job.handed_over", ?transfer);
        }
        ForwarderEvent::Stranded { transfer } => {
            tracing::warn!(
                event = "job.stranded",
                ?transfer,
                "the configuration has no way for it"
            );
        }
        other => tracing::info!(event = "job.other", ?other),
    }
}

fn open(config: &ForwarderConfig, registry: &Arc<Registry>) -> Result<Forwarder, Failure> {
    let entropy = clock::entropy()?;
    Forwarder::open(config.clone(), Arc::clone(registry), entropy).map_err(Failure::run)
}

const COUNTS_MAX: usize = 10_000;
/// Who may ask for transfers.
const ROLES: [PartyRole; 2] = [PartyRole::Backstage, PartyRole::Client];
