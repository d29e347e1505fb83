//! How things are called in commands and answers.

use crate::hex;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ledger::{Body, ClaimId, FileId, PartyId, Refusal, Rejected, Stage, ThingId};
use port::Time;
use serde_json::{Value, json};

/// A thing, as people write it: `scheme:NUMBER`.
pub(crate) fn thing(text: &str) -> Result<ThingId, String> {
    let (scheme, number) = text.split_once(':').ok_or_else(|| {
        format!("{text:?} is no thing: give scheme and number, such as vin:WVWZZZ1JZXW000001")
    })?;
    ThingId::new(scheme, number).map_err(|why| format!("the thing {text:?}: {why}"))
}

/// A party: the 64 digits that `party` printed.
pub(crate) fn party(text: &str) -> Result<PartyId, String> {
    digest(text).map(PartyId).ok_or_else(|| format!("{text:?} is no party: give its 64 digits"))
}

/// A file: 64 digits.
pub(crate) fn file(text: &str) -> Result<FileId, String> {
    digest(text).map(FileId).ok_or_else(|| format!("{text:?} is no file: give its 64 digits"))
}

/// A lease: 64 digits.
pub(crate) fn lease(text: &str) -> Result<ClaimId, String> {
    digest(text).map(ClaimId).ok_or_else(|| format!("{text:?} is no lease: give its 64 digits"))
}

/// A moment, or the first one of a day, in UTC.
pub(crate) fn time(text: &str) -> Result<Time, String> {
    let day = || -> Option<Timestamp> {
        let day = text.parse::<Date>().ok().filter(|day| day.to_string() == text)?;
        TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()
    };
    let at = text.parse::<Timestamp>().ok().or_else(day);
    let ms = at.and_then(|at| u64::try_from(at.as_millisecond()).ok());
    ms.map(Time::from_ms).ok_or_else(|| {
        format!("{text:?} is no time: give a day, such as 2027-01-31, or 2027-01-31T12:00:00Z")
    })
}

pub(crate) fn digest(text: &str) -> Option<[u8; 32]> {
    hex::bytes::<32>(text.trim()).map(|bytes| *bytes)
}

pub(crate) const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Submitted => "submitted",
        Stage::Auditing => "auditing",
        Stage::Registered => "registered",
        Stage::Rejected => "rejected",
        Stage::Encumbered => "encumbered",
        Stage::TransferPending => "transfer pending",
        Stage::AwaitingRegistration => "awaiting registration by the new owner",
        Stage::Retired => "retired",
        Stage::Frozen => "frozen",
    }
}

pub(crate) const fn rejected(why: Rejected) -> &'static str {
    match why {
        Rejected::ByAudit => "the auditors have decided against it",
        Rejected::AlreadyRegistered => "the thing was registered meanwhile",
        Rejected::NotSuccessor => "there is nothing left that it could follow",
    }
}

pub(crate) fn refused(why: Refusal) -> Value {
    json!({ "state": "refused", "is_over": true, "code": why.code(), "why": why.to_string() })
}

/// What a transaction does, in a word or two.
pub(crate) const fn body(body: &Body) -> &'static str {
    match body {
        Body::Join(_) => "node joined",
        Body::Revoke(_) => "node revoked",
        Body::RotateNode(_) => "node's keys changed",
        Body::Associate(_) => "party associated",
        Body::RotateParty(_) => "party's key changed",
        Body::Register(_) => "registration requested",
        Body::Judge(verdict) if verdict.is_approval() => "approved",
        Body::Judge(_) => "rejected",
        Body::Transfer(it) if it.settlement.is_some() => "transfer agreed",
        Body::Transfer(_) => "ownership went over",
        Body::Settle(_) => "settled, ownership went over",
        Body::CallOff(_) => "transfer called off",
        Body::Lease(_) => "let",
        Body::EndLease(_) => "lease ended",
        Body::PlaceLien(_) => "lien placed",
        Body::ReleaseLien(_) => "lien released",
        Body::Freeze(_) => "frozen",
        Body::Unfreeze(_) => "unfrozen",
        Body::Retire(_) => "retired",
        Body::Reseal(_) => "document sealed anew",
        Body::Erase(_) => "document erased",
        Body::Purge(_) => "ended files purged",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_day_or_a_moment() {
        let day = time("2027-01-31").unwrap();
        assert_eq!(day.to_string(), "2027-01-31T00:00:00Z");
        assert_eq!(time("2027-01-31T00:00:00.5Z").unwrap().since_ms(day), 500);
        assert_eq!(time("2027-01-31T02:00:00+02:00").unwrap(), day);
        for no_time in ["", "tomorrow", "2027-02-30", "2027-01-31T12:00", "1969-12-31"] {
            assert!(time(no_time).unwrap_err().contains("no time"), "{no_time}");
        }
    }
}
