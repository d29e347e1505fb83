//! Where an actor stands.

use port::{Store, Version};
use seal::SoftKeys;
use simkit::Gate;

/// A store among others who use it. The simulation's gives the turns, a real one is as busy as it is.
pub(crate) trait Place: Store {
    /// Others go first.
    fn pause(&self) -> impl Future<Output = ()>;

    /// The last commit so far.
    fn last(&self) -> impl Future<Output = Version>;

    /// The key holder as seen from here.
    fn keys<'k>(&self, keys: &'k SoftKeys) -> impl port::Keys + 'k;
}

impl Place for Gate<()> {
    async fn pause(&self) {
        Gate::pause(self).await;
    }

    async fn last(&self) -> Version {
        self.store().snapshot().last
    }

    fn keys<'k>(&self, keys: &'k SoftKeys) -> impl port::Keys + 'k {
        Gate::keys(self, keys)
    }
}
