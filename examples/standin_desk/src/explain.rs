//! Which rules a request meets, and what would be decided about it.

use crate::failure::Failure;
use crate::options::Explain;
use crate::rehearsal::{Rehearsal, evidence};
use crate::{hex, sets, table, words};
use port::{Amount, Time};
use seal::AccountRef;
use serde_json::{Value, json};
use standin::{
    AccountInfo, AccountUpdate, Answered, Capabilities, Change, CheckDigit, Evidences, Expiry,
    HostOutcome, Kind, Limit, Mti, Parameters, RequestDraft, Resolution, Text, TransactionRequest,
    Verification,
};
use std::fmt::Write as _;

/// What is to be printed.
pub(crate) fn explain(options: &Explain, json: bool) -> Result<String, Failure> {
    let parameters = sets::read(&options.file, options.trust.trust.as_deref())?;
    let draft = parameters.draft();
    let at = options.at.unwrap_or(Time::from_ms(draft.effective_from_ms.max(draft.issued_at_ms)));
    let request = request(options, &parameters, at)?;
    let mut rehearsal = Rehearsal::new(&parameters, options.zone.clone())?;
    if options.vip {
        let vip = Change::Set(Time::from_ms(u64::MAX));
        let update = AccountUpdate { vip, ..AccountUpdate::of(request.account.token) };
        rehearsal.feed(at, vec![update])?;
    }
    let answered = rehearsal.authorize(at, HostOutcome::NotAsked, &request)?;
    let resolution = parameters.resolve(at, &request, options.vip);
    let said = Said::of(&resolution);
    if json {
        let rules = said.0.iter().map(|(what, value, rule)| {
            json!({ "what": what, "value": value, "rule": rule,
                "explained": parameters.explain(*rule).to_string() })
        });
        let rules: Vec<Value> = rules.collect();
        let approved = answered.response.approved.map(Amount::minor);
        return table::json(&json!({
            "approved": answered.response.is_approval(),
            "code": answered.response.code.to_string(),
            "approved_minor": approved,
            "reason": answered.reason.map(standin::Reason::code),
            "rule": answered.rule,
            "explained": answered.explain(&parameters).to_string(),
            "resolution": rules,
        }));
    }
    Ok(text(&parameters, &answered, &said))
}

fn text(parameters: &Parameters, answered: &Answered, said: &Said) -> String {
    let response = &answered.response;
    let mut text = answered.explain(parameters).to_string();
    // Writing into a text cannot fail.
    let _ = write!(text, " (code {})", response.code);
    if let Some(amount) = response.approved {
        let _ = write!(text, ", {amount}");
    }
    text.push_str("\n\n");
    if said.0.is_empty() {
        text.push_str("no rule fits this request");
        return text;
    }
    let mut rows = table::new(["what", "value", "from"]);
    for (what, value, rule) in &said.0 {
        rows.add_row([what.clone(), value.clone(), parameters.explain(*rule).to_string()]);
    }
    let _ = write!(text, "{rows}");
    text
}

fn request(
    options: &Explain,
    parameters: &Parameters,
    at: Time,
) -> Result<TransactionRequest, Failure> {
    let usage = |option: &str, why: String| Failure::Usage(format!("{option}: {why}"));
    let token = match &options.account {
        Some(text) => hex::token(text).map_err(|why| usage("--account", why))?,
        None => AccountRef::from_bytes([0; 16]),
    };
    let bin = options.bin.as_deref().map(words::bin).transpose();
    let bin = bin.map_err(|why| usage("--bin", why))?;
    let check_digit = if bin.is_some() { CheckDigit::Right } else { CheckDigit::None };
    let account = AccountInfo { token, bin, check_digit, handle: Default::default() };
    let expiry = match options.expiry {
        None if !options.no_expiry => a_year_after(at, &options.zone),
        said => said,
    };
    let amount = Amount::new(options.amount, parameters.currency());
    TransactionRequest::new(RequestDraft {
        institution: Some(parameters.institution()),
        initiator: Some(options.initiator),
        account: Some(account.clone()),
        amount: Some(amount),
        kind: Some(options.kind),
        mti: Some(Mti::AUTHORIZATION),
        trace: Some(1),
        sent_at: Some(at),
        terminal: Text::new("DESK").ok(),
        channel: options.channel,
        entry: options.entry,
        mcc: options.mcc,
        country: options.country,
        expiry,
        capabilities: Capabilities { partial_approval: options.partial, ..Capabilities::default() },
        to: (options.kind == Kind::Transfer).then_some(account),
        risk_bp: options.risk_bp,
        evidence: Evidences {
            pin: evidence(options.pin),
            cvn: evidence(options.cvn),
            arqc: evidence(options.arqc),
        },
        ..RequestDraft::default()
    })
    .map_err(|why| Failure::Usage(why.to_string()))
}

fn a_year_after(at: Time, zone: &port::Zone) -> Option<Expiry> {
    let local = zone.local(at);
    let year = u16::try_from(local.year + 1).ok()? % 100;
    Expiry::from_yymm(year * 100 + u16::from(local.month))
}

/// What the rules say together: what, how much, by which rule.
struct Said(Vec<(String, String, u32)>);

impl Said {
    fn of(resolution: &Resolution) -> Self {
        let Resolution { deny, approve, partial, without_expiry, pin, cvn, arqc, .. } = resolution;
        let mut said = Self(Vec::new());
        said.add("deny", *deny, |code| format!("code {code}"));
        for (what, limit) in
            [("approve", approve), ("partial", partial), ("without expiry", without_expiry)]
        {
            said.add(what, *limit, |yes| if yes { "yes".into() } else { "no".into() });
        }
        for (what, limit) in [("pin", pin), ("cvn", cvn), ("arqc", arqc)] {
            said.add(what, *limit, |way| match way {
                Verification::Refuse => "refuse".into(),
                Verification::Delegated(key) => format!("key:{}", key.0),
                Verification::Floor => "floor".into(),
                Verification::Waive => "waive".into(),
            });
        }
        said.add("single amount", resolution.single_minor, |minor| minor.to_string());
        said.add("floor amount", resolution.floor_minor, |minor| minor.to_string());
        said.add("risk score", resolution.risk_bp_max, |bp| format!("{bp} bp"));
        for (counter, limit) in resolution.counts.iter() {
            said.add(&format!("count of counter {counter}"), Some(limit), |n| n.to_string());
        }
        for (counter, limit) in resolution.sums.iter() {
            said.add(&format!("sum of counter {counter}"), Some(limit), |n| n.to_string());
        }
        for limit in resolution.velocities.iter() {
            said.add("velocity", Some(*limit), |(n, ms)| format!("{n} in {ms} ms"));
        }
        said
    }

    fn add<T>(&mut self, what: &str, limit: Option<Limit<T>>, say: impl Fn(T) -> String) {
        if let Some(limit) = limit {
            self.0.push((what.into(), say(limit.value), limit.rule));
        }
    }
}
