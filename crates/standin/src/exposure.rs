//! How much may be out: caps of approved and not yet posted amounts, leased to lanes so that no request waits on a global row.

use crate::InstitutionId;
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};

/// The row of one lane: what it was granted of each cap, and what of it is out.
///
/// A lane spends from its own row. What all lanes were granted is at most the cap, so what is out is, too, whatever the clocks
/// say. A lane whose grants were made under other parameters grants nothing until it leased again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// Under which version of the parameters it was granted.
    pub parameters: u64,
    /// By cap: `None` for the institution's.
    pub shares: Vec<Share>,
}

/// A lane's part in one cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Whose cap; `None` for the institution's as a whole.
    pub initiator: Option<InstitutionId>,
    /// How much the lane may have out.
    pub granted_minor: i64,
    /// How much it has out.
    pub out_minor: i64,
    /// The pool had less to give than was wanted when the lane last asked for this cap.
    pub dry: bool,
}

impl Lane {
    /// What it can still spend for an initiator: the least of the shares that apply. `capped` says whether the initiator has a
    /// cap of its own.
    pub fn spendable_minor(&self, initiator: InstitutionId, capped: bool) -> i64 {
        let left = |who: Option<InstitutionId>| {
            let share = self.shares.iter().find(|share| share.initiator == who);
            share.map_or(0, |share| share.granted_minor.saturating_sub(share.out_minor))
        };
        let whole = left(None);
        if capped { whole.min(left(Some(initiator))) } else { whole }.max(0)
    }

    /// Whether asking for more would be in vain: a cap that applies leaves less than this much, and its pool had no more to give.
    pub fn is_dry(&self, initiator: InstitutionId, capped: bool, minor: i64) -> bool {
        let applies = |who: Option<InstitutionId>| who.is_none_or(|who| capped && who == initiator);
        self.shares
            .iter()
            .filter(|share| applies(share.initiator))
            .any(|share| share.dry && share.granted_minor.saturating_sub(share.out_minor) < minor)
    }

    /// More is out, or less: every share that applies. A share that is not there is made with nothing granted.
    pub fn spend(&mut self, initiator: InstitutionId, capped: bool, minor: i64) {
        let own = capped.then_some(Some(initiator));
        for who in [Some(None), own].into_iter().flatten() {
            match self.shares.iter_mut().find(|share| share.initiator == who) {
                Some(share) => share.out_minor = share.out_minor.saturating_add(minor).max(0),
                None => {
                    let out_minor = minor.max(0);
                    let (granted_minor, dry) = (0, false);
                    self.shares.push(Share { initiator: who, granted_minor, out_minor, dry });
                }
            }
        }
    }

    /// The stored form, specified in `docs/spec/standin.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut bytes = Vec::with_capacity(10 + self.shares.len() * 25);
        self.append(&mut bytes)?;
        Ok(bytes)
    }

    /// Appends [`Lane::encode`].
    pub(crate) fn append(&self, bytes: &mut Vec<u8>) -> Result<(), WireError> {
        let len = u8::try_from(self.shares.len()).map_err(|_| WireError::TooLong)?;
        let mut writer = Writer::new(bytes, 1);
        writer.u64(self.parameters).u8(len);
        for share in &self.shares {
            let who = share.initiator.map_or(0, InstitutionId::as_u64);
            writer.u64(who).i64(share.granted_minor).i64(share.out_minor).u8(share.dry.into());
        }
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let bad = WireError::Invalid;
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let parameters = reader.u64()?;
        let len = reader.u8()?;
        let mut shares = Vec::with_capacity(len.into());
        for _ in 0..len {
            let initiator = match reader.u64()? {
                0 => None,
                code => Some(InstitutionId::new(code).ok_or(bad)?),
            };
            let (granted_minor, out_minor) = (reader.i64()?, reader.i64()?);
            let dry = reader.flag()?;
            if granted_minor < 0 || out_minor < 0 {
                return Err(bad);
            }
            shares.push(Share { initiator, granted_minor, out_minor, dry });
        }
        reader.finish()?;
        Ok(Self { parameters, shares })
    }
}
