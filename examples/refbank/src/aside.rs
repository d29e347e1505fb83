//! The stand-in module: decides over requests while the accounting system is away, by the parameters that it signed.

use crate::bank::Bank;
use crate::message::{INITIATOR, INSTITUTION};
use crate::trouble::Trouble;
use interbank::port::{Skew, Time, Zone, decide};
use interbank::standin::{
    Answered, HostOutcome, Leased, Loaded, Parameters, PurgeAnswers, PurgeTable, StandIn,
    StandInConfig, TransactionRequest, Verdict,
};
use std::collections::BTreeMap;

/// The stand-in module with what it holds in memory: the parameters in force.
pub(crate) struct Aside {
    stand_in: StandIn,
}

impl Aside {
    /// Without parameters yet: they are loaded with the first decision.
    pub(crate) fn new() -> Self {
        Self { stand_in: stand_in(None) }
    }

    /// The stand-in module as the crate has it.
    pub(crate) const fn stand_in(&self) -> &StandIn {
        &self.stand_in
    }

    /// Decides over a request; `None` if it cannot.
    pub(crate) async fn authorize(
        &mut self,
        bank: &Bank,
        now: Time,
        epoch: u64,
        host: HostOutcome,
        request: &TransactionRequest,
    ) -> Result<Option<Answered>, Trouble> {
        for _ in 0..ATTEMPTS_MAX {
            let authorize = self.stand_in.authorize(now, epoch, host, request.clone());
            match bank.decide(authorize).await? {
                Verdict::Answered(answered) => return Ok(Some(answered)),
                Verdict::NeedsLease { lane, minor } => {
                    let mut lease = self.stand_in.lease(now, lane, INITIATOR, minor);
                    if decide(bank.vault(), bank.keys(), &mut lease).await? == Leased::Outdated {
                        self.load(bank, now).await?;
                    }
                }
                Verdict::Outdated => self.load(bank, now).await?,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// What it decides by.
    pub(crate) fn parameters(&self) -> Option<&Parameters> {
        self.stand_in.config().parameters.as_ref()
    }

    /// Takes the parameters that are in force now.
    pub(crate) async fn load(&mut self, bank: &Bank, now: Time) -> Result<(), Trouble> {
        let mut load = self.stand_in.load(now, &bank.author().trust());
        let parameters = match decide(bank.vault(), bank.keys(), &mut load).await? {
            Loaded::InForce { parameters, .. } => Some(parameters),
            Loaded::Distrusted(why) => {
                tracing::error!(event = "standin.distrusted", code = why.code(), %why);
                None
            }
            _ => None,
        };
        self.stand_in = stand_in(parameters);
        Ok(())
    }
}

impl Bank {
    /// Deletes what the stand-in module and the switch need no longer.
    pub(crate) async fn purge_stand_in(&self, now: Time) -> Result<(), Trouble> {
        let module = stand_in(None);
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
pub(crate) fn stand_in(parameters: Option<Parameters>) -> StandIn {
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
pub(crate) const LANES: u16 = 4;
/// As long as the payment server keeps payments.
pub(crate) const JOURNAL_KEPT_MS: u64 = 400 * 86_400_000;
/// A lease and newer parameters may come in between.
const ATTEMPTS_MAX: usize = 6;
