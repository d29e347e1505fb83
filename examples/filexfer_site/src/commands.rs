//! What is asked of running servers, and what needs none.

mod receipts;
mod unpack;

pub(crate) use receipts::{save, verify};
pub(crate) use unpack::unpack;

use crate::config::{Config, Server};
use crate::control::{Made, Question, Standing, Wish, ask, stands};
use crate::failure::Failure;
use crate::options::{Conflict, Status, Submit};
use crate::progress;
use crate::rows;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Asks for files to be sent, and waits until the requests are judged; with `--wait` until the files are there.
pub(crate) async fn submit(config: &Config, options: &Submit) -> Result<Value, Failure> {
    let requester = &options.requester;
    is_server(config, requester)?;
    let socket = config.socket(requester);
    let mut asked: Vec<Made> = Vec::with_capacity(options.names.len());
    for names in pieces(&options.names) {
        let answer = ask(&socket, requester, &Question::Submit(wish(options, names))).await?;
        let made: Vec<Made> =
            serde_json::from_value(answer["made"].clone()).map_err(Failure::run)?;
        asked.extend(made);
    }
    if options.no_answer {
        return Ok(made(&asked, "asked"));
    }
    let ids: Vec<&str> = asked.iter().map(|made| made.id.as_str()).collect();
    let default_s = if options.wait { RESULT_S } else { ANSWER_S };
    let limit_s = options.timeout_s.unwrap_or(default_s);
    let until = Instant::now() + Duration::from_secs(limit_s);
    let bar = options.wait.then(progress::bar);
    let mut shown = Instant::now();
    let mut found: Vec<Option<Standing>> = ids.iter().map(|_| None).collect();
    let stands = loop {
        let is_open = |found: &Option<Standing>| {
            found.as_ref().is_none_or(|stand| {
                // What is in a pack is there when the destination has signed for it.
                let is_packed = options.pack && stand.is_delivered() && !stand.is_handed_over;
                let is_open = !stand.is_over || is_packed;
                is_open && (options.wait || stand.state == "asked")
            })
        };
        // The others are as far as they are waited for.
        let open: Vec<usize> = (0..ids.len()).filter(|at| is_open(&found[*at])).collect();
        let questions: Vec<String> = open.iter().map(|at| ids[*at].to_owned()).collect();
        let begun = Instant::now();
        let answer = stands(&socket, requester, &questions).await?;
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
                ([_], [Some(stand)]) if stand.is_delivered() => format!(
                    "the pack is there, and its files were not taken within {limit_s} s: does {} unpack?",
                    options.to
                ),
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
                _ => {
                    let files = |made: &Made| made.files;
                    let done = asked.iter().zip(&found).filter(|(_, found)| !is_open(found));
                    let done = done.map(|(made, _)| made.files).sum();
                    progress::files(bar, done, asked.iter().map(files).sum());
                }
            }
        }
        // The more are asked about, the longer an answer takes, and servers have other things to do.
        let pause = (took * 10).clamp(POLL, POLL_MOST);
        tokio::time::sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    conclude(&asked, &stands)?;
    match &ids[..] {
        [id] if options.wait => {
            let question = Question::Status { id: Some((*id).to_owned()) };
            Ok(ask(&socket, requester, &question).await?["requests"][0].clone())
        }
        _ => Ok(made(&asked, if options.wait { "delivered" } else { "accepted" })),
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
        pack: options.pack,
        packed: Vec::new(),
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
fn conclude(asked: &[Made], stands: &[Standing]) -> Result<(), Failure> {
    let is_bad = |stand: &&Standing| stand.state != "accepted" && !stand.is_delivered();
    let Some(at) = stands.iter().position(|stand| is_bad(&stand)) else { return Ok(()) };
    let Standing { state, code, why, .. } = &stands[at];
    let (code, why) = (code.unwrap_or(0), why.as_ref().unwrap_or(state));
    let name = &asked[at].name;
    let why = match (asked.len(), stands.iter().filter(is_bad).count() - 1) {
        (1, _) => why.clone(),
        (_, 0) => format!("{name}: {why}"),
        (_, 1) => format!("{name}: {why}, and so is another"),
        (_, others) => format!("{name}: {why}, and so are {others} others"),
    };
    match state.as_str() {
        "refused" => Err(Failure::Refused { code, why }),
        _ => Err(Failure::Undelivered { code, why }),
    }
}

/// Ids and names, where all went well.
fn made(asked: &[Made], state: &str) -> Value {
    match asked {
        [one] => json!({ "id": one.id, "state": state }),
        _ => {
            let one = |one: &Made| match one.files {
                1 => json!({ "id": one.id, "name": one.name, "state": state }),
                files => json!({ "id": one.id, "name": one.name, "files": files, "state": state }),
            };
            asked.iter().map(one).collect()
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

/// Has a client ask for what waits for it.
pub(crate) async fn collect(config: &Config, id: &str) -> Result<Value, Failure> {
    ask(&config.socket(id), id, &Question::Collect).await
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
