//! Where samples come from: the collecting module's contract.

use crate::Sample;
use port::Time;

/// A place that samples can be fetched from: a hypervisor's interface, a file, a host's `/proc`.
///
/// Pull: the embedder calls [`Source::pull`] when a [`crate::Node`] says [`crate::NodeEvent::Due`], and hands what comes
/// to [`crate::Node::take`]. Push: whoever has samples calls `take` at any time, or sends [`Sample::encode`] as a frame.
pub trait Source {
    /// What can go wrong while reading.
    type Error: core::error::Error;

    /// Hands over what is new since the last call, each sample once, machines in any order; at most `samples_max`.
    /// Returns how many.
    ///
    /// # Errors
    /// The source could not be read; samples that were handed over before count.
    fn pull(
        &mut self,
        now: Time,
        samples_max: usize,
        sink: &mut dyn FnMut(Sample),
    ) -> Result<usize, Self::Error>;
}
