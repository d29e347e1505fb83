//! The banks of the merchants: who gets which settlement files.

use crate::bank::merchant;
use crate::forecourt::station;
use interbank::qrpay::Uid;

/// A merchant's bank, which may be any other institution. It is outside: a client server of the file exchange.
#[derive(Debug)]
pub(crate) struct MerchantBank {
    /// Its name as a party of the exchange.
    pub(crate) id: &'static str,
    /// For people.
    pub(crate) name: &'static str,
    /// Whose bank it is.
    merchants: fn(&Uid) -> bool,
}

impl MerchantBank {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        ALL.iter()
    }

    /// The bank of a merchant.
    pub(crate) fn of(merchant: &Uid) -> Option<&'static Self> {
        ALL.iter().find(|bank| (bank.merchants)(merchant))
    }

    /// The bank of this name.
    pub(crate) fn named(id: &str) -> Option<&'static Self> {
        ALL.iter().find(|bank| bank.id == id)
    }
}

static ALL: [MerchantBank; 2] = [
    MerchantBank {
        id: "north-bank",
        name: "North Bank",
        merchants: |uid| merchant().is_ok_and(|one| one == *uid),
    },
    MerchantBank {
        id: "harbour-bank",
        name: "Harbour Bank",
        merchants: |uid| station().is_ok_and(|one| one == *uid),
    },
];
