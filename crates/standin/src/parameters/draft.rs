//! Parameters as they are written down: plain data, nothing checked.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use port::WireError;
use port::wire::{Reader, Writer};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// Fields of a draft that no version of the form knows: kept, so that the check can name them.
pub type Unknown = BTreeMap<String, Ignored>;

/// The value of an unknown field: not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Self)
    }
}

macro_rules! drafts {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// Fields that this version does not know.
            #[serde(flatten, skip_serializing)]
            pub unknown: Unknown,
        }

        impl Form for $name {
            fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
                $(self.$field.write(to)?;)*
                Ok(())
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
                Ok(Self { $($field: Form::read(from)?,)* unknown: Unknown::new() })
            }
        }
    )*};
}

drafts! {
    /// A parameter set as data; amounts are minor units of its currency, times milliseconds.
    ParametersDraft {
        /// The version of this form: 1.
        schema: u32,
        /// The institution identification code.
        institution: u64,
        /// The set's own number, strictly rising.
        version: u64,
        /// ISO 4217 letters.
        currency: String,
        /// When it was signed.
        issued_at_ms: u64,
        /// From when on it decides.
        effective_from_ms: u64,
        /// From when on it decides no more.
        valid_until_ms: u64,
        /// How long after `issued_at_ms` it is stale.
        stale_after_ms: u64,
        /// The ranges of card numbers that it is about, by their first eight digits.
        ranges: Vec<RangeDraft>,
        /// The initiators it is about; all, if empty.
        initiators: Vec<u64>,
        /// What is counted.
        counters: Vec<CounterDraft>,
        /// How much may be approved and not yet posted.
        exposure: ExposureDraft,
        /// Wrong PINs before code 75; 0 means three.
        pin_tries: u8,
        /// By how much a shadow balance shrinks per hour of its age, in basis points.
        balance_haircut_bp_per_hour: u16,
        /// How old a shadow balance may be; 0 means that balances are not used.
        balance_age_max_ms: u64,
        /// Whether requests for accounts without a usable shadow balance are declined (code 51).
        balance_required: bool,
        /// By how much a completion may exceed its pre-authorization, in basis points.
        completion_tolerance_bp: u16,
        /// How long a pre-authorization holds its amount; 0 means 30 days.
        pre_authorization_ms: u64,
        /// Whether refunds give limits and balance back.
        refunds_restore: bool,
        /// The rules, at most a thousand.
        rules: Vec<RuleDraft>,
    }

    /// A range of card numbers.
    RangeDraft {
        /// The first eight digits of its first number.
        from: u32,
        /// The first eight digits of its last number.
        to: u32,
        /// Whether numbers in it need no right check digit.
        without_check_digit: bool,
        /// The product's name, for rules.
        product: Option<String>,
    }

    /// Something that is counted for each account.
    CounterDraft {
        /// 1 to 255. A counter that is defined anew has a new number: old counts would be read wrongly, and a set that would do
        /// so is refused.
        id: u8,
        /// `day`, `week`, `month`, or `sliding`.
        window: String,
        /// The length of a sliding window.
        length_ms: Option<u64>,
        /// The kinds it counts; all that spend, if empty.
        kinds: Vec<String>,
    }

    /// Caps of approved and not yet posted amounts.
    ExposureDraft {
        /// Of all initiators together.
        institution_minor: i64,
        /// Of single initiators.
        initiators: Vec<LimitDraft>,
    }

    /// A cap of one initiator, or a limit of one counter.
    LimitDraft {
        /// The initiator's code, or the counter's number.
        of: u64,
        /// The largest count.
        count: Option<u32>,
        /// The largest sum.
        sum_minor: Option<i64>,
    }

    /// One rule.
    RuleDraft {
        /// Its number, as explanations name it.
        number: u32,
        /// What it is about.
        scope: ScopeDraft,
        /// Denies with this response code. Deny always wins.
        deny: Option<String>,
        /// When the rule ends by itself.
        until_ms: Option<u64>,
        /// Whether this may be approved at all.
        approve: Option<bool>,
        /// Whether a part of the amount may be approved where all of it is over a limit.
        partial: Option<bool>,
        /// Whether a request without an expiry date may pass.
        without_expiry: Option<bool>,
        /// How a PIN is treated: `refuse`, `floor`, `waive`, or `key:` and a key's number.
        pin: Option<String>,
        /// How a card verification number is treated, in the same words.
        cvn: Option<String>,
        /// How a cryptogram is treated, in the same words.
        arqc: Option<String>,
        /// Limits.
        limits: RuleLimitsDraft,
    }

    /// The limits of a rule.
    RuleLimitsDraft {
        /// The largest single amount.
        single_minor: Option<i64>,
        /// The largest amount that passes without verification.
        floor_minor: Option<i64>,
        /// The largest risk score, in basis points.
        risk_bp: Option<u16>,
        /// At most so many at one terminal …
        velocity_count: Option<u8>,
        /// … in this time.
        velocity_ms: Option<u64>,
        /// Limits of counters.
        windows: Vec<LimitDraft>,
    }

    /// What a rule is about. An empty list fits everything; in each list, one entry must fit.
    ScopeDraft {
        /// Account tokens, 32 hexadecimal digits.
        accounts: Vec<String>,
        /// Ranges of card numbers.
        bins: Vec<RangeDraft>,
        /// Products.
        products: Vec<String>,
        /// Initiators.
        initiators: Vec<u64>,
        /// Channels.
        channels: Vec<String>,
        /// Entry modes.
        entries: Vec<String>,
        /// Kinds.
        kinds: Vec<String>,
        /// Merchant categories.
        mccs: Vec<u16>,
        /// Countries.
        countries: Vec<u16>,
        /// Only VIPs, or only others.
        vip: Option<bool>,
    }
}

impl ParametersDraft {
    /// Appends the stored and signed form, specified in `docs/spec/standin.md`.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        self.write(&mut Writer::new(to, 1))
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let draft = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(draft)
    }
}

/// The stored form of a field: numbers big-endian, texts and lists behind their length, options behind a byte.
pub(super) trait Form: Sized {
    fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError>;
    fn read(from: &mut Reader<'_>) -> Result<Self, WireError>;
}

macro_rules! numbers {
    ($($type:ident)*) => {$(
        impl Form for $type {
            fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
                to.$type(*self);
                Ok(())
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
                from.$type()
            }
        }
    )*};
}

numbers! { u8 u16 u32 u64 i64 }

impl Form for bool {
    fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        to.u8(u8::from(*self));
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        match from.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Invalid),
        }
    }
}

impl Form for String {
    fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        to.lp8(self.as_bytes())?;
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Reader::text(from.lp8()?).map(Self::from)
    }
}

impl<T: Form> Form for Option<T> {
    fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        self.is_some().write(to)?;
        self.iter().try_for_each(|value| value.write(to))
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        bool::read(from)?.then(|| T::read(from)).transpose()
    }
}

impl<T: Form> Form for Vec<T> {
    fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        to.u16(u16::try_from(self.len()).map_err(|_| WireError::TooLong)?);
        self.iter().try_for_each(|value| value.write(to))
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        // Grows as far as the bytes go: the count is foreign.
        (0..from.u16()?).map(|_| T::read(from)).collect()
    }
}
