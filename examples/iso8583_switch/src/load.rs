//! All acquirers side by side, as a part of a run or alone.

use crate::acquirer::{self, Manner};
use crate::card;
use crate::failure::Failure;
use crate::hurry::Hurry;
use crate::network::Network;
use crate::options::{LoadOptions, Traffic};
use crate::progress::{self, Progress};
use crate::say;
use crate::story::Story;
use crate::truth::Truth;
use standin::InstitutionId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Plays the traffic to the switch, and says what the terminals were told.
pub(crate) async fn play(
    switch: SocketAddr,
    network: &Arc<Network>,
    traffic: &Traffic,
    hurry: Hurry,
    progress: &Arc<Progress>,
    keeper: InstitutionId,
) -> Result<Truth, Failure> {
    let lines = u64::from(traffic.lines);
    let mut playing = JoinSet::new();
    for line in 0..traffic.lines {
        let messages = traffic.messages / lines;
        let more = u64::from(traffic.messages % lines > line.into());
        let manner = Manner {
            messages: messages + more,
            rate: f64::from(traffic.rate) / f64::from(traffic.lines),
            open_max: OPEN_MAX,
            patience: hurry.wait(PATIENCE_MS),
            limit: Duration::from_millis(traffic.limit_ms),
        };
        let story = Story::new(traffic.seed, line, traffic.accounts, keeper)?;
        playing.spawn(acquirer::play(switch, network.clone(), story, manner, progress.clone()));
    }
    let mut truth = Truth::default();
    while let Some(played) = playing.join_next().await {
        truth.join(played.map_err(Failure::run)??);
    }
    Ok(truth)
}

/// The load alone, against a switch somewhere else.
pub(crate) async fn alone(options: &LoadOptions) -> Result<(), Failure> {
    let network = Arc::new(Network::new(options.common.codings.get())?);
    let keeper = card::issuer().ok_or_else(|| Failure::run("no issuer"))?;
    let progress = Arc::new(Progress::default());
    let bar = progress::bar(options.traffic.messages);
    let start = Instant::now();
    let hurry = Hurry::new(options.common.hurry);
    let playing = play(options.switch, &network, &options.traffic, hurry, &progress, keeper);
    tokio::pin!(playing);
    let mut truth = loop {
        tokio::select! {
            truth = &mut playing => break truth?,
            () = sleep(Duration::from_millis(200)) => bar.set_position(progress.count()),
        }
    };
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    let (p50, p99) = (truth.quantile_ms(50), truth.quantile_ms(99));
    say(&format!(
        "{} answers in {seconds:.1} s, half within {p50:.1} ms and 99 of 100 within {p99:.1} ms; {} approvals, {} reversals, \
         {} minor units approved and not reversed",
        truth.answered(),
        truth.approvals(),
        truth.reversals(),
        truth.nets().values().sum::<i64>(),
    ))?;
    if truth.unanswered > 0 || truth.differing > 0 {
        return Err(Failure::Verdict(format!(
            "{} requests were not answered in time, and {} answers to repeats differ from the first answer",
            truth.unanswered, truth.differing
        )));
    }
    Ok(())
}

/// Of one line.
const OPEN_MAX: usize = 2_500;
/// Terminals wait longer than the switch takes at most.
const PATIENCE_MS: u64 = 10_000;
