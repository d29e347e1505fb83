//! The load report: what is valid, and odd.

use super::{Checked, Finding, Limit, Rule, Scope};
use crate::Kind;
use alloc::vec::Vec;

pub(super) fn findings(set: &Checked) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, rule) in set.rules.iter().enumerate() {
        for other in &set.rules[at + 1..] {
            if rule.scope == other.scope && disagree(rule, other) {
                found.push(Finding::Conflict(rule.number, other.number));
            }
        }
        if let Some(by) = shadow(set, rule) {
            found.push(Finding::Shadowed { rule: rule.number, by });
        }
        if let Some(by) = never_least(set, rule) {
            found.push(Finding::Idle { rule: rule.number, by });
        }
        if !reachable(set, &rule.scope) {
            found.push(Finding::Unreachable(rule.number));
        }
        if is_unlimited(set, rule) {
            found.push(Finding::Unlimited(rule.number));
        }
    }
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Reversal) {
        let allows = |rule: &Rule| {
            rule.approve == Some(true)
                && (rule.scope.kinds.is_empty() || rule.scope.kinds.contains(kind))
        };
        if !set.rules.iter().any(allows) {
            found.push(Finding::Gap(*kind));
        }
    }
    for counter in &set.counters {
        let limits = |rule: &Rule| rule.windows.iter().any(|(id, ..)| *id == counter.id);
        if !set.rules.iter().any(limits) {
            found.push(Finding::Uncounted(counter.id));
        }
    }
    found
}

/// A rule that denies everything that this one is about. It may have an end only if this one ends with it.
fn shadow(set: &Checked, rule: &Rule) -> Option<u32> {
    let shadows = |other: &&Rule| {
        let outlives = other.until.is_none() || rule.until.is_some() && rule.until <= other.until;
        let same = rule.deny.is_some() && rule.scope == other.scope && rule.number < other.number;
        other.number != rule.number
            && other.deny.is_some()
            && outlives
            && other.scope.covers(&rule.scope)
            && !same
    };
    set.rules.iter().find(shadows).map(|other| other.number)
}

/// A wider rule whose single amount is lower, or equal and earlier: this one's never decides.
fn never_least(set: &Checked, rule: &Rule) -> Option<u32> {
    let own = Limit { value: rule.single_minor?, rule: rule.number };
    let lower = |other: &&Rule| {
        other.number != own.rule
            && other.until.is_none()
            && other.scope != rule.scope
            && other.scope.covers(&rule.scope)
            && other.single_minor.is_some_and(|minor| minor < own.value)
    };
    set.rules.iter().find(lower).map(|other| other.number)
}

/// Whether any request that the set admits could fit.
fn reachable(set: &Checked, scope: &Scope) -> bool {
    let meets = |(from, to): &(crate::Bin, crate::Bin)| {
        set.ranges.iter().any(|range| range.from <= *to && *from <= range.to)
    };
    let bins = scope.bins.is_empty() || scope.bins.iter().any(meets);
    let admitted = |who| set.initiators.is_empty() || set.initiators.binary_search(who).is_ok();
    bins && (scope.initiators.is_empty() || scope.initiators.iter().any(admitted))
}

/// Whether it lets money go without any limit on a single amount.
fn is_unlimited(set: &Checked, rule: &Rule) -> bool {
    let kinds = &rule.scope.kinds;
    let spends = kinds.is_empty()
        || kinds.iter().any(|kind| !matches!(kind, Kind::Inquiry | Kind::Reversal));
    let limits = |other: &Rule| {
        other.single_minor.is_some() && other.until.is_none() && other.scope.covers(&rule.scope)
    };
    rule.approve == Some(true) && spends && !set.rules.iter().any(limits)
}

fn disagree(a: &Rule, b: &Rule) -> bool {
    fn differ<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
        matches!((a, b), (Some(a), Some(b)) if a != b)
    }
    differ(a.approve.as_ref(), b.approve.as_ref())
        || differ(a.partial.as_ref(), b.partial.as_ref())
        || differ(a.without_expiry.as_ref(), b.without_expiry.as_ref())
        || differ(a.pin.as_ref(), b.pin.as_ref())
        || differ(a.cvn.as_ref(), b.cvn.as_ref())
        || differ(a.arqc.as_ref(), b.arqc.as_ref())
}
