//! Rules in words: which one decided, and what it is about.

use super::{Parameters, Scope};
use crate::{Answered, Reason};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

impl Parameters {
    /// A rule and its scope in words: `rule 17, scope kind cash, initiator 1111 or 2222`. Rule 0 is what no rule says.
    pub fn explain(&self, rule: u32) -> impl fmt::Display + use<> {
        match self.0.rules.iter().find(|one| one.number == rule) {
            Some(found) => format!("rule {rule}, scope {}", found.scope.describe()),
            None => String::from("no rule"),
        }
    }
}

impl Answered {
    /// Why it was answered so, in words fit for a log or a clerk: `declined by rule 17, scope kind cash: the amount is above the
    /// limit for one`. `parameters` are those that the answer names.
    pub fn explain(&self, parameters: &Parameters) -> impl fmt::Display + use<> {
        explain(self.reason, self.rule, self.response.is_approval(), parameters)
    }
}

fn explain(reason: Option<Reason>, rule: u32, taken: bool, parameters: &Parameters) -> String {
    let what = if taken { "taken as it has happened, against" } else { "declined by" };
    match (reason, rule) {
        (None, _) => "approved".into(),
        (Some(reason), 0) if taken => format!("taken as it has happened, although: {reason}"),
        (Some(reason), 0) => format!("declined: {reason}"),
        (Some(reason), rule) => format!("{what} {}: {reason}", parameters.explain(rule)),
    }
}

impl Scope {
    /// Its dimensions and what they name; accounts are only counted.
    pub(super) fn describe(&self) -> String {
        let mut all = Vec::new();
        match self.accounts.len() {
            0 => {}
            1 => all.push("one account".into()),
            many => all.push(format!("{many} accounts")),
        }
        let bins = self.bins.iter();
        let bins = bins.map(|(from, to)| format!("{:08} to {:08}", from.as_u32(), to.as_u32()));
        dimension(&mut all, "card numbers", bins);
        dimension(&mut all, "product", self.products.iter());
        match self.vip {
            None => {}
            Some(true) => all.push("VIPs".into()),
            Some(false) => all.push("no VIPs".into()),
        }
        dimension(&mut all, "initiator", self.initiators.iter());
        dimension(&mut all, "category", self.mccs.iter().map(|mcc| format!("{:04}", mcc.as_u16())));
        let countries = self.countries.iter();
        dimension(&mut all, "country", countries.map(|one| format!("{:03}", one.as_u16())));
        dimension(&mut all, "channel", self.channels.iter());
        dimension(&mut all, "entry", self.entries.iter());
        dimension(&mut all, "kind", self.kinds.iter());
        if all.is_empty() { "institution".into() } else { all.join(", ") }
    }
}

fn dimension<T: ToString>(
    all: &mut Vec<String>,
    name: &str,
    values: impl ExactSizeIterator<Item = T>,
) {
    let more = values.len().saturating_sub(SHOWN);
    let shown: Vec<String> = values.take(SHOWN).map(|value| value.to_string()).collect();
    if shown.is_empty() {
        return;
    }
    let more = if more == 0 { String::new() } else { format!(" or {more} more") };
    all.push(format!("{name} {}{more}", shown.join(" or ")));
}

/// So many values of a list are named, the rest is counted.
const SHOWN: usize = 3;
