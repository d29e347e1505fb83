//! The seeded script of outages: when they begin, what they are, how long they last.

use crate::host::Host;
use crate::mood::Mood;
use crate::progress::Progress;
use simkit::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// One outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outage {
    /// It begins when so many requests were answered.
    pub(crate) after: u64,
    pub(crate) mood: Mood,
    pub(crate) lasts: Duration,
}

/// Outages of all kinds, evenly over so many messages, each up to half longer than `shortest`. Slow means: slower than the
/// switch waits.
pub(crate) fn script(
    seed: u64,
    outages: u64,
    messages: u64,
    shortest: Duration,
    answer_within: Duration,
) -> Vec<Outage> {
    let mut rng = Rng::new(seed).fork("outages");
    let slow_ms = u64::try_from(answer_within.as_millis()).unwrap_or(u64::MAX);
    let first = rng.below(3);
    (0..outages)
        .map(|at| {
            let mood = match (first + at) % 3 {
                0 => Mood::Stopped,
                1 => Mood::Slow(slow_ms + slow_ms / 4 + rng.below(slow_ms / 4 + 1)),
                _ => Mood::Losing(u8::try_from(60 + rng.below(41)).unwrap_or(100)),
            };
            let extra_ms = rng.below(u64::try_from(shortest.as_millis() / 2).unwrap_or(0) + 1);
            Outage {
                after: messages * (2 * at + 1) / (2 * outages.max(1)),
                mood,
                lasts: shortest + Duration::from_millis(extra_ms),
            }
        })
        .collect()
}

/// Plays the script on the host, and leaves it up.
pub(crate) async fn play(script: Vec<Outage>, host: Arc<Host>, progress: Arc<Progress>) {
    for outage in script {
        while progress.count() < outage.after {
            sleep(LOOK).await;
        }
        host.set(outage.mood);
        sleep(outage.lasts).await;
        host.set(Mood::Up);
    }
}

const LOOK: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_every_kind_in_order_and_is_the_same_for_a_seed() {
        let second = Duration::from_secs(1);
        let one = script(7, 10, 1_000, second, second);
        assert_eq!(one, script(7, 10, 1_000, second, second));
        assert_ne!(one, script(8, 10, 1_000, second, second));
        assert!(one.is_sorted_by_key(|outage| outage.after));
        assert!(one.iter().all(|outage| outage.after < 1_000 && outage.lasts >= second));
        for kind in [
            |mood| mood == Mood::Stopped,
            |mood| matches!(mood, Mood::Slow(1_000..)),
            |mood| matches!(mood, Mood::Losing(60..=100)),
        ] {
            assert!(one.iter().filter(|outage| kind(outage.mood)).count() >= 3);
        }
    }
}
