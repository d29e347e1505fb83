//! Which parameters are in force, and which come next.

use super::Parameters;
use alloc::vec::Vec;
use core::fmt;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// Names a parameter set: its version, and the digest that no other set has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The version.
    pub version: u64,
    /// SHA-256 over all of it.
    pub digest: [u8; 32],
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.digest;
        write!(f, "Mark({}, {a:02x}{b:02x}{c:02x}{d:02x}..)", self.version)
    }
}

/// The row that every decision requires: one set, and perhaps the one that takes its place at a time that is set already. So all
/// instances change over at once, and none decides by an older set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) first: Installed,
    pub(crate) next: Option<Installed>,
}

/// A set that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) mark: Mark,
    pub(crate) effective_from: Time,
    pub(crate) at: Time,
}

impl Installed {
    pub(crate) fn new(set: &Parameters, at: Time) -> Self {
        let effective_from = Time::from_ms(set.draft().effective_from_ms);
        Self { mark: set.mark(), effective_from, at }
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer
            .u64(self.mark.version)
            .fixed(&self.mark.digest)
            .u64(self.effective_from.as_ms())
            .u64(self.at.as_ms());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            mark: Mark { version: reader.u64()?, digest: reader.array()? },
            effective_from: Time::from_ms(reader.u64()?),
            at: Time::from_ms(reader.u64()?),
        })
    }
}

impl Head {
    /// With one more set. One that would have come next and is older goes: a later version takes the place of all earlier ones.
    pub(crate) fn with(before: Option<&Self>, now: Time, newer: Installed) -> Self {
        match before {
            Some(head) if newer.effective_from > now => {
                Self { first: head.installed(now), next: Some(newer) }
            }
            _ => Self { first: newer, next: None },
        }
    }

    pub(crate) fn installed(&self, now: Time) -> Installed {
        match self.next {
            Some(next) if now >= next.effective_from => next,
            _ => self.first,
        }
    }

    /// The set that decides now.
    pub(crate) fn in_force(&self, now: Time) -> Mark {
        self.installed(now).mark
    }

    /// The newest set that was accepted.
    pub(crate) fn newest(&self) -> Installed {
        self.next.unwrap_or(self.first)
    }

    /// When another set takes over.
    pub(crate) fn until(&self, now: Time) -> Option<Time> {
        self.next.map(|next| next.effective_from).filter(|from| now < *from)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(114);
        let mut writer = Writer::new(&mut bytes, 1);
        writer.u8(u8::from(self.next.is_some()));
        self.first.write(&mut writer);
        if let Some(next) = &self.next {
            next.write(&mut writer);
        }
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let has_next = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(WireError::Invalid),
        };
        let first = Installed::read(&mut reader)?;
        let next = has_next.then(|| Installed::read(&mut reader)).transpose()?;
        reader.finish()?;
        Ok(Self { first, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(version: u64, from_s: u64) -> Installed {
        let mark = Mark { version, digest: [version.to_be_bytes()[7]; 32] };
        Installed { mark, effective_from: Time::from_s(from_s), at: Time::from_s(1) }
    }

    #[test]
    fn sd07_the_next_set_takes_over_at_its_time_and_not_before() {
        let now = Time::from_s(10);
        let head = Head::with(None, now, installed(1, 0));
        let head = Head::with(Some(&head), now, installed(2, 20));
        assert_eq!(head.in_force(Time::from_ms(19_999)).version, 1);
        assert_eq!(head.in_force(Time::from_s(20)).version, 2);
        assert_eq!((head.until(now), head.until(Time::from_s(20))), (Some(Time::from_s(20)), None));
        // A third one before the second takes over, and after.
        for (now, first) in [(10, 1), (20, 2)] {
            let third = Head::with(Some(&head), Time::from_s(now), installed(3, 30));
            assert_eq!((third.first.mark.version, third.newest().mark.version), (first, 3));
        }
        let at_once = Head::with(Some(&head), now, installed(3, 5));
        assert_eq!((at_once.in_force(now).version, at_once.next), (3, None));
        assert_eq!(Head::parse(&head.encode()), Ok(head));
    }
}
