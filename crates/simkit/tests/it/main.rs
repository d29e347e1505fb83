//! The simulator finds what it is there to find, and nothing else.

#[cfg(test)]
mod ledger;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod power;
#[cfg(test)]
mod sea;
