//! The stand-in module: decides over requests while the accounting system is away, by the parameters that it signed.

use crate::bank::Bank;
use crate::clock;
use crate::message::{INITIATOR, INSTITUTION};
use crate::trouble::Trouble;
use interbank::port::{Key, ReadSet, Row, Skew, Store as _, Time, Zone, decide};
use interbank::standin::{
    Answered, Entry, EntryState, HostOutcome, Lane, Leased, Loaded, Parameters, PurgeAnswers,
    PurgeTable, RequestKey, Settled, Settlement, StandIn, StandInConfig, TransactionRequest,
    Verdict,
};
use std::collections::BTreeMap;

/// The stand-in module with what it holds in memory: the parameters in force.
pub(crate) struct StandInModule {
    module: StandIn,
}

impl StandInModule {
    /// Without parameters yet: they are loaded with the first decision.
    pub(crate) fn new() -> Self {
        Self { module: module(None) }
    }

    /// The stand-in module as the crate has it.
    pub(crate) const fn module(&self) -> &StandIn {
        &self.module
    }

    /// Decides over a request.
    pub(crate) async fn authorize(
        &mut self,
        bank: &Bank,
        now: Time,
        epoch: u64,
        host: HostOutcome,
        request: &TransactionRequest,
    ) -> Result<Decided, Trouble> {
        for _ in 0..ATTEMPTS_MAX {
            let authorize = self.module.authorize(now, epoch, host, request.clone());
            let verdict = match bank.decide(authorize).await {
                Err(Trouble::Unknown(why)) => {
                    tracing::error!(event = "standin.lost", %why);
                    return Ok(Decided::Lost);
                }
                verdict => verdict?,
            };
            match verdict {
                Verdict::Answered(answered) => return Ok(Decided::Answered(answered)),
                Verdict::NeedsLease { lane, minor } => {
                    let mut lease = self.module.lease(now, lane, INITIATOR, minor);
                    if decide(bank.vault(), bank.keys(), &mut lease).await? == Leased::Outdated {
                        self.load(bank, now).await?;
                    }
                }
                Verdict::Outdated => self.load(bank, now).await?,
                _ => return Ok(Decided::Undecided),
            }
        }
        Ok(Decided::Undecided)
    }

    /// What it decides by.
    pub(crate) fn parameters(&self) -> Option<&Parameters> {
        self.module.config().parameters.as_ref()
    }

    /// Takes the parameters that are in force now.
    pub(crate) async fn load(&mut self, bank: &Bank, now: Time) -> Result<(), Trouble> {
        let parameters = match bank.load_parameters(now).await? {
            Loaded::InForce { parameters, .. } => Some(parameters),
            Loaded::Distrusted(why) => {
                tracing::error!(event = "standin.distrusted", code = why.code(), %why);
                None
            }
            _ => None,
        };
        self.module = module(parameters);
        Ok(())
    }
}

/// What came of a request.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every decision is an answer")]
pub(crate) enum Decided {
    Answered(Answered),
    /// Nothing, and nothing was written.
    Undecided,
    /// Nobody knows what was written: a repeat finds out.
    Lost,
}

impl Bank {
    /// The parameters in force, if the stand-in module believes them.
    pub(crate) async fn load_parameters(&self, now: Time) -> Result<Loaded, Trouble> {
        let mut load = module(None).load(now, &self.parameters_issuer().trust());
        Ok(decide(self.vault(), self.keys(), &mut load).await?)
    }

    /// Everything that was decided without the accounting system, oldest first.
    pub(crate) async fn stood_in(&self) -> Result<Vec<Entry>, Trouble> {
        let rows = self.rows_under(module(None).journal()).await?;
        let entries = rows.iter().map(|(_, row)| Entry::parse(&row.value));
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(|entry| (entry.at, entry.seq));
        Ok(entries)
    }

    /// A person dealt with an exception: it is off the list, and its amount no longer out. `None` if there is no such exception.
    pub(crate) async fn resolve(&self, key: &RequestKey) -> Result<Option<Settled>, Trouble> {
        let is_it =
            |entry: &Entry| entry.state == EntryState::Exception && entry.request.key == *key;
        let Some(entry) = self.stood_in().await?.into_iter().find(is_it) else { return Ok(None) };
        let settle = module(None).settle(clock::now(), entry.reference(), Settlement::Resolved);
        Ok(Some(self.decide(settle).await?))
    }

    /// How much is out of how much that was granted, in minor units, by lane.
    pub(crate) async fn exposure(&self) -> Result<Vec<(i64, i64)>, Trouble> {
        let module = module(None);
        let lanes: Vec<Key> = (0..LANES).map(|lane| module.lane_key(lane)).collect();
        let found = self.vault().read(&ReadSet::points(lanes)).await.map_err(Trouble::store)?;
        let of = |row: &Option<Row>| -> Result<(i64, i64), Trouble> {
            let Some(row) = row else { return Ok((0, 0)) };
            let lane = Lane::parse(&row.value)?;
            let whole = lane.shares.iter().find(|share| share.initiator.is_none());
            Ok(whole.map_or((0, 0), |share| (share.out_minor, share.granted_minor)))
        };
        found.points.iter().map(of).collect()
    }

    /// Deletes what the stand-in module and the switch need no longer.
    pub(crate) async fn purge_stand_in(&self, now: Time) -> Result<(), Trouble> {
        let module = module(None);
        for table in [
            PurgeTable::Accounts,
            PurgeTable::Acknowledgements,
            PurgeTable::Journal,
            PurgeTable::Sets,
        ] {
            let page = |after| module.purge(now, table, after);
            self.purge_pages(page, |purged| (purged.rows, purged.next)).await?;
        }
        let before = Time::from_ms(now.as_ms().saturating_sub(JOURNAL_KEPT_MS));
        loop {
            let mut page = PurgeAnswers::new(INSTITUTION, before);
            if decide(self.vault(), self.keys(), &mut page).await? < PurgeAnswers::ROWS_MAX {
                return Ok(());
            }
        }
    }
}

/// The stand-in module of the bank, with these parameters.
pub(crate) fn module(parameters: Option<Parameters>) -> StandIn {
    StandIn::new(StandInConfig {
        institution: INSTITUTION,
        zone: Zone::utc(),
        parameters,
        mac_keys: BTreeMap::new(),
        // The switch is in this process: nobody else can send it anything.
        mac_required: false,
        lanes: LANES,
        skew: Skew::default(),
        journal_kept_ms: JOURNAL_KEPT_MS,
    })
}

/// Into how many lanes accounts fall.
const LANES: u16 = 4;
/// As long as the payment server keeps payments.
const JOURNAL_KEPT_MS: u64 = 400 * 86_400_000;
/// A lease and newer parameters may come in between.
const ATTEMPTS_MAX: usize = 6;
