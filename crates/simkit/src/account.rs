//! Somebody with money.

use crate::Rng;

/// A made-up person and their card account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The holder's name.
    pub holder: String,
    /// A card number of 16 digits with a right check digit (ISO/IEC 7812-1), in a range that is set aside for tests.
    pub pan: String,
    /// ISO 4217 numeric code.
    pub currency: u16,
    /// What is on it.
    pub balance_minor: i64,
    /// Four to six digits.
    pub pin: String,
}

impl Account {
    /// Number `number` of a population: the same number always gives another card than any other.
    pub fn draw(rng: &mut Rng, number: u32) -> Self {
        let mut pan = format!("999999{:09}", u64::from(number) % 1_000_000_000);
        pan.push(check_digit(&pan));
        let pin_digits = 4 + rng.index(3);
        Self {
            holder: name(rng),
            pan,
            currency: 156,
            balance_minor: i64::try_from(rng.below(5_000_000)).unwrap_or(0),
            pin: (0..pin_digits).map(|_| digit(rng.below(10))).collect(),
        }
    }
}

fn name(rng: &mut Rng) -> String {
    let given = rng.pick(&GIVEN).copied().unwrap_or_default();
    let family = rng.pick(&FAMILY).copied().unwrap_or_default();
    format!("{given} {family}")
}

/// The check digit by the Luhn formula.
fn check_digit(digits: &str) -> char {
    let sum: u64 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let value = u64::from(byte - b'0');
            let doubled = if at % 2 == 0 { value * 2 } else { value };
            doubled / 10 + doubled % 10
        })
        .sum();
    digit((10 - sum % 10) % 10)
}

fn digit(value: u64) -> char {
    u32::try_from(value).ok().and_then(|value| char::from_digit(value, 10)).unwrap_or('0')
}

const GIVEN: [&str; 8] = ["Ana", "Bo", "Chen", "Dana", "Emre", "Fatima", "Goran", "Hana"];
const FAMILY: [&str; 8] = ["Ito", "Jansen", "Kaya", "Li", "Moreau", "Novak", "Okafor", "Park"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_check_digit_is_the_published_one() {
        // ISO/IEC 7812-1, annex B: 7992739871 takes a 3.
        assert_eq!(check_digit("7992739871"), '3');
        assert_eq!(check_digit("453201511283036"), '6');
    }

    #[test]
    fn accounts_differ_and_have_a_pin() {
        let mut rng = Rng::new(2);
        let accounts: Vec<Account> = (0..500).map(|n| Account::draw(&mut rng, n)).collect();
        let pans: BTreeSet<&str> = accounts.iter().map(|account| &*account.pan).collect();
        assert_eq!(pans.len(), 500);
        assert!(accounts.iter().all(|a| a.pan.len() == 16 && (4..=6).contains(&a.pin.len())));
    }
}
