//! Leasing exposure: a lane takes a slice of the caps into its own row, or gives back what it has not spent.

use crate::parameters::Head;
use crate::stand_in::Setup;
use crate::{Error, InstitutionId, Lane, Parameters, Share, StandIn, table};
use alloc::sync::Arc;
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Answers, Ask, Batch, Conclusion, Decision, Key, ReadSet, Row, Step, Time, WireError};

impl StandIn {
    /// Leases until the lane can spend at least `wanted_minor` for this initiator, if the caps have it. Run it when a decision says
    /// [`crate::Verdict::NeedsLease`], and now and then for a lane that is dry.
    pub fn lease(
        &self,
        now: Time,
        lane: u16,
        initiator: InstitutionId,
        wanted_minor: i64,
    ) -> Lease {
        self.lease_of(now, lane, Some((initiator, wanted_minor.max(0))))
    }

    /// Gives back what a lane was granted and has not spent: for idle lanes, and before an instance stops.
    pub fn give_back(&self, now: Time, lane: u16) -> Lease {
        self.lease_of(now, lane, None)
    }

    fn lease_of(&self, now: Time, lane: u16, wanted: Option<(InstitutionId, i64)>) -> Lease {
        let institution = self.setup.config.institution;
        let keys =
            [table::head(institution), table::lane(institution, lane), table::pool(institution)];
        Lease { setup: self.setup.clone(), now, lane, wanted, keys }
    }
}

/// What came of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leased {
    /// The lane's row is up to date; it can spend so much for the initiator that was named.
    Spendable(i64),
    /// Other parameters than this instance's are in force, or none.
    Outdated,
}

/// The decision over one lane's lease.
#[derive(Clone, Debug)]
pub struct Lease {
    setup: Arc<Setup>,
    now: Time,
    lane: u16,
    wanted: Option<(InstitutionId, i64)>,
    keys: [Key; 3],
}

impl Lease {
    /// Sets the lane's part in one cap. What all lanes have together stays at most the cap; where a newer set lowered the cap,
    /// a lane keeps no less than what it has out.
    fn set(
        &self,
        pool: &mut Pool,
        lane: &mut Lane,
        who: Option<InstitutionId>,
        cap: i64,
        wanted: i64,
        renewed: bool,
    ) {
        let others = pool.others(who, self.lane);
        let room = (i128::from(cap) - others).max(0);
        let at = match lane.shares.iter().position(|share| share.initiator == who) {
            Some(at) => at,
            None => {
                let (granted_minor, out_minor, dry) = (0, 0, false);
                lane.shares.push(Share { initiator: who, granted_minor, out_minor, dry });
                lane.shares.len() - 1
            }
        };
        let share = &mut lane.shares[at];
        let out = i128::from(share.out_minor);
        let slice = i128::from(cap) / (i128::from(self.setup.config.lanes.max(1)) * 4);
        let target = match self.wanted {
            None => out,
            Some(_) => (out + i128::from(wanted).max(slice)).max(share.granted_minor.into()),
        };
        // What is out cannot be taken back, whatever the cap says now.
        let granted = target.min(room).max(out);
        share.granted_minor = i64::try_from(granted).unwrap_or(i64::MAX);
        // What was not asked for now is as dry as before: else two that are dry would make each other ask again and again.
        if wanted > 0 || self.wanted.is_none() || renewed {
            share.dry = granted - out < i128::from(wanted);
        }
        pool.set(who, self.lane, share.granted_minor);
    }
}

impl Decision for Lease {
    type Verdict = Leased;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        Ask::rows(ReadSet::points(self.keys.clone()))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Leased>, Error> {
        let [head, lane_row, pool_row] = &answers.rows.points[..] else {
            return Err(Error::Answers);
        };
        if self.wanted.is_some() {
            // What is given back needs no room: it is how an installation gets out of too many lanes.
            self.setup.config.check()?;
        }
        let in_force = head.as_ref().map(|row| Head::parse(&row.value)).transpose();
        let in_force = in_force.map_err(Error::Corrupt)?.map(|head| head.in_force(self.now));
        let set = self.setup.config.parameters.as_ref();
        let Some(set) = set.filter(|set| Some(set.mark()) == in_force) else {
            let batch = Batch::new();
            return Ok(Step::Done(Conclusion { verdict: Leased::Outdated, batch }));
        };
        let mut lane = match lane_row {
            Some(row) => Lane::parse(&row.value).map_err(Error::Corrupt)?,
            None => Lane::default(),
        };
        let mut pool = match pool_row {
            Some(row) => Pool::parse(&row.value).map_err(Error::Corrupt)?,
            None => Pool::default(),
        };
        let exposure = set.exposure();
        let wanted_for = |who: InstitutionId| match self.wanted {
            Some((initiator, minor)) if initiator == who => minor,
            _ => 0,
        };
        let wanted = self.wanted.map_or(0, |(_, minor)| minor);
        let renewed = lane.parameters != set.version();
        self.set(&mut pool, &mut lane, None, exposure.institution_minor, wanted, renewed);
        for (who, cap) in &exposure.initiators {
            self.set(&mut pool, &mut lane, Some(*who), *cap, wanted_for(*who), renewed);
        }
        forget(set, &mut pool, &mut lane, self.lane);
        lane.parameters = set.version();
        let spendable = self
            .wanted
            .map_or(0, |(initiator, _)| lane.spendable_minor(initiator, set.is_capped(initiator)));
        let mut batch = Batch::with_capacity(3);
        let [head_key, lane_key, pool_key] = self.keys.clone();
        batch.require(head_key, Row::unchanged(head.as_ref()));
        let lane = lane.encode().map_err(|_| Error::TooLong)?;
        batch.put(lane_key, Row::unchanged(lane_row.as_ref()), lane);
        let pool = pool.encode();
        if pool.len() > Row::VALUE_BYTES_MAX {
            // What is out of caps of before takes room as well.
            return Err(Error::Lanes);
        }
        batch.put(pool_key, Row::unchanged(pool_row.as_ref()), pool);
        Ok(Step::Done(Conclusion { verdict: Leased::Spendable(spendable), batch }))
    }
}

/// A cap that the set does not have any more is given back, but for what is out of it: else caps of all sets that ever were would
/// add up.
fn forget(set: &Parameters, pool: &mut Pool, lane: &mut Lane, number: u16) {
    lane.shares.retain_mut(|share| {
        let Some(who) = share.initiator.filter(|who| !set.is_capped(*who)) else { return true };
        share.granted_minor = share.out_minor;
        pool.set(Some(who), number, share.out_minor);
        share.out_minor > 0
    });
}

/// How long the pool's row is with so many grants.
pub(crate) const fn pool_bytes(grants: usize) -> usize {
    grants.saturating_mul(GRANT_BYTES).saturating_add(1)
}

/// Initiator, lane, amount.
const GRANT_BYTES: usize = 18;

/// What each lane was granted of each cap; the caps themselves stand in the parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pool(Vec<(Option<InstitutionId>, u16, i64)>);

impl Pool {
    fn others(&self, who: Option<InstitutionId>, lane: u16) -> i128 {
        let of_others = self.0.iter().filter(|(cap, one, _)| *cap == who && *one != lane);
        of_others.map(|(.., minor)| i128::from(*minor)).sum()
    }

    fn set(&mut self, who: Option<InstitutionId>, lane: u16, minor: i64) {
        self.0.retain(|(cap, one, _)| *cap != who || *one != lane);
        if minor > 0 {
            self.0.push((who, lane, minor));
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(pool_bytes(self.0.len()));
        let mut writer = Writer::new(&mut bytes, 1);
        for (who, lane, minor) in &self.0 {
            writer.u64(who.map_or(0, InstitutionId::as_u64)).u16(*lane).i64(*minor);
        }
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let mut all = Vec::new();
        while !reader.rest().is_empty() {
            let who = match reader.u64()? {
                0 => None,
                code => Some(InstitutionId::new(code).ok_or(WireError::Invalid)?),
            };
            all.push((who, reader.u16()?, reader.i64()?));
        }
        Ok(Self(all))
    }
}
