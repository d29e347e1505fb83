//! The payers' side: phones that read codes, show what they say, and answer.
//!
//! A wallet knows its account, its device secret and whom it trusts. It reaches the bank through a [`Line`] alone.

use crate::around::Place;
use crate::clock;
use crate::failure::Failure;
use crate::forecourt::as_car;
use crate::gate::without_pin;
use crate::hex;
use crate::line::Line;
use crate::picture::{self, Unreadable};
use crate::secrets;
use crate::seen::{Challenged, Seen};
use crate::trouble::Trouble;
use interbank::port::wire::Writer;
use interbank::qrpay::{
    DeviceId, DeviceSecret, PaymentClient, PaymentRequest, Pin, ReadError, ReplyKey, Scanned,
    use_key,
};
use interbank::risk_core::surroundings::TerminalId;
use interbank::seal::{Account, Secret, TrustList, TrustedKey, Validity, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The demo payers' phones.
pub(crate) struct Wallet {
    phones: Vec<Phone>,
    line: Line,
    /// Decoding a picture takes up to 200 MB for a moment, stretching a PIN 19 MiB: not too many at once.
    pictures: Semaphore,
    pins: Semaphore,
}

impl Wallet {
    /// Phones on a line.
    pub(crate) const fn new(phones: Vec<Phone>, line: Line) -> Self {
        let (pictures, pins) = (Semaphore::const_new(2), Semaphore::const_new(4));
        Self { phones, line, pictures, pins }
    }

    /// All phones.
    pub(crate) fn phones(&self) -> &[Phone] {
        &self.phones
    }

    /// One phone.
    pub(crate) fn phone(&self, slug: &str) -> Option<&Phone> {
        self.phones.iter().find(|phone| phone.slug == slug)
    }

    /// The screens in sight: pictures, and what stands next to them.
    pub(crate) async fn screens(&self) -> Result<Vec<Screen>, Trouble> {
        let (_, bytes) = self.line.get("/merchant/screens").await?;
        serde_json::from_slice(&bytes).map_err(|why| Trouble::Inside(Box::new(why)))
    }

    /// Points the camera at a screen: fetches the picture that it shows.
    pub(crate) async fn look(&self, picture: &str) -> Result<Option<Vec<u8>>, Trouble> {
        // Only what a screen in sight shows, and not whatever a form names.
        if !self.screens().await?.iter().any(|screen| screen.picture == picture) {
            return Ok(None);
        }
        let (status, bytes) = self.line.get(picture).await?;
        Ok(status.is_success().then(|| bytes.to_vec()))
    }

    /// Reads the code in a picture.
    pub(crate) async fn scan(
        &self,
        picture: Vec<u8>,
    ) -> Result<Result<String, Unreadable>, Trouble> {
        let _permit = self.pictures.acquire().await.map_err(|_| Trouble::Busy)?;
        let read = spawn_blocking(move || picture::read(&picture));
        read.await.map_err(|why| Trouble::Inside(Box::new(why)))
    }

    /// Asks to pay without the PIN: looks around, and answers with the key that needs none. The number of the check comes
    /// back with the bank's answer.
    pub(crate) async fn pay_without_pin(
        &self,
        phone: &Phone,
        scanned: &Scanned,
        place: Place,
    ) -> Result<(PayReply, [u8; 16]), Trouble> {
        let name = phone.device.as_bytes();
        let mut who = Vec::with_capacity(64);
        Writer::bare(&mut who).lp8(name)?.lp8(phone.account.expose())?;
        let (status, bytes) = self.line.post("/pay/challenge", who).await?;
        if !status.is_success() {
            return Err(Trouble::Busy);
        }
        let challenged: Challenged =
            serde_json::from_slice(&bytes).map_err(|why| Trouble::Inside(Box::new(why)))?;
        let report = place.report(clock::now(), challenged.nonce(), &clock::entropy()?);
        let answered = phone.answer_without_pin(scanned)?;
        let (mut request, mut around) = (Vec::with_capacity(160), Vec::with_capacity(512));
        answered.encode(&mut request);
        report.encode(&mut around)?;
        let check = check_number()?;
        let mut body = Vec::with_capacity(768);
        Writer::bare(&mut body).fixed(&check).lp8(name)?.lp16(&request)?.lp16(&around)?;
        let (_, reply) = self.line.post("/pay/without-pin", body).await?;
        let reply = serde_json::from_slice(&reply).map_err(|why| Trouble::Inside(Box::new(why)))?;
        Ok((reply, check))
    }

    /// Computes the reply with the PIN and sends the one message; it confirms the check, if there was one.
    pub(crate) async fn pay(
        &self,
        phone: &Phone,
        scanned: &Scanned,
        pin: Pin,
        check: Option<[u8; 16]>,
    ) -> Result<PayReply, Trouble> {
        let permit = self.pins.acquire().await.map_err(|_| Trouble::Busy)?;
        let secret = phone.secret.clone();
        let (account, device) = (phone.account.clone(), phone.device.clone());
        let key = spawn_blocking(move || use_key(&secret, Some(&pin), &account, &device, KEY));
        let key = key.await.map_err(|why| Trouble::Inside(Box::new(why)))??;
        drop(permit);
        let request = phone.client.answer(scanned, &ReplyKey::mac(&key))?;
        let mut bytes = Vec::with_capacity(160);
        request.encode(&mut bytes);
        let path = match check {
            Some(check) => {
                let (phone, check) = (&phone.device, hex::digits(&check));
                format!("/pay?terminal={phone}&check={check}")
            }
            None => "/pay".into(),
        };
        let (_, reply) = self.line.post(&path, bytes).await?;
        serde_json::from_slice(&reply).map_err(|why| Trouble::Inside(Box::new(why)))
    }

    /// Asks where a payment stands; `None` if the bank does not know it.
    pub(crate) async fn progress(
        &self,
        uid: &str,
        payment: &str,
    ) -> Result<Option<Progress>, Trouble> {
        let (status, bytes) = self.line.get(&format!("/pay/{uid}/{payment}")).await?;
        if !status.is_success() {
            return Ok(None);
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|why| Trouble::Inside(Box::new(why)))
    }
}

/// One payer's phone.
pub(crate) struct Phone {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) account: Account,
    pub(crate) device: DeviceId,
    secret: DeviceSecret,
    client: PaymentClient,
}

impl Phone {
    /// Reads the text of a code and checks who vouches for it.
    pub(crate) fn read(&self, text: &str) -> Result<Scanned, ReadError> {
        self.client.read(clock::now(), text)
    }

    /// The last digits of the account, for people.
    pub(crate) fn account_tail(&self) -> String {
        let number = String::from_utf8_lossy(self.account.expose());
        let tail: String = number.chars().rev().take(4).collect();
        tail.chars().rev().collect()
    }

    /// What the bank keeps of this phone: the use-key with the PIN mixed in.
    pub(crate) fn use_key(&self, pin: Pin) -> Result<Secret<32>, Trouble> {
        Ok(use_key(&self.secret, Some(&pin), &self.account, &self.device, KEY)?)
    }

    /// The phone's second key, and the bank's name for it: it needs no PIN, and pays only where the gate lets it.
    pub(crate) fn key_without_pin(&self) -> Result<(DeviceId, Secret<32>), Trouble> {
        let device = without_pin(&self.device)?;
        let key = use_key(&self.secret, None, &self.account, &device, KEY)?;
        Ok((device, key))
    }

    /// What this phone answers to a code where nobody enters the PIN.
    pub(crate) fn answer_without_pin(&self, scanned: &Scanned) -> Result<PaymentRequest, Trouble> {
        let (_, key) = self.key_without_pin()?;
        Ok(self.client.answer(scanned, &ReplyKey::mac(&key))?)
    }

    /// The key of this payer's car, and the bank's name for it.
    pub(crate) fn key_of_car(&self) -> Result<(DeviceId, Secret<32>), Trouble> {
        let device = as_car(&self.device)?;
        let key = use_key(&self.secret, None, &self.account, &device, KEY)?;
        Ok((device, key))
    }

    /// What this payer's car answers to the pump's code.
    pub(crate) fn answer_as_car(&self, scanned: &Scanned) -> Result<PaymentRequest, Trouble> {
        let (_, key) = self.key_of_car()?;
        Ok(self.client.answer(scanned, &ReplyKey::mac(&key))?)
    }

    /// Its name as a terminal.
    pub(crate) fn terminal(&self) -> Result<TerminalId, Trouble> {
        TerminalId::new(self.device.to_string()).map_err(|why| Trouble::Inside(why.into()))
    }
}

/// A screen in sight.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Screen {
    /// Where its picture is.
    pub(crate) picture: String,
    /// What stands next to it.
    pub(crate) label: String,
}

/// What the bank answers to the one message.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct PayReply {
    /// `accepted`, `refused` or `failed`.
    pub(crate) outcome: String,
    /// For people.
    pub(crate) message: String,
    /// The stable number of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<u32>,
    /// For which order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<String>,
    /// The number of the payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payment: Option<String>,
    /// Whether this was answered before.
    #[serde(default)]
    pub(crate) repeated: bool,
    /// What the bank made of the surroundings, where it judged them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) surroundings: Option<Seen>,
}

/// Where a payment stands.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Progress {
    /// `accepted`, `paid`, `declined`, `lapsed`, `reversing`, `reversed` or `unreversed`.
    pub(crate) state: String,
    /// To whom.
    pub(crate) payee: String,
    /// How much.
    pub(crate) amount: String,
    /// The accounting system's code, 0 if it had nothing to say.
    pub(crate) cause: u32,
}

/// The file of the wallets, `wallet.json`; the bank's program reads it only because both live in one process here.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WalletFile {
    version: u32,
    issuer: String,
    issuer_key_id: u8,
    issuer_key: String,
    phones: Vec<StoredPhone>,
}

impl WalletFile {
    /// Reads the file, or makes one with new phones that trust this issuer.
    pub(crate) fn open(
        path: &Path,
        issuer: (&str, u8, &VerifyingKey),
    ) -> Result<Vec<Phone>, Failure> {
        let damaged = || secrets::refuse(path, "it is damaged; remove it to get new phones".into());
        let file = match secrets::read(path)? {
            // What serde says could quote a secret.
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| damaged())?,
            None => Self::create(path, issuer)?,
        };
        file.phones().ok_or_else(damaged)
    }

    fn create(
        path: &Path,
        (issuer, issuer_key_id, key): (&str, u8, &VerifyingKey),
    ) -> Result<Self, Failure> {
        let mut phones = Vec::new();
        for payer in &PAYERS {
            let entropy = Zeroizing::new(clock::entropy()?);
            let secret = DeviceSecret::draw(&entropy);
            let name = secrets::to_hex(&clock::entropy()?);
            phones.push(StoredPhone {
                slug: payer.slug.into(),
                name: payer.name.into(),
                account: payer.account.into(),
                device: format!("phone-{}", name.get(..8).unwrap_or_default()),
                secret: String::from(secrets::to_hex(secret.expose()).as_str()),
            });
        }
        let issuer_key = String::from(secrets::to_hex(&key.to_bytes()).as_str());
        let file = Self { version: 1, issuer: issuer.into(), issuer_key_id, issuer_key, phones };
        let text = serde_json::to_vec_pretty(&file).map(Zeroizing::new);
        let text = text.map_err(|why| secrets::refuse(path, why.to_string()))?;
        secrets::create(path, &text)?;
        Ok(file)
    }

    fn phones(&self) -> Option<Vec<Phone>> {
        if self.version != 1 {
            return None;
        }
        let key = VerifyingKey::from_bytes(&*secrets::from_hex(&self.issuer_key)?).ok()?;
        let mut trust = TrustList::new();
        trust.add(&self.issuer, self.issuer_key_id, TrustedKey::new(key, Validity::always()));
        let phone = |stored: &StoredPhone| {
            let account = Account::new(stored.account.as_bytes()).ok()?;
            Some(Phone {
                slug: stored.slug.clone(),
                name: stored.name.clone(),
                device: DeviceId::new(stored.device.clone()).ok()?,
                secret: DeviceSecret::new(Secret::new(*secrets::from_hex(&stored.secret)?)),
                client: PaymentClient::new(account.clone(), trust.clone()),
                account,
            })
        };
        self.phones.iter().map(phone).collect()
    }
}

#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct StoredPhone {
    slug: String,
    name: String,
    account: String,
    device: String,
    secret: String,
}

/// A payer of the demo.
pub(crate) struct Payer {
    pub(crate) slug: &'static str,
    pub(crate) name: &'static str,
    pub(crate) account: &'static str,
    /// Told to whoever tries the demo; a real one is told to nobody.
    pub(crate) pin: &'static str,
    pub(crate) opening_minor: i64,
    /// Whether a car pays from this account too.
    pub(crate) has_car: bool,
}

/// Who has a phone.
pub(crate) const PAYERS: [Payer; 2] = [
    Payer {
        slug: "ava",
        name: "Ava Chen",
        account: "6222000000000001",
        pin: "258036",
        opening_minor: 250_000,
        has_car: true,
    },
    Payer {
        slug: "ben",
        name: "Ben Okafor",
        account: "6222000000000002",
        pin: "714925",
        opening_minor: 4_000,
        has_car: false,
    },
];

/// Keys of a phone's devices are never replaced here.
const KEY: u8 = 1;

fn check_number() -> Result<[u8; 16], Trouble> {
    Ok(clock::entropy()?.first_chunk().copied().unwrap_or_default())
}
