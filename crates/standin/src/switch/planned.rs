//! Planned windows: the accounting system will be away.

use port::Time;

/// From when until when an accounting system is to be away: maintenance, an upgrade. Requests go to the stand-in module, however
/// well the accounting system does; after the window it comes back as after an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlannedWindow {
    /// Its first moment.
    pub from: Time,
    /// The first moment after it.
    pub until: Time,
}

impl PlannedWindow {
    /// Whether a moment is in it.
    pub fn covers(&self, now: Time) -> bool {
        self.from <= now && now < self.until
    }
}
