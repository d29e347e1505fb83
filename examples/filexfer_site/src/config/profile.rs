//! How a client is served: when, how fast, who begins, and what files are called there.

use filexfer::{Hours, Limit, NameMapping, Profile, ProtocolName};
use port::Zone;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A stretch of each chosen day; one that ends before it begins runs over midnight.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HoursFile {
    /// Every day without it.
    #[serde(default)]
    days: Vec<DayFile>,
    /// `08:00`, included.
    from: String,
    /// `18:00`, not included.
    until: String,
    /// In whose time; the site's without it.
    zone: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DayFile {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Who begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DeliveryFile {
    /// The site offers files, and asks for them, as soon as it may.
    #[default]
    Offered,
    /// Everything waits until the client collects it.
    Collected,
}

/// What of a client's terms the configuration says.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) speaks_sftp: bool,
    pub(super) delivery: DeliveryFile,
    pub(super) hours: Option<&'a HoursFile>,
    pub(super) bytes_per_s: Option<u64>,
    pub(super) names: &'a BTreeMap<String, String>,
}

impl Terms<'_> {
    /// Its profile; `None` for a client that is served as all are.
    pub(super) fn profile(self, site: &Zone) -> Result<Option<Profile>, String> {
        let is_collected = self.delivery == DeliveryFile::Collected;
        let is_as_all = self.hours.is_none() && self.bytes_per_s.is_none() && self.names.is_empty();
        if is_as_all && !is_collected && !self.speaks_sftp {
            return Ok(None);
        }
        if is_collected && self.speaks_sftp {
            return Err("it speaks only SFTP, and cannot collect".into());
        }
        let protocol = if self.speaks_sftp { "sftp" } else { "tls" };
        let protocol = ProtocolName::new(protocol).map_err(|why| why.to_string())?;
        let mut profile = Profile::new(protocol);
        if is_collected {
            profile = profile.collected();
        }
        if let Some(hours) = self.hours {
            let own = hours.zone.as_deref().map(zone).transpose()?;
            profile = profile.within(hours.hours()?, own.unwrap_or_else(|| site.clone()));
        }
        if let Some(bytes_per_s) = self.bytes_per_s {
            profile = profile.at_rate(limit(bytes_per_s)?);
        }
        let names = self.names.iter().map(|(ours, theirs)| (&ours[..], &theirs[..]));
        let names = NameMapping::new(&names.collect::<Vec<_>>());
        Ok(Some(profile.with_names(names.map_err(|why| format!("names: {why}"))?)))
    }
}

impl HoursFile {
    /// In the site's time.
    pub(super) fn of_grant(&self) -> Result<Hours, String> {
        if self.zone.is_some() {
            return Err("hours of a grant are in the site's time: give its zone at the top".into());
        }
        self.hours()
    }

    fn hours(&self) -> Result<Hours, String> {
        let days = self.days.iter().fold(0_u8, |days, day| days | 1 << (*day as u8));
        let days = if days == 0 { 0x7F } else { days };
        let (from, until) = (minute(&self.from)?, minute(&self.until)?);
        Hours::new(days, from, until).map_err(|_| {
            let Self { from, until, .. } = self;
            format!("the hours from {from} until {until} are none")
        })
    }
}

/// At this rate, and four ranges at once: less would not let a window through.
pub(crate) fn limit(bytes_per_s: u64) -> Result<Limit, String> {
    if bytes_per_s < RATE_LEAST {
        return Err(format!("bytes_per_s is below {RATE_LEAST}, one range a second"));
    }
    let limit = Limit::new(bytes_per_s, bytes_per_s.max(BURST));
    limit.map_err(|_| "bytes_per_s is more than any machine does".into())
}

/// By its name, as the operating system knows it.
pub(super) fn zone(name: &str) -> Result<Zone, String> {
    if name == "UTC" {
        return Ok(Zone::utc());
    }
    let is_name = |part: &str| {
        let is_right = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+');
        !part.is_empty() && part.chars().all(is_right)
    };
    if !name.split('/').all(is_name) {
        return Err(format!("the zone {name:?} is none"));
    }
    let path = Path::new(ZONES).join(name);
    let bytes = std::fs::read(&path);
    let bytes = bytes.map_err(|why| format!("the zone {name}: {}: {why}", path.display()))?;
    Zone::from_tzif(name, &bytes).map_err(|why| format!("the zone {name}: {why}"))
}

/// `08:30` as minutes.
fn minute(text: &str) -> Result<u16, String> {
    let parts = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2);
    let parts = parts.and_then(|(hour, minute)| Some((digits(hour)?, digits(minute)?)));
    let is_right =
        |(hour, minute): &(u16, u16)| *minute < 60 && (*hour < 24 || (*hour, *minute) == (24, 0));
    let (hour, minute) = parts
        .filter(is_right)
        .ok_or_else(|| format!("{text:?} is no time of a day, such as 08:30"))?;
    Ok(hour * 60 + minute)
}

fn digits(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A range is 1 MiB, and a limit below it would never let one pass.
const RATE_LEAST: u64 = 1 << 20;
const BURST: u64 = 4 << 20;
const ZONES: &str = "/usr/share/zoneinfo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_minutes_of_chosen_days() {
        let hours = |text: &str| toml::from_str::<HoursFile>(text).unwrap().of_grant();
        let night = hours("days = [\"mon\", \"sun\"]\nfrom = \"22:00\"\nuntil = \"04:30\"");
        assert_eq!(night.unwrap().parts(), (0b100_0001, 22 * 60, 4 * 60 + 30));
        let all = hours("from = \"00:00\"\nuntil = \"24:00\"").unwrap();
        assert_eq!(all, Hours::ALWAYS);
        for wrong in ["8:00", "08.00", "24:01", "08:60", "+8:00", "", "08:00:00", "25:00"] {
            let said = hours(&format!("from = \"{wrong}\"\nuntil = \"09:00\"")).unwrap_err();
            assert!(said.contains("no time of a day"), "{wrong}: {said}");
        }
        assert!(hours("from = \"08:00\"\nuntil = \"08:00\"").unwrap_err().contains("are none"));
        let said = hours("from = \"08:00\"\nuntil = \"09:00\"\nzone = \"UTC\"").unwrap_err();
        assert!(said.contains("in the site's time"));
    }

    #[test]
    fn a_zone_is_a_name_and_leads_nowhere_else() {
        for wrong in ["../../etc/passwd", "/etc/passwd", "", "Europe/", "Europe/./Zurich"] {
            assert!(zone(wrong).unwrap_err().contains("is none"), "{wrong}");
        }
        assert_eq!(zone("UTC").unwrap().digest(), Zone::utc().digest());
    }
}
