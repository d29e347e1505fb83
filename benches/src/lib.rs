//! Benchmarks of the family beside the peers that a user would pick instead; see `benches/`.
