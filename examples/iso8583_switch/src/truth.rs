//! What the acquirers were told: the measure of the books.

use standin::RequestKey;
use std::collections::HashMap;

/// Every answer that any terminal got, by request.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    told: HashMap<RequestKey, Told>,
    pub(crate) repeats: u64,
    /// Answers that came again, and were compared.
    pub(crate) compared: u64,
    /// Answers that came again and were not the same bytes.
    pub(crate) differing: u64,
    /// Requests that were not answered within their limit.
    pub(crate) unanswered: u64,
    /// What answers took from the first sending on, in microseconds.
    pub(crate) took_us: Vec<u32>,
}

impl Truth {
    /// A request was answered with these bytes; `minor` is its amount where it was approved.
    pub(crate) fn tell(
        &mut self,
        key: RequestKey,
        original: Option<RequestKey>,
        minor: Option<i64>,
        frame: &[u8],
    ) {
        match self.told.get(&key) {
            Some(told) => {
                self.compared += 1;
                self.differing += u64::from(*told.frame != *frame);
            }
            None => {
                let told = Told { original, minor, frame: frame.into() };
                self.told.insert(key, told);
            }
        }
    }

    /// Whether a request was answered before.
    pub(crate) fn was_told(&self, key: &RequestKey) -> bool {
        self.told.contains_key(key)
    }

    /// Everything that somebody else was told as well.
    pub(crate) fn join(&mut self, other: Self) {
        self.told.extend(other.told);
        self.repeats += other.repeats;
        self.compared += other.compared;
        self.differing += other.differing;
        self.unanswered += other.unanswered;
        self.took_us.extend(other.took_us);
    }

    /// How many requests were answered.
    pub(crate) fn answered(&self) -> usize {
        self.told.len()
    }

    /// How many of them with yes, reversals apart.
    pub(crate) fn approvals(&self) -> usize {
        self.told.values().filter(|told| told.original.is_none() && told.minor.is_some()).count()
    }

    /// How many reversals were taken.
    pub(crate) fn reversals(&self) -> usize {
        self.told.values().filter(|told| told.original.is_some() && told.minor.is_some()).count()
    }

    /// What each purchase should have posted: approvals minus reversals.
    pub(crate) fn nets(&self) -> HashMap<RequestKey, i64> {
        let mut nets: HashMap<RequestKey, i64> = HashMap::with_capacity(self.told.len());
        for (key, told) in &self.told {
            if told.original.is_none() {
                nets.insert(*key, told.minor.unwrap_or(0));
            }
        }
        for told in self.told.values() {
            if let (Some(original), Some(_)) = (&told.original, told.minor) {
                nets.insert(*original, 0);
            }
        }
        nets
    }

    /// So many of a hundred answers took at most this, in milliseconds; 0 without answers. Sorts.
    pub(crate) fn quantile_ms(&mut self, percent: usize) -> f64 {
        self.took_us.sort_unstable();
        let at = (self.took_us.len() * percent / 100).min(self.took_us.len().saturating_sub(1));
        self.took_us.get(at).map_or(0.0, |us| f64::from(*us) / 1_000.0)
    }
}

/// One answer.
#[derive(Clone, Debug)]
struct Told {
    /// Of a reversal: what it reverses.
    original: Option<RequestKey>,
    /// What was approved, or undone; `None` for a decline.
    minor: Option<i64>,
    frame: Box<[u8]>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card;
    use port::Time;
    use standin::{Class, Text};

    fn key(class: Class, trace: u64) -> RequestKey {
        let terminal = Text::new("TERM0001").unwrap();
        let acquirer = card::acquirer().unwrap();
        RequestKey::new(class, acquirer, trace, Time::from_s(1_785_000_000), terminal).unwrap()
    }

    #[test]
    fn reversals_count_against_approvals_in_any_order() {
        let (paid, undone, declined) =
            (key(Class::Financial, 1), key(Class::Financial, 2), key(Class::Financial, 3));
        let mut truth = Truth::default();
        truth.tell(key(Class::Reversal, 4), Some(undone), Some(70), b"r");
        truth.tell(paid, None, Some(50), b"a");
        truth.tell(undone, None, Some(70), b"b");
        truth.tell(declined, None, None, b"c");
        let nets = truth.nets();
        assert_eq!((nets[&paid], nets[&undone], nets[&declined]), (50, 0, 0));
        assert_eq!((truth.approvals(), truth.reversals(), truth.answered()), (2, 1, 4));
    }

    #[test]
    fn an_answer_that_differs_by_a_byte_is_counted() {
        let mut truth = Truth::default();
        let one = key(Class::Financial, 1);
        truth.tell(one, None, Some(50), b"same");
        truth.tell(one, None, Some(50), b"same");
        assert_eq!((truth.compared, truth.differing), (1, 0));
        truth.tell(one, None, Some(50), b"samE");
        assert_eq!((truth.compared, truth.differing), (2, 1));
    }
}
