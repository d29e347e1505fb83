//! Somebody who sells.

use crate::Rng;

/// A made-up merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merchant {
    /// 15 characters, as in ISO 8583 field 42.
    pub id: String,
    /// At most 25 characters.
    pub name: String,
    /// ISO 18245 category.
    pub category: u16,
    /// ISO 3166-1, two letters.
    pub country: &'static str,
}

impl Merchant {
    /// Number `number` of a population.
    pub fn draw(rng: &mut Rng, number: u32) -> Self {
        let (trade, category) = rng.pick(&TRADES).copied().unwrap_or(("Shop", 5_999));
        Self {
            id: format!("M{number:014}"),
            name: format!("{trade} {number}"),
            category,
            country: "CN",
        }
    }
}

const TRADES: [(&str, u16); 5] =
    [("Bakery", 5_462), ("Bookshop", 5_942), ("Cafe", 5_814), ("Fuel", 5_541), ("Grocer", 5_411)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit_their_field_and_differ() {
        let mut rng = Rng::new(1);
        let (first, last) = (Merchant::draw(&mut rng, 0), Merchant::draw(&mut rng, u32::MAX));
        assert_eq!((first.id.len(), last.id.len()), (15, 15));
        assert!(first.id != last.id && last.name.len() <= 25);
    }
}
