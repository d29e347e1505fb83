//! How the simulated accounting system behaves, and the words for it.

use std::fmt;
use std::str::FromStr;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It answers at once.
    Up,
    /// It is not there: connections are cut, and new ones are refused.
    Stopped,
    /// It acts at once and answers so many milliseconds later.
    Slow(u64),
    /// It acts, and so many answers of a hundred are lost.
    Losing(u8),
}

impl fmt::Display for Mood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::Stopped => f.write_str("stop"),
            Self::Slow(ms) => write!(f, "slow {ms}"),
            Self::Losing(percent) => write!(f, "lose {percent}"),
        }
    }
}

impl FromStr for Mood {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_ascii_whitespace();
        let (word, number) = (words.next(), words.next());
        let none = number.is_none();
        let mood = match word {
            Some("up") if none => Some(Self::Up),
            Some("stop") if none => Some(Self::Stopped),
            Some("slow") => number.and_then(|ms| ms.parse().ok()).map(Self::Slow),
            Some("lose") => number
                .and_then(|percent| percent.parse().ok())
                .filter(|percent| *percent <= 100)
                .map(Self::Losing),
            _ => None,
        };
        mood.filter(|_| words.next().is_none())
            .ok_or_else(|| "say up, stop, slow MILLISECONDS or lose PERCENT".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for mood in [Mood::Up, Mood::Stopped, Mood::Slow(500), Mood::Losing(30)] {
            assert_eq!(mood.to_string().parse(), Ok(mood));
        }
        for bad in ["", "down", "slow", "slow x", "lose 101", "up 1", "lose 5 5"] {
            assert!(bad.parse::<Mood>().is_err(), "{bad}");
        }
    }
}
