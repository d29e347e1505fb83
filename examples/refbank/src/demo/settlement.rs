//! The part of the story in which the business day is closed, and its files go to the merchants' banks.

use super::outage::pays;
use super::{Story, until, until_nothing_is_owed};
use crate::agreement::Agreement;
use crate::business_day::BusinessDay;
use crate::exchange::{
    REPORTING_DESK, SETTLEMENT_DESK, Sent, Shown, Standing, Transfer, Wish, is_proven,
};
use crate::failure::Failure;
use crate::merchant_bank::MerchantBank;
use crate::office::Office;
use crate::options::Place;
use crate::settlement_file::SettlementFile;
use crate::shop::Standing as OrderStanding;
use crate::wallet::PAYERS;
use interbank::filexfer::{
    Failure as JobFailure, JobId, OnConflict, Reason, Stage, State, StreamingRoot,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

impl Story<'_> {
    /// The day is closed twice; in between somebody tampers, and somebody asks for what is not theirs.
    pub(super) async fn settlement(
        &mut self,
        office: Office,
        folder: &Path,
    ) -> Result<Office, Failure> {
        until_nothing_is_owed(&office).await?;
        let day = close(&office).await?;
        self.delivers(&office, &day).await?;
        self.receipted(&office, &day).await?;
        self.totals(&office, &day).await?;
        self.no_accounts(&office, &day).await?;
        let day = self.damaged(&office).await?;
        self.tampered(&office, &day).await?;
        self.refused(&office, &day).await?;
        let office = self.waits(office, folder).await?;
        let (records, is_whole) = office.exchange.audit().await?;
        self.holds(
            "settlement-trail",
            &format!("The forwarding server's audit trail has {records} records, and its chain is intact."),
            is_whole && records >= 12,
        )?;
        Ok(office)
    }

    async fn delivers(&mut self, office: &Office, day: &BusinessDay) -> Result<(), Failure> {
        let mut equal = 0;
        let mut bytes = 0;
        for to in MerchantBank::all() {
            until_entered(office, day.number, to).await?;
            let (written, received) =
                (read(&written(office, day, to)?)?, read(&received(office, day, to)?)?);
            let file = office.bank.settlement_file(day, to).await?;
            let text = file.and_then(|file| file.to_text().ok()).unwrap_or_default();
            equal += usize::from(written == received && written == text.as_bytes());
            bytes += received.len();
        }
        self.holds(
            "settlement-delivered",
            &format!(
                "The business day is closed: {equal} settlement files, {bytes} bytes, go through the exchange to {}, byte by byte what the books say.",
                MerchantBank::all().map(|to| to.name).collect::<Vec<_>>().join(" and ")
            ),
            equal == 2 && bytes > 0,
        )
    }

    async fn receipted(&mut self, office: &Office, day: &BusinessDay) -> Result<(), Failure> {
        let (mut right, mut proven, mut changed) = (0, 0, 0);
        for to in MerchantBank::all() {
            let Transfer { sent, .. } = until_entered(office, day.number, to).await?;
            let shown = office.exchange.shown().borrow().clone();
            let registry = shown.registry.ok_or_else(closed)?;
            let receipts = sent.receipts(&registry);
            right += usize::from(
                sent.is_judged(&registry)
                    && receipts.iter().all(|(_, is_right)| *is_right)
                    && receipts.iter().map(|(signed, _)| signed.receipt.stage).eq([
                        Stage::Origin,
                        Stage::Verified,
                        Stage::HandedOver,
                    ]),
            );
            let mut bytes = read(&received(office, day, to)?)?;
            let entered = receipts.last().map(|(signed, _)| signed);
            let entered = entered.ok_or_else(|| Failure::Demo("no receipt".into()))?;
            let party = registry.party(&entered.receipt.party);
            let key = party.and_then(|party| party.keys.get(&entered.key_number));
            let (key, _) = key.ok_or_else(|| Failure::Demo("no key".into()))?;
            proven += usize::from(is_proven(&bytes, entered, key));
            if let Some(digit) = bytes.iter_mut().rev().find(|byte| byte.is_ascii_digit()) {
                *digit ^= 1;
            }
            changed += usize::from(is_proven(&bytes, entered, key));
        }
        self.holds(
            "settlement-receipts",
            "Each was judged before it was read, and the verdict is signed. Each bank signed that it verified and entered the file: the receipts are about these bytes, and about no others.",
            (right, proven, changed) == (2, 2, 0),
        )
    }

    async fn totals(&mut self, office: &Office, day: &BusinessDay) -> Result<(), Failure> {
        let mut lines = 0;
        for to in MerchantBank::all() {
            let file = SettlementFile::parse(&read(&received(office, day, to)?)?);
            lines += file.map_err(|why| Failure::Demo(why.to_string()))?.lines.len();
        }
        let agreements = agreements(office).await?;
        let told: Vec<String> = agreements
            .iter()
            .map(|one| Ok(format!("{} {}", one.merchant, super::euros(one.entered)?)))
            .collect::<Result<_, Failure>>()?;
        self.holds(
            "settlement-totals",
            &format!(
                "Their {lines} lines come to what is in the bank's books and in theirs: {}.",
                told.join(", ")
            ),
            lines >= 6
                && agreements.len() == 2
                && agreements
                    .iter()
                    .all(|one| all_agree(one) && one.unfiled == 0 && one.filed != 0),
        )
    }

    async fn no_accounts(&mut self, office: &Office, day: &BusinessDay) -> Result<(), Failure> {
        let mut clear = 0;
        for to in MerchantBank::all() {
            let text = String::from_utf8_lossy(&read(&received(office, day, to)?)?).into_owned();
            for payer in &PAYERS {
                let phone = super::phone(office, payer)?;
                let token = office.bank.token(&phone.account).to_string();
                let names = [payer.account, payer.name, token.as_str()];
                clear += names.iter().filter(|name| text.contains(**name)).count();
            }
        }
        self.holds(
            "settlement-no-accounts",
            "No payer is in them: no account number, no name, not even a token.",
            clear == 0,
        )
    }

    /// The next day's file is damaged on its way.
    async fn damaged(&mut self, office: &Office) -> Result<BusinessDay, Failure> {
        let (uid, _) = pays(office, "settlement-1", &PAYERS[0], 330).await?;
        until(office, &uid, OrderStanding::Paid).await?;
        office.exchange.damage(1).await?;
        let day = close(office).await?;
        let to = north()?;
        until_entered(office, day.number, to).await?;
        let parts = office.exchange.shown().borrow().parts;
        let equal = read(&written(office, &day, to)?)? == read(&received(office, &day, to)?)?;
        self.holds(
            "settlement-damage-refused",
            "On the next day a byte of the file is changed on its way: that part is refused, sent again, and the file arrives as it was.",
            parts == (1, 1) && equal,
        )?;
        Ok(day)
    }

    /// Somebody changes a file in the bank's own folder, and has it sent again.
    async fn tampered(&mut self, office: &Office, day: &BusinessDay) -> Result<(), Failure> {
        let to = north()?;
        let path = written(office, day, to)?;
        let was = read(&path)?;
        let before = names(office, to)?;
        let mut root = StreamingRoot::new();
        root.update(&was);
        let (root, size) = root.finish();
        let changed = String::from_utf8_lossy(&was).replace("330", "990");
        let is_other = changed.as_bytes() != was && changed.len() == was.len();
        write(&path, changed.as_bytes())?;
        let id = ask(office, SETTLEMENT_DESK, day, to, Some((size, root))).await?;
        let sent = until_shown(office, "over", |shown| {
            let own = shown.transfers.iter().find(|one| one.sent.id() == id)?;
            own.sent.state()?.is_final().then(|| own.clone())
        });
        let sent = sent.await?;
        write(&path, &was)?;
        self.holds(
            "settlement-tampering-refused",
            &format!("Somebody changes an amount in the bank's own copy and has it sent again: {}, and nothing arrives.", refusal(&sent.sent)),
            is_other
                && sent.sent.state() == Some(State::Failed(JobFailure::FileUnstable))
                && names(office, to)? == before,
        )
    }

    /// A bank's file is asked to be sent to another one, and a desk asks for what is not its own.
    async fn refused(&mut self, office: &Office, day: &BusinessDay) -> Result<(), Failure> {
        let (north, other) = (north()?, MerchantBank::named("harbour-bank").ok_or_else(closed)?);
        let before = [names(office, north)?, names(office, other)?];
        let name = day.file_name(north).ok_or_else(closed)?;
        let nothing = "north-bank/nothing.csv".to_owned();
        let mut answers = Vec::new();
        for (desk, to, name) in [
            (SETTLEMENT_DESK, other, &name),
            (SETTLEMENT_DESK, other, &nothing),
            (REPORTING_DESK, north, &name),
            (REPORTING_DESK, north, &nothing),
        ] {
            let id = office.exchange.ask(wish(desk, name, to, None)).await?;
            answers.push(until_judged(office, id).await?);
        }
        let outcomes: Vec<String> = answers.iter().map(|one| refusal(&one.sent)).collect();
        let is_equal = |pair: &[Transfer]| matches!(pair, [one, other] if said(&one.sent) == said(&other.sent));
        let reasons: Vec<_> = answers.iter().map(|one| one.sent.state()).collect();
        let [missing, entitled] = [Reason::FileMissing, Reason::RequesterNotEntitled]
            .map(|why| Some(State::Refused(why)));
        self.holds(
            "settlement-refusal-tells-nothing",
            &format!(
                "Another bank is to get the file: {}. Another desk asks for it: {}. Both get the same answer, to the byte, about a file that is not there. No content is read for that, and for the other desk nothing is even looked at.",
                outcomes[0], outcomes[2]
            ),
            reasons == [missing, missing, entitled, entitled]
                && is_equal(&answers[..2])
                && is_equal(&answers[2..])
                && answers.iter().map(|one| one.touched).eq([1, 1, 0, 0])
                && before == [names(office, north)?, names(office, other)?],
        )
    }

    /// A bank is off the line when the day is closed; the bank's own process ends meanwhile.
    async fn waits(&mut self, office: Office, folder: &Path) -> Result<Office, Failure> {
        let to = north()?;
        let (uid, _) = pays(&office, "settlement-2", &PAYERS[0], 270).await?;
        until(&office, &uid, OrderStanding::Paid).await?;
        office.exchange.attend(to, false).await?;
        let day = close(&office).await?;
        let is_waiting = |shown: &Shown| {
            let own = of_day(shown, day.number, to);
            own.is_some_and(|one| one.state.is_some_and(State::is_under_way))
        };
        until_shown(&office, "waiting for an absent bank", |shown| is_waiting(shown).then_some(()))
            .await?;
        let held_back = !received(&office, &day, to)?.exists();
        office.close().await;
        let office = Office::open(folder, &Place::Folder).await?;
        until_entered(&office, day.number, to).await?;
        let equal = read(&written(&office, &day, to)?)? == read(&received(&office, &day, to)?)?;
        let agreements = agreements(&office).await?;
        self.holds(
            "settlement-waits",
            &format!(
                "{} is off the line when the third day is closed, and the bank stops meanwhile. Both come back: the file is delivered without being asked for again, and all books agree.",
                to.name
            ),
            held_back && equal && agreements.iter().all(all_agree),
        )?;
        Ok(office)
    }
}

fn all_agree(one: &Agreement) -> bool {
    one.books_agree() && one.is_entered()
}

/// Closes the business day.
async fn close(office: &Office) -> Result<BusinessDay, Failure> {
    until_shown(office, "open", |shown| (shown.standing == Standing::Open).then_some(())).await?;
    let day = office.exchange.close_day().await?;
    day.ok_or_else(|| Failure::Demo("there is nothing to settle".into()))
}

/// Waits until a day's file is entered at a bank, and the bank here knows.
async fn until_entered(office: &Office, day: u32, to: &MerchantBank) -> Result<Transfer, Failure> {
    let entered = |shown: &Shown| {
        let own = of_day(shown, day, to)?;
        own.sent.handed_over.is_some().then(|| own.clone())
    };
    until_shown(office, &format!("day {day} entered at {}", to.name), entered).await
}

async fn until_judged(office: &Office, id: JobId) -> Result<Transfer, Failure> {
    let judged = |shown: &Shown| {
        let own = shown.transfers.iter().find(|one| one.sent.id() == id)?;
        own.sent.verdict.is_some().then(|| own.clone())
    };
    until_shown(office, "judged", judged).await
}

/// Waits until the exchange shows something.
async fn until_shown<T>(
    office: &Office,
    what: &str,
    found: impl Fn(&Shown) -> Option<T>,
) -> Result<T, Failure> {
    let mut shown = office.exchange.shown();
    let waiting = async {
        loop {
            if let Some(found) = found(&shown.borrow_and_update()) {
                return Ok(found);
            }
            shown.changed().await.map_err(|_| closed())?;
        }
    };
    let limit = tokio::time::timeout(PATIENCE, waiting).await;
    limit.map_err(|_| Failure::Demo(format!("not {what} after {PATIENCE:?}")))?
}

fn of_day<'a>(shown: &'a Shown, day: u32, to: &MerchantBank) -> Option<&'a Transfer> {
    let is_own = |one: &&Transfer| one.sent.day == day && one.sent.request.destination == to.id;
    shown.transfers.iter().find(is_own)
}

/// Waits until the merchants' banks show what they entered, and compares.
async fn agreements(office: &Office) -> Result<Vec<Agreement>, Failure> {
    let begun = Instant::now();
    loop {
        let banks = office.exchange.shown().borrow().banks.clone();
        let agreements = office.bank.agreements(&banks).await?;
        if agreements.iter().all(all_agree) || begun.elapsed() > PATIENCE {
            return Ok(agreements);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn ask(
    office: &Office,
    desk: &'static str,
    day: &BusinessDay,
    to: &MerchantBank,
    is: Option<(u64, [u8; 32])>,
) -> Result<JobId, Failure> {
    let name = day.file_name(to).ok_or_else(closed)?;
    Ok(office.exchange.ask(wish(desk, &name, to, is)).await?)
}

fn wish(
    requester: &'static str,
    name: &str,
    to: &MerchantBank,
    is: Option<(u64, [u8; 32])>,
) -> Wish {
    let (name, to) = (name.to_owned(), to.id.to_owned());
    Wish { requester, name, to, is, on_conflict: OnConflict::Version }
}

/// What an answer says, apart from what it is an answer to, and when.
fn said(sent: &Sent) -> Option<Vec<u8>> {
    let mut verdict = sent.verdict.clone()?.verdict;
    verdict.request = [0; 32];
    verdict.id = JobId([0; 16]);
    verdict.at = interbank::port::Time::EPOCH;
    verdict.to_sign().ok()
}

fn refusal(sent: &Sent) -> String {
    match sent.state() {
        Some(State::Refused(why)) => format!("refused, {why} ({})", why.code()),
        Some(State::Failed(why)) => format!("not delivered, {why} ({})", why.code()),
        other => format!("{other:?}"),
    }
}

fn north() -> Result<&'static MerchantBank, Failure> {
    MerchantBank::named("north-bank").ok_or_else(closed)
}

fn written(office: &Office, day: &BusinessDay, to: &MerchantBank) -> Result<PathBuf, Failure> {
    Ok(office.exchange.folders.settlement().join(day.file_name(to).ok_or_else(closed)?))
}

fn received(office: &Office, day: &BusinessDay, to: &MerchantBank) -> Result<PathBuf, Failure> {
    Ok(office.exchange.folders.received(to).join(day.file_name(to).ok_or_else(closed)?))
}

/// What lies in a bank's folder.
fn names(office: &Office, to: &MerchantBank) -> Result<Vec<PathBuf>, Failure> {
    let folder = office.exchange.folders.received(to).join(to.id);
    let found = std::fs::read_dir(&folder).map_err(|why| cannot("read", &folder, &why))?;
    let mut names: Vec<PathBuf> = found.flatten().map(|entry| entry.path()).collect();
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|why| cannot("read", path, &why))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|why| cannot("write", path, &why))
}

fn cannot(what: &str, path: &Path, why: &std::io::Error) -> Failure {
    Failure::Demo(format!("cannot {what} {}: {why}", path.display()))
}

fn closed() -> Failure {
    Failure::Demo("the exchange is not open".into())
}

const PATIENCE: Duration = Duration::from_secs(60);
