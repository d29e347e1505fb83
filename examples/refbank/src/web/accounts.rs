//! The bank's own page: accounts, postings, what is owed, the audit log.

use super::App;
use super::form::{Session, Trusted};
use super::page::{WebError, page};
use crate::book::{Holder, Line};
use crate::clock;
use crate::trouble::Trouble;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use interbank::port::Amount;
use interbank::qrpay::Settlement;
use interbank::seal::{AccountRef, Audit};
use serde::Deserialize;

/// Everything at a glance.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Result<Response, WebError> {
    let bank = &app.bank;
    let accounts = bank.book().accounts().await?;
    let balances = |pick: fn(&crate::book::Account) -> Amount| {
        let all = accounts.iter().map(|(_, account)| pick(account));
        Amount::checked_sum(crate::bank::currency()?, all)
            .map_err(|why| Trouble::Misuse(why.into()))
    };
    let (opened, held) = (balances(|one| one.opening)?, balances(|one| one.balance)?);
    let mut rows = Vec::with_capacity(accounts.len());
    for (holder, account) in &accounts {
        let locked = match holder {
            Holder::Payer(token) if bank.is_locked(token).await? => Some(token.to_string()),
            _ => None,
        };
        rows.push(AccountRow {
            name: account.name.clone(),
            holder: holder.to_string(),
            opening: account.opening.to_major(),
            balance: account.balance.to_major(),
            locked,
        });
    }
    let owed = bank.owed_entries(LINES).await?;
    let trail = bank.trail().check(LINES).await?;
    page(&BankPage {
        csrf: session.token().into(),
        accounts: rows,
        currency: held.currency().to_string(),
        total: held.to_major(),
        balanced: opened == held,
        postings: bank.book().postings(LINES).await?.iter().map(PostingRow::new).collect(),
        owed: owed.iter().map(|entry| clock::readable(entry.created)).collect(),
        intact: trail.intact,
        checked: trail.checked,
        count: trail.head.count,
        head: trail.head.link.iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
        records: trail.records.iter().map(RecordRow::new).collect(),
    })
}

/// Unlocks an account.
pub(crate) async fn unlock(
    State(app): State<App>,
    Trusted(form): Trusted<UnlockForm>,
) -> Result<Response, WebError> {
    let token = u128::from_str_radix(&form.account, 16).map_err(|_| WebError::NotFound)?;
    app.bank.unlock(AccountRef::from_bytes(token.to_be_bytes())).await?;
    Ok(Redirect::to("/bank").into_response())
}

/// The form that unlocks an account.
#[derive(Deserialize)]
pub(crate) struct UnlockForm {
    account: String,
}

#[derive(Template)]
#[template(path = "bank.html")]
struct BankPage {
    csrf: String,
    accounts: Vec<AccountRow>,
    currency: String,
    total: String,
    balanced: bool,
    postings: Vec<PostingRow>,
    owed: Vec<String>,
    intact: bool,
    checked: u64,
    count: u64,
    head: String,
    records: Vec<RecordRow>,
}

struct AccountRow {
    name: String,
    holder: String,
    opening: String,
    balance: String,
    /// The account's token, if wrong replies locked it.
    locked: Option<String>,
}

struct PostingRow {
    at: String,
    kind: &'static str,
    uid: String,
    amount: String,
    result: String,
    tone: &'static str,
}

impl PostingRow {
    fn new(line: &Line) -> Self {
        let (result, tone) = match line.settlement {
            Settlement::Done => ("done".to_owned(), "good"),
            Settlement::Declined(cause) => (super::merchant::cause_text(cause), "warn"),
        };
        Self {
            at: clock::readable(line.at),
            kind: line.movement.way.word(),
            uid: line.movement.order.chars().take(8).collect(),
            amount: line.movement.amount.to_major(),
            result,
            tone,
        }
    }
}

struct RecordRow {
    at: String,
    action: String,
    subject: String,
    reasons: String,
}

impl RecordRow {
    fn new(record: &Audit) -> Self {
        let reasons: Vec<_> = record.reasons.iter().map(u32::to_string).collect();
        Self {
            at: clock::readable(record.at),
            action: record.action.to_string(),
            subject: String::from_utf8_lossy(&record.subject).chars().take(14).collect(),
            reasons: reasons.join(", "),
        }
    }
}

const LINES: usize = 25;
