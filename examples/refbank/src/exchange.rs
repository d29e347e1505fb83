//! The file exchange: settlement files go to the merchants' banks through the machines of `interbank::filexfer`, with real files and
//! durable rows. All its servers are in this process; `filexfer-site` runs the same machines as servers of their own.

mod days;
mod receiving;
mod roles;
mod sent;
mod site;
mod station;
mod wire;
mod work;

use crate::bank::Bank;
use crate::business_day::BusinessDay;
use crate::merchant_bank::MerchantBank;
use crate::trouble::Trouble;
use interbank::filexfer::{JobId, OnConflict, Registry, State};
pub(crate) use receiving::{Ledger, NotEntered, is_proven};
pub(crate) use sent::Sent;
pub(crate) use site::{Folders, REPORTING_DESK, SETTLEMENT_DESK};
use site::{NotOpen, Site};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use work::Work;

/// Where the exchange is asked and watched.
#[derive(Clone)]
pub(crate) struct Exchange {
    orders: mpsc::Sender<Order>,
    shown: watch::Receiver<Shown>,
    pub(crate) folders: Folders,
}

impl Exchange {
    /// And what [`run`] needs.
    pub(crate) fn new(data: &Path) -> (Self, Running) {
        let (orders, asked) = mpsc::channel(16);
        let (show, shown) = watch::channel(Shown::default());
        (
            Self { orders, shown, folders: Folders::new(data) },
            Running { data: data.into(), asked, show },
        )
    }

    /// How it stands.
    pub(crate) fn shown(&self) -> watch::Receiver<Shown> {
        self.shown.clone()
    }

    /// Closes the business day and sends its files; `None` if nothing was posted since the last time.
    pub(crate) async fn close_day(&self) -> Result<Option<BusinessDay>, Trouble> {
        self.order(|reply| Order::Close { reply }).await?
    }

    /// Asks for a transfer.
    pub(crate) async fn ask(&self, wish: Wish) -> Result<JobId, Trouble> {
        self.order(|reply| Order::Ask { wish, reply }).await?
    }

    /// A merchant's bank comes or goes.
    pub(crate) async fn attend(
        &self,
        bank: &'static MerchantBank,
        present: bool,
    ) -> Result<(), Trouble> {
        self.order(|reply| Order::Attend { bank, present, reply }).await
    }

    /// The next parts of files are damaged on their way.
    pub(crate) async fn damage(&self, parts: u32) -> Result<(), Trouble> {
        self.order(|reply| Order::Damage { parts, reply }).await
    }

    /// Verifies the forwarding server's audit trail: how many records, and whether all are what was written.
    pub(crate) async fn audit(&self) -> Result<(usize, bool), Trouble> {
        self.order(|reply| Order::Audit { reply }).await?
    }

    async fn order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, Trouble> {
        let (reply, answer) = oneshot::channel();
        // Another process has it, or it is closing.
        self.orders.send(order(reply)).await.map_err(|_| Trouble::Busy)?;
        answer.await.map_err(|_| Trouble::Busy)
    }
}

/// What is to be transferred.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Who asks.
    pub(crate) requester: &'static str,
    /// A name in the settlement desk's folder.
    pub(crate) name: String,
    /// To whom.
    pub(crate) to: String,
    /// What it has to be; without it, whatever it is.
    pub(crate) is: Option<(u64, [u8; 32])>,
    pub(crate) on_conflict: OnConflict,
}

/// How the exchange stands.
#[derive(Clone, Default)]
pub(crate) struct Shown {
    pub(crate) standing: Standing,
    /// For verifying.
    pub(crate) registry: Option<Arc<Registry>>,
    /// Newest first.
    pub(crate) transfers: Vec<Transfer>,
    pub(crate) banks: Vec<BankShown>,
    /// Parts of files that were damaged on their way, and that were refused by whom they reached.
    pub(crate) parts: (u32, u32),
}

/// Whether it works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    #[default]
    Starting,
    Open,
    /// Another process of this bank has it.
    Elsewhere,
    Failed(String),
}

/// A request, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) sent: Sent,
    /// Where the forwarding server has it, while it has it.
    pub(crate) state: Option<State>,
    /// How often a file was looked at, read or written for it, since the start.
    pub(crate) touched: u32,
}

/// A merchant's bank.
#[derive(Clone, Debug)]
pub(crate) struct BankShown {
    pub(crate) bank: &'static MerchantBank,
    pub(crate) is_present: bool,
    pub(crate) books: Ledger,
    /// Files that arrived and are not entered.
    pub(crate) waiting: Vec<(String, NotEntered)>,
}

/// The other end of an [`Exchange`].
pub(crate) struct Running {
    data: PathBuf,
    asked: mpsc::Receiver<Order>,
    show: watch::Sender<Shown>,
}

enum Order {
    Close { reply: oneshot::Sender<Result<Option<BusinessDay>, Trouble>> },
    Ask { wish: Wish, reply: oneshot::Sender<Result<JobId, Trouble>> },
    Attend { bank: &'static MerchantBank, present: bool, reply: oneshot::Sender<()> },
    Damage { parts: u32, reply: oneshot::Sender<()> },
    Audit { reply: oneshot::Sender<Result<(usize, bool), Trouble>> },
}

/// Runs the exchange until the office closes. Where another process of the bank has it, this one waits for its end.
pub(crate) async fn run(bank: Arc<Bank>, mut running: Running, mut closing: watch::Receiver<bool>) {
    loop {
        let standing = match Site::open(&running.data).await {
            Ok(site) => {
                let mut work = Work::new(bank.clone(), site);
                match work.run(&mut running, &mut closing).await {
                    Ok(()) => return,
                    Err(why) => {
                        tracing::error!(event = "exchange.failed", %why);
                        Standing::Failed(why.to_string())
                    }
                }
            }
            Err(NotOpen::Elsewhere) => Standing::Elsewhere,
            Err(NotOpen::Failed(why)) => {
                tracing::error!(event = "exchange.closed", %why);
                Standing::Failed(why.to_string())
            }
        };
        running.show.send_replace(Shown { standing, ..Shown::default() });
        let pause = tokio::time::sleep(OPEN_AGAIN);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = async { drop(closing.wait_for(|closing| *closing).await) } => return,
                () = &mut pause => break,
                // Whoever asks is told that it is busy.
                order = running.asked.recv() => if order.is_none() { return },
            }
        }
    }
}

const OPEN_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::tests::{bank, order, pay};
    use crate::{clearing, clock};

    /// Waits until the exchange shows something.
    async fn until(exchange: &Exchange, found: impl Fn(&Shown) -> bool) {
        let mut shown = exchange.shown();
        shown.wait_for(found).await.unwrap();
    }

    fn is_entered(shown: &Shown) -> bool {
        shown.transfers.len() == 1 && shown.transfers[0].sent.handed_over.is_some()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_process_has_it_and_another_takes_over_what_is_owed() {
        let folder = tempfile::tempdir().unwrap();
        let (bank, wallet) = bank(&folder).await;
        let clearing = watch::Sender::new(false);
        let running = tokio::spawn(clearing::run(bank.clone(), clearing.subscribe()));
        let start = || {
            let closing = watch::Sender::new(false);
            let (exchange, running) = Exchange::new(folder.path());
            let task = tokio::spawn(run(bank.clone(), running, closing.subscribe()));
            (exchange, closing, task)
        };
        let (first, closing, task) = start();
        until(&first, |shown| shown.standing == Standing::Open).await;
        let (second, closing_second, second_task) = start();
        until(&second, |shown| shown.standing == Standing::Elsewhere).await;
        assert!(matches!(second.close_day().await, Err(Trouble::Busy)));
        assert!(first.close_day().await.unwrap().is_none());
        closing.send_replace(true);
        task.await.unwrap();

        // The day was closed, and its files were not written when the process ended.
        let (_, code) = order(&bank, 400).await;
        assert_eq!(pay(&wallet, &code).await.outcome, "accepted");
        while bank.unsettled().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let day = bank.close_day(clock::now()).await.unwrap().unwrap();
        until(&second, |shown| shown.standing == Standing::Open).await;
        closing_second.send_replace(true);
        second_task.await.unwrap();
        let (third, closing, task) = start();
        until(&third, is_entered).await;
        let north = MerchantBank::named("north-bank").unwrap();
        let name = day.file_name(north).unwrap();
        let received = std::fs::read(third.folders.received(north).join(&name)).unwrap();
        let file = bank.settlement_file(&day, north).await.unwrap().unwrap();
        assert_eq!(received, file.to_text().unwrap().into_bytes());
        closing.send_replace(true);
        task.await.unwrap();

        // Again from the start: nothing is asked for twice, and nothing is entered twice.
        let (fourth, closing, task) = start();
        until(&fourth, is_entered).await;
        let shown = fourth.shown().borrow().clone();
        assert_eq!(shown.transfers[0].touched, 0);
        assert_eq!(shown.banks[0].books.last, 1);
        assert!(fourth.audit().await.unwrap().1);
        closing.send_replace(true);
        task.await.unwrap();
        clearing.send_replace(true);
        running.await.unwrap();
    }
}
