//! Made-up registrations as fast as a network takes them: a measurement, and something to stop nodes under.

use crate::desk::Desk;
use crate::failure::Failure;
use crate::options::{Load, Wait};
use crate::progress;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Registers things, several at a time, and waits until each is registered.
pub(crate) async fn load(options: &Load) -> Result<Value, Failure> {
    let desk = Arc::new(Desk::open(&options.user).await?);
    let next = Arc::new(AtomicU32::new(0));
    let line = progress::line();
    let begun = Instant::now();
    let until = options.for_s.map(|seconds| begun + Duration::from_secs(seconds));
    let mut workers = JoinSet::new();
    for _ in 0..options.at_once.max(1) {
        let (desk, next, prefix) = (Arc::clone(&desk), Arc::clone(&next), options.prefix.clone());
        let (count, line) = (options.count, line.clone());
        workers.spawn(async move {
            let mut times = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count || until.is_some_and(|until| Instant::now() >= until) {
                    return Ok::<_, Failure>(times);
                }
                line.set_message(format!("{number} of {count}"));
                let begun = Instant::now();
                one(&desk, &format!("load:{prefix}{number}")).await?;
                times.push(begun.elapsed());
            }
        });
    }
    let mut times = Vec::new();
    while let Some(done) = workers.join_next().await {
        times.extend(done.map_err(Failure::run)??);
    }
    line.finish_and_clear();
    let elapsed = begun.elapsed();
    times.sort_unstable();
    let at = |share: usize| {
        let place = (times.len() * share / 100).min(times.len().saturating_sub(1));
        times.get(place).map_or(0, Duration::as_millis)
    };
    let count = u32::try_from(times.len()).map_err(Failure::run)?;
    let per_s = f64::from(count) / elapsed.as_secs_f64().max(f64::EPSILON);
    Ok(json!({
        "registered": count,
        "seconds": (elapsed.as_secs_f64() * 1_000.0).round() / 1_000.0,
        "per_second": per_s.round(),
        "p50_ms": at(50),
        "p99_ms": at(99),
    }))
}

async fn one(desk: &Desk, thing: &str) -> Result<(), Failure> {
    let digest = desk.register(thing, ("load", "eu"), ("text/plain", thing.into())).await?;
    desk.outcome(&digest, Wait { no_wait: false, timeout_s: TIMEOUT_S }).await.map(drop)
}

const TIMEOUT_S: u64 = 600;
