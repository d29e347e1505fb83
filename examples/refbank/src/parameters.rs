//! Stand-in parameters: the accounting system's side decides what may be approved without it, and signs that.
//!
//! Its key is in a file of its own, `accounting.json`. The stand-in module has the public half only: it can take parameters and
//! not make them.

use crate::accounting::Mood;
use crate::bank::{Bank, CURRENCY};
use crate::clock;
use crate::failure::Failure;
use crate::hex;
use crate::message::{INITIATOR, INSTITUTION};
use crate::secrets;
use crate::stand_in;
use crate::trouble::Trouble;
use interbank::port::Time;
use interbank::seal::{Secret, SigningKey, TrustList, TrustedKey, Validity, derive};
use interbank::standin::{
    CounterDraft, ExposureDraft, InstallVerdict, LimitDraft, Loaded, Parameters, ParametersDraft,
    RuleDraft, RuleLimitsDraft, ScopeDraft, SealedParameters,
};
use serde::{Deserialize, Serialize};
use std::path::Path;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Holds the accounting system's key.
pub(crate) struct ParametersIssuer {
    key: SigningKey,
}

impl ParametersIssuer {
    /// Reads the key file, or draws a key. One that was lost is replaced: parameters are signed anew then.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let damaged = || secrets::refuse(path, "it is damaged; remove it to draw another".into());
        let stored = match secrets::read(path)? {
            // What serde says could quote a secret: it is not passed on.
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| damaged())?,
            None => {
                let root = Zeroizing::new(clock::entropy()?);
                let seed = derive::<32>(&root[..], "refbank/accounting/v1", &[]);
                let stored = Stored { version: 1, parameters_seed: hex::digits(seed.expose()) };
                let text = serde_json::to_vec_pretty(&stored).map(Zeroizing::new);
                let text = text.map_err(|why| secrets::refuse(path, why.to_string()))?;
                secrets::create(path, &text)?;
                stored
            }
        };
        let seed = hex::parse(&stored.parameters_seed).filter(|_| stored.version == 1);
        let seed = Secret::new(*seed.ok_or_else(damaged)?);
        Ok(Self { key: SigningKey::from_seed(&seed) })
    }

    /// What the stand-in module believes.
    pub(crate) fn trust(&self) -> TrustList {
        let mut trust = TrustList::new();
        let key = TrustedKey::new(self.key.verifying_key(), Validity::always());
        trust.add(ISSUER, ISSUER_KEY, key);
        trust
    }

    /// A new set, signed.
    fn sign(&self, now: Time) -> Result<SealedParameters, Trouble> {
        let parameters = write(now)?;
        let signature = self.key.sign(&SealedParameters::message(&parameters)?);
        Ok(SealedParameters::new(&parameters, ISSUER, ISSUER_KEY, signature)?)
    }
}

impl Bank {
    /// The accounting system looks at the parameters in force, and hands over others where they are old or not what it means any
    /// more. While it is away nobody does: the last good set decides until it is stale.
    pub(crate) async fn renew_parameters(&self, now: Time) -> Result<(), Trouble> {
        if self.book().mood().await? == Mood::Down {
            return Ok(());
        }
        if let Loaded::InForce { parameters, .. } = self.load_parameters(now).await?
            && is_meant(&parameters, now)?
        {
            return Ok(());
        }
        let issuer = self.parameters_issuer();
        let install = stand_in::module(None).install(now, &issuer.trust(), issuer.sign(now)?);
        match self.decide(install).await? {
            InstallVerdict::Accepted { acknowledgement, .. }
            | InstallVerdict::Repeated { acknowledgement, .. } => {
                tracing::info!(
                    event = "standin.parameters",
                    version = acknowledgement.mark.version
                );
            }
            InstallVerdict::Refused(why) => {
                tracing::error!(event = "standin.parameters.refused", code = why.code(), %why);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether a set says what would be written now, and was written less than a day ago.
fn is_meant(parameters: &Parameters, now: Time) -> Result<bool, Trouble> {
    let issued = Time::from_ms(parameters.draft().issued_at_ms);
    Ok(now.since_ms(issued) < DAY_MS && write(issued)?.digest() == parameters.digest())
}

/// What may be approved without the accounting system. The version is the second it was written in.
fn write(now: Time) -> Result<Parameters, Trouble> {
    let issued_ms = now.as_ms() / 1_000 * 1_000;
    let kinds = |kind: &str| ScopeDraft { kinds: vec![kind.into()], ..ScopeDraft::default() };
    let purchases = RuleDraft {
        number: PURCHASES,
        scope: kinds("purchase"),
        approve: Some(true),
        // The payer proved who they are to the payment server: no PIN is sent on, and there is no card that could expire.
        pin: Some("waive".into()),
        without_expiry: Some(true),
        limits: RuleLimitsDraft {
            single_minor: Some(SINGLE_MINOR),
            windows: vec![LimitDraft {
                of: u64::from(DAY_COUNTER),
                count: Some(DAY_COUNT),
                sum_minor: Some(DAY_MINOR),
                ..LimitDraft::default()
            }],
            ..RuleLimitsDraft::default()
        },
        ..RuleDraft::default()
    };
    let refunds = RuleDraft {
        number: REFUNDS,
        scope: kinds("refund"),
        approve: Some(true),
        without_expiry: Some(true),
        limits: RuleLimitsDraft { single_minor: Some(DAY_MINOR), ..RuleLimitsDraft::default() },
        ..RuleDraft::default()
    };
    let draft = ParametersDraft {
        schema: 1,
        institution: INSTITUTION.as_u64(),
        version: issued_ms / 1_000,
        currency: CURRENCY.into(),
        issued_at_ms: issued_ms,
        effective_from_ms: issued_ms,
        valid_until_ms: issued_ms.saturating_add(14 * DAY_MS),
        stale_after_ms: 7 * DAY_MS,
        initiators: vec![INITIATOR.as_u64()],
        counters: vec![CounterDraft {
            id: DAY_COUNTER,
            window: "day".into(),
            kinds: vec!["purchase".into()],
            ..CounterDraft::default()
        }],
        exposure: ExposureDraft { institution_minor: EXPOSURE_MINOR, ..ExposureDraft::default() },
        rules: vec![purchases, refunds],
        ..ParametersDraft::default()
    };
    Parameters::new(draft).map_err(|why| Trouble::Inside(why.to_string().into()))
}

/// What a set allows, in the numbers that people ask for; `None` where it sets no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The largest purchase.
    pub(crate) single_minor: Option<i64>,
    /// The most that one account may spend in a day.
    pub(crate) day_minor: Option<i64>,
    /// The most that all accounts together may have out.
    pub(crate) exposure_minor: i64,
}

impl Limits {
    pub(crate) fn of(parameters: &Parameters) -> Self {
        let draft = parameters.draft();
        let purchases = draft.rules.iter().find(|rule| rule.number == PURCHASES);
        let limits = purchases.map(|rule| &rule.limits);
        let mut windows = limits.iter().flat_map(|limits| &limits.windows);
        Self {
            single_minor: limits.and_then(|limits| limits.single_minor),
            day_minor: windows
                .find(|window| window.of == u64::from(DAY_COUNTER))
                .and_then(|window| window.sum_minor),
            exposure_minor: draft.exposure.institution_minor,
        }
    }
}

/// The file: the seed is 32 bytes in hexadecimal.
#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    parameters_seed: String,
}

/// The largest purchase without the accounting system.
pub(crate) const SINGLE_MINOR: i64 = 5_000;
/// The most that one account may spend in a day without it.
const DAY_MINOR: i64 = 15_000;
/// The most purchases of one account in a day without it.
const DAY_COUNT: u32 = 20;
/// The most that all accounts together may have out.
const EXPOSURE_MINOR: i64 = 200_000;

const ISSUER: &str = "accounting.refbank.example";
const ISSUER_KEY: u8 = 1;
const PURCHASES: u32 = 1;
const REFUNDS: u32 = 2;
const DAY_COUNTER: u8 = 1;
const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Place;
    use interbank::standin::{Finding, Kind};

    #[test]
    fn what_is_written_is_sound_and_meant_for_a_day() {
        let now = Time::from_ms(1_785_000_000_123);
        let set = write(now).unwrap();
        // What a payment server never asks for is declined on purpose.
        let gaps =
            [Kind::Cash, Kind::PreAuthorization, Kind::Completion, Kind::Inquiry, Kind::Transfer];
        assert_eq!(set.findings(), gaps.map(Finding::Gap));
        assert!(set.holds(now));
        assert!(is_meant(&set, now.plus_ms(DAY_MS - 1_000)).unwrap());
        assert!(!is_meant(&set, now.plus_ms(DAY_MS)).unwrap());
        let limits = Limits::of(&set);
        assert_eq!((limits.single_minor, limits.day_minor), (Some(5_000), Some(15_000)));
        assert_eq!(limits.exposure_minor, 200_000);
        let mut other = set.draft().clone();
        other.rules.remove(0);
        let other = Parameters::new(other).unwrap();
        assert!(!is_meant(&other, now).unwrap());
        assert_eq!(Limits::of(&other), Limits { single_minor: None, day_minor: None, ..limits });
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn parameters_are_renewed_by_who_is_there_and_replaced_with_their_key() {
        let folder = tempfile::tempdir().unwrap();
        let in_force = async |bank: &Bank, now| match bank.load_parameters(now).await.unwrap() {
            Loaded::InForce { parameters, .. } => parameters.version(),
            other => panic!("{other:?}"),
        };
        let now = clock::now();
        let bank = Bank::open(folder.path(), &Place::Folder).await.unwrap();
        bank.renew_parameters(now).await.unwrap();
        let first = in_force(&bank, now).await;
        bank.renew_parameters(now.plus_ms(5_000)).await.unwrap();
        assert_eq!(in_force(&bank, now.plus_ms(5_000)).await, first);

        let tomorrow = now.plus_ms(DAY_MS + 2_000);
        bank.book().behave(Mood::Down).await.unwrap();
        bank.renew_parameters(tomorrow).await.unwrap();
        assert_eq!(in_force(&bank, tomorrow).await, first);
        bank.book().behave(Mood::Up).await.unwrap();
        bank.renew_parameters(tomorrow).await.unwrap();
        assert_eq!(in_force(&bank, tomorrow).await, tomorrow.as_ms() / 1_000);

        // The key is lost: what it signed is not believed any more, until another set is there.
        drop(bank);
        std::fs::remove_file(folder.path().join("accounting.json")).unwrap();
        let bank = Bank::open(folder.path(), &Place::Folder).await.unwrap();
        let later = tomorrow.plus_ms(1_000);
        let loaded = bank.load_parameters(later).await.unwrap();
        assert!(matches!(loaded, Loaded::Distrusted(_)), "{loaded:?}");
        bank.renew_parameters(later).await.unwrap();
        assert_eq!(in_force(&bank, later).await, later.as_ms() / 1_000);
    }
}
