//! Everything that a decision rested on, so that it can be explained, stored and made again.

use super::weigh::Said;
use super::{Answer, Assessment, Facts, Known, Line, Policy, Profile, Scan};
use crate::BasisPoints;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// A decision with all that it was made from. [`Trace::recompute`] makes it again, and nothing else is needed for that.
///
/// Made by [`Policy::trace`], it borrows what it names and adds what each neighbour said; read back by [`Trace::parse`], it
/// owns everything. It holds tokens, not addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace<'a> {
    policy: Cow<'a, Policy>,
    now: Time,
    scan: Cow<'a, Scan>,
    own: Option<Cow<'a, Profile>>,
    adjacent: Option<Cow<'a, Profile>>,
    facts: Facts,
    assessment: Assessment,
    /// What the neighbours of both periods said.
    said: [Option<Box<Said>>; 2],
}

impl Policy {
    /// As [`Policy::assess`], with the trace.
    pub fn trace<'a>(
        &'a self,
        now: Time,
        scan: &'a Scan,
        known: Known<'a>,
        facts: Facts,
    ) -> Trace<'a> {
        let (assessment, said) = self.judge_telling(now, scan, known, facts);
        Trace {
            policy: Cow::Borrowed(self),
            now,
            scan: Cow::Borrowed(scan),
            own: known.own.map(Cow::Borrowed),
            adjacent: known.adjacent.map(Cow::Borrowed),
            facts,
            assessment,
            said,
        }
    }

    fn judge_telling(
        &self,
        now: Time,
        scan: &Scan,
        known: Known<'_>,
        facts: Facts,
    ) -> (Assessment, [Option<Box<Said>>; 2]) {
        let mut all = [None, None];
        let assessment = self.judge(now, scan, known, facts, |said, is_adjacent| {
            all[usize::from(is_adjacent)] = Some(Box::new(said));
        });
        (assessment, all)
    }
}

impl Trace<'_> {
    /// What was decided.
    pub const fn assessment(&self) -> &Assessment {
        &self.assessment
    }

    /// By which policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What was scanned.
    pub fn scan(&self) -> &Scan {
        &self.scan
    }

    /// What was known of the request besides.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Each neighbour's part in it: those of the period, then those of the adjacent one, in the order of their tokens.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        let profiles = [&self.own, &self.adjacent].into_iter().zip(&self.said).zip([false, true]);
        profiles.flat_map(|((profile, said), is_adjacent)| {
            let both = profile.as_deref().zip(said.as_deref());
            both.into_iter().flat_map(move |(profile, said)| said.lines(profile, is_adjacent))
        })
    }

    /// Decides once more, from the trace alone. Anything else than [`Trace::assessment`] means that the trace was changed, or
    /// made by a version that decides differently.
    pub fn recompute(&self) -> Assessment {
        self.policy.assess(self.now, &self.scan, self.known(), self.facts)
    }

    /// The stored form, specified in `docs/spec/risk-core-surroundings.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut part = Vec::with_capacity(700);
        self.policy.encode(&mut part);
        let mut writer = Writer::new(to, 1);
        writer.lp16(&part)?.u64(self.now.as_ms());
        encode_facts(&self.facts, &mut writer);
        self.scan.encode(&mut writer);
        for profile in [&self.own, &self.adjacent] {
            part.clear();
            if let Some(profile) = profile {
                profile.encode(&mut part);
            }
            writer.lp16(&part)?;
        }
        self.assessment.encode(&mut writer);
        Ok(())
    }

    /// Reads the stored form. The lines are made again from the rest.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Trace<'static>, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let policy = Policy::parse(reader.lp16()?)?;
        let now = Time::from_ms(reader.u64()?);
        let facts = read_facts(&mut reader)?;
        let scan = Scan::read(&mut reader)?;
        let mut profile = || match reader.lp16()? {
            [] => Ok(None),
            bytes => Profile::parse(bytes).map(Some),
        };
        let (own, adjacent) = (profile()?, profile()?);
        let assessment = Assessment::read(&mut reader)?;
        reader.finish()?;
        let known = Known { own: own.as_ref(), adjacent: adjacent.as_ref() };
        let (_, said) = policy.judge_telling(now, &scan, known, facts);
        Ok(Trace {
            policy: Cow::Owned(policy),
            now,
            scan: Cow::Owned(scan),
            own: own.map(Cow::Owned),
            adjacent: adjacent.map(Cow::Owned),
            facts,
            assessment,
            said,
        })
    }

    fn known(&self) -> Known<'_> {
        Known { own: self.own.as_deref(), adjacent: self.adjacent.as_deref() }
    }
}

fn encode_facts(facts: &Facts, writer: &mut Writer<'_>) {
    let Facts { amount_minor, account_limit_minor, answer, repeated, lost, strange_pairs } = *facts;
    writer.i64(amount_minor);
    match account_limit_minor {
        None => writer.u8(0),
        Some(limit_minor) => writer.u8(1).i64(limit_minor),
    };
    writer.u8(match answer {
        Answer::Missing => 0,
        Answer::Right => 1,
        Answer::Wrong => 2,
    });
    writer.u8(u8::from(repeated)).u8(u8::from(lost));
    writer.u16(strange_pairs.map_or(u16::MAX, BasisPoints::as_u16));
}

fn read_facts(reader: &mut Reader<'_>) -> Result<Facts, WireError> {
    let amount_minor = reader.i64()?;
    let account_limit_minor = if reader.flag()? { Some(reader.i64()?) } else { None };
    let answer = match reader.u8()? {
        0 => Answer::Missing,
        1 => Answer::Right,
        2 => Answer::Wrong,
        _ => return Err(WireError::Invalid),
    };
    let (repeated, lost) = (reader.flag()?, reader.flag()?);
    let strange_pairs = match reader.u16()? {
        u16::MAX => None,
        share => Some(BasisPoints::new(share).map_err(|_| WireError::Invalid)?),
    };
    Ok(Facts { amount_minor, account_limit_minor, answer, repeated, lost, strange_pairs })
}
