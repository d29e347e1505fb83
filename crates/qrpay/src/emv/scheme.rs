//! Which payment scheme a scanned text belongs to.

use super::object::{Object, Objects, Template};

/// The scheme of a scanned text, as its first characters and identifiers say.
///
/// Recognized is what a text claims to be; whether it is valid is for that scheme's parser to say.
/// A national scheme on the EMVCo form is named only where a registered identifier settles it;
/// other EMVCo payloads are [`Scheme::Emv`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scheme {
    /// Our compact form, `QP1.`.
    Compact,
    /// EMVCo merchant-presented with our challenge template.
    EmvChallenge,
    /// EMVCo merchant-presented, no scheme that we know.
    Emv,
    /// Brazil: identifier `br.gov.bcb.pix`.
    Pix,
    /// Cambodia: account `name@bank` in 29 or 30, country KH.
    Khqr,
    /// Sri Lanka: account of 28 digits in 26, country LK.
    LankaQr,
    /// Thailand: identifier A000000677010111 and following.
    PromptPay,
    /// Singapore: identifier `SG.PAYNOW`.
    PayNow,
    /// Vietnam: identifier A000000727.
    VietQr,
    /// Malaysia: identifier A0000006150001.
    DuitNow,
    /// Indonesia: identifier `ID.CO.QRIS.WWW`.
    Qris,
    /// Hong Kong: identifier `hk.com.hkicl`.
    HongKongFps,
    /// India: a `upi:` address, or the EMVCo form with identifier A000000524.
    Upi,
    /// SEPA credit transfer, EPC069-12.
    Epc,
    /// Swiss QR-bill, header SPC.
    SwissQrBill,
    /// Bitcoin address, BIP-21.
    Bip21,
    /// None of these.
    Unknown,
}

impl Scheme {
    /// Recognizes a text; looks at its first 2,048 bytes at most.
    pub fn of<T: AsRef<[u8]> + ?Sized>(input: &T) -> Self {
        let bytes = input.as_ref();
        let bytes = bytes.get(..2048).unwrap_or(bytes);
        let text = match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => bytes
                .get(..error.valid_up_to())
                .and_then(|valid| core::str::from_utf8(valid).ok())
                .unwrap_or_default(),
        };
        let text = text.trim_start_matches(['\u{FEFF}', ' ', '\r', '\n', '\t']);
        if text.starts_with("QP1.") {
            Self::Compact
        } else if text.starts_with("000201") || text.starts_with("002001") {
            Self::of_emv(text.get(6..).unwrap_or_default())
        } else if starts_with(text, "upi://") {
            Self::Upi
        } else if starts_with(text, "bitcoin:") {
            Self::Bip21
        } else {
            Self::of_lines(text)
        }
    }

    fn of_emv(rest: &str) -> Self {
        let country = Objects::of(rest).find(|object| object.id == 58).map(|object| object.value);
        let mut schemes = Objects::of(rest)
            .filter_map(|object| Self::of_template(object, country.unwrap_or_default()));
        // A payload of several schemes is ours if it can be: ours is what we can pay.
        match schemes.clone().find(|scheme| *scheme == Self::EmvChallenge) {
            Some(ours) => ours,
            None => schemes.next().unwrap_or(Self::Emv),
        }
    }

    fn of_template(object: Object<'_>, country: &str) -> Option<Self> {
        if !matches!(object.id, 26..=51 | 80..=99) {
            return None;
        }
        let guid = Template::read(object.value)?.guid()?;
        if guid == super::CHALLENGE_GUID {
            return Some(Self::EmvChallenge);
        }
        let account = object.id <= 51;
        let named = IDENTIFIERS.iter().find(|(known, _)| starts_with(guid, known));
        if let Some(&(_, scheme)) = named.filter(|_| account) {
            return Some(scheme);
        }
        let at =
            guid.split_once('@').is_some_and(|(name, bank)| !name.is_empty() && !bank.is_empty());
        match (object.id, country) {
            (29 | 30, "KH") if at => Some(Self::Khqr),
            (26, "LK") if guid.len() == 28 && guid.bytes().all(|b| b.is_ascii_digit()) => {
                Some(Self::LankaQr)
            }
            _ => None,
        }
    }

    fn of_lines(text: &str) -> Self {
        let mut lines = text.lines();
        match [lines.next(), lines.next(), lines.next(), lines.next()] {
            [Some("BCD"), Some("001" | "002"), Some(set), Some("SCT")]
                if matches!(set.as_bytes(), [b'1'..=b'8']) =>
            {
                Self::Epc
            }
            [Some("SPC"), Some(version), Some("1"), _]
                if version.len() == 4 && version.starts_with("02") =>
            {
                Self::SwissQrBill
            }
            _ => Self::Unknown,
        }
    }
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// Registered identifiers of merchant account templates.
const IDENTIFIERS: [(&str, Scheme); 8] = [
    ("br.gov.bcb.pix", Scheme::Pix),
    ("A00000067701011", Scheme::PromptPay),
    ("SG.PAYNOW", Scheme::PayNow),
    ("A000000727", Scheme::VietQr),
    ("A0000006150001", Scheme::DuitNow),
    ("ID.CO.QRIS.WWW", Scheme::Qris),
    ("hk.com.hkicl", Scheme::HongKongFps),
    ("A000000524", Scheme::Upi),
];
