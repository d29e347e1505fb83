//! The work on parameter sets, step by step.

use crate::distribution::Distribution;
use crate::failure::Failure;
use crate::options::{Acknowledge, Check, Diff, Distribute, Draft, Folder, Sign, Work};
use crate::template::{self, Starting};
use crate::{difference, explain, hex, keys, say, sets, table, when};
use port::{Currency, Time};
use serde_json::{Value, json};
use standin::{Finding, InstitutionId, Parameters, SealedParameters};
use std::path::Path;

pub(crate) fn run(work: &Work, json: bool) -> Result<(), Failure> {
    match work {
        Work::Draft(options) => draft(options, json),
        Work::Check(options) => check(options, json),
        Work::Explain(options) => say(&explain::explain(options, json)?),
        Work::Diff(options) => diff(options, json),
        Work::Key(options) => {
            keys::create(&options.issuer, options.key_id, &options.out, &options.public)?;
            let (out, public) = (options.out.display(), options.public.display());
            if json {
                let made = json!({ "key": out.to_string(), "public": public.to_string() });
                return say(&table::json(&made)?);
            }
            say(&format!(
                "{out}: the secret key, for the accounting system alone\n{public}: for --trust"
            ))
        }
        Work::Sign(options) => sign(options, json),
        Work::Distribute(options) => distribute(options, json),
        Work::Acknowledge(options) => acknowledge(options, json),
        Work::Status(options) => {
            let Folder { folder, instances } = &options.folder;
            say(&Distribution::open(folder, instances, false)?.status(json)?)
        }
    }
}

fn draft(options: &Draft, json: bool) -> Result<(), Failure> {
    let usage = |why: &str| Failure::Usage(why.into());
    let institution = InstitutionId::new(options.institution)
        .ok_or_else(|| usage("--institution has 1 to 11 digits"))?;
    let currency = Currency::parse(&options.currency)
        .ok()
        .filter(|currency| *currency != Currency::NONE)
        .ok_or_else(|| usage("--currency is no currency of ISO 4217"))?;
    if options.version == 0 {
        return Err(usage("--version begins with 1"));
    }
    let issued = when::now();
    let from = options.from.unwrap_or(issued);
    let text = template::toml(&Starting {
        institution: institution.as_u64(),
        currency: currency.to_string(),
        version: options.version,
        issued,
        from,
        until: from.plus_ms(u64::from(options.days) * 86_400_000),
    });
    let as_json = json || options.out.as_deref().is_some_and(|out| has_ending(out, "json"));
    let text = if as_json {
        let value: Value = toml::from_str(&text).map_err(|why| Failure::Run(why.to_string()))?;
        table::json(&value)?
    } else {
        text
    };
    match &options.out {
        None => say(&text),
        Some(out) => {
            keys::write_new(out, text.as_bytes(), false)?;
            say(&format!("{}: a set to start from; change it, then check it", out.display()))
        }
    }
}

fn check(options: &Check, json: bool) -> Result<(), Failure> {
    let faults = sets::check(&options.file, options.trust.trust.as_deref())?;
    let findings = faults.parameters.as_ref().map(Parameters::findings).unwrap_or_default();
    let past = faults.parameters.as_ref().and_then(|set| past(set, when::now()));
    if json {
        let found = faults
            .found
            .iter()
            .map(|fault| json!({ "path": fault.path, "code": fault.code, "fault": fault.words }));
        let digest = faults.parameters.as_ref().map(|set| hex::text(&set.digest()));
        say(&table::json(&json!({
            "valid": faults.found.is_empty(),
            "faults": found.collect::<Vec<_>>(),
            "complete": !faults.more,
            "findings": findings_json(&findings),
            "past": past,
            "digest": digest,
        }))?)?;
    } else {
        let mut lines: Vec<String> =
            faults.found.iter().map(|one| format!("fault: {one}")).collect();
        if faults.more {
            lines.push("there may be more: mend these and check again".into());
        }
        lines.extend(findings.iter().map(|finding| format!("finding: {finding}")));
        lines.extend(past.map(|why| format!("note: {why}")));
        if let Some(set) = &faults.parameters {
            let (rules, found) = (set.draft().rules.len(), findings.len());
            lines.push(format!(
                "valid: institution {}, version {}, {}, {}",
                set.institution(),
                set.version(),
                table::counted(rules, "rule", "rules"),
                table::counted(found, "finding", "findings"),
            ));
            let draft = set.draft();
            let (from, until) = (draft.effective_from_ms, draft.valid_until_ms);
            lines.push(format!(
                "decides from {} until {}, stale from {}",
                Time::from_ms(from),
                Time::from_ms(until),
                set.stale_at()
            ));
        }
        say(&lines.join("\n"))?;
    }
    if !faults.found.is_empty() {
        let (path, faults) = (options.file.clone(), faults.found.len());
        return Err(Failure::Faulty { path, faults });
    }
    if options.strict && !findings.is_empty() {
        let found = table::counted(findings.len(), "finding", "findings");
        return Err(Failure::Refused(format!("{} has {found}", options.file.display())));
    }
    Ok(())
}

/// Why a set would decide nothing now or ever.
fn past(set: &Parameters, now: Time) -> Option<&'static str> {
    if now >= Time::from_ms(set.draft().valid_until_ms) {
        return Some("its time is over");
    }
    (now >= set.stale_at()).then_some("it is stale: issued too long ago")
}

fn findings_json(findings: &[Finding]) -> Vec<Value> {
    let rules = |finding: &Finding| match *finding {
        Finding::Conflict(a, b) => ("conflict", vec![a, b]),
        Finding::Gap(_) => ("gap", vec![]),
        Finding::Idle { rule, by } => ("idle", vec![rule, by]),
        Finding::Shadowed { rule, by } => ("shadowed", vec![rule, by]),
        Finding::Uncounted(_) => ("uncounted", vec![]),
        Finding::Unlimited(rule) => ("unlimited", vec![rule]),
        Finding::Unreachable(rule) => ("unreachable", vec![rule]),
        _ => ("other", vec![]),
    };
    let all = findings.iter().map(|finding| {
        let (what, rules) = rules(finding);
        json!({ "what": what, "rules": rules, "finding": finding.to_string() })
    });
    all.collect()
}

fn diff(options: &Diff, json: bool) -> Result<(), Failure> {
    let trust = options.trust.trust.as_deref();
    let (old, new) = (sets::read(&options.old, trust)?, sets::read(&options.new, trust)?);
    let changes = difference::between(&old, &new);
    let (before, after) = (old.findings(), new.findings());
    let arisen: Vec<Finding> = after.iter().filter(|one| !before.contains(one)).copied().collect();
    let gone: Vec<Finding> = before.iter().filter(|one| !after.contains(one)).copied().collect();
    let same_institution = old.institution() == new.institution();
    let follows = same_institution && new.version() > old.version();
    let redefined = new.redefined(&old);
    if json {
        let changes = changes
            .iter()
            .map(|change| json!({ "path": change.path, "old": change.old, "new": change.new }));
        return say(&table::json(&json!({
            "changes": changes.collect::<Vec<_>>(),
            "findings_arisen": findings_json(&arisen),
            "findings_gone": findings_json(&gone),
            "follows": follows,
            "counters_redefined": redefined,
        }))?);
    }
    let mut lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
    lines.extend(arisen.iter().map(|finding| format!("new finding: {finding}")));
    lines.extend(gone.iter().map(|finding| format!("finding gone: {finding}")));
    if !same_institution {
        lines.push("note: the sets are of different institutions".into());
    } else if !follows && !changes.is_empty() {
        let (old, new) = (old.version(), new.version());
        lines.push(format!(
            "note: version {new} does not follow version {old}: it would be refused"
        ));
    }
    lines.extend(redefined.iter().map(|id| {
        format!("note: counter {id} meant something else before: it would be refused, give it a new number")
    }));
    if lines.is_empty() {
        lines.push("nothing has changed".into());
    }
    say(&lines.join("\n"))
}

fn sign(options: &Sign, json: bool) -> Result<(), Failure> {
    let signer = keys::signer(&options.key)?;
    let set = sets::read(&options.file, None)?;
    let refused = |why: &str| Failure::Refused(format!("{}: {why}", options.file.display()));
    if let Some(why) = past(&set, when::now()) {
        return Err(refused(why));
    }
    let findings = set.findings();
    if !findings.is_empty() && !options.with_findings {
        let found = table::counted(findings.len(), "finding", "findings");
        return Err(refused(&format!("{found}; look at `check`, then sign --with-findings")));
    }
    let run = |why: port::WireError| Failure::Run(why.to_string());
    let signature = signer.key.sign(&SealedParameters::message(&set).map_err(run)?);
    let sealed = SealedParameters::new(&set, &signer.issuer, signer.key_id, signature);
    let mut bytes = Vec::new();
    sealed.and_then(|sealed| sealed.encode(&mut bytes)).map_err(run)?;
    if bytes.len() > SealedParameters::BYTES_MAX {
        return Err(refused("it is too large to be taken"));
    }
    keys::write_new(&options.out, &bytes, false)?;
    let (version, digest) = (set.version(), hex::text(&set.digest()));
    let out = options.out.display();
    if json {
        let made = json!({ "out": out.to_string(), "institution": set.institution().as_u64(),
            "version": version, "digest": digest, "issuer": signer.issuer, "key_id": signer.key_id });
        return say(&table::json(&made)?);
    }
    say(&format!("{out}: version {version}, digest {digest}, signed by {}", signer.issuer))
}

fn distribute(options: &Distribute, json: bool) -> Result<(), Failure> {
    let trust = keys::trust(&options.trust)?;
    let Folder { folder, instances } = &options.folder;
    let mut folder = Distribution::open(folder, instances, true)?;
    let put = folder.put(when::now(), &options.signed, &trust, &options.to)?;
    if json {
        let files = put.files.iter().map(|(name, len)| json!({ "name": name, "bytes": len }));
        let files: Vec<Value> = files.collect();
        let status = folder.status_json();
        return say(&table::json(
            &json!({ "version": put.version, "files": files, "status": status }),
        )?);
    }
    let mut lines: Vec<String> =
        put.files.iter().map(|(name, len)| format!("{name}: {len} bytes")).collect();
    lines.push(String::new());
    lines.push(folder.status(false)?);
    say(&lines.join("\n"))
}

fn acknowledge(options: &Acknowledge, json: bool) -> Result<(), Failure> {
    let trust = keys::trust(&options.trust)?;
    let Folder { folder, instances } = &options.folder;
    let mut folder = Distribution::open(folder, instances, false)?;
    match (&options.signed, &options.key, &options.received) {
        (Some(signed), Some(key), _) => {
            let signer = keys::signer(key)?;
            folder.accept(when::now(), signed, &trust, &options.from, &signer)?
        }
        (None, _, Some(received)) => folder.receive(received, &trust, &options.from)?,
        _ => return Err(Failure::Usage("say which set and --key, or --received".into())),
    };
    say(&folder.status(json)?)
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case(ending))
}
