//! What a run found, as a table and as JSON.

use crate::accounting::Counts;
use crate::comparison::Comparison;
use crate::tally::Tally;
use crate::truth::Truth;
use comfy_table::{Table, presets};
use standin::Transition;
use std::time::Duration;

/// Everything that is worth telling of a run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) store: String,
    /// What was to be sent, and how often the host was to be taken down.
    pub(crate) asked: (u64, u64),
    /// From the first request to the last answer.
    pub(crate) carried_in: Duration,
    /// From then on until nothing waited for delivery.
    pub(crate) drained_in: Option<Duration>,
    pub(crate) truth: Truth,
    pub(crate) tally: Tally,
    pub(crate) host: Counts,
    pub(crate) comparison: Comparison,
}

impl Report {
    /// What is wrong; `None` if nothing is.
    pub(crate) fn fault(&self) -> Option<String> {
        let Comparison { missing, extra, other_amount, truth_minor, books_minor, .. } =
            self.comparison;
        if self.drained_in.is_none() {
            return Some("not everything was delivered in time".into());
        }
        // Before the books: what became of such a request, or reversal, nobody was told.
        if self.truth.unanswered > 0 {
            return Some(format!("{} requests were not answered in time", self.truth.unanswered));
        }
        if !self.comparison.is_equal() {
            return Some(format!(
                "the books differ from what terminals were told: {missing} missing, {extra} extra, {other_amount} with \
                 another amount, {books_minor} posted instead of {truth_minor}"
            ));
        }
        let Counts { advices, handed_on, explained, .. } = self.host;
        if explained + handed_on != advices {
            let told = advices - handed_on;
            return Some(format!("{explained} of {told} advices say that stand-in answered"));
        }
        if self.truth.differing > 0 {
            let differing = self.truth.differing;
            return Some(format!("{differing} answers to repeats differ from the first answer"));
        }
        None
    }

    /// Names and figures, in the order of the story.
    fn lines(&mut self) -> Vec<(&'static str, &'static str, serde_json::Value)> {
        let (p50, p99) = (self.truth.quantile_ms(50), self.truth.quantile_ms(99));
        let slowest = self.truth.quantile_ms(100);
        let seconds = self.carried_in.as_secs_f64();
        let answered = self.truth.answered();
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no exact numbers")]
        let rate = (answered as f64 / seconds.max(0.001)).round();
        let Self { tally, truth, host, comparison, .. } = self;
        vec![
            ("seed", "seed", self.seed.into()),
            ("store", "store", self.store.clone().into()),
            ("requests", "requests of terminals, repeats apart", self.asked.0.into()),
            ("outages", "outages of the host", self.asked.1.into()),
            ("answered", "answered", answered.into()),
            ("seconds", "in seconds", tenth(seconds).into()),
            ("per_second", "a second", rate.into()),
            ("approved", "approved purchases", truth.approvals().into()),
            ("reversed", "reversals", truth.reversals().into()),
            ("repeats", "repeats of terminals", truth.repeats.into()),
            ("compared", "answers that came again", truth.compared.into()),
            ("differing", "of them with other bytes", truth.differing.into()),
            ("unanswered", "never answered", truth.unanswered.into()),
            ("p50_ms", "half of the answers took at most, in ms", tenth(p50).into()),
            ("p99_ms", "99 of 100, in ms", tenth(p99).into()),
            ("max_ms", "all, in ms", tenth(slowest).into()),
            ("diversions", "times that stand-in took over", tally.diversions().into()),
            ("changes", "changes of health", tally.changes.len().into()),
            ("host_asked", "sent to the host", tally.host_asked.into()),
            ("stood_in", "given to stand-in", tally.stood_in.into()),
            ("timed_out", "of them after the host did not answer", tally.timed_out.into()),
            ("sticky", "of them since the account had entries to deliver", tally.sticky.into()),
            ("late", "answers of the host that came too late", tally.late.into()),
            ("silent", "left without an answer by the switch", tally.silent.into()),
            ("advices", "advices and reversals sent to the host", tally.advices.into()),
            ("advice_repeats", "of them marked as repeats", tally.advice_repeats.into()),
            ("delivered", "entries delivered", tally.delivered.into()),
            ("exceptions", "of more: on the list of exceptions", tally.exceptions.into()),
            ("unmatched", "answers to no advice in flight", tally.unmatched.into()),
            ("backlog_max", "most entries waiting in memory", tally.backlog_max.into()),
            (
                "drained_seconds",
                "drained after the last answer, in seconds",
                match self.drained_in {
                    Some(took) => tenth(took.as_secs_f64()).into(),
                    None => serde_json::Value::Null,
                },
            ),
            ("host_requests", "requests that the host acted on", host.requests.into()),
            ("host_advices", "advices that it acted on", host.advices.into()),
            ("host_handed_on", "of them acquirers' own, handed on", host.handed_on.into()),
            (
                "host_explained",
                "of the others with evidence of who answered",
                host.explained.into(),
            ),
            ("host_repeats", "of both: repeats", host.repeats.into()),
            ("books_matched", "requests with books equal to the truth", comparison.matched.into()),
            ("books_missing", "missing in the books", comparison.missing.into()),
            ("books_extra", "extra in the books", comparison.extra.into()),
            ("books_other_amount", "with another amount", comparison.other_amount.into()),
            ("truth_minor", "told to terminals, in minor units", comparison.truth_minor.into()),
            ("books_minor", "posted, in minor units", comparison.books_minor.into()),
        ]
    }

    pub(crate) fn table(&mut self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        for (_, words, value) in self.lines() {
            let figure = match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            table.add_row([words.to_owned(), figure]);
        }
        let verdict = self.fault().unwrap_or_else(|| "books equal the truth".into());
        format!("{table}\n{verdict}")
    }

    pub(crate) fn json(&mut self) -> String {
        let lines = self.lines();
        let mut all: serde_json::Map<String, serde_json::Value> =
            lines.into_iter().map(|(name, _, value)| (name.to_owned(), value)).collect();
        let changes = self.tally.changes.iter().map(|change| {
            let Transition { at, from, to, host_share_bp, cause, .. } = change;
            serde_json::json!({ "at_ms": at.as_ms(), "from": from.word(), "to": to.word(),
                "host_share_bp": host_share_bp, "cause": cause.code() })
        });
        all.insert("transitions".into(), changes.collect());
        all.insert("fault".into(), self.fault().into());
        serde_json::Value::Object(all).to_string()
    }
}

fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
