//! Seeded simulations of the port; `cargo xtask sim` runs them for longer.

#[cfg(test)]
mod decisions;
#[cfg(test)]
mod outbox;
