//! The SFTP server: clients that speak nothing else push into their mailboxes and fetch from them.
//!
//! Each of them is a party with a client server like any other; only that the server runs here, with the client's key, and
//! the mailbox is its application. What a client pushes a backstage server asks for, by delegation: nobody else may ask.

use crate::config::{ClientFile, Config, SftpFile};
use crate::control::{self, Question, Standing, Wish, ask, stands};
use crate::failure::Failure;
use crate::lines::Lines;
use crate::rows::{self, TENANT};
use crate::servers::assembly::{client_server, folder, id_of};
use crate::servers::{self, Running};
use crate::{hex, secrets};
use filexfer::{ClientServer, FileName, Forwarder, PartyId, Reason, Stage, TransferId};
use link_sftp::{
    Asked, Client, ClientKey, Content, Desk, Event, HostKey, Limits, Mailbox, MailboxLimits,
    Options, SftpServer, Whole,
};
use port::{ReadSet, Row, Store, Time};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// Starts the server, and the client servers of those whom it serves; returns the links of these.
pub(crate) async fn start(
    config: &Config,
    sftp: &SftpFile,
    stations: &mut JoinSet<Result<(), Failure>>,
    stop: &watch::Receiver<bool>,
) -> Result<Vec<(String, Arc<Lines>)>, Failure> {
    let path = config.path(&sftp.host_key);
    let text = secrets::read(&path)?;
    let text = std::str::from_utf8(&text).unwrap_or_default();
    let host_key = HostKey::from_openssh(text).map_err(|why| Failure::file(&path, why))?;
    let fingerprint = host_key.fingerprint();
    let (mut clients, mut served, mut links) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (client, terms) in
        config.file.client.iter().filter_map(|one| Some((one, one.sftp.as_ref()?)))
    {
        let party = id_of(&client.id)?;
        let mailbox = Arc::new(mailbox(config, client, &terms.to)?);
        let says = |why: link_sftp::OpenError| Failure::Run(format!("{party}: {why}"));
        let keys = terms.keys.iter().map(|line| ClientKey::new(line)).collect::<Result<_, _>>();
        let keys = keys.map_err(says)?;
        folder(&config.state(&client.id))?;
        let (role, around, store) = client_server(config, party.clone(), client).await?;
        restore(&store, &mailbox).await.map_err(Failure::Run)?;
        let role = role.with_mailbox(Arc::clone(&mailbox));
        let Running { asks: asked, lines } =
            servers::begin(stations, stop, &client.id, role, store, around)?;
        links.push((client.id.clone(), lines));
        let class = terms.class.clone();
        served.insert(party.clone(), Served { asked, class, mailbox: Arc::clone(&mailbox) });
        clients.insert(party, Client { keys, mailbox });
    }
    let counter = Counter {
        desk: sftp.desk.clone(),
        socket: config.socket(&sftp.desk),
        verdict: Duration::from_millis(sftp.verdict_ms),
        served,
    };
    let limits = Limits { idle_ms: sftp.idle_ms, ..Limits::default() };
    let options = Options { listen: sftp.listen, host_key, clients, limits };
    let server = SftpServer::open(options, counter).await;
    let server =
        server.map_err(|why| Failure::Run(format!("{}: {why} at {}", sftp.id, sftp.listen)))?;
    tracing::info!(event = "sftp.listens", at = %sftp.listen, host_key = %fingerprint);
    let (desk, mut stop) = (server.desk(), stop.clone());
    stations.spawn(async move {
        tokio::select! {
            () = server.run() => {}
            () = watch_over(&desk) => {}
            () = async { drop(stop.wait_for(|stop| *stop).await) } => {}
        }
        Ok(())
    });
    Ok(links)
}

/// Asks for jobs, and tells client servers what was fetched.
struct Counter {
    /// The backstage server that asks.
    desk: String,
    socket: PathBuf,
    verdict: Duration,
    served: BTreeMap<PartyId, Served>,
}

struct Served {
    /// Its client server.
    asked: mpsc::Sender<control::Asked>,
    class: String,
    mailbox: Arc<Mailbox>,
}

impl Desk for Counter {
    async fn ask(&self, client: &PartyId, whole: &Whole) -> Asked {
        let until = Instant::now() + self.verdict;
        if let Err(why) = self.submit(client, whole).await {
            tracing::warn!(event = "sftp.unasked", %client, job = %whole.job, %why);
            return Asked::Unanswered;
        }
        let mut pause = Duration::from_millis(10);
        loop {
            let stands = stands(&self.socket, &self.desk, &[whole.job.to_string()]).await;
            match stands.unwrap_or_default().into_iter().flatten().next() {
                Some(Standing { state, code, .. }) if state == "refused" => {
                    let reason = Reason::ALL.into_iter().find(|reason| Some(reason.code()) == code);
                    return Asked::Refused(reason.unwrap_or(Reason::RouteNotAllowed));
                }
                Some(Standing { state, .. }) if state != "asked" => return Asked::Accepted,
                _ if Instant::now() >= until => return Asked::Unanswered,
                _ => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MOST);
        }
    }

    async fn fetched(&self, client: &PartyId, transfer: TransferId) {
        let Some(served) = self.served.get(client) else { return };
        let (reply, answer) = oneshot::channel();
        let question = Question::HandOver { transfer: hex::text(&transfer.0) };
        let is_sent = served.asked.send(control::Asked { question, reply }).await.is_ok();
        match answer.await {
            Ok(Ok(_)) if is_sent => {}
            // It can be fetched once more.
            Ok(Err(why)) => {
                tracing::warn!(event = "sftp.not_handed_over", %client, ?transfer, %why)
            }
            _ => tracing::warn!(event = "sftp.not_handed_over", %client, ?transfer),
        }
    }

    fn on_event(&self, event: Event) {
        match event {
            Event::Came { client, from } => tracing::info!(event = "sftp.came", %client, %from),
            Event::Went { client, from } => tracing::info!(event = "sftp.went", %client, %from),
            Event::Stranger { user, from } => {
                let user = user.as_ref().map_or("somebody", PartyId::as_str);
                tracing::warn!(event = "sftp.stranger", user, %from);
            }
            Event::Crowded { from } => tracing::warn!(event = "sftp.crowded", %from),
            Event::Refused { client, operation, why } => {
                tracing::info!(event = "sftp.refused", %client, operation, code = why.code(), %why);
            }
            Event::Pushed { client, whole } => {
                let Whole { job, to, name, size } = whole;
                tracing::info!(event = "sftp.pushed", %client, id = %job, %to, %name, size);
            }
            Event::Fetched { client, transfer } => {
                tracing::info!(event = "sftp.fetched", %client, ?transfer);
            }
            other => tracing::info!(event = "sftp.other", ?other),
        }
    }
}

impl Counter {
    /// The same job is asked for once, however often this is done.
    async fn submit(&self, client: &PartyId, whole: &Whole) -> Result<(), Failure> {
        let class = self.served.get(client).map_or_else(String::new, |served| served.class.clone());
        let wish = Wish {
            id: Some(whole.job.to_string()),
            size: Some(whole.size),
            from: client.to_string(),
            to: whole.to.to_string(),
            names: vec![whole.name.to_string()],
            class,
            on_conflict: 1,
            priority: 0,
            not_before_ms: None,
            deadline_ms: None,
            pack: false,
            packed: Vec::new(),
        };
        ask(&self.socket, &self.desk, &Question::Submit(wish)).await.map(drop)
    }

    /// What became of jobs that are not known to be over; asks once more for those that the desk has not heard of.
    async fn conclude(&self) -> Result<(), Failure> {
        for (client, served) in &self.served {
            let under_way = served.mailbox.under_way();
            let ids: Vec<String> = under_way.iter().map(|whole| whole.job.to_string()).collect();
            let stands = stands(&self.socket, &self.desk, &ids).await?;
            for (whole, stand) in under_way.into_iter().zip(stands) {
                let Some(Standing { state, is_over, .. }) = stand else {
                    self.submit(client, &whole).await?;
                    continue;
                };
                if !is_over {
                    continue;
                }
                let is_delivered = matches!(state.as_str(), "delivered" | "acknowledged");
                tracing::info!(event = "sftp.over", %client, id = %whole.job, state);
                let (mailbox, job) = (Arc::clone(&served.mailbox), whole.job);
                let done =
                    tokio::task::spawn_blocking(move || mailbox.conclude(&job, is_delivered)).await;
                if let Ok(Err(why)) = done {
                    tracing::error!(event = "sftp.kept", %client, id = %whole.job, code = why.code(), %why);
                }
            }
        }
        Ok(())
    }
}

/// Goes after jobs, and after uploads that nobody goes on with.
async fn watch_over(counter: &Counter) {
    let mut swept = Instant::now();
    loop {
        tokio::time::sleep(ROUND).await;
        if let Err(why) = counter.conclude().await {
            tracing::debug!(event = "sftp.desk_away", %why);
        }
        if swept.elapsed() < SWEEP {
            continue;
        }
        swept = Instant::now();
        for (client, served) in &counter.served {
            let mailbox = Arc::clone(&served.mailbox);
            let done = tokio::task::spawn_blocking(move || mailbox.sweep(SystemTime::now())).await;
            match done {
                Ok(Ok(0)) | Err(_) => {}
                Ok(Ok(removed)) => tracing::info!(event = "sftp.swept", %client, removed),
                Ok(Err(why)) => tracing::error!(event = "sftp.unswept", %client, %why),
            }
        }
    }
}

fn mailbox(
    config: &Config,
    client: &ClientFile,
    to: &BTreeMap<String, String>,
) -> Result<Mailbox, Failure> {
    let to = to.iter().map(|(party, folder)| Ok((id_of(party)?, folder.clone())));
    let to = to.collect::<Result<BTreeMap<PartyId, String>, Failure>>()?;
    let mut limits = MailboxLimits::default();
    limits.quota_bytes = client.quota_bytes.unwrap_or(limits.quota_bytes);
    let path = config.path(&client.root);
    let opened = Mailbox::open(&path, to, limits);
    opened.map_err(|why| Failure::Run(format!("{}: {why} ({})", client.id, path.display())))
}

/// Shows the client again what was published before this process began.
async fn restore<S: Store>(store: &S, mailbox: &Mailbox) -> Result<(), String> {
    // Of two files that had one name the later one is there.
    let mut found: BTreeMap<FileName, (Time, TransferId, Content)> = BTreeMap::new();
    rows::each(store, ClientServer::outcomes(TENANT), |key, row| {
        let Some(transfer) = key.as_bytes().last_chunk().map(|bytes| TransferId(*bytes)) else {
            return Ok(true);
        };
        let published = ClientServer::published_as(&row.value);
        let published = published.map_err(|why| format!("a stored row is damaged: {why}"))?;
        let (Some((name, at)), Some(content)) = (published, content_in(row)?) else {
            return Ok(true);
        };
        let at = at.unwrap_or(Time::EPOCH);
        if found.get(&name).is_none_or(|(earlier, ..)| *earlier <= at) {
            found.insert(name, (at, transfer, content));
        }
        Ok(true)
    })
    .await?;
    for (name, (_, transfer, content)) in found {
        let key = Forwarder::receipts(TENANT).raw(&transfer.0);
        let key = key.and_then(|key| key.raw(&[Stage::HandedOver.as_u8()]));
        let key = key.map_err(|why| why.to_string())?;
        let rows = store.read(&ReadSet::points([key])).await.map_err(|why| why.to_string())?;
        let is_handed_over = rows.points.first().is_some_and(Option::is_some);
        mailbox.offer(name, transfer, content, is_handed_over);
    }
    Ok(())
}

/// What a file that was published has to be.
pub(crate) async fn content_of<S: Store>(
    store: &S,
    transfer: &TransferId,
) -> Result<Content, String> {
    let key = ClientServer::outcomes(TENANT).raw(&transfer.0).map_err(|why| why.to_string())?;
    let rows = store.read(&ReadSet::points([key])).await.map_err(|why| why.to_string())?;
    let row = rows.points.first().and_then(Option::as_ref);
    let content = row.map(content_in).transpose()?.flatten();
    content.ok_or_else(|| "what became of it is not stored".into())
}

fn content_in(row: &Row) -> Result<Option<Content>, String> {
    let receipt = ClientServer::receipt_in(&row.value);
    let receipt = receipt.map_err(|why| format!("a stored row is damaged: {why}"))?;
    Ok(receipt.map(|signed| Content { size: signed.receipt.size, root: signed.receipt.root }))
}

const PAUSE_MOST: Duration = Duration::from_millis(200);
const ROUND: Duration = Duration::from_millis(500);
const SWEEP: Duration = Duration::from_secs(600);
