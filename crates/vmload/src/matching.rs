//! Pairing two sets at the least total cost.

use alloc::vec;
use alloc::vec::Vec;

/// For each row the column it is paired with, at the least sum of `cost(row, column)` (Hungarian method, O(n³)); of
/// several pairings of that sum always the same one.
pub(crate) fn cheapest(n: usize, cost: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    // potentials of rows and columns; place 0 is an entry that no pair uses
    let mut of_row = vec![0.0; n + 1];
    let mut of_column = vec![0.0; n + 1];
    let mut row_at = vec![0_usize; n + 1];
    for row in 1..=n {
        let mut least = vec![f64::INFINITY; n + 1];
        let mut came_from = vec![0_usize; n + 1];
        let mut is_done = vec![false; n + 1];
        row_at[0] = row;
        let mut column = 0;
        while row_at[column] != 0 {
            is_done[column] = true;
            let current = row_at[column];
            let mut next = (f64::INFINITY, 0);
            for other in 1..=n {
                if is_done[other] {
                    continue;
                }
                let reduced = cost(current - 1, other - 1) - of_row[current] - of_column[other];
                if reduced < least[other] {
                    least[other] = reduced;
                    came_from[other] = column;
                }
                if least[other] < next.0 {
                    next = (least[other], other);
                }
            }
            for other in 0..=n {
                if is_done[other] {
                    of_row[row_at[other]] += next.0;
                    of_column[other] -= next.0;
                } else {
                    least[other] -= next.0;
                }
            }
            column = next.1;
        }
        while column != 0 {
            let before = came_from[column];
            row_at[column] = row_at[before];
            column = before;
        }
    }
    let mut paired = vec![0; n];
    for (column, &row) in row_at.iter().skip(1).enumerate() {
        if let Some(slot) = paired.get_mut(row.wrapping_sub(1)) {
            *slot = column;
        }
    }
    paired
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn best_by_trying(n: usize, used: &mut Vec<usize>, cost: &impl Fn(usize, usize) -> f64) -> f64 {
        if used.len() == n {
            return 0.0;
        }
        let row = used.len();
        let mut best = f64::INFINITY;
        for column in 0..n {
            if !used.contains(&column) {
                used.push(column);
                best = best.min(cost(row, column) + best_by_trying(n, used, cost));
                used.pop();
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_pairing_is_cheaper(n in 1_usize..6, costs in prop::collection::vec(0_u8..50, 36)) {
            let cost = |row: usize, column: usize| f64::from(costs[row * 6 + column]);
            let paired = cheapest(n, cost);
            let mut seen = paired.clone();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..n).collect::<Vec<_>>());
            let sum: f64 = paired.iter().enumerate().map(|(row, &column)| cost(row, column)).sum();
            prop_assert_eq!(sum, best_by_trying(n, &mut Vec::new(), &cost));
        }
    }
}
