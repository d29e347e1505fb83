//! The bank at work: everything that runs beside requests, opened and closed in order.

use crate::bank::{Bank, ISSUER, ISSUER_KEY, currency};
use crate::clearing;
use crate::exchange::{self, Exchange};
use crate::failure::Failure;
use crate::line::Line;
use crate::options::Place;
use crate::trouble::Trouble;
use crate::wallet::{PAYERS, Wallet, WalletFile};
use crate::web::public;
use interbank::port::Amount;
use interbank::qrpay::Pin;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bank and wallets, with the tasks that serve them.
pub(crate) struct Office {
    pub(crate) bank: Arc<Bank>,
    pub(crate) wallet: Arc<Wallet>,
    pub(crate) exchange: Exchange,
    closing: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Office {
    /// Opens everything in a data folder and starts the tasks.
    pub(crate) async fn open(folder: &Path, place: &Place) -> Result<Self, Failure> {
        let bank = Arc::new(Bank::open(folder, place).await?);
        bank.open_books().await?;
        let issuer = (ISSUER, ISSUER_KEY, bank.issuer());
        let phones = WalletFile::open(&folder.join("wallet.json"), issuer)?;
        let wallet = Wallet::new(phones, Line::new(public(bank.clone())));
        enrol(&bank, &wallet).await?;
        let closing = watch::Sender::new(false);
        let (exchange, running) = Exchange::new(folder);
        let tasks = vec![
            tokio::spawn(exchange::run(bank.clone(), running, closing.subscribe())),
            tokio::spawn(clearing::run(bank.clone(), closing.subscribe())),
            tokio::spawn(clearing::look_after(bank.clone(), closing.subscribe())),
            tokio::spawn(bank.trail().clone().run(bank.recorded().clone(), closing.subscribe())),
        ];
        Ok(Self { bank, wallet: Arc::new(wallet), exchange, closing, tasks })
    }

    /// Told when the office closes.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Tells everybody that the office closes.
    pub(crate) fn announce_closing(&self) -> watch::Sender<bool> {
        self.closing.clone()
    }

    /// Ends the tasks and closes the store. What is owed stays owed: it is a row.
    pub(crate) async fn close(self) {
        self.closing.send_replace(true);
        for task in self.tasks {
            if let Err(why) = task.await {
                tracing::error!(event = "office.failed", %why);
            }
        }
    }
}

/// Sees to it that every phone is bound to its account. The PIN is told at the counter, as it were.
async fn enrol(bank: &Bank, wallet: &Wallet) -> Result<(), Trouble> {
    for phone in wallet.phones() {
        let Some(payer) = PAYERS.iter().find(|payer| payer.slug == phone.slug) else { continue };
        let opening = Amount::new(payer.opening_minor, currency()?);
        let use_key = || phone.use_key(Pin::new(payer.pin.as_bytes())?);
        bank.enrol(&phone.account, &phone.name, opening, &phone.device, use_key).await?;
        let (device, key) = phone.key_without_pin()?;
        bank.enrol(&phone.account, &phone.name, opening, &device, || Ok(key)).await?;
        if payer.has_car {
            let (device, key) = phone.key_of_car()?;
            bank.enrol(&phone.account, &phone.name, opening, &device, || Ok(key)).await?;
        }
    }
    Ok(())
}
