//! Checks a draft, and looks for what is valid but odd.

use super::draft::{LimitDraft, ParametersDraft, RangeDraft, RuleDraft, ScopeDraft, Unknown};
use super::{Checked, Counter, Exposure, Fault, Parameters, ParametersFault};
use super::{Range, Rule, Scope, Verification, Window};
use crate::{Bin, Channel, Country, EntryMode, InstitutionId, Kind, Mcc, ResponseCode};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use port::{Currency, Time};
use seal::AccountRef;
use sha2::{Digest as _, Sha256};

type Checking<T> = Result<T, ParametersFault>;

pub(super) fn check(draft: ParametersDraft) -> Checking<Checked> {
    known("", &draft.unknown)?;
    if draft.schema != 1 {
        return fault("schema", Fault::OutOfRange);
    }
    let institution = institution("institution", draft.institution)?;
    if draft.version == 0 {
        return fault("version", Fault::OutOfRange);
    }
    let currency = Currency::parse(&draft.currency)
        .ok()
        .filter(|currency| *currency != Currency::NONE)
        .ok_or_else(|| ParametersFault::new("currency", Fault::UnknownWord))?;
    if draft.valid_until_ms <= draft.effective_from_ms {
        return fault("valid_until_ms", Fault::Order);
    }
    if draft.stale_after_ms == 0 {
        return fault("stale_after_ms", Fault::OutOfRange);
    }
    if draft.balance_haircut_bp_per_hour > 10_000 {
        return fault("balance_haircut_bp_per_hour", Fault::OutOfRange);
    }
    if draft.completion_tolerance_bp > 10_000 {
        return fault("completion_tolerance_bp", Fault::OutOfRange);
    }
    if draft.balance_required && draft.balance_age_max_ms == 0 {
        return fault("balance_age_max_ms", Fault::OutOfRange);
    }
    let ranges = ranges(&draft.ranges)?;
    let initiators = sorted(draft.initiators.iter().enumerate(), |at, code| {
        self::institution(&format!("initiators[{at}]"), *code)
    })?;
    let counters = counters(&draft)?;
    let exposure = exposure(&draft)?;
    if draft.rules.is_empty() {
        return fault("rules", Fault::Empty);
    }
    if draft.rules.len() > Parameters::RULES_MAX {
        return fault("rules", Fault::TooMany);
    }
    let products: Vec<&str> = ranges.iter().filter_map(|range| range.product.as_deref()).collect();
    let mut rules: Vec<Rule> = Vec::with_capacity(draft.rules.len());
    for (at, rule) in draft.rules.iter().enumerate() {
        let checked = self::rule(&format!("rules[{at}]"), rule, &counters, &products)?;
        if rules.iter().any(|earlier| earlier.number == checked.number) {
            return fault(format!("rules[{at}].number"), Fault::Twice);
        }
        rules.push(checked);
    }
    let mut bytes = Vec::with_capacity(1_024);
    draft.encode(&mut bytes).map_err(|_| ParametersFault::new("", Fault::TooMany))?;
    let digest = digest(&bytes);
    let version = draft.version;
    let velocity_ms_max =
        rules.iter().filter_map(|rule| rule.velocity).map(|(_, ms)| ms).max().unwrap_or(0);
    let checked = Checked {
        draft,
        institution,
        version,
        currency,
        ranges,
        initiators,
        counters,
        exposure,
        rules,
        velocity_ms_max,
        digest,
    };
    Ok(checked)
}

/// SHA-256 over the stored form, in a domain of its own.
pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"interbank/standin/parameters-digest/v1\0")
        .chain_update(bytes)
        .finalize()
        .into()
}

fn ranges(drafts: &[RangeDraft]) -> Checking<Vec<Range>> {
    if drafts.len() > LIST_MAX {
        return fault("ranges", Fault::TooMany);
    }
    let mut all = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.iter().enumerate() {
        let path = format!("ranges[{at}]");
        let (from, to) = range(&path, draft)?;
        if let Some(product) = &draft.product {
            text(&format!("{path}.product"), product)?;
        }
        let check_digit = !draft.without_check_digit;
        all.push((at, Range { from, to, check_digit, product: draft.product.clone() }));
    }
    all.sort_by_key(|(_, range)| range.from);
    for pair in all.windows(2) {
        if pair[1].1.from <= pair[0].1.to {
            return fault(format!("ranges[{}].from", pair[1].0), Fault::Twice);
        }
    }
    Ok(all.into_iter().map(|(_, range)| range).collect())
}

fn range(path: &str, draft: &RangeDraft) -> Checking<(Bin, Bin)> {
    known(path, &draft.unknown)?;
    let bin = |field: &str, digits| {
        Bin::new(digits)
            .ok_or_else(|| ParametersFault::new(format!("{path}.{field}"), Fault::OutOfRange))
    };
    let (from, to) = (bin("from", draft.from)?, bin("to", draft.to)?);
    if to < from { fault(format!("{path}.to"), Fault::Order) } else { Ok((from, to)) }
}

fn counters(set: &ParametersDraft) -> Checking<Vec<Counter>> {
    if set.counters.len() > Parameters::COUNTERS_MAX {
        return fault("counters", Fault::TooMany);
    }
    let mut all: Vec<Counter> = Vec::with_capacity(set.counters.len());
    for (at, draft) in set.counters.iter().enumerate() {
        let path = format!("counters[{at}]");
        known(&path, &draft.unknown)?;
        if draft.id == 0 {
            return fault(format!("{path}.id"), Fault::OutOfRange);
        }
        if all.iter().any(|earlier| earlier.id == draft.id) {
            return fault(format!("{path}.id"), Fault::Twice);
        }
        let window = match (draft.window.as_str(), draft.length_ms) {
            ("day", None) => Window::Day,
            ("week", None) => Window::Week,
            ("month", None) => Window::Month,
            ("sliding", Some(ms)) if (1_000..=400 * DAY_MS).contains(&ms) => Window::Sliding(ms),
            ("day" | "week" | "month" | "sliding", _) => {
                return fault(format!("{path}.length_ms"), Fault::OutOfRange);
            }
            _ => return fault(format!("{path}.window"), Fault::UnknownWord),
        };
        let kinds = words(&format!("{path}.kinds"), &draft.kinds, Kind::from_word)?;
        all.push(Counter { id: draft.id, window, kinds });
    }
    Ok(all)
}

fn exposure(set: &ParametersDraft) -> Checking<Exposure> {
    let draft = &set.exposure;
    known("exposure", &draft.unknown)?;
    if draft.institution_minor < 0 {
        return fault("exposure.institution_minor", Fault::OutOfRange);
    }
    if draft.initiators.len() > INITIATOR_CAPS_MAX {
        return fault("exposure.initiators", Fault::TooMany);
    }
    let mut initiators = Vec::with_capacity(draft.initiators.len());
    for (at, cap) in draft.initiators.iter().enumerate() {
        let path = format!("exposure.initiators[{at}]");
        known(&path, &cap.unknown)?;
        let who = institution(&format!("{path}.of"), cap.of)?;
        match (cap.sum_minor, cap.count) {
            (Some(sum), None) if sum >= 0 => initiators.push((who, sum)),
            (_, Some(_)) => return fault(format!("{path}.count"), Fault::OutOfRange),
            _ => return fault(format!("{path}.sum_minor"), Fault::OutOfRange),
        }
    }
    initiators.sort_unstable();
    if initiators.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return fault("exposure.initiators", Fault::Twice);
    }
    Ok(Exposure { institution_minor: draft.institution_minor, initiators })
}

fn rule(path: &str, draft: &RuleDraft, counters: &[Counter], products: &[&str]) -> Checking<Rule> {
    known(path, &draft.unknown)?;
    let limits = &draft.limits;
    known(&format!("{path}.limits"), &limits.unknown)?;
    let at = |field: &str| format!("{path}.{field}");
    let deny = match &draft.deny {
        None => None,
        Some(code) => {
            let code: Option<[u8; 2]> = code.as_bytes().try_into().ok();
            let code = code.and_then(ResponseCode::new).filter(|code| !code.is_approval());
            Some(code.ok_or_else(|| ParametersFault::new(at("deny"), Fault::UnknownWord))?)
        }
    };
    let verification = |field: &str, word: &Option<String>| match word {
        None => Ok(None),
        Some(word) => Verification::from_word(word)
            .map(Some)
            .ok_or_else(|| ParametersFault::new(at(field), Fault::UnknownWord)),
    };
    let amount = |field: &str, amount: Option<i64>| match amount {
        Some(minor) if minor < 0 => fault(at(field), Fault::OutOfRange),
        _ => Ok(amount),
    };
    if limits.risk_bp.is_some_and(|risk| risk > 10_000) {
        return fault(at("limits.risk_bp"), Fault::OutOfRange);
    }
    let velocity = match (limits.velocity_count, limits.velocity_ms) {
        (None, None) => None,
        (Some(count), Some(ms)) if (1..=VELOCITY_MAX).contains(&count) && ms > 0 => {
            Some((count, ms))
        }
        _ => return fault(at("limits.velocity_count"), Fault::OutOfRange),
    };
    let scope = scope(&at("scope"), &draft.scope, products)?;
    let [pin, cvn, arqc] = [
        verification("pin", &draft.pin)?,
        verification("cvn", &draft.cvn)?,
        verification("arqc", &draft.arqc)?,
    ];
    let grants = [draft.approve, draft.partial, draft.without_expiry].iter().any(Option::is_some)
        || [pin, cvn, arqc].iter().any(Option::is_some);
    Ok(Rule {
        number: draft.number,
        dimensions: scope.dimensions(),
        weight: scope.weight(),
        scope,
        deny,
        until: draft.until_ms.map(Time::from_ms),
        approve: draft.approve,
        partial: draft.partial,
        without_expiry: draft.without_expiry,
        pin,
        cvn,
        arqc,
        grants,
        single_minor: amount("limits.single_minor", limits.single_minor)?,
        floor_minor: amount("limits.floor_minor", limits.floor_minor)?,
        risk_bp_max: limits.risk_bp,
        velocity,
        windows: windows(&at("limits.windows"), &limits.windows, counters)?,
    })
}

fn windows(
    path: &str,
    drafts: &[LimitDraft],
    counters: &[Counter],
) -> Checking<Vec<(u8, Option<u32>, Option<i64>)>> {
    let mut all: Vec<(u8, Option<u32>, Option<i64>)> = Vec::with_capacity(drafts.len());
    for (at, limit) in drafts.iter().enumerate() {
        let path = format!("{path}[{at}]");
        known(&path, &limit.unknown)?;
        let counter = counters.iter().find(|counter| u64::from(counter.id) == limit.of);
        let Some(counter) = counter else {
            return fault(format!("{path}.of"), Fault::UnknownWord);
        };
        if all.iter().any(|(id, ..)| *id == counter.id) {
            return fault(format!("{path}.of"), Fault::Twice);
        }
        if limit.count.is_none() && limit.sum_minor.is_none() {
            return fault(path, Fault::Empty);
        }
        if limit.sum_minor.is_some_and(|sum| sum < 0) {
            return fault(format!("{path}.sum_minor"), Fault::OutOfRange);
        }
        all.push((counter.id, limit.count, limit.sum_minor));
    }
    Ok(all)
}

fn scope(path: &str, draft: &ScopeDraft, products: &[&str]) -> Checking<Scope> {
    known(path, &draft.unknown)?;
    let at = |list: &str, at: usize| format!("{path}.{list}[{at}]");
    let mut bins = Vec::with_capacity(draft.bins.len());
    for (n, one) in draft.bins.iter().enumerate() {
        bins.push(range(&at("bins", n), one)?);
    }
    bins.sort_unstable();
    for (n, product) in draft.products.iter().enumerate() {
        if !products.contains(&product.as_str()) {
            return fault(at("products", n), Fault::UnknownWord);
        }
    }
    let mut product_names = draft.products.clone();
    product_names.sort_unstable();
    Ok(Scope {
        accounts: sorted(draft.accounts.iter().enumerate(), |n, token| {
            token_of(token)
                .ok_or_else(|| ParametersFault::new(at("accounts", n), Fault::OutOfRange))
        })?,
        bins,
        products: product_names,
        initiators: sorted(draft.initiators.iter().enumerate(), |n, code| {
            institution(&at("initiators", n), *code)
        })?,
        channels: words(&format!("{path}.channels"), &draft.channels, Channel::from_word)?,
        entries: words(&format!("{path}.entries"), &draft.entries, EntryMode::from_word)?,
        kinds: words(&format!("{path}.kinds"), &draft.kinds, Kind::from_word)?,
        mccs: sorted(draft.mccs.iter().enumerate(), |n, code| {
            Mcc::new(*code).ok_or_else(|| ParametersFault::new(at("mccs", n), Fault::OutOfRange))
        })?,
        countries: sorted(draft.countries.iter().enumerate(), |n, code| {
            Country::new(*code)
                .ok_or_else(|| ParametersFault::new(at("countries", n), Fault::OutOfRange))
        })?,
        vip: draft.vip,
    })
}

/// An account token out of 32 hexadecimal digits.
fn token_of(hex: &str) -> Option<AccountRef> {
    let digits: &[u8; 32] = hex.as_bytes().try_into().ok()?;
    let mut token = [0; 16];
    for (byte, pair) in token.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(AccountRef::from_bytes(token))
}

fn institution(path: &str, code: u64) -> Checking<InstitutionId> {
    InstitutionId::new(code).ok_or_else(|| ParametersFault::new(path, Fault::OutOfRange))
}

fn words<T: Ord>(path: &str, words: &[String], read: fn(&str) -> Option<T>) -> Checking<Vec<T>> {
    sorted(words.iter().enumerate(), |at, word| {
        read(word).ok_or_else(|| ParametersFault::new(format!("{path}[{at}]"), Fault::UnknownWord))
    })
}

fn sorted<'a, D: 'a, T: Ord>(
    drafts: impl Iterator<Item = (usize, &'a D)>,
    read: impl Fn(usize, &D) -> Checking<T>,
) -> Checking<Vec<T>> {
    let mut all = drafts.map(|(at, draft)| read(at, draft)).collect::<Checking<Vec<T>>>()?;
    all.sort_unstable();
    Ok(all)
}

fn text(path: &str, text: &str) -> Checking<()> {
    match text.len() {
        0 => fault(path, Fault::Empty),
        1..=64 => Ok(()),
        _ => fault(path, Fault::TooMany),
    }
}

fn known(path: &str, unknown: &Unknown) -> Checking<()> {
    let Some(field) = unknown.keys().next() else { return Ok(()) };
    // Foreign text: enough of it to be found.
    let field: String = field.chars().filter(|c| !c.is_control()).take(64).collect();
    let dot = if path.is_empty() { "" } else { "." };
    fault(format!("{path}{dot}{field}"), Fault::UnknownField)
}

fn fault<T>(path: impl Into<String>, fault: Fault) -> Checking<T> {
    Err(ParametersFault::new(path, fault))
}

const LIST_MAX: usize = 10_000;
const INITIATOR_CAPS_MAX: usize = 32;
pub(crate) const VELOCITY_MAX: u8 = 16;
const DAY_MS: u64 = 86_400_000;
