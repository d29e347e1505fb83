//! Recorded traffic as it was on the wire: ISO 8583 messages with their lengths in front, requests and answers in one file.

use crate::failure::Failure;
use crate::options::{Framed, Said};
use crate::rehearsal::evidence;
use crate::sets;
use crate::traffic::{Recorded, Recording};
use port::Time;
use seal::{Account, AccountTokens};
use standin::{AccountInfo, Evidences, HostOutcome, InstitutionId, Request, ResponseCode};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use wire_iso8583::{Class, Codings, Description, Dialect, FrameDecoder, Framing, Incoming, Usage};

/// The frames of a file, one after the other: it may be larger than memory. A request is held back until its answer comes, or the
/// traffic is a minute further.
pub(crate) struct Frames {
    path: PathBuf,
    reader: BufReader<File>,
    decoder: FrameDecoder,
    dialect: Dialect,
    usage: Usage,
    tokens: AccountTokens,
    /// Whose accounts they are where a message does not say it.
    institution: InstitutionId,
    /// About when it was recorded: by this, years are told.
    about: Time,
    messages: u64,
    last: Time,
    waiting: VecDeque<Recorded>,
    is_over: bool,
}

impl Frames {
    pub(crate) fn open(
        path: &Path,
        framed: &Framed,
        institution: InstitutionId,
        tokens: Option<AccountTokens>,
    ) -> Result<Self, Failure> {
        let usage = |why: &str| Failure::Usage(why.into());
        let tokens = tokens.ok_or_else(|| usage("messages have card numbers: say --token-key"))?;
        let about = framed.about.ok_or_else(|| usage("messages have no year: say --about"))?;
        let framing = match framed.iso8583 {
            Some(framing) => framing.get(),
            None => Framing::BINARY_2,
        };
        let dialect = match &framed.dialect {
            Some(file) => described(file)?,
            None => {
                Dialect::iso1987(Codings::ASCII).map_err(|why| Failure::Run(why.to_string()))?
            }
        };
        let file = File::open(path).map_err(|why| Failure::file(path, why))?;
        Ok(Self {
            path: path.into(),
            reader: BufReader::with_capacity(256 * 1024, file),
            decoder: FrameDecoder::new(framing),
            dialect,
            usage: Usage::iso1987(),
            tokens,
            institution,
            about,
            messages: 0,
            last: Time::EPOCH,
            waiting: VecDeque::new(),
            is_over: false,
        })
    }

    /// Reads one message.
    fn read(&mut self) -> Result<(), Failure> {
        loop {
            let mut chunk = self.reader.fill_buf().map_err(|why| Failure::file(&self.path, why))?;
            let whole = chunk.len();
            if whole == 0 {
                self.is_over = true;
                if self.decoder.is_inside() {
                    return Err(self.fault(&"the file ends within a message"));
                }
                return Ok(());
            }
            let found = self.decoder.take(&mut chunk).map(|frame| {
                // What keeps a line alive is no message.
                frame
                    .filter(|frame| !frame.is_empty())
                    .map(|frame| Incoming::parse(frame, &self.dialect, self.about))
            });
            let taken = whole - chunk.len();
            self.reader.consume(taken);
            match found {
                Ok(None) => {}
                Ok(Some(incoming)) => {
                    self.messages += 1;
                    let incoming = incoming.map_err(|why| self.fault(&why))?;
                    return self.take(&incoming).map_err(|why| self.fault(&why));
                }
                Err(why) => return Err(self.fault(&why)),
            }
        }
    }

    fn take(&mut self, incoming: &Incoming) -> Result<(), wire_iso8583::FieldError> {
        let mti = incoming.message().mti();
        if mti.class() == Class::Network {
            return Ok(());
        }
        if mti.is_response() {
            let key = incoming.key()?;
            for asked in self.waiting.iter_mut().filter(|one| one.request.key == key) {
                if asked.answer.is_none() {
                    let response = incoming.response(&asked.request)?;
                    asked.tell(response.code, response.approved);
                }
            }
            return Ok(());
        }
        let (tokens, own) = (&self.tokens, self.institution);
        let accounts = |account: &Account, named: Option<InstitutionId>| {
            Some((named.unwrap_or(own), AccountInfo::new(account, tokens.token(account))))
        };
        let Request::Transaction(mut request) = incoming.request(&self.usage, accounts)? else {
            return Ok(());
        };
        // The order of the file is that of arrival; clocks of terminals differ.
        self.last = self.last.max(request.key.sent_at());
        // Nobody here has the keys: what the holder said is told by the answer.
        request.mac = None;
        self.waiting.push_back(Recorded {
            line: self.messages,
            at: self.last,
            request,
            answer: None,
            host: HostOutcome::Unknown,
            posted: None,
            initiator: None,
        });
        Ok(())
    }

    fn fault(&self, why: &dyn std::fmt::Display) -> Failure {
        Failure::file(&self.path, format!("message {}: {why}", self.messages))
    }
}

impl Recording for Frames {
    fn next(&mut self) -> Result<Option<Recorded>, Failure> {
        loop {
            let is_due = self.waiting.front().is_some_and(|first| {
                first.answer.is_some() || first.at.plus_ms(ANSWER_MS) <= self.last || self.is_over
            });
            if is_due || self.is_over {
                return Ok(self.waiting.pop_front().map(|mut first| {
                    first.request.evidence = said(&first);
                    first
                }));
            }
            self.read()?;
        }
    }
}

/// What the key holder must have said of the evidence that came: 55 and 75 mean that the PIN was wrong, 86 that it could not be
/// checked, and 88 that nothing could; everything else passed. Of what nobody answered, nobody knows.
fn said(recorded: &Recorded) -> Evidences {
    let Evidences { pin, cvn, arqc } = &recorded.request.evidence;
    let code = recorded.answer.map(|(code, _)| code);
    let rest = match code {
        None | Some(ResponseCode::CRYPTOGRAPHIC) => Said::Unchecked,
        Some(_) => Said::Right,
    };
    let of_pin = match code {
        Some(ResponseCode::WRONG_PIN | ResponseCode::PIN_TRIES) => Said::Wrong,
        Some(ResponseCode::PIN_UNCHECKED) => Said::Unchecked,
        _ => rest,
    };
    let of = |there: bool, said: Said| evidence(there.then_some(said));
    Evidences {
        pin: of(pin.is_some(), of_pin),
        cvn: of(cvn.is_some(), rest),
        arqc: of(arqc.is_some(), rest),
    }
}

fn described(path: &Path) -> Result<Dialect, Failure> {
    let bytes = sets::bytes(path, DIALECT_BYTES_MAX)?;
    let description: Description = if path.extension().is_some_and(|end| end == "toml") {
        let text = String::from_utf8(bytes).map_err(|_| Failure::file(path, "it is no text"))?;
        toml::from_str(&text).map_err(|why| Failure::file(path, why.message()))?
    } else {
        serde_json::from_slice(&bytes).map_err(|why| Failure::file(path, why))?
    };
    Dialect::new(&description).map_err(|why| Failure::file(path, why))
}

/// The longest that a request waits for its answer.
const ANSWER_MS: u64 = 60_000;
const DIALECT_BYTES_MAX: u64 = 1024 * 1024;
