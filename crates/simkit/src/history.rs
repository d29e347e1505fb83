//! What tasks were told, and whether one order explains all of it.

use std::collections::BTreeSet;

/// One task's call as the outside saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<V> {
    /// The task's name.
    pub name: String,
    /// The step in which it started.
    pub called: Option<usize>,
    /// The step in which its verdict got out.
    pub returned: Option<usize>,
    /// All that the outside was told by it; the last is the verdict, if it returned.
    pub told: Vec<V>,
    /// How it ended.
    pub ended: Ended,
}

impl<V> Operation<V> {
    /// What it ended with; `None` if it died or never started.
    pub fn verdict(&self) -> Option<&V> {
        self.told.last().filter(|_| self.ended == Ended::Returned)
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It never started.
    NotStarted,
    /// It has not ended yet.
    Running,
    /// It died before its verdict got out; whatever it wrote may be there.
    Died,
    /// Its verdict got out.
    Returned,
}

/// Looks for one order of the operations that explains all verdicts: strict serializability.
///
/// `apply` does one operation to the sequential model and says whether the model could have given this verdict in this
/// state; for an operation that died there is no verdict, and any effect may or may not have happened (it is tried both
/// ways). An operation that returned before another was called comes before it.
///
/// # Errors
/// No order does. The longest explained beginning, by name.
pub fn linearize<S: Clone + Ord, V>(
    operations: &[Operation<V>],
    start: &S,
    apply: impl Fn(&mut S, &Operation<V>) -> bool,
) -> Result<Vec<usize>, String> {
    let mut search = Search { operations, apply, seen: BTreeSet::new(), best: Vec::new() };
    let mut order = Vec::new();
    let mut placed = vec![false; operations.len()];
    if search.extend(start, &mut placed, &mut order) {
        return Ok(order);
    }
    let names: Vec<&str> =
        search.best.iter().filter_map(|at| operations.get(*at)).map(|op| &*op.name).collect();
    Err(format!("no order explains the verdicts; explained: {names:?}"))
}

struct Search<'a, S, V, F> {
    operations: &'a [Operation<V>],
    apply: F,
    seen: BTreeSet<(Vec<bool>, S)>,
    best: Vec<usize>,
}

impl<S: Clone + Ord, V, F: Fn(&mut S, &Operation<V>) -> bool> Search<'_, S, V, F> {
    fn extend(&mut self, state: &S, placed: &mut Vec<bool>, order: &mut Vec<usize>) -> bool {
        if order.len() > self.best.len() {
            self.best.clone_from(order);
        }
        let all = self.operations.iter().zip(&*placed);
        if all.clone().all(|(op, done)| *done || op.returned.is_none()) {
            return true;
        }
        if !self.seen.insert((placed.clone(), state.clone())) {
            return false;
        }
        let first_return = all.filter(|(_, done)| !**done).filter_map(|(op, _)| op.returned).min();
        for at in 0..self.operations.len() {
            let Some(op) = self.operations.get(at) else { continue };
            let in_time = op.called.is_some_and(|call| first_return.is_none_or(|end| call <= end));
            if placed[at] || !in_time {
                continue;
            }
            let mut next = state.clone();
            if (self.apply)(&mut next, op) {
                placed[at] = true;
                order.push(at);
                if self.extend(&next, placed, order) {
                    return true;
                }
                order.pop();
                placed[at] = false;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register: `Ok(n)` writes n, `Err(n)` has read n.
    type Verdict = Result<u32, u32>;

    fn op(called: usize, returned: usize, verdict: Verdict) -> Operation<Verdict> {
        Operation {
            name: format!("{verdict:?}"),
            called: Some(called),
            returned: Some(returned),
            told: vec![verdict],
            ended: Ended::Returned,
        }
    }

    fn died(called: usize, verdict: Verdict) -> Operation<Verdict> {
        Operation { returned: None, ended: Ended::Died, ..op(called, 0, verdict) }
    }

    fn check(operations: &[Operation<Verdict>]) -> Result<Vec<usize>, String> {
        linearize(operations, &0, |register, op| match op.told[0] {
            Ok(written) => {
                *register = written;
                true
            }
            Err(read) => *register == read,
        })
    }

    #[test]
    fn operations_that_overlap_take_any_order() {
        assert_eq!(check(&[op(0, 5, Ok(1)), op(1, 2, Err(0))]), Ok(vec![1, 0]));
        assert_eq!(check(&[op(0, 5, Ok(1)), op(1, 2, Err(1))]), Ok(vec![0, 1]));
    }

    #[test]
    fn a_stale_read_after_a_write_returned_is_found() {
        assert!(check(&[op(0, 1, Ok(1)), op(2, 3, Err(0))]).is_err());
        assert!(check(&[op(0, 9, Ok(1)), op(1, 2, Err(1)), op(3, 4, Err(0))]).is_err());
    }

    #[test]
    fn an_operation_that_died_may_have_happened_or_not() {
        assert!(check(&[died(0, Ok(1)), op(5, 6, Err(0))]).is_ok());
        assert!(check(&[died(0, Ok(1)), op(5, 6, Err(1))]).is_ok());
        assert!(check(&[died(7, Ok(1)), op(5, 6, Err(1))]).is_err());
        assert!(check(&[died(0, Ok(1)), op(1, 2, Err(1)), op(3, 4, Err(0))]).is_err());
    }
}
