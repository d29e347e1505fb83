//! All nodes of a local network as processes of their own; whichever ends is started again.

use crate::failure::Failure;
use crate::making;
use crate::options;
use serde_json::json;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// Makes a network if it is not there, and runs it until Ctrl-C.
pub(crate) fn network(options: &options::Network, json: bool) -> Result<(), Failure> {
    let home = &options.folder;
    let is_there = home.join(making::NETWORK).exists();
    let configs = if is_there { making::made(home)? } else { making::make(options)? };
    if options.only_make {
        let nodes: Vec<_> = configs.iter().map(|path| path.display().to_string()).collect();
        let home = home.display();
        let made =
            if is_there { format!("{home} is left as it was") } else { format!("made {home}") };
        let said = format!("{made}; run each node with `ledger_node run CONFIG`");
        return say(&if json { json!({ "nodes": nodes }).to_string() } else { said });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::run)?.block_on(run(home, configs, json))
}

async fn run(home: &Path, configs: Vec<PathBuf>, json: bool) -> Result<(), Failure> {
    let mut nodes = JoinSet::new();
    let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let count = configs.len();
    for config in configs {
        nodes.spawn(keep(config, started.clone()));
    }
    drop(started);
    let mut ready = 0;
    loop {
        tokio::select! {
            ended = tokio::signal::ctrl_c() => return ended.map_err(Failure::run),
            Some(ended) = nodes.join_next() => {
                return ended.unwrap_or_else(|why| Err(Failure::run(why)));
            }
            Some((node, pid)) = starts.recv() => {
                ready += 1;
                let line = match json {
                    true => json!({ "ready": node, "pid": pid }).to_string(),
                    false => format!("ready: {node} (process {pid})"),
                };
                say(&line)?;
                if ready == count && !json {
                    say(&format!(
                        "all {count} nodes run; use them from another terminal, such as in {}; Ctrl-C ends them",
                        home.join("member-1").display()
                    ))?;
                }
            }
        }
    }
}

/// Runs one node, again and again. Its standard input ends with this process, and the node with that.
async fn keep(
    config: PathBuf,
    started: tokio::sync::mpsc::UnboundedSender<(String, u32)>,
) -> Result<(), Failure> {
    let log = config.with_file_name("log");
    let mut failures = 0;
    loop {
        let mut child = start(&config, &log)?;
        // Waiting for a child closes its input, unless somebody else holds it.
        let input = child.stdin.take();
        if let Some(node) = ready(&mut child).await {
            failures = 0;
            // Nobody listens any more when this process ends.
            let _ = started.send((node, child.id().unwrap_or(0)));
        } else {
            failures += 1;
        }
        let ended = child.wait().await.map_err(Failure::run)?;
        drop(input);
        if failures >= FAILURES_MAX {
            let why = format!("the node does not start ({ended}); its log says why");
            return Err(Failure::file(&log, why));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn start(config: &Path, log: &Path) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(Failure::run)?;
    let log = File::options().create(true).append(true).open(log);
    Command::new(program)
        .args(["run", "--with-parent"])
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log.map_err(Failure::run)?)
        .kill_on_drop(true)
        .spawn()
        .map_err(Failure::run)
}

/// The name of a node as soon as it is ready.
async fn ready(child: &mut Child) -> Option<String> {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut()?).read_line(&mut line).await.ok()?;
    line.trim_end().strip_prefix("ready: ").map(str::to_owned)
}

fn say(line: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::run(why)),
        _ => Ok(()),
    }
}

const PAUSE: Duration = Duration::from_millis(500);
const FAILURES_MAX: u32 = 5;
