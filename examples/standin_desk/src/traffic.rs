//! Recorded traffic: one JSON object a line, in the order of time. The form is in the README.

use crate::failure::Failure;
use crate::options::Said;
use crate::rehearsal::evidence;
use crate::{hex, when};
use port::{Amount, Currency, Time};
use seal::{Account, AccountRef, AccountTokens};
use serde::Deserialize;
use standin::{
    AccountInfo, Bin, Capabilities, Channel, CheckDigit, Country, EntryMode, Evidences, Expiry,
    HostOutcome, InstitutionId, Kind, Mcc, Mti, RequestDraft, RequestKey, ResponseCode, Text,
    TransactionRequest,
};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// Traffic from a file, request by request.
pub(crate) trait Recording {
    /// The next request; `None` at the end.
    fn next(&mut self) -> Result<Option<Recorded>, Failure>;
}

/// The lines of a file, one after the other: it may be larger than memory.
pub(crate) struct Traffic {
    path: PathBuf,
    reader: BufReader<File>,
    tokens: Option<AccountTokens>,
    line: u64,
    last: Time,
}

/// One request, and what happened to it.
pub(crate) struct Recorded {
    /// The line or message in the file, from 1.
    pub(crate) line: u64,
    /// When the request came.
    pub(crate) at: Time,
    pub(crate) request: TransactionRequest,
    /// What the terminal was told; `None` if it was told nothing.
    pub(crate) answer: Option<(ResponseCode, Option<Amount>)>,
    /// What the accounting system made of it.
    pub(crate) host: HostOutcome,
    /// What the accounting system has posted, signed as the account sees it; `None` where that was not recorded.
    pub(crate) posted: Option<Vec<Amount>>,
    /// What the initiator settles, signed likewise.
    pub(crate) initiator: Option<Amount>,
}

impl Traffic {
    pub(crate) fn open(path: &Path, tokens: Option<AccountTokens>) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|why| Failure::file(path, why))?;
        let reader = BufReader::with_capacity(256 * 1024, file);
        Ok(Self { path: path.into(), reader, tokens, line: 0, last: Time::EPOCH })
    }

    fn fault(&self, why: &dyn std::fmt::Display) -> Failure {
        Failure::file(&self.path, format!("line {}: {why}", self.line))
    }

    fn recorded(&self, bytes: &[u8]) -> Result<Recorded, String> {
        let form: Form = parse(bytes)?;
        let at = when::parse(&form.at).map_err(|why| format!("at: {why}"))?;
        let request = self.request(&form, at)?;
        let answer = form.answer.as_ref().map(|answer| answer.told(request.amount)).transpose()?;
        let host = match (form.host, answer) {
            (Some(said), _) => said.outcome(),
            (None, None) => HostOutcome::Unknown,
            (None, Some((code, _))) if code.is_approval() => HostOutcome::Approved,
            (None, Some(_)) => HostOutcome::Declined,
        };
        let amount = |minor: i64| Amount::new(minor, request.amount.currency());
        Ok(Recorded {
            line: self.line,
            at,
            answer,
            host,
            posted: form.posted_minor.map(|all| all.into_iter().map(amount).collect()),
            initiator: form.initiator_minor.map(amount),
            request,
        })
    }

    fn request(&self, form: &Form, at: Time) -> Result<TransactionRequest, String> {
        let sent_at = match &form.sent_at {
            Some(sent) => when::parse(sent).map_err(|why| format!("sent_at: {why}"))?,
            None => at,
        };
        let initiator = institution("initiator", form.initiator)?;
        let terminal = terminal("terminal", &form.terminal)?;
        let original = form.original.as_ref().map(|original| original.key(initiator, terminal));
        let amount = Amount::new(form.amount_minor, currency("currency", &form.currency)?);
        let draft = RequestDraft {
            institution: Some(institution("institution", form.institution)?),
            initiator: Some(initiator),
            account: Some(self.account("account", &form.account)?),
            amount: Some(amount),
            billing: form.billing()?,
            kind: Some(Kind::from_word(&form.kind).ok_or("kind: no such word")?),
            mti: Some(mti("mti", &form.mti)?),
            trace: Some(form.trace),
            sent_at: Some(sent_at),
            terminal: Some(terminal),
            channel: word("channel", form.channel.as_deref(), Channel::from_word)?,
            entry: word("entry", form.entry.as_deref(), EntryMode::from_word)?,
            mcc: number("mcc", form.mcc, Mcc::new)?,
            country: number("country", form.country, Country::new)?,
            expiry: number("expiry", form.expiry, Expiry::from_yymm)?,
            capabilities: Capabilities {
                partial_approval: form.partial,
                ..Capabilities::default()
            },
            original: original.transpose()?,
            to: form.to.as_ref().map(|to| self.account("to", to)).transpose()?,
            risk_bp: form.risk_bp,
            evidence: Evidences {
                pin: evidence(form.pin),
                cvn: evidence(form.cvn),
                arqc: evidence(form.arqc),
            },
            ..RequestDraft::default()
        };
        TransactionRequest::new(draft).map_err(|why| why.to_string())
    }

    /// An account by its token, or by its number, which goes no further.
    fn account(&self, path: &str, form: &AccountForm) -> Result<AccountInfo, String> {
        match (&form.token, &form.number) {
            (Some(token), None) => {
                let token = hex::token(token).map_err(|why| format!("{path}.token: {why}"))?;
                let bin = number(&format!("{path}.bin"), form.bin, Bin::new)?;
                let check_digit = match (bin, form.check_digit) {
                    (None, _) => CheckDigit::None,
                    (Some(_), Some(false)) => CheckDigit::Wrong,
                    (Some(_), _) => CheckDigit::Right,
                };
                Ok(AccountInfo { token, bin, check_digit, handle: Default::default() })
            }
            (None, Some(number)) => {
                let tokens = self.tokens.as_ref();
                let tokens = tokens.ok_or_else(|| {
                    format!("{path}.number: card numbers are taken only with --token-key")
                })?;
                let account = Account::new(number.as_bytes().to_vec());
                let account = account.map_err(|why| format!("{path}.number: {why}"))?;
                Ok(AccountInfo::new(&account, tokens.token(&account)))
            }
            _ => Err(format!("{path}: either a token or a number")),
        }
    }
}

impl Recording for Traffic {
    fn next(&mut self) -> Result<Option<Recorded>, Failure> {
        let mut bytes = Vec::new();
        loop {
            self.line += 1;
            bytes.clear();
            let mut line = (&mut self.reader).take(LINE_BYTES_MAX + 1);
            let len = line.read_until(b'\n', &mut bytes).map_err(|why| self.fault(&why))?;
            if len == 0 {
                return Ok(None);
            }
            if u64::try_from(len).is_ok_and(|len| len > LINE_BYTES_MAX) {
                return Err(self.fault(&"the line is too long"));
            }
            if !bytes.trim_ascii().is_empty() {
                break;
            }
        }
        let recorded = self.recorded(&bytes).map_err(|why| self.fault(&why))?;
        if recorded.at < self.last {
            return Err(self.fault(&"at: earlier than the line before; sort the file"));
        }
        self.last = recorded.at;
        Ok(Some(recorded))
    }
}

impl Recorded {
    /// The terminal was told this; by it is told what the accounting system made of the request.
    pub(crate) const fn tell(&mut self, code: ResponseCode, approved: Option<Amount>) {
        self.answer = Some((code, approved));
        self.host = if code.is_approval() { HostOutcome::Approved } else { HostOutcome::Declined };
    }
}

/// Reads JSON without ever repeating a value: it may be a card number, or a PIN.
pub(crate) fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let form = serde_path_to_error::deserialize(&mut reader).map_err(|why| {
        let path = crate::mask::digits(&why.path().to_string());
        let inner = why.inner();
        let words = inner.to_string();
        let missing = words.strip_prefix("missing field `");
        let field = missing.and_then(|rest| rest.split_once('`')).map(|(field, _)| field);
        match (field, inner.classify()) {
            (Some(field), _) if path == "." => format!("{field}: it is missing"),
            (Some(field), _) => format!("{path}.{field}: it is missing"),
            (None, serde_json::error::Category::Data) if words.starts_with("unknown field") => {
                format!("{path}: no such field")
            }
            (None, serde_json::error::Category::Data) => {
                format!("{path}: not of its type, or no such word")
            }
            _ => "it is no JSON object".to_owned(),
        }
    })?;
    reader.end().map_err(|_| "something follows the object".to_owned())?;
    Ok(form)
}

pub(crate) fn token(path: &str, text: &str) -> Result<AccountRef, String> {
    hex::token(text).map_err(|why| format!("{path}: {why}"))
}

fn institution(path: &str, code: u64) -> Result<InstitutionId, String> {
    InstitutionId::new(code).ok_or_else(|| format!("{path}: 1 to 11 digits"))
}

fn currency(path: &str, letters: &str) -> Result<Currency, String> {
    Currency::parse(letters).map_err(|_| format!("{path}: no currency of ISO 4217"))
}

fn mti(path: &str, digits: &str) -> Result<Mti, String> {
    Mti::parse(digits.as_bytes()).map_err(|why| format!("{path}: {why}"))
}

/// Terminals are printed, so none may be a card number by mistake.
fn terminal(path: &str, text: &str) -> Result<Text<16>, String> {
    if crate::mask::digits(text) != text && text.len() >= 12 {
        return Err(format!("{path}: it looks like a card number"));
    }
    Text::new(text).map_err(|why| format!("{path}: {why}"))
}

fn word<T>(
    path: &str,
    word: Option<&str>,
    read: fn(&str) -> Option<T>,
) -> Result<Option<T>, String> {
    word.map(|word| read(word).ok_or_else(|| format!("{path}: no such word"))).transpose()
}

fn number<N, T>(
    path: &str,
    number: Option<N>,
    read: impl Fn(N) -> Option<T>,
) -> Result<Option<T>, String> {
    number.map(|one| read(one).ok_or_else(|| format!("{path}: out of its range"))).transpose()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    at: String,
    mti: String,
    kind: String,
    institution: u64,
    initiator: u64,
    account: AccountForm,
    amount_minor: i64,
    currency: String,
    billing_minor: Option<i64>,
    billing_currency: Option<String>,
    trace: u64,
    sent_at: Option<String>,
    terminal: String,
    channel: Option<String>,
    entry: Option<String>,
    mcc: Option<u16>,
    country: Option<u16>,
    expiry: Option<u16>,
    #[serde(default)]
    partial: bool,
    risk_bp: Option<u16>,
    pin: Option<Said>,
    cvn: Option<Said>,
    arqc: Option<Said>,
    original: Option<KeyForm>,
    to: Option<AccountForm>,
    answer: Option<AnswerForm>,
    host: Option<HostForm>,
    posted_minor: Option<Vec<i64>>,
    initiator_minor: Option<i64>,
}

impl Form {
    fn billing(&self) -> Result<Option<Amount>, String> {
        match (self.billing_minor, &self.billing_currency) {
            (None, None) => Ok(None),
            (Some(minor), Some(letters)) => {
                Ok(Some(Amount::new(minor, currency("billing_currency", letters)?)))
            }
            _ => Err("billing_minor: only together with billing_currency".into()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountForm {
    token: Option<String>,
    bin: Option<u32>,
    check_digit: Option<bool>,
    number: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerForm {
    code: String,
    amount_minor: Option<i64>,
}

impl AnswerForm {
    /// The code, and what was approved of the amount that was asked for.
    fn told(&self, asked: Amount) -> Result<(ResponseCode, Option<Amount>), String> {
        let code = <[u8; 2]>::try_from(self.code.as_bytes()).ok().and_then(ResponseCode::new);
        let code = code.ok_or("answer.code: two digits or capital letters")?;
        let minor = self.amount_minor.unwrap_or(asked.minor());
        Ok((code, code.is_approval().then(|| Amount::new(minor, asked.currency()))))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyForm {
    mti: String,
    initiator: Option<u64>,
    trace: u64,
    sent_at: String,
    terminal: Option<String>,
}

impl KeyForm {
    fn key(&self, by: InstitutionId, at: Text<16>) -> Result<RequestKey, String> {
        let class = mti("original.mti", &self.mti)?.class();
        let initiator = match self.initiator {
            Some(code) => institution("original.initiator", code)?,
            None => by,
        };
        let sent_at =
            when::parse(&self.sent_at).map_err(|why| format!("original.sent_at: {why}"))?;
        let terminal = match &self.terminal {
            Some(text) => terminal("original.terminal", text)?,
            None => at,
        };
        RequestKey::new(class, initiator, self.trace, sent_at, terminal)
            .ok_or_else(|| "original.trace: out of its range".into())
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum HostForm {
    Approved,
    Declined,
    NotAsked,
    Unknown,
}

impl HostForm {
    const fn outcome(self) -> HostOutcome {
        match self {
            Self::Approved => HostOutcome::Approved,
            Self::Declined => HostOutcome::Declined,
            Self::NotAsked => HostOutcome::NotAsked,
            Self::Unknown => HostOutcome::Unknown,
        }
    }
}

/// As long as no line of the form is.
const LINE_BYTES_MAX: u64 = 64 * 1024;
