//! What is asked of running servers, and what needs none.

use crate::config::{Config, KEY_NUMBER, Server};
use crate::control::{Question, Standing, Wish, ask, stands};
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

/// Asks for files to be sent, and waits until the requests are judged; with `--wait` until the files are there.
pub(crate) async fn submit(config: &Config, options: &Submit) -> Result<Value, Failure> {
    let requester = &options.requester;
    is_server(config, requester)?;
    let socket = config.socket(requester);
    let mut ids: Vec<String> = Vec::with_capacity(options.names.len());
    for names in pieces(&options.names) {
        let answer = ask(&socket, requester, &Question::Submit(wish(options, names))).await?;
        let made = answer["ids"].as_array().into_iter().flatten();
        ids.extend(made.filter_map(Value::as_str).map(str::to_owned));
    }
    if options.no_answer {
        return Ok(made(options, &ids, "asked"));
    }
    let default_s = if options.wait { RESULT_S } else { ANSWER_S };
    let limit_s = options.timeout_s.unwrap_or(default_s);
    let until = Instant::now() + Duration::from_secs(limit_s);
    let bar = options.wait.then(progress::bar);
    let mut shown = Instant::now();
    let mut found: Vec<Option<Standing>> = ids.iter().map(|_| None).collect();
    let stands = loop {
        let is_open = |found: &Option<Standing>| {
            found
                .as_ref()
                .is_none_or(|stand| !stand.is_over && (options.wait || stand.state == "asked"))
        };
        // The others are as far as they are waited for.
        let open: Vec<usize> = (0..ids.len()).filter(|at| is_open(&found[*at])).collect();
        let asked: Vec<String> = open.iter().map(|at| ids[*at].clone()).collect();
        let begun = Instant::now();
        let answer = stands(&socket, requester, &asked).await?;
        let took = begun.elapsed();
        for (at, stand) in open.into_iter().zip(answer) {
            let stand =
                stand.ok_or_else(|| Failure::run("what was asked for is not known any more"))?;
            found[at] = Some(stand);
        }
        let left = found.iter().filter(|found| is_open(found)).count();
        if left == 0 {
            break found.into_iter().flatten().collect::<Vec<_>>();
        }
        if Instant::now() >= until {
            let why = match (&ids[..], &found[..]) {
                ([id], [Some(stand)]) => format!(
                    "it is {} after {limit_s} s; ask again with `status --of {requester} --id {id}`",
                    stand.state
                ),
                _ => format!(
                    "{left} of {} requests are not so far after {limit_s} s; ask again with `status --of {requester}`",
                    ids.len()
                ),
            };
            return Err(Failure::Run(why));
        }
        if let Some(bar) = bar.as_ref().filter(|bar| !bar.is_hidden())
            && shown <= Instant::now()
        {
            shown += SHOW;
            match (&ids[..], &found[..]) {
                ([id], [Some(stand)]) => show_bytes(config, bar, id, &stand.state).await,
                _ => progress::files(bar, ids.len() - left, ids.len()),
            }
        }
        // The more are asked about, the longer an answer takes, and servers have other things to do.
        let pause = (took * 10).clamp(POLL, POLL_MOST);
        tokio::time::sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    conclude(options, &ids, &stands)?;
    match &ids[..] {
        [id] if options.wait => {
            let question = Question::Status { id: Some(id.clone()) };
            Ok(ask(&socket, requester, &question).await?["requests"][0].clone())
        }
        _ => Ok(made(options, &ids, if options.wait { "delivered" } else { "accepted" })),
    }
}

/// What is to be asked for these files.
fn wish(options: &Submit, names: &[String]) -> Wish {
    let ms = |at: jiff::Timestamp| u64::try_from(at.as_millisecond()).unwrap_or(0);
    Wish {
        id: None,
        size: None,
        from: options.from.clone().unwrap_or_else(|| options.requester.clone()),
        to: options.to.clone(),
        names: names.to_vec(),
        class: options.class.clone(),
        on_conflict: match options.on_conflict {
            Conflict::Fail => 1,
            Conflict::Replace => 2,
            Conflict::Version => 3,
        },
        priority: options.priority,
        not_before_ms: options.not_before.map(ms),
        deadline_ms: options.deadline.map(ms),
    }
}

/// Names in pieces that a question has room for, even where each character is escaped.
fn pieces(names: &[String]) -> Vec<&[String]> {
    const ROOM: usize = 8 << 10;
    let mut pieces = Vec::new();
    let (mut first, mut bytes) = (0, 0);
    for (at, name) in names.iter().enumerate() {
        bytes += name.len() + 3;
        if bytes > ROOM && at > first {
            pieces.push(&names[first..at]);
            (first, bytes) = (at, name.len() + 3);
        }
    }
    pieces.push(&names[first..]);
    pieces
}

/// The first request that came to nothing decides what is said.
fn conclude(options: &Submit, ids: &[String], stands: &[Standing]) -> Result<(), Failure> {
    let is_bad = |stand: &&Standing| {
        !matches!(stand.state.as_str(), "accepted" | "delivered" | "acknowledged")
    };
    let Some(at) = stands.iter().position(|stand| is_bad(&stand)) else { return Ok(()) };
    let Standing { state, code, why, .. } = &stands[at];
    let (code, why) = (code.unwrap_or(0), why.as_ref().unwrap_or(state));
    let why = match (ids.len(), stands.iter().filter(is_bad).count() - 1) {
        (1, _) => why.clone(),
        (_, 0) => format!("{}: {why}", options.names[at]),
        (_, 1) => format!("{}: {why}, and so is another", options.names[at]),
        (_, others) => format!("{}: {why}, and so are {others} others", options.names[at]),
    };
    match state.as_str() {
        "refused" => Err(Failure::Refused { code, why }),
        _ => Err(Failure::Undelivered { code, why }),
    }
}

/// Ids and names, where all went well.
fn made(options: &Submit, ids: &[String], state: &str) -> Value {
    match ids {
        [id] => json!({ "id": id, "state": state }),
        _ => {
            let all = ids.iter().zip(&options.names);
            all.map(|(id, name)| json!({ "id": id, "name": name, "state": state })).collect()
        }
    }
}

/// How far it is: the forwarding server knows, where it runs here.
async fn show_bytes(config: &Config, bar: &indicatif::ProgressBar, id: &str, state: &str) {
    let forwarder = &config.file.forwarder.id;
    let question = Question::Status { id: Some(id.to_owned()) };
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
        Some(Server::Sftp(_)) => Err(Failure::Usage(format!(
            "{id} serves SFTP and is not asked itself; its clients and the desk are"
        ))),
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

/// The shortest pause between two questions how far requests are.
const POLL: Duration = Duration::from_millis(10);
/// The longest, where there are very many.
const POLL_MOST: Duration = Duration::from_secs(1);
/// How often to show it.
const SHOW: Duration = Duration::from_millis(200);
/// How long to wait for the answer, and for the result, in seconds.
const ANSWER_S: u64 = 30;
const RESULT_S: u64 = 3_600;
