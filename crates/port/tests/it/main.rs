//! The port from outside: both drive loops, and the outbox.

#[cfg(test)]
mod draining;
#[cfg(test)]
mod drive;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod send;
