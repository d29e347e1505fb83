//! How much was out at most: approved by stand-in, and not yet posted.

use port::Time;
use standin::InstitutionId;
use std::collections::BTreeMap;

/// Follows what is out, of the institution and of each initiator.
#[derive(Debug, Default)]
pub(crate) struct Exposure {
    pub(crate) whole: Peak,
    pub(crate) initiators: BTreeMap<InstitutionId, Peak>,
}

/// What is out now, and what was at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peak {
    out_minor: i64,
    pub(crate) peak_minor: i64,
    /// When it was first as high.
    pub(crate) at: Time,
}

impl Exposure {
    /// So much of the institution's cap is out after something that concerned this initiator.
    pub(crate) fn see(&mut self, at: Time, initiator: InstitutionId, out_minor: i64) {
        let change = out_minor - self.whole.out_minor;
        self.whole.add(at, change);
        self.initiators.entry(initiator).or_default().add(at, change);
    }
}

impl Peak {
    fn add(&mut self, at: Time, change: i64) {
        self.out_minor += change;
        if self.out_minor > self.peak_minor {
            (self.peak_minor, self.at) = (self.out_minor, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_of_their_own_time() {
        let [a, b] = [1, 2].map(|code| InstitutionId::new(code).expect("a code"));
        let mut exposure = Exposure::default();
        for (s, who, out) in [(1, a, 50), (2, b, 80), (3, a, 30), (4, b, 70), (5, b, 0)] {
            exposure.see(Time::from_s(s), who, out);
        }
        let peak = |peak: &Peak| (peak.peak_minor, peak.at.as_s());
        assert_eq!(peak(&exposure.whole), (80, 2));
        assert_eq!(exposure.initiators.get(&a).map(peak), Some((50, 1)));
        assert_eq!(exposure.initiators.get(&b).map(peak), Some((70, 4)));
    }
}
