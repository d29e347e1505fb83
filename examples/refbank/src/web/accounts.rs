//! The bank's own page: accounts, postings, what is owed, the audit log.

use super::App;
use super::page::{WebError, page};
use crate::book::Posting;
use crate::clock;
use crate::trouble::Trouble;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use interbank::port::Amount;
use interbank::qrpay::{InstructionKind, Settlement};
use interbank::seal::Audit;

/// Everything at a glance.
pub(crate) async fn show(State(app): State<App>) -> Result<Response, WebError> {
    let bank = &app.bank;
    let accounts = bank.book().accounts().await?;
    let balances = |pick: fn(&crate::book::Account) -> Amount| {
        let all = accounts.iter().map(|(_, account)| pick(account));
        Amount::checked_sum(crate::bank::currency()?, all)
            .map_err(|why| Trouble::Misuse(why.into()))
    };
    let (opened, held) = (balances(|one| one.opening)?, balances(|one| one.balance)?);
    let owed = bank.owed_entries(LINES).await?;
    let trail = bank.trail().check(LINES).await?;
    page(&BankPage {
        accounts: accounts
            .iter()
            .map(|(holder, account)| AccountRow {
                name: account.name.clone(),
                holder: holder.to_string(),
                opening: account.opening.to_major(),
                balance: account.balance.to_major(),
            })
            .collect(),
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

#[derive(Template)]
#[template(path = "bank.html")]
struct BankPage {
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
    fn new(posting: &Posting) -> Self {
        let (result, tone) = match posting.settlement {
            Settlement::Done => ("done".to_owned(), "good"),
            Settlement::Declined(cause) => (super::merchant::cause_text(cause), "warn"),
        };
        Self {
            at: clock::readable(posting.at),
            kind: match posting.instruction.kind {
                InstructionKind::Debit => "Debit",
                InstructionKind::Refund => "Refund",
                InstructionKind::Reversal => "Reversal",
            },
            uid: posting.instruction.uid.as_str().chars().take(8).collect(),
            amount: posting.instruction.amount.to_major(),
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
