//! Whether settlement files, the bank's books and the books of the merchants' banks say the same.

use crate::bank::Bank;
use crate::book::Holder;
use crate::business_day::merchant_word;
use crate::exchange::BankShown;
use crate::merchant_bank::MerchantBank;
use crate::trouble::Trouble;
use std::collections::BTreeMap;

/// What is said of one merchant. Amounts in minor units; positive where the merchant gets them.
#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    /// For people.
    pub(crate) merchant: String,
    pub(crate) bank: &'static MerchantBank,
    /// By how much the merchant's account has moved since it was opened: the bank's books.
    pub(crate) moved: i64,
    /// What all files came to.
    pub(crate) filed: i64,
    /// What is posted, and in no file yet.
    pub(crate) unfiled: i64,
    /// What the merchant's bank entered.
    pub(crate) entered: i64,
}

impl Agreement {
    /// Whether files and what they do not hold yet are what the bank's books say.
    pub(crate) fn books_agree(&self) -> bool {
        self.filed.checked_add(self.unfiled) == Some(self.moved)
    }

    /// Whether the merchant's bank has entered all that was filed.
    pub(crate) const fn is_entered(&self) -> bool {
        self.entered == self.filed
    }
}

impl Bank {
    /// Compares all three, merchant by merchant.
    pub(crate) async fn agreements(&self, banks: &[BankShown]) -> Result<Vec<Agreement>, Trouble> {
        let mut accounts = self.book().accounts().await?;
        // What is posted while this reads would be in one figure and not in the other.
        for _ in 0..ATTEMPTS {
            let (day, _) = self.last_day().await?;
            let mut unfiled: BTreeMap<String, i64> = BTreeMap::new();
            for (_, line) in self.unsettled().await? {
                let sum = unfiled.entry(merchant_word(&line.movement.merchant)).or_default();
                *sum = sum.saturating_add(line.movement.signed().minor());
            }
            let again = self.book().accounts().await?;
            let (same_day, _) = self.last_day().await?;
            if again != accounts || same_day != day || !day.is_gathered {
                accounts = again;
                continue;
            }
            let of = |(holder, account): (Holder, crate::book::Account)| {
                let Holder::Merchant(uid) = holder else { return None };
                let (bank, word) = (MerchantBank::of(&uid)?, merchant_word(&uid));
                let theirs = banks.iter().find(|one| one.bank.id == bank.id);
                let entered = theirs.and_then(|one| one.books.carried.get(&word));
                let figure = |of: &BTreeMap<String, i64>| of.get(&word).copied().unwrap_or(0);
                Some(Agreement {
                    merchant: account.name,
                    bank,
                    moved: account.balance.minor().saturating_sub(account.opening.minor()),
                    filed: figure(&day.carried),
                    unfiled: figure(&unfiled),
                    entered: entered.copied().unwrap_or(0),
                })
            };
            return Ok(accounts.into_iter().filter_map(of).collect());
        }
        Err(Trouble::Busy)
    }
}

const ATTEMPTS: usize = 20;
