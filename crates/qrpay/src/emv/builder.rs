//! Building a merchant's payload.

use alloc::collections::BTreeMap;
use alloc::string::String;

use super::amount::format_amount;
use super::challenge::ChallengeTemplate;
use super::error::{EmvError, Path};
use super::object::push_object;
use super::{CRC_ID, Initiation, Payload, Tip};

/// Collects the objects of a payload; [`Builder::build`] writes them in ascending order of ids.
///
/// Nothing is cut or replaced: a value that does not fit is an error. The first error is kept and
/// comes out of `build`.
///
/// ```
/// use interbank_qrpay::emv::{Builder, Initiation, Payload};
///
/// let payload = Builder::new("CN", "BEST TRANSPORT", "BEIJING", 4111, 156)
///     .initiation(Initiation::Dynamic)
///     .account_template(29, "D15600000000", &[(5, "A93FO3230Q")])
///     .amount_minor(2372, 2)
///     .additional(&[(3, "1234"), (7, "A6008667")])
///     .build()?;
/// assert_eq!(Payload::parse(payload.as_str())?.amount_minor(2)?, Some(2372));
/// # Ok::<(), interbank_qrpay::emv::EmvError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    objects: BTreeMap<u8, String>,
    challenge: Option<ChallengeTemplate>,
    fault: Option<EmvError>,
}

impl Builder {
    /// A payload of a merchant: ISO 3166-1 `country` (two letters), name (25 characters), city
    /// (15), ISO 18245 `category`, ISO 4217 numeric `currency`. At least one account has to follow.
    pub fn new(country: &str, name: &str, city: &str, category: u16, currency: u16) -> Self {
        Self { objects: BTreeMap::new(), challenge: None, fault: None }
            .object(0, "01")
            .object(52, &alloc::format!("{category:04}"))
            .object(53, &alloc::format!("{currency:03}"))
            .object(58, country)
            .object(59, name)
            .object(60, city)
    }

    /// Says whether the code is for many payments or one (01).
    #[must_use]
    pub fn initiation(self, initiation: Initiation) -> Self {
        self.object(
            1,
            match initiation {
                Initiation::Static => "11",
                Initiation::Dynamic => "12",
            },
        )
    }

    /// Adds an account in the primitive form (ids 02 to 25).
    #[must_use]
    pub fn account(self, id: u8, value: &str) -> Self {
        if (2..=25).contains(&id) { self.object(id, value) } else { self.refuse(id) }
    }

    /// Adds an account as a template (ids 26 to 51) with its unique identifier and objects.
    #[must_use]
    pub fn account_template(self, id: u8, guid: &str, objects: &[(u8, &str)]) -> Self {
        if (26..=51).contains(&id) {
            self.template(id, Some(guid), objects)
        } else {
            self.refuse(id)
        }
    }

    /// Sets the amount (54) in minor units of a currency with `exponent` decimals.
    #[must_use]
    pub fn amount_minor(mut self, amount_minor: i64, exponent: u8) -> Self {
        match format_amount(amount_minor, exponent) {
            Ok(text) => self.object(54, &text),
            Err(error) => {
                self.fault.get_or_insert(error);
                self
            }
        }
    }

    /// Sets what is to be paid beside the amount (55 to 57).
    #[must_use]
    pub fn tip(self, tip: Tip<'_>) -> Self {
        match tip {
            Tip::Ask => self.object(55, "01"),
            Tip::Fixed(amount) => self.object(55, "02").object(56, amount),
            Tip::Percentage(percentage) => self.object(55, "03").object(57, percentage),
        }
    }

    /// Sets the postal code (61), up to 10 characters.
    #[must_use]
    pub fn postal_code(self, postal_code: &str) -> Self {
        self.object(61, postal_code)
    }

    /// Sets the additional data (62); the ids are listed at [`Payload::additional`].
    #[must_use]
    pub fn additional(self, objects: &[(u8, &str)]) -> Self {
        self.template(62, None, objects)
    }

    /// Sets the merchant's name, and city if given, in another language (64): two letters of
    /// ISO 639, 25 characters, 15 characters.
    #[must_use]
    pub fn language(self, language: &str, name: &str, city: Option<&str>) -> Self {
        match city {
            Some(city) => self.template(64, None, &[(0, language), (1, name), (2, city)]),
            None => self.template(64, None, &[(0, language), (1, name)]),
        }
    }

    /// Adds an unreserved template (80 to 99) with its unique identifier and objects.
    #[must_use]
    pub fn unreserved(self, id: u8, guid: &str, objects: &[(u8, &str)]) -> Self {
        if (80..=99).contains(&id) {
            self.template(id, Some(guid), objects)
        } else {
            self.refuse(id)
        }
    }

    /// Adds our order id and challenge, in unreserved templates that are free.
    #[must_use]
    pub fn challenge(mut self, challenge: ChallengeTemplate) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Adds any root object but the checksum, which `build` computes.
    #[must_use]
    pub fn object(mut self, id: u8, value: &str) -> Self {
        if id > 99 || id == CRC_ID {
            return self.refuse(id);
        }
        if self.objects.insert(id, String::from(value)).is_some() {
            self.fault.get_or_insert(EmvError::Duplicate { path: Path::root(id) });
        }
        self
    }

    /// The payload, checked as [`Payload::parse`] checks.
    ///
    /// # Errors
    ///
    /// The first thing that was wrong: what the strict reader would refuse, a duplicate, an amount
    /// that cannot be written, an id that is not one of its kind.
    pub fn build(self) -> Result<Payload<'static>, EmvError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let objects = self.objects.iter().map(|(&id, value)| (id, value.as_str()));
        let payload = Payload::assemble(objects)?;
        match self.challenge {
            Some(challenge) => payload.with_challenge(&challenge),
            None => Ok(payload),
        }
    }

    fn template(mut self, id: u8, guid: Option<&str>, objects: &[(u8, &str)]) -> Self {
        let mut value = String::new();
        let guid = guid.map(|guid| (0, guid));
        for (sub, text) in guid.into_iter().chain(objects.iter().copied()) {
            let path = Path::nested(id, sub);
            if sub > 99 {
                self.fault.get_or_insert(EmvError::FieldFormat { path });
            }
            if let Err(error) = push_object(&mut value, path, sub, text) {
                self.fault.get_or_insert(error);
            }
        }
        self.object(id, &value)
    }

    fn refuse(mut self, id: u8) -> Self {
        self.fault.get_or_insert(EmvError::FieldFormat { path: Path::root(id) });
        self
    }
}
