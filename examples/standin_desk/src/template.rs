//! The set that `parameters draft` writes: small, cautious, and explained field by field.

use port::Time;

/// As TOML with comments.
pub(crate) fn toml(set: &Starting) -> String {
    let Starting { institution, currency, version, issued, from, until } = set;
    let (issued_ms, from_ms, until_ms) = (issued.as_ms(), from.as_ms(), until.as_ms());
    format!(
        r#"# What the stand-in module of institution {institution} may approve while the accounting system is away.
# Amounts are minor units of the currency ({currency}), times are milliseconds since 1970, rates are basis points (100 = 1 %).
# Check it with `standin-desk parameters check`, rehearse it with `standin-desk shadow`, then sign it.

schema = 1                       # the version of this form
institution = {institution}
version = {version}                      # strictly rising: the module takes nothing older
currency = "{currency}"

issued_at_ms = {issued_ms}       # {issued}
effective_from_ms = {from_ms}  # {from}: decides from here on, on all instances at once
valid_until_ms = {until_ms}     # {until}: declines everything from here on (code 91)
stale_after_ms = 604800000       # 7 days after issued_at_ms: a set that nobody renews ends by itself

# Which initiators may use it, by their codes. Empty: all.
initiators = []

pin_tries = 3                    # wrong PINs before code 75
completion_tolerance_bp = 0      # by how much a completion may exceed its pre-authorization
pre_authorization_ms = 2592000000 # 30 days: how long a pre-authorization holds its amount
refunds_restore = false          # whether refunds give limits back

# Shadow balances, as the accounting system sends them. An age of 0 does not use them.
balance_required = false         # true: an account without a fresh balance is declined (code 51)
balance_age_max_ms = 86400000    # 24 hours
balance_haircut_bp_per_hour = 50 # what a balance loses of its worth each hour

# How much may be approved and not yet posted: the most that an outage can cost.
[exposure]
institution_minor = 100000000
# initiators = [{{ of = 1111, sum_minor = 20000000 }}]

# The card numbers it is about, by their first eight digits. A product's name can be used in rules.
[[ranges]]
from = 62220000
to = 62229999
product = "classic"

# What is counted for each account: day, week, month, or sliding with length_ms. A counter that changes gets a new id.
[[counters]]
id = 1
window = "day"

[[counters]]
id = 2
window = "sliding"
length_ms = 3600000
kinds = ["cash"]

# Rules apply together. Limits: the lowest counts. Capabilities (approve, partial, pin, ...): the most specific rule counts.
# A rule that denies wins over all. What no rule approves is declined.
# A scope takes any of: accounts (tokens), bins, products, initiators, channels, entries, kinds, mccs, countries, vip.

# Everybody: purchases up to 500.00 each and 1,000.00 a day; without PIN or cryptogram up to 200.00.
[[rules]]
number = 1
scope = {{ kinds = ["purchase", "pre-authorization", "completion"] }}
approve = true
pin = "floor"                    # refuse, floor, waive, or key:N to have key N of the key holder check it
cvn = "floor"
arqc = "floor"
[rules.limits]
single_minor = 50000
floor_minor = 20000
velocity_count = 5               # at most 5 at one terminal ...
velocity_ms = 600000             # ... in ten minutes
windows = [{{ of = 1, count = 10, sum_minor = 100000 }}]

# Cash needs a PIN that was checked.
[[rules]]
number = 2
scope = {{ kinds = ["cash"] }}
approve = true
pin = "key:1"
[rules.limits]
single_minor = 30000
windows = [{{ of = 2, count = 2, sum_minor = 30000 }}]

# Refunds give money back: small ones may pass.
[[rules]]
number = 3
scope = {{ kinds = ["refund"] }}
approve = true
[rules.limits]
single_minor = 50000

# No gambling while nobody looks.
[[rules]]
number = 17
scope = {{ mccs = [7995] }}
deny = "57"
"#
    )
}

/// What differs from one institution to another.
pub(crate) struct Starting {
    pub(crate) institution: u64,
    pub(crate) currency: String,
    pub(crate) version: u64,
    pub(crate) issued: Time,
    pub(crate) from: Time,
    pub(crate) until: Time,
}
