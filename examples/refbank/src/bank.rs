//! The bank: payment server, keys, store and book, and what they do together.

use crate::book::{Book, Holder};
use crate::clock;
use crate::failure::Failure;
use crate::forecourt::{Forecourt, STATION, station};
use crate::gate::{Gate, answers_with_pin};
use crate::keyring::{DECOY, Keyring, SIGNING, WRAPPING};
use crate::options::Place;
use crate::owner::Owner;
use crate::parameters::ParametersIssuer;
use crate::recorded::{Recorded, nothing};
use crate::rows;
use crate::slip::Slip;
use crate::switchboard::Reading;
use crate::trail::Trail;
use crate::trouble::Trouble;
use crate::vault::Vault;
use interbank::port::outbox::Entry;
use interbank::port::{
    Amount, Batch, Currency, Decision, Key, KeyError, Peer, ReadSet, Row, Scan, Store as _, Time,
    Version, decide,
};
use interbank::qrpay::{
    Accepted, Binding, DeviceId, Enrolled, Instruction, InstructionKind, Payment, PaymentId,
    PaymentRequest, PaymentServer, PaymentState, Policy, Rebinding, ServerConfig, Uid, Verdict,
};
use interbank::seal::{
    Account, AccountRef, AccountTokens, Audit, Audited, Secret, SoftKeys, VerifyingKey,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, broadcast, watch};

/// Everything of the bank that requests share.
pub(crate) struct Bank {
    vault: Arc<Vault>,
    keys: SoftKeys,
    server: PaymentServer,
    tokens: AccountTokens,
    issuer: VerifyingKey,
    forms: Secret<32>,
    gate: Gate,
    forecourt: Forecourt,
    book: Book,
    parameters_issuer: ParametersIssuer,
    trail: Trail,
    changes: broadcast::Sender<Uid>,
    owed: Notify,
    ordered: Notify,
    reading: watch::Sender<Option<Reading>>,
    recorded: Arc<Notify>,
}

impl Bank {
    /// Opens the bank in a data folder; makes folder, keys and store where there are none.
    pub(crate) async fn open(folder: &Path, place: &Place) -> Result<Self, Failure> {
        make_folder(folder)?;
        let store = folder.join("store");
        let had_store = store.exists();
        let vault = Arc::new(Vault::open(&store, place).await?);
        let owner = Owner::of(&vault).await?;
        let had_rows = if vault.is_shared() { owner.is_known() } else { had_store };
        let path = folder.join("keys.json");
        let keyring = Keyring::open(&path, had_rows)?;
        owner.must_be(&keyring.issuer, &vault, &path).await?;
        let server = PaymentServer::new(ServerConfig {
            tenant: rows::TENANT,
            issuer: ISSUER.into(),
            issuer_key_id: ISSUER_KEY,
            signing: SIGNING,
            wrapping: WRAPPING,
            decoy: DECOY,
            accounting: Peer::new("book").ok_or_else(|| Failure::Run("no such peer".into()))?,
            policy: Policy::default(),
        });
        let server = server.map_err(|why| Failure::Run(why.to_string()))?;
        Ok(Self {
            keys: keyring.keys,
            server,
            tokens: keyring.tokens,
            issuer: keyring.issuer,
            forms: keyring.forms,
            forecourt: Forecourt::new(&keyring.surroundings)?,
            gate: Gate::new(keyring.surroundings)?,
            book: Book::new(vault.clone()),
            parameters_issuer: ParametersIssuer::open(&folder.join("accounting.json"))?,
            trail: Trail::new(vault.clone()),
            vault,
            changes: broadcast::Sender::new(256),
            owed: Notify::new(),
            ordered: Notify::new(),
            reading: watch::Sender::new(None),
            recorded: Arc::new(Notify::new()),
        })
    }

    /// Decides over a payer's one message.
    pub(crate) async fn pay(&self, request: PaymentRequest) -> Result<Verdict<Accepted>, Trouble> {
        self.redeem(request, answers_with_pin).await
    }

    /// Decides over a message that one of these keys has to have answered.
    pub(crate) async fn redeem(
        &self,
        request: PaymentRequest,
        accepts: fn(&DeviceId) -> bool,
    ) -> Result<Verdict<Accepted>, Trouble> {
        let uid = request.uid.clone();
        let token = self.tokens.token(&request.account);
        let redeem = self.server.redeem(clock::now(), request, token).answered_by(accepts);
        let verdict = self.decide(redeem).await?;
        match &verdict {
            Verdict::Granted(accepted) => {
                tracing::info!(event = "pay.accepted", %uid, repeated = accepted.repeated);
                self.owed.notify_one();
            }
            Verdict::Declined(why) => {
                tracing::info!(event = "pay.declined", %uid, code = why.code())
            }
        }
        self.changed(&uid);
        Ok(verdict)
    }

    /// Where a payment stands, for whoever knows its number: the payer's client.
    pub(crate) async fn payment(
        &self,
        uid: &Uid,
        id: &PaymentId,
    ) -> Result<Option<Payment>, Trouble> {
        let row = self.point(self.server.payment_key(uid, id)).await?;
        Ok(row.map(|row| Payment::parse(&row.value)).transpose()?)
    }

    /// Opens an account in the book and binds a device to it, unless it is bound.
    pub(crate) async fn enrol(
        &self,
        account: &Account,
        name: &str,
        opening: Amount,
        device: &DeviceId,
        use_key: impl FnOnce() -> Result<Secret<32>, Trouble>,
    ) -> Result<(), Trouble> {
        let token = self.tokens.token(account);
        self.book.open(Holder::Payer(token), name, opening).await?;
        let bound = self.point(self.server.binding_key(&token)).await?;
        let bound = bound.map(|row| Binding::parse(&row.value, &token)).transpose()?;
        if bound.is_some_and(|bound| bound.keys.iter().any(|key| key.device == *device)) {
            return Ok(());
        }
        let enrolled = Enrolled::Hmac { use_key: use_key()?, typed_digits: 0 };
        let (now, entropy) = (clock::now(), clock::entropy()?);
        let bind = self.server.bind(now, &entropy, token, device.clone(), 1, enrolled)?;
        match self.decide(bind).await? {
            Verdict::Granted(_) => Ok(()),
            Verdict::Declined(why) => Err(Trouble::Inside(why.to_string().into())),
        }
    }

    /// Whether too many wrong replies locked an account.
    pub(crate) async fn is_locked(&self, token: &AccountRef) -> Result<bool, Trouble> {
        let row = self.point(self.server.binding_key(token)).await?;
        let binding = row.map(|row| Binding::parse(&row.value, token)).transpose()?;
        Ok(binding.is_some_and(|binding| binding.locked))
    }

    /// Unlocks an account, and forgets the wrong replies of the past.
    pub(crate) async fn unlock(&self, token: AccountRef) -> Result<(), Trouble> {
        let rebind = self.server.rebind(clock::now(), token, Rebinding::Unlock);
        let verdict = self.decide(rebind).await?;
        tracing::info!(event = "account.unlocked", granted = verdict.declined().is_none());
        Ok(())
    }

    /// Settles what the accounting system answered; says whether its entry is done with.
    pub(crate) async fn settle(
        &self,
        key: Key,
        version: Version,
        entry: &Entry,
        answer: &[u8],
    ) -> Result<bool, Trouble> {
        let settle = self.server.settle(clock::now(), key, version, entry, answer)?;
        let slip = Slip::put(entry, answer)?;
        let also = |verdict: &Verdict<_>, batch: &mut Batch| {
            if verdict.declined().is_none() {
                slip(batch);
            }
            Ok(())
        };
        let verdict = self.decide_with(settle, also).await?;
        let uid = Instruction::parse(&entry.content)?.uid;
        let granted = verdict.declined().is_none();
        match verdict {
            Verdict::Granted(settled) => {
                tracing::info!(event = "pay.settled", %uid, state = ?settled.state);
            }
            Verdict::Declined(why) => {
                // The entry stays, for a person to look at.
                tracing::error!(event = "settle.declined", %uid, code = why.code());
            }
        }
        self.changed(&uid);
        Ok(granted)
    }

    /// Gives up waiting for the accounting system where it took too long; the oldest entries come first.
    pub(crate) async fn lapse_overdue(&self, now: Time) -> Result<(), Trouble> {
        let settle_ms = self.server.config().policy.settle_ms;
        for entry in self.owed_entries(Scan::ROWS_MAX).await? {
            if now.since_ms(entry.created) < settle_ms {
                break;
            }
            let instruction = Instruction::parse(&entry.content)?;
            let (uid, id) = (instruction.uid, instruction.payment);
            let payment = self.payment(&uid, &id).await?;
            let waits = payment.is_some_and(|payment| payment.state == PaymentState::Accepted);
            if instruction.kind == InstructionKind::Debit && waits {
                let verdict = self.decide(self.server.lapse(now, uid.clone(), id)).await?;
                tracing::warn!(event = "pay.lapsed", %uid, granted = verdict.granted().is_some());
                self.changed(&uid);
            }
        }
        Ok(())
    }

    /// What is owed to the accounting system, oldest first.
    pub(crate) async fn owed_entries(&self, limit: usize) -> Result<Vec<Entry>, Trouble> {
        let want = ReadSet::scan(Scan::first(self.server.outbox(), limit));
        let found = self.vault.read(&want).await.map_err(Trouble::store)?;
        let page = found.scans.into_iter().next().unwrap_or_default();
        page.iter().map(|(_, row)| Ok(Entry::parse(&row.value)?)).collect()
    }

    /// Runs a decision with its audit record.
    pub(crate) async fn decide<V, D>(&self, decision: D) -> Result<V, Trouble>
    where
        D: Decision<Verdict = Audited<V>>,
    {
        self.decide_with(decision, nothing).await
    }

    /// Runs a decision with its audit record and further rows.
    pub(crate) async fn decide_with<V, D>(
        &self,
        decision: D,
        also: impl Fn(&V, &mut Batch) -> Result<(), KeyError>,
    ) -> Result<V, Trouble>
    where
        D: Decision<Verdict = Audited<V>>,
    {
        let mut recorded = Recorded::new(decision, &clock::entropy()?, also);
        let verdict = decide(&*self.vault, &self.keys, &mut recorded).await?;
        self.recorded.notify_one();
        Ok(verdict)
    }

    /// Puts a record into the audit log.
    pub(crate) async fn record(&self, audit: &Audit) -> Result<(), Trouble> {
        self.trail.note(audit, &clock::entropy()?).await?;
        self.recorded.notify_one();
        Ok(())
    }

    /// One row.
    pub(crate) async fn point(&self, key: Key) -> Result<Option<Row>, Trouble> {
        let found = self.vault.read(&ReadSet::points([key])).await.map_err(Trouble::store)?;
        Ok(found.points.into_iter().next().flatten())
    }

    /// All rows under a prefix, page by page.
    pub(crate) async fn rows_under(&self, prefix: Key) -> Result<Vec<(Key, Row)>, Trouble> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let scan = Scan { prefix: prefix.clone(), after, limit: Scan::ROWS_MAX };
            let found = self.vault().read(&ReadSet::scan(scan)).await.map_err(Trouble::store)?;
            let page = found.scans.into_iter().next().unwrap_or_default();
            let full = page.len() == Scan::ROWS_MAX;
            all.extend(page);
            after = all.last().filter(|_| full).map(|(key, _)| key.clone());
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// Tells whoever watches that an order changed.
    pub(crate) fn changed(&self, uid: &Uid) {
        // Nobody may be watching.
        let _ = self.changes.send(uid.clone());
    }

    /// Watches for changed orders.
    pub(crate) fn watch(&self) -> broadcast::Receiver<Uid> {
        self.changes.subscribe()
    }

    /// Comes back when something may be owed to the accounting system.
    pub(crate) async fn owed(&self) {
        self.owed.notified().await;
    }

    /// Something is owed to the accounting system.
    pub(crate) fn owe(&self) {
        self.owed.notify_one();
    }

    /// How often to look at rows that other processes may change; `None` if there are none such.
    pub(crate) fn look_again(&self) -> Option<Duration> {
        self.vault.is_shared().then_some(LOOK_AGAIN)
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) const fn keys(&self) -> &SoftKeys {
        &self.keys
    }

    pub(crate) const fn server(&self) -> &PaymentServer {
        &self.server
    }

    pub(crate) const fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) const fn forecourt(&self) -> &Forecourt {
        &self.forecourt
    }

    /// What stands for an account in rows.
    pub(crate) fn token(&self, account: &Account) -> AccountRef {
        self.tokens.token(account)
    }

    pub(crate) const fn book(&self) -> &Book {
        &self.book
    }

    /// Who signs stand-in parameters: the accounting system.
    pub(crate) const fn parameters_issuer(&self) -> &ParametersIssuer {
        &self.parameters_issuer
    }

    /// Told when an operator ordered something.
    pub(crate) const fn ordered(&self) -> &Notify {
        &self.ordered
    }

    /// How the switchboard does; `None` before it began.
    pub(crate) const fn reading(&self) -> &watch::Sender<Option<Reading>> {
        &self.reading
    }

    pub(crate) const fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Told when there are records to be chained.
    pub(crate) const fn recorded(&self) -> &Arc<Notify> {
        &self.recorded
    }

    /// What wallets check this bank's codes with.
    pub(crate) const fn issuer(&self) -> &VerifyingKey {
        &self.issuer
    }

    /// Vouches for forms.
    pub(crate) const fn forms(&self) -> &Secret<32> {
        &self.forms
    }

    /// Whether the store answers.
    pub(crate) async fn is_healthy(&self) -> bool {
        self.point(rows::chain_head()).await.is_ok()
    }

    /// Whether the rows are there that a new bank begins with; makes them if not.
    pub(crate) async fn open_books(&self) -> Result<(), Trouble> {
        let merchant = merchant()?;
        let nothing = Amount::new(0, currency()?);
        self.book.open(Holder::Merchant(merchant), PAYEE, nothing).await?;
        self.book.open(Holder::Merchant(station()?), STATION, nothing).await?;
        self.renew_parameters(clock::now()).await
    }
}

/// Other processes tell this one nothing; people should not wait for more than half a second.
const LOOK_AGAIN: Duration = Duration::from_millis(400);

/// The bank's name in signed codes.
pub(crate) const ISSUER: &str = "refbank.example";
/// The number of the key that signs codes.
pub(crate) const ISSUER_KEY: u8 = 1;
/// The merchant's name, as payers see it.
pub(crate) const PAYEE: &str = "Corner Coffee";

/// The one currency's letters.
pub(crate) const CURRENCY: &str = "EUR";

/// The one merchant.
pub(crate) fn merchant() -> Result<Uid, Trouble> {
    Ok(Uid::new("M0001")?)
}

/// The one currency.
pub(crate) fn currency() -> Result<Currency, Trouble> {
    Currency::parse(CURRENCY).map_err(|why| Trouble::Misuse(why.into()))
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    let refuse = |why: String| Failure::Folder { path: folder.into(), why };
    builder.create(folder).map_err(|why| refuse(why.to_string()))?;
    // Find out now, and not at the first payment.
    tempfile::tempfile_in(folder).map_err(|why| refuse(why.to_string()))?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
