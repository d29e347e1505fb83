//! What the tasks on the sockets tell the exchange.

use crate::failure::Failure;
use crate::line;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use zeroize::Zeroizing;

/// Something happened on a socket.
#[derive(Debug)]
pub(crate) enum News {
    /// An acquirer connected; its answers go here.
    Joined { line: u64, answers: mpsc::Sender<Vec<u8>> },
    /// A message of an acquirer.
    Asked { line: u64, frame: Zeroizing<Vec<u8>> },
    /// An acquirer is gone.
    Left { line: u64 },
    /// The accounting system is connected; its messages go here.
    HostUp(mpsc::Sender<Vec<u8>>),
    /// The connection to it is gone.
    HostDown,
    /// A message of the accounting system.
    HostSaid(Zeroizing<Vec<u8>>),
}

/// What the exchange hears, by who said it.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) host: mpsc::Receiver<News>,
    pub(crate) acquirers: mpsc::Receiver<News>,
}

/// Starts the tasks on the sockets: one takes acquirers' connections, one keeps that to the host.
pub(crate) fn open(
    acquirers: TcpListener,
    host: SocketAddr,
    again: Duration,
) -> (Inbox, JoinSet<()>) {
    let (by_host, from_host) = mpsc::channel(NEWS_MAX);
    let (by_acquirers, from_acquirers) = mpsc::channel(NEWS_MAX);
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(acquirers, by_acquirers));
    tasks.spawn(connect(host, by_host, again));
    (Inbox { host: from_host, acquirers: from_acquirers }, tasks)
}

/// Takes acquirers' connections until the exchange is gone.
async fn accept(listener: TcpListener, news: mpsc::Sender<News>) {
    for line in 1.. {
        match listener.accept().await {
            Ok((stream, _)) => {
                if news.is_closed() {
                    return;
                }
                tokio::spawn(listen(line, stream, news.clone()));
            }
            // Too many open files, mostly: others may end soon.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn listen(line: u64, stream: TcpStream, news: mpsc::Sender<News>) {
    let (mut reader, answers) = line::split(stream);
    if news.send(News::Joined { line, answers }).await.is_err() {
        return;
    }
    while let Ok(Some(frame)) = reader.next().await {
        // A queue that is full holds the acquirer up, and nobody else.
        if news.send(News::Asked { line, frame }).await.is_err() {
            return;
        }
    }
    let _ = news.send(News::Left { line }).await;
}

/// Keeps a connection to the accounting system until the exchange is gone.
async fn connect(host: SocketAddr, news: mpsc::Sender<News>, again: Duration) {
    while !news.is_closed() {
        let Ok(stream) = TcpStream::connect(host).await else {
            sleep(again).await;
            continue;
        };
        let (mut reader, frames) = line::split(stream);
        if news.send(News::HostUp(frames)).await.is_err() {
            return;
        }
        while let Ok(Some(frame)) = reader.next().await {
            if news.send(News::HostSaid(frame)).await.is_err() {
                return;
            }
        }
        if news.send(News::HostDown).await.is_err() {
            return;
        }
        sleep(again).await;
    }
}

/// Listens here.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|why| Failure::Socket { address: address.to_string(), why })
}

/// Messages that wait for the exchange; then those who send them are held up.
const NEWS_MAX: usize = 1_024;
const PAUSE: Duration = Duration::from_millis(100);
