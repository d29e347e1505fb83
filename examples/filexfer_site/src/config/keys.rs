//! What parties sign with: several keys while one replaces another.

use crate::hex;
use filexfer::Party;
use port::Time;
use seal::{Validity, VerifyingKey};
use serde::Deserialize;

/// One of several keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFile {
    number: u8,
    public_key: String,
    /// The first moment at which it counts, as `2027-01-31T00:00:00Z`.
    from: Option<String>,
    /// The first at which it does not any more.
    until: Option<String>,
}

/// All that the configuration says of a party's keys.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    /// The one that counts always: number 1.
    pub(super) first: Option<&'a str>,
    pub(super) others: &'a [KeyFile],
}

impl Keys<'_> {
    /// Gives them to a party.
    pub(super) fn give(self, mut party: Party) -> Result<Party, String> {
        let id = party.id.clone();
        if let Some(text) = self.first {
            let key = verifying(text).ok_or_else(|| none(id.as_str()))?;
            party = party.with_key(super::KEY_NUMBER, key, Validity::always());
        }
        for key in self.others {
            if party.keys.contains_key(&key.number) {
                return Err(format!("{id} has two keys of number {}", key.number));
            }
            let public = verifying(&key.public_key).ok_or_else(|| none(id.as_str()))?;
            party = party.with_key(key.number, public, key.validity(id.as_str())?);
        }
        if party.keys.is_empty() {
            return Err(format!("{id} has no key: give public_key or public_keys"));
        }
        Ok(party)
    }

    /// With which it signs, unless it is said: its only one, or the first.
    pub(super) fn signs_with(self, said: Option<u8>) -> u8 {
        let lowest = self.others.iter().map(|key| key.number).min();
        said.or(self.first.map(|_| super::KEY_NUMBER)).or(lowest).unwrap_or(super::KEY_NUMBER)
    }
}

impl KeyFile {
    fn validity(&self, id: &str) -> Result<Validity, String> {
        let time = |text: &Option<String>, or: Time| match text {
            Some(text) => moment(text).ok_or_else(|| {
                let form = "such as 2027-01-31T00:00:00Z";
                format!("key {} of {id}: {text:?} is no time {form}", self.number)
            }),
            None => Ok(or),
        };
        let always = Validity::always();
        let (from, until) = (time(&self.from, always.from)?, time(&self.until, always.until)?);
        if from >= until {
            return Err(format!("key {} of {id} is never valid", self.number));
        }
        Ok(Validity { from, until })
    }
}

fn moment(text: &str) -> Option<Time> {
    let at = text.parse::<jiff::Timestamp>().ok()?;
    u64::try_from(at.as_millisecond()).ok().map(Time::from_ms)
}

fn verifying(text: &str) -> Option<VerifyingKey> {
    hex::bytes::<32>(text).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
}

fn none(id: &str) -> String {
    format!("the public key of {id} is none: give 64 digits")
}
