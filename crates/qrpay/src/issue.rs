//! Issuing an order or a commodity, and refreshing what is displayed.

use crate::item::{Displayed, Form, Item, Kind, State};
use crate::payment::MerchantKey;
use crate::server::{Setup, Trail, done};
use crate::table::{self, point};
use crate::{
    Challenge, Code, Error, Misuse, Payee, PaymentServer, Price, Refusal, Terms, Uid, Verdict,
};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{
    Amount, Answers, Ask, Batch, Currency, Decision, Effect, Expect, Key, KeyAnswer, KeyQuestion,
    Peer, ReadSet, Row, Step, Time,
};
use seal::Audited;
use sha2::{Digest as _, Sha256};

impl PaymentServer {
    /// Decides to issue an order or a commodity with its first challenge and signed code.
    ///
    /// `entropy` is drawn anew for each call; identifier and challenge come out of it under labels of their own.
    ///
    /// # Errors
    /// [`Misuse::Amount`], [`Misuse::Text`] for the idempotency key.
    pub fn issue(
        &self,
        now: Time,
        entropy: &[u8; 32],
        request: IssueRequest,
    ) -> Result<Issue, Misuse> {
        let amount = request.price.amount;
        if !amount.is_positive() || amount.currency() == Currency::NONE {
            return Err(Misuse::Amount);
        }
        if !(1..=64).contains(&request.idempotency_key.len()) {
            return Err(Misuse::Text);
        }
        Ok(Issue {
            setup: self.setup.clone(),
            now,
            uid: Uid::draw(entropy, request.kind),
            challenge: Challenge::draw(entropy),
            request,
            stage: Stage::Rows,
        })
    }

    /// Decides to replace a displayed challenge by a new one.
    ///
    /// An order's new challenge replaces all open ones. For a commodity, `replaces` names the challenge whose display is
    /// refreshed; `None` opens one more.
    pub fn refresh(
        &self,
        now: Time,
        entropy: &[u8; 32],
        uid: Uid,
        replaces: Option<u32>,
    ) -> Refresh {
        Refresh {
            setup: self.setup.clone(),
            now,
            challenge: Challenge::draw(entropy),
            uid,
            replaces,
            stage: Stage::Rows,
        }
    }
}

/// What a merchant asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueRequest {
    /// Who asks, and will be paid.
    pub merchant: Uid,
    /// The merchant's own key for this request, 1 to 64 bytes: the same key with the same body gives the same answer.
    pub idempotency_key: Bytes,
    /// Order or commodity.
    pub kind: Kind,
    /// How much, and to whom.
    pub price: Price,
    /// What the code carries.
    pub form: Form,
}

impl IssueRequest {
    /// An order with a full code.
    pub fn order(
        merchant: Uid,
        idempotency_key: impl Into<Bytes>,
        amount: Amount,
        payee: Payee,
    ) -> Self {
        let price = Price { amount, payee };
        let idempotency_key = idempotency_key.into();
        Self { merchant, idempotency_key, kind: Kind::Order, price, form: Form::Full }
    }

    fn body_digest(&self) -> [u8; 16] {
        let mut body = Vec::with_capacity(128);
        let mut writer = port::wire::Writer::new(&mut body, 1);
        writer.u8(self.kind as u8).u8(self.form as u8);
        crate::item::price(&mut writer, (&self.price).into());
        let digest: [u8; 32] = Sha256::digest(&body).into();
        digest.first_chunk().copied().unwrap_or_default()
    }
}

/// What a merchant gets: the identifier and the signed code to display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The identifier.
    pub uid: Uid,
    /// The code to display.
    pub code: Code,
    /// Which challenge of the item it carries.
    pub challenge_ref: u32,
    /// When that challenge expires, in seconds.
    pub expires_s: u64,
    /// Whether this answers a repeated request.
    pub repeated: bool,
}

impl Issued {
    /// Causes a display to show the code (spec Q5): hand the effect to your [`port::Link`], where the display is a peer.
    pub fn show(&self, display: Peer) -> Effect {
        Effect::Send { to: display, frame: self.code.to_text().into() }
    }
}

/// The decision to issue.
#[derive(Clone, Debug)]
pub struct Issue {
    setup: Arc<Setup>,
    now: Time,
    uid: Uid,
    challenge: Challenge,
    request: IssueRequest,
    stage: Stage,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a decision has one stage; none is stored in bulk")]
enum Stage {
    Rows,
    Sign { code: Code, issued: Issued, batch: Batch },
}

impl Issue {
    fn rows(&mut self, answers: &Answers) -> Result<Step<Audited<Verdict<Issued>>>, Error> {
        let tenant = self.setup.tenant();
        let body = self.request.body_digest();
        let known = point(answers, 0)?.map(|row| MerchantKey::parse(&row.value)).transpose()?;
        if let Some(known) = known {
            if known.body != body {
                return Ok(self.decline(Refusal::KeyReused));
            }
            self.uid = known.uid.clone();
            let displayed = Displayed::first(known.challenge, known.expires_s);
            let code = self.item().code(&self.uid, &displayed);
            return self.sign(code, &displayed, true, Batch::new());
        }
        let mut item = self.item();
        let opened = item.open(self.now, self.challenge, None, self.setup.policy());
        let displayed = match opened {
            Ok(displayed) => displayed,
            Err(refusal) => return Ok(self.decline(refusal)),
        };
        let record = MerchantKey {
            body,
            uid: self.uid.clone(),
            challenge: self.challenge,
            expires_s: displayed.expires_s,
            issued: self.now,
        };
        let mut batch = Batch::with_capacity(2);
        batch.put(table::item(tenant, &self.uid), Expect::Absent, item.encode());
        batch.put(self.merchant_key(), Expect::Absent, record.encode());
        let code = item.code(&self.uid, &displayed);
        self.sign(code, &displayed, false, batch)
    }

    fn sign(
        &mut self,
        code: Code,
        displayed: &Displayed,
        repeated: bool,
        batch: Batch,
    ) -> Result<Step<Audited<Verdict<Issued>>>, Error> {
        let (code, question) = to_sign(&self.setup, code)?;
        let issued = issued(&self.uid, &code, displayed, repeated);
        let Some(question) = question else { return Ok(self.grant(issued, batch)) };
        self.stage = Stage::Sign { code, issued, batch };
        Ok(Step::Ask(Ask::keys(vec![question])))
    }

    fn grant(&self, issued: Issued, batch: Batch) -> Step<Audited<Verdict<Issued>>> {
        let audit = self.setup.audit(self.now, "qrpay.issue.granted", self.trail(None));
        done(Verdict::Granted(issued), audit, batch)
    }

    fn item(&self) -> Item {
        Item {
            kind: self.request.kind,
            state: State::Open,
            form: self.request.form,
            price: self.request.price.clone(),
            merchant: self.request.merchant.clone(),
            created: self.now,
            valid_until: match self.request.kind {
                Kind::Order => self.now.plus_ms(self.setup.policy().order_valid_ms),
                Kind::Commodity => Time::from_ms(u64::MAX),
            },
            payment: None,
            challenges: Vec::with_capacity(1),
            next_ref: 1,
        }
    }

    fn merchant_key(&self) -> Key {
        let request = &self.request;
        table::merchant_key(self.setup.tenant(), &request.merchant, &request.idempotency_key)
    }

    fn trail(&self, refusal: Option<Refusal>) -> Trail {
        let actor = self.request.merchant.as_bytes().clone();
        Trail { actor, subject: self.uid.as_bytes().clone(), refusal, correlation: [0; 16] }
    }

    fn decline(&self, refusal: Refusal) -> Step<Audited<Verdict<Issued>>> {
        let audit = self.setup.audit(self.now, "qrpay.issue.declined", self.trail(Some(refusal)));
        done(Verdict::Declined(refusal), audit, Batch::new())
    }
}

impl Decision for Issue {
    type Verdict = Audited<Verdict<Issued>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.stage = Stage::Rows;
        Ask::rows(ReadSet::points([self.merchant_key()]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        match core::mem::replace(&mut self.stage, Stage::Rows) {
            Stage::Rows => self.rows(&answers),
            Stage::Sign { code, mut issued, batch } => {
                issued.code = signed(code, &answers)?;
                Ok(self.grant(issued, batch))
            }
        }
    }

    fn outcome(&self) -> Option<Key> {
        Some(self.merchant_key())
    }

    /// The row tells that the request was decided; the answer needs a signature, so that the loop begins again and takes the
    /// repeated path.
    fn recall(&mut self, _: &Row) -> Result<Option<Self::Verdict>, Error> {
        Ok(None)
    }
}

/// The decision to refresh a display.
#[derive(Clone, Debug)]
pub struct Refresh {
    setup: Arc<Setup>,
    now: Time,
    challenge: Challenge,
    uid: Uid,
    replaces: Option<u32>,
    stage: Stage,
}

impl Refresh {
    fn rows(&mut self, answers: &Answers) -> Result<Step<Audited<Verdict<Issued>>>, Error> {
        let row = point(answers, 0)?;
        let Some(row) = row else { return Ok(self.decline(Refusal::UnknownItem)) };
        let mut item = Item::parse(&row.value)?;
        let now = self.setup.policy().skew.settle(self.now, item.created)?;
        let opened = item.open(now, self.challenge, self.replaces, self.setup.policy());
        let displayed = match opened {
            Ok(displayed) => displayed,
            Err(refusal) => return Ok(self.decline(refusal)),
        };
        let mut batch = Batch::with_capacity(1);
        let key = table::item(self.setup.tenant(), &self.uid);
        batch.put(key, Row::unchanged(Some(row)), item.encode());
        let (code, question) = to_sign(&self.setup, item.code(&self.uid, &displayed))?;
        let issued = issued(&self.uid, &code, &displayed, false);
        let Some(question) = question else { return Ok(self.grant(issued, batch)) };
        self.stage = Stage::Sign { code, issued, batch };
        Ok(Step::Ask(Ask::keys(vec![question])))
    }

    fn grant(&self, issued: Issued, batch: Batch) -> Step<Audited<Verdict<Issued>>> {
        let audit = self.setup.audit(self.now, "qrpay.refresh.granted", self.trail(None));
        done(Verdict::Granted(issued), audit, batch)
    }

    fn trail(&self, refusal: Option<Refusal>) -> Trail {
        Trail { subject: self.uid.as_bytes().clone(), refusal, ..Trail::default() }
    }

    fn decline(&self, refusal: Refusal) -> Step<Audited<Verdict<Issued>>> {
        let audit = self.setup.audit(self.now, "qrpay.refresh.declined", self.trail(Some(refusal)));
        done(Verdict::Declined(refusal), audit, Batch::new())
    }
}

impl Decision for Refresh {
    type Verdict = Audited<Verdict<Issued>>;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.stage = Stage::Rows;
        let key = table::item(self.setup.tenant(), &self.uid);
        Ask::rows(ReadSet::points([key]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Error> {
        match core::mem::replace(&mut self.stage, Stage::Rows) {
            Stage::Rows => self.rows(&answers),
            Stage::Sign { code, mut issued, batch } => {
                issued.code = signed(code, &answers)?;
                Ok(self.grant(issued, batch))
            }
        }
    }
}

impl Displayed {
    /// The first challenge of an item as it was issued.
    const fn first(challenge: Challenge, expires_s: u64) -> Self {
        Self {
            reference: 1,
            challenge,
            expires_s,
            state: crate::item::ChallengeState::Open,
            replaced_until: None,
            tries: 0,
            last_wrong: [0; 8],
        }
    }
}

fn issued(uid: &Uid, code: &Code, displayed: &Displayed, repeated: bool) -> Issued {
    Issued {
        uid: uid.clone(),
        code: code.clone(),
        challenge_ref: displayed.reference,
        expires_s: displayed.expires_s,
        repeated,
    }
}

/// Codes of the base form are not signed: the described system's code has identifier and challenge only.
fn to_sign(setup: &Setup, mut code: Code) -> Result<(Code, Option<KeyQuestion>), Error> {
    if code.terms == Terms::default() {
        return Ok((code, None));
    }
    let config = &setup.config;
    let message = code.to_sign(&config.issuer, config.issuer_key_id)?;
    Ok((code, Some(KeyQuestion::Sign { key: config.signing, message: message.into() })))
}

fn signed(code: Code, answers: &Answers) -> Result<Code, Error> {
    match answers.keys.first() {
        Some(KeyAnswer::Signature(signature)) => Ok(code.signed(*signature)),
        Some(KeyAnswer::Refused(why)) => Err(Error::Keys(*why)),
        _ => Err(Error::Misuse(Misuse::Answers)),
    }
}
