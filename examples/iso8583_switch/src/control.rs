//! Orders to the simulated accounting system, one a line.

use crate::host::Host;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Takes orders until the task is dropped.
pub(crate) async fn serve(host: Arc<Host>, listener: TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(host.clone(), stream));
        }
    }
}

async fn converse(host: Arc<Host>, mut stream: TcpStream) {
    let (reader, mut writer) = stream.split();
    // An order is short; who writes more than this is no operator.
    let mut lines = BufReader::new(reader.take(BYTES_MAX)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = obey(&host, line.trim());
        if writer.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn obey(host: &Host, line: &str) -> String {
    if line == "books" {
        return host.look(|books| {
            let counts = books.counts();
            format!(
                "{} requests and {} advices, {} of them repeats; {} posted, in minor units",
                counts.requests,
                counts.advices,
                counts.repeats,
                books.paid_minor()
            )
        });
    }
    match line.parse() {
        Ok(mood) => {
            host.set(mood);
            format!("now: {mood}")
        }
        Err(why) => format!("{why}, or books"),
    }
}

const BYTES_MAX: u64 = 65_536;
