//! Lists and balances before a rehearsal: one JSON object a line, each account once. The form is in the README.

use crate::failure::Failure;
use crate::rehearsal::Rehearsal;
use crate::{sets, traffic, when};
use port::Time;
use serde::Deserialize;
use standin::{AccountUpdate, BalanceUpdate, Change, FeedPage, ResponseCode};
use std::collections::BTreeSet;
use std::path::Path;

/// Takes all lines as the module would take them from the accounting system.
pub(crate) fn feed(path: &Path, now: Time, rehearsal: &mut Rehearsal) -> Result<usize, Failure> {
    let bytes = sets::bytes(path, BYTES_MAX)?;
    let mut seen = BTreeSet::new();
    let mut page = Vec::new();
    for (line, bytes) in (1_u64..).zip(bytes.split(|byte| *byte == b'\n')) {
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let fault = |why: String| Failure::file(path, format!("line {line}: {why}"));
        let update = update(bytes).map_err(fault)?;
        if !seen.insert(update.account) {
            return Err(fault("account: it is there already".into()));
        }
        page.push(update);
        if page.len() == FeedPage::UPDATES_MAX {
            rehearsal.feed(now, std::mem::take(&mut page))?;
        }
    }
    if !page.is_empty() {
        rehearsal.feed(now, page)?;
    }
    Ok(seen.len())
}

fn update(bytes: &[u8]) -> Result<AccountUpdate, String> {
    let form: Form = traffic::parse(bytes)?;
    let time = |path: &str, text: &Option<String>| match text {
        Some(text) => when::parse(text).map_err(|why| format!("{path}: {why}")),
        None => Ok(Time::from_ms(u64::MAX)),
    };
    let mut update = AccountUpdate::of(traffic::token("token", &form.token)?);
    if let Some(code) = &form.deny {
        let code = <[u8; 2]>::try_from(code.as_bytes()).ok().and_then(ResponseCode::new);
        let code = code.filter(|code| !code.is_approval());
        let code = code.ok_or("deny: no code that declines")?;
        update.deny = Change::Set((code, time("deny_until", &form.deny_until)?));
    }
    if form.vip {
        update.vip = Change::Set(time("vip_until", &form.vip_until)?);
    }
    update.balance = match (form.balance_minor, &form.as_of) {
        (None, None) => None,
        (Some(minor), as_of @ Some(_)) => {
            Some(BalanceUpdate { minor, as_of: time("as_of", as_of)?, last: None })
        }
        _ => return Err("balance_minor: only together with as_of".into()),
    };
    Ok(update)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    token: String,
    balance_minor: Option<i64>,
    as_of: Option<String>,
    deny: Option<String>,
    deny_until: Option<String>,
    #[serde(default)]
    vip: bool,
    vip_until: Option<String>,
}

const BYTES_MAX: u64 = 1024 * 1024 * 1024;
