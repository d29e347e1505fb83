//! Something to be paid.

use crate::{Merchant, Rng};

/// A made-up order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The merchant's own number, at most 20 characters.
    pub id: String,
    /// Who is to be paid.
    pub merchant: String,
    /// How much, above 0.
    pub amount_minor: i64,
    /// ISO 4217 numeric code.
    pub currency: u16,
}

impl Order {
    /// Number `number` of a merchant's orders. Most are small, some are large, a few are the smallest possible.
    pub fn draw(rng: &mut Rng, merchant: &Merchant, number: u32) -> Self {
        let amount = match rng.below(20) {
            0 => 1,
            1 | 2 => 100_000 + rng.below(9_900_000),
            _ => 100 + rng.below(30_000),
        };
        Self {
            id: format!("ORDER-{number:010}"),
            merchant: merchant.id.clone(),
            amount_minor: i64::try_from(amount).unwrap_or(1),
            currency: 156,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_positive_and_of_all_sizes() {
        let mut rng = Rng::new(6);
        let merchant = Merchant::draw(&mut rng, 1);
        let orders: Vec<Order> = (0..400).map(|n| Order::draw(&mut rng, &merchant, n)).collect();
        let amounts = || orders.iter().map(|order| order.amount_minor);
        assert_eq!(amounts().min(), Some(1));
        assert!(amounts().max() >= Some(100_000));
        assert!(orders.iter().all(|order| order.id.len() <= 20 && order.merchant == merchant.id));
    }
}
