//! Which rules apply to a request, and what they say together.

use super::{Parameters, Rule, Scope};
use crate::{ResponseCode, TransactionRequest};
use alloc::vec::Vec;
use port::{KeyId, Time};

impl Parameters {
    /// Resolves the rules for a request; `vip` says whether its account is on the VIP list.
    pub fn resolve(&self, now: Time, request: &TransactionRequest, vip: bool) -> Resolution {
        let mut found = Resolution::default();
        self.resolve_into(now, request, vip, &mut found);
        found
    }

    /// [`Parameters::resolve`] in place, into a fresh one.
    pub(crate) fn resolve_into(
        &self,
        now: Time,
        request: &TransactionRequest,
        vip: bool,
        found: &mut Resolution,
    ) {
        let product = request
            .account
            .bin
            .and_then(|bin| self.range(bin))
            .and_then(|range| range.product.as_deref());
        let mut weights = [0; 6];
        for rule in &self.0.rules {
            let live = rule.until.is_none_or(|until| now < until);
            if live && rule.scope.fits(rule.dimensions, request, product, vip) {
                found.add(rule, &mut weights);
            }
        }
    }
}

/// What the rules say together about one request, and which rule says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// Denied, with which code.
    pub deny: Option<Limit<ResponseCode>>,
    /// Whether this may be approved; `None` where no rule says anything, which declines.
    pub approve: Option<Limit<bool>>,
    /// Whether a part may be approved.
    pub partial: Option<Limit<bool>>,
    /// Whether the expiry date may be missing.
    pub without_expiry: Option<Limit<bool>>,
    /// How a PIN is treated.
    pub pin: Option<Limit<Verification>>,
    /// How a card verification number is treated.
    pub cvn: Option<Limit<Verification>>,
    /// How a cryptogram is treated.
    pub arqc: Option<Limit<Verification>>,
    /// The largest single amount.
    pub single_minor: Option<Limit<i64>>,
    /// The largest amount that passes without verification; where no rule says, none does.
    pub floor_minor: Option<Limit<i64>>,
    /// The largest risk score.
    pub risk_bp_max: Option<Limit<u16>>,
    /// At most so many at one terminal in so many milliseconds, of every rule.
    pub velocities: Velocities,
    /// The largest counts, by counter.
    pub counts: PerCounter<u32>,
    /// The largest sums, by counter.
    pub sums: PerCounter<i64>,
}

impl Resolution {
    fn add(&mut self, rule: &Rule, weights: &mut [u32; 6]) {
        let by = rule.number;
        if let Some(code) = rule.deny
            && self.deny.is_none()
        {
            self.deny = Some(Limit { value: code, rule: by });
        }
        if rule.grants {
            self.add_grants(rule, weights);
        }
        least(&mut self.single_minor, rule.single_minor, by);
        least(&mut self.floor_minor, rule.floor_minor, by);
        least(&mut self.risk_bp_max, rule.risk_bp_max, by);
        if let Some(value) = rule.velocity {
            self.velocities.push(Limit { value, rule: by });
        }
        for (counter, count, sum) in &rule.windows {
            self.counts.least(*counter, *count, by);
            self.sums.least(*counter, *sum, by);
        }
    }

    /// What is taken from the most specific rule.
    fn add_grants(&mut self, rule: &Rule, weights: &mut [u32; 6]) {
        let (by, weight) = (rule.number, rule.weight);
        let [approve, partial, expiry, pin, cvn, arqc] = weights;
        most_specific(&mut self.approve, approve, rule.approve, weight, by);
        most_specific(&mut self.partial, partial, rule.partial, weight, by);
        most_specific(&mut self.without_expiry, expiry, rule.without_expiry, weight, by);
        most_specific(&mut self.pin, pin, rule.pin, weight, by);
        most_specific(&mut self.cvn, cvn, rule.cvn, weight, by);
        most_specific(&mut self.arqc, arqc, rule.arqc, weight, by);
    }
}

/// A value and the rule that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit<T> {
    /// The value.
    pub value: T,
    /// The rule's number.
    pub rule: u32,
}

/// Limits by the number of their counter, in the order in which rules name them. A set has few counters: they need no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerCounter<T>([Option<(u8, Limit<T>)>; Parameters::COUNTERS_MAX]);

impl<T: Copy + Ord> PerCounter<T> {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (u8, Limit<T>)> + '_ {
        self.0.iter().map_while(|limit| *limit)
    }

    fn least(&mut self, counter: u8, value: Option<T>, rule: u32) {
        let Some(value) = value else { return };
        let limit = Limit { value, rule };
        // Rules name counters of their set, and those have room.
        for slot in &mut self.0 {
            match slot {
                Some((id, held)) if *id == counter => {
                    if value < held.value {
                        *held = limit;
                    }
                    return;
                }
                Some(_) => {}
                None => {
                    *slot = Some((counter, limit));
                    return;
                }
            }
        }
    }
}

impl<T> Default for PerCounter<T> {
    fn default() -> Self {
        Self([const { None }; Parameters::COUNTERS_MAX])
    }
}

/// Velocity limits in the order of their rules. Few of them fit one request: those need no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Velocities {
    first: [Option<Limit<(u8, u64)>>; 2],
    more: Vec<Limit<(u8, u64)>>,
}

impl Velocities {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Limit<(u8, u64)>> + '_ {
        self.first.iter().flatten().chain(&self.more)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.first[0].is_none()
    }

    fn push(&mut self, limit: Limit<(u8, u64)>) {
        match self.first.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(limit),
            None => self.more.push(limit),
        }
    }
}

/// How evidence is treated. The order is that of permission: less first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verification {
    /// A request with it, or that needs it, is declined: nobody here can check it.
    Refuse,
    /// It is checked with this key; what is not there counts as not checked and passes up to the floor amount.
    Delegated(KeyId),
    /// It is not checked, and the amount may be up to the floor amount.
    Floor,
    /// It is neither checked nor needed.
    Waive,
}

impl Verification {
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "refuse" => Some(Self::Refuse),
            "floor" => Some(Self::Floor),
            "waive" => Some(Self::Waive),
            _ => {
                let digits = word.strip_prefix("key:")?;
                let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                plain.then(|| digits.parse().ok()).flatten().map(|id| Self::Delegated(KeyId(id)))
            }
        }
    }
}

impl Scope {
    /// Whether it covers a request; `dimensions` are its own, so that nobody looks at those that it does not have.
    fn fits(
        &self,
        mut dimensions: u32,
        request: &TransactionRequest,
        product: Option<&str>,
        vip: bool,
    ) -> bool {
        while dimensions != 0 {
            if !self.fits_in(dimensions.trailing_zeros(), request, product, vip) {
                return false;
            }
            dimensions &= dimensions - 1;
        }
        true
    }

    /// Apart, or each rule would fetch all of its lists before it looks at one.
    #[inline(never)]
    fn fits_in(
        &self,
        dimension: u32,
        request: &TransactionRequest,
        product: Option<&str>,
        vip: bool,
    ) -> bool {
        match dimension {
            KINDS => self.kinds.contains(&request.kind),
            ENTRIES => self.entries.contains(&request.entry),
            CHANNELS => self.channels.contains(&request.channel),
            COUNTRIES => request.country.is_some_and(|one| among(&self.countries, &one)),
            MCCS => request.mcc.is_some_and(|one| among(&self.mccs, &one)),
            INITIATORS => among(&self.initiators, &request.initiator),
            VIP => self.vip == Some(vip),
            PRODUCTS => product.is_some_and(|name| self.products.iter().any(|one| one == name)),
            BINS => request
                .account
                .bin
                .is_some_and(|bin| self.bins.iter().any(|(from, to)| (*from..=*to).contains(&bin))),
            ACCOUNTS => among(&self.accounts, &request.account.token),
            _ => false,
        }
    }

    /// The dimensions that it has, one bit each: an account outweighs everything, then the card range, the product, the VIP list, the
    /// initiator, and last what describes the transaction.
    pub(super) fn dimensions(&self) -> u32 {
        let all = [
            (ACCOUNTS, !self.accounts.is_empty()),
            (BINS, !self.bins.is_empty()),
            (PRODUCTS, !self.products.is_empty()),
            (VIP, self.vip.is_some()),
            (INITIATORS, !self.initiators.is_empty()),
            (MCCS, !self.mccs.is_empty()),
            (COUNTRIES, !self.countries.is_empty()),
            (CHANNELS, !self.channels.is_empty()),
            (ENTRIES, !self.entries.is_empty()),
            (KINDS, !self.kinds.is_empty()),
        ];
        all.iter().map(|(dimension, there)| u32::from(*there) << dimension).sum()
    }

    /// How specific it is. A rule without scope still outweighs no rule.
    pub(super) fn weight(&self) -> u32 {
        1 + self.dimensions()
    }

    /// Whether every request that fits `other` fits this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        fn within<T: Ord>(wide: &[T], narrow: &[T]) -> bool {
            wide.is_empty()
                || !narrow.is_empty() && narrow.iter().all(|one| wide.binary_search(one).is_ok())
        }
        let bins = self.bins.is_empty()
            || !other.bins.is_empty()
                && other.bins.iter().all(|(from, to)| {
                    self.bins.iter().any(|(wide_from, wide_to)| wide_from <= from && to <= wide_to)
                });
        bins && within(&self.kinds, &other.kinds)
            && within(&self.channels, &other.channels)
            && within(&self.entries, &other.entries)
            && within(&self.initiators, &other.initiators)
            && within(&self.accounts, &other.accounts)
            && within(&self.mccs, &other.mccs)
            && within(&self.countries, &other.countries)
            && within(&self.products, &other.products)
            && (self.vip.is_none() || self.vip == other.vip)
    }
}

/// Whether a sorted list has a value.
fn among<T: Ord>(list: &[T], value: &T) -> bool {
    match list {
        [one] => one == value,
        _ => list.binary_search(value).is_ok(),
    }
}

/// Dimensions of scopes, the more specific the higher.
const KINDS: u32 = 0;
const ENTRIES: u32 = 1;
const CHANNELS: u32 = 2;
const COUNTRIES: u32 = 3;
const MCCS: u32 = 4;
const INITIATORS: u32 = 5;
const VIP: u32 = 6;
const PRODUCTS: u32 = 7;
const BINS: u32 = 8;
const ACCOUNTS: u32 = 9;

fn most_specific<T: Copy + Ord>(
    into: &mut Option<Limit<T>>,
    weight_so_far: &mut u32,
    value: Option<T>,
    weight: u32,
    rule: u32,
) {
    let Some(value) = value else { return };
    let wins = match into {
        None => true,
        Some(held) => weight > *weight_so_far || weight == *weight_so_far && value < held.value,
    };
    if wins {
        *into = Some(Limit { value, rule });
        *weight_so_far = weight;
    }
}

fn least<T: Copy + Ord>(into: &mut Option<Limit<T>>, value: Option<T>, rule: u32) {
    if let Some(value) = value
        && into.is_none_or(|held| value < held.value)
    {
        *into = Some(Limit { value, rule });
    }
}
