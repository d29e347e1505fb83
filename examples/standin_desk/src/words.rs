//! Words and numbers of requests, as the command line and recorded traffic write them.

use standin::{Bin, Channel, Country, EntryMode, Expiry, InstitutionId, Kind, Mcc};

/// The first eight digits of a card number, and no more. The text is not repeated: it may be more than that.
pub(crate) fn bin(digits: &str) -> Result<Bin, String> {
    let plain = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain
        .then(|| digits.parse().ok())
        .flatten()
        .and_then(Bin::new)
        .ok_or_else(|| "it is the first eight digits of a card number, and not one more".into())
}

pub(crate) fn institution(digits: &str) -> Result<InstitutionId, String> {
    InstitutionId::parse(digits).ok_or_else(|| "a code has 1 to 11 digits".into())
}

pub(crate) fn kind(word: &str) -> Result<Kind, String> {
    match Kind::from_word(word) {
        Some(Kind::Completion | Kind::Reversal) => {
            Err("a completion or reversal hangs on its original, not on rules alone".into())
        }
        Some(kind) => Ok(kind),
        None => unknown(Kind::ALL.iter().map(|one| one.word())),
    }
}

pub(crate) fn channel(word: &str) -> Result<Channel, String> {
    Channel::from_word(word).map_or_else(|| unknown(Channel::ALL.iter().map(|one| one.word())), Ok)
}

pub(crate) fn entry(word: &str) -> Result<EntryMode, String> {
    EntryMode::from_word(word)
        .map_or_else(|| unknown(EntryMode::ALL.iter().map(|one| one.word())), Ok)
}

pub(crate) fn mcc(digits: &str) -> Result<Mcc, String> {
    digits.parse().ok().and_then(Mcc::new).ok_or_else(|| "a category has four digits".into())
}

pub(crate) fn country(digits: &str) -> Result<Country, String> {
    digits.parse().ok().and_then(Country::new).ok_or_else(|| "a country has three digits".into())
}

pub(crate) fn expiry(digits: &str) -> Result<Expiry, String> {
    digits.parse().ok().and_then(Expiry::from_yymm).ok_or_else(|| "an expiry is YYMM".into())
}

fn unknown<T>(words: impl Iterator<Item = &'static str>) -> Result<T, String> {
    Err(format!("it is one of {}", words.collect::<Vec<_>>().join(", ")))
}
