//! What is asked of running servers, and what needs none.

use crate::config::{Config, KEY_NUMBER};
use crate::control::{Question, Wish, ask};
use crate::failure::Failure;
use crate::hex;
use crate::options::{Conflict, Save, Status, Submit, Verify};
use crate::progress;
use crate::rows;
use filexfer::{SignedReceipt, Stage};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Asks for a file to be sent; with `--wait` until it is there.
pub(crate) async fn submit(config: &Config, options: &Submit) -> Result<Value, Failure> {
    let requester = &options.requester;
    is_server(config, requester)?;
    let ms = |at: jiff::Timestamp| u64::try_from(at.as_millisecond()).unwrap_or(0);
    let wish = Wish {
        id: None,
        size: None,
        from: options.from.clone().unwrap_or_else(|| requester.clone()),
        to: options.to.clone(),
        name: options.name.clone(),
        class: options.class.clone(),
        on_conflict: match options.on_conflict {
            Conflict::Fail => 1,
            Conflict::Replace => 2,
            Conflict::Version => 3,
        },
        priority: options.priority,
        not_before_ms: options.not_before.map(ms),
        deadline_ms: options.deadline.map(ms),
    };
    let socket = config.socket(requester);
    let answer = ask(&socket, requester, &Question::Submit(wish)).await?;
    let id = answer["id"].as_str().unwrap_or_default().to_owned();
    if !options.wait {
        return Ok(answer);
    }
    let until = Instant::now() + Duration::from_secs(options.timeout_s);
    let bar = progress::bar();
    loop {
        let question = Question::Status { id: Some(id.clone()) };
        let status = ask(&socket, requester, &question).await?;
        let request = &status["requests"][0];
        let state = text(request, "state");
        if request["is_over"] == true {
            bar.finish_and_clear();
            let code = u32::try_from(request["code"].as_u64().unwrap_or(0)).unwrap_or(0);
            let why = request["why"].as_str().map_or_else(|| state.to_owned(), str::to_owned);
            return match state {
                "delivered" | "acknowledged" => Ok(request.clone()),
                "refused" => Err(Failure::Refused { code, why }),
                _ => Err(Failure::Undelivered { code, why }),
            };
        }
        if Instant::now() >= until {
            bar.finish_and_clear();
            let why = format!(
                "it is {state} after {} s; ask again with `status --id {id}`",
                options.timeout_s
            );
            return Err(Failure::Run(why));
        }
        // The forwarding server knows how far it is, where it runs here.
        let forwarder = &config.file.forwarder.id;
        if let Ok(jobs) = ask(&config.socket(forwarder), forwarder, &question).await
            && let Some(groups) = jobs[0]["groups"].as_u64()
        {
            bar.set_length(groups.saturating_mul(filexfer::Groups::BYTES));
            let done = jobs[0]["groups_done"].as_u64().unwrap_or(0);
            bar.set_position(done.saturating_mul(filexfer::Groups::BYTES));
            bar.set_message(text(&jobs[0], "state").to_owned());
        } else {
            bar.set_message(state.to_owned());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What a server is at.
pub(crate) async fn status(config: &Config, options: &Status) -> Result<Value, Failure> {
    let of = options.of.as_deref().unwrap_or(&config.file.forwarder.id);
    is_server(config, of)?;
    if let Some(id) = &options.id {
        rows::job_id(id).map_err(Failure::Usage)?;
    }
    ask(&config.socket(of), of, &Question::Status { id: options.id.clone() }).await
}

/// Is the trail of the forwarding server whole?
pub(crate) async fn audit(config: &Config) -> Result<Value, Failure> {
    let forwarder = &config.file.forwarder.id;
    let found = ask(&config.socket(forwarder), forwarder, &Question::Audit).await?;
    if found["is_whole"] == true {
        return Ok(found);
    }
    let first = found["first_wrong"].as_u64().unwrap_or(0);
    Err(Failure::Unproven(format!(
        "the audit trail is not what was written from record {first} on"
    )))
}

/// Saves the receipts of a request.
pub(crate) async fn save(config: &Config, options: &Save) -> Result<Value, Failure> {
    is_server(config, &options.requester)?;
    let question = Question::Receipts { id: options.id.clone() };
    let answer = ask(&config.socket(&options.requester), &options.requester, &question).await?;
    let mut saved = Vec::new();
    for receipt in answer["receipts"].as_array().into_iter().flatten() {
        let bytes = hex::all(receipt.as_str().unwrap_or_default()).unwrap_or_default();
        let signed = SignedReceipt::parse(&bytes)
            .map_err(|why| Failure::Unproven(format!("a receipt cannot be read: {why}")))?;
        let receipt = &signed.receipt;
        let name = format!("{}.{}.{}.receipt", receipt.id, receipt.party, stage(receipt.stage));
        let path = options.to.join(name);
        std::fs::write(&path, &bytes).map_err(|why| Failure::file(&path, why))?;
        saved.push(path.display().to_string());
    }
    Ok(json!({ "saved": saved }))
}

/// Verifies receipts with public keys alone.
pub(crate) fn verify(config: &Config, options: &Verify) -> Result<Value, Failure> {
    let content = options.content.as_deref().map(digest).transpose()?;
    let mut verified = Vec::new();
    for path in &options.receipts {
        let bytes = std::fs::read(path).map_err(|why| Failure::file(path, why))?;
        let unproven =
            |why: String| Failure::Unproven(format!("{} proves nothing: {why}", path.display()));
        let signed =
            SignedReceipt::parse(&bytes).map_err(|_| unproven("it is no receipt".into()))?;
        let receipt = &signed.receipt;
        let party = config.registry.party(&receipt.party);
        let key = party.and_then(|party| party.keys.get(&signed.key_number));
        let (key, _) = key.filter(|_| signed.key_number == KEY_NUMBER).ok_or_else(|| {
            unproven(format!("the configuration has no such key of {}", receipt.party))
        })?;
        signed.verify(key).map_err(|why| unproven(why.to_string()))?;
        if let Some((root, size)) = content
            && (root, size) != (receipt.root, receipt.size)
        {
            return Err(unproven("it is about other content".into()));
        }
        verified.push(json!({
            "party": receipt.party.as_str(),
            "stage": stage(receipt.stage),
            "id": receipt.id.to_string(),
            "root": hex::text(&receipt.root),
            "size": receipt.size,
            "at": receipt.at.to_string(),
        }));
    }
    Ok(Value::Array(verified))
}

/// An answer for people.
pub(crate) fn show(value: &Value) -> String {
    let mut shown = String::new();
    let list = |shown: &mut String, values: &[Value]| {
        for value in values {
            let line = value.as_object().into_iter().flatten().filter_map(|(name, value)| {
                let said = match value {
                    Value::Null => return None,
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                Some(format!("{name} {said}"))
            });
            let _ = writeln!(shown, "{}", line.collect::<Vec<_>>().join(", "));
        }
    };
    match value {
        Value::Array(values) if values.is_empty() => shown.push_str("nothing"),
        Value::Array(values) => list(&mut shown, values),
        Value::Object(fields) if fields.values().all(Value::is_array) => {
            for (name, values) in fields {
                let _ = writeln!(shown, "{name}:");
                match values.as_array().map(Vec::as_slice) {
                    Some([]) | None => shown.push_str("nothing\n"),
                    Some(values) if values[0].is_object() => list(&mut shown, values),
                    Some(values) => {
                        for value in values {
                            let _ = writeln!(shown, "{}", value.as_str().unwrap_or_default());
                        }
                    }
                }
            }
        }
        other => list(&mut shown, std::slice::from_ref(other)),
    }
    shown
}

fn is_server(config: &Config, id: &str) -> Result<(), Failure> {
    match config.server(id) {
        Some(_) => Ok(()),
        None => Err(Failure::Usage(format!(
            "{id} is no server of this site; it has {}",
            crate::servers::list(config)
        ))),
    }
}

/// Root and size of a file.
fn digest(path: &Path) -> Result<([u8; 32], u64), Failure> {
    let mut file = std::fs::File::open(path).map_err(|why| Failure::file(path, why))?;
    let mut root = filexfer::StreamingRoot::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(|why| Failure::file(path, why))?;
        if read == 0 {
            return Ok(root.finish());
        }
        root.update(&buffer[..read]);
    }
}

const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Origin => "origin",
        Stage::Received => "received",
        Stage::Verified => "verified",
        Stage::HandedOver => "handed-over",
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

const POLL: Duration = Duration::from_millis(200);
