//! Between the payment server's instructions and the messages of the card network: one request for each outbox entry.

use crate::trouble::Trouble;
use bytes::Bytes;
use interbank::port::Time;
use interbank::port::outbox::Entry;
use interbank::qrpay::{Instruction, InstructionKind, Settlement, Uid};
use interbank::seal::AccountRef;
use interbank::standin::{
    AccountInfo, Channel, CheckDigit, Class, InstitutionId, Kind, Mti, RequestDraft, RequestKey,
    Response, ResponseCode, Text,
};

/// What goes to the switch for an entry. `accepted` is when the payment was accepted: a reversal names its debit by it.
pub(crate) fn draft(
    entry: &Entry,
    instruction: &Instruction,
    accepted: Option<Time>,
) -> Result<RequestDraft, Trouble> {
    let (kind, mti) = match instruction.kind {
        InstructionKind::Debit => (Kind::Purchase, Mti::FINANCIAL),
        InstructionKind::Refund => (Kind::Refund, Mti::FINANCIAL),
        InstructionKind::Reversal => (Kind::Reversal, Mti::REVERSAL),
    };
    let original = match (instruction.kind, accepted) {
        (InstructionKind::Reversal, Some(at)) => Some(debit_key(instruction, at)?),
        _ => None,
    };
    let merchant = Text::from_bytes(instruction.merchant.as_bytes()).map_err(too_long)?;
    Ok(RequestDraft {
        institution: Some(INSTITUTION),
        initiator: Some(INITIATOR),
        account: Some(account(instruction.account)),
        amount: Some(instruction.amount),
        kind: Some(kind),
        mti: Some(mti),
        trace: Some(trace(&entry.idempotency)),
        sent_at: Some(entry.created),
        terminal: Some(terminal(&instruction.merchant)?),
        retrieval_ref: Some(order(&instruction.uid)?),
        merchant: Some(merchant),
        channel: Some(Channel::Mobile),
        original,
        ..RequestDraft::default()
    })
}

/// The key that an entry's request has.
pub(crate) fn key(entry: &Entry, instruction: &Instruction) -> Result<RequestKey, Trouble> {
    let class = match instruction.kind {
        InstructionKind::Debit | InstructionKind::Refund => Class::Financial,
        InstructionKind::Reversal => Class::Reversal,
    };
    let terminal = terminal(&instruction.merchant)?;
    let key = RequestKey::new(class, INITIATOR, trace(&entry.idempotency), entry.created, terminal);
    key.ok_or(Trouble::Damaged)
}

/// What the payment server settles for an answer.
pub(crate) fn settlement(response: &Response) -> Settlement {
    if response.is_approval() {
        return Settlement::Done;
    }
    Settlement::Declined(cause(response.code))
}

/// A response code as the payment server keeps it: a number. Codes with letters become 05, do not honour.
pub(crate) fn cause(code: ResponseCode) -> u32 {
    let digits = std::str::from_utf8(code.as_bytes()).ok();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(5)
}

/// The response code of a number.
pub(crate) fn response_code(cause: u32) -> ResponseCode {
    let digits: Option<[u8; 2]> = format!("{cause:02}").into_bytes().try_into().ok();
    digits.and_then(ResponseCode::new).unwrap_or(ResponseCode::DO_NOT_HONOUR)
}

/// The payment server's clear account numbers stay there: the token has to do, and no parameters are about ranges of numbers.
const fn account(token: AccountRef) -> AccountInfo {
    AccountInfo { token, bin: None, check_digit: CheckDigit::None, handle: Bytes::new() }
}

/// The debit of the payment that an instruction is about. A payment's identifier is the first half of its debit's.
fn debit_key(instruction: &Instruction, accepted: Time) -> Result<RequestKey, Trouble> {
    let terminal = terminal(&instruction.merchant)?;
    let trace = trace(&instruction.payment.0);
    RequestKey::new(Class::Financial, INITIATOR, trace, accepted, terminal).ok_or(Trouble::Damaged)
}

/// Twelve digits out of an identifier that is drawn evenly: the same for each time an entry is sent.
fn trace(identifier: &[u8]) -> u64 {
    let head = identifier.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(head) % (RequestKey::TRACE_MAX + 1)
}

fn terminal(merchant: &Uid) -> Result<Text<16>, Trouble> {
    Text::from_bytes(merchant.as_bytes()).map_err(too_long)
}

fn order(uid: &Uid) -> Result<Text<12>, Trouble> {
    let bytes = uid.as_bytes();
    Text::from_bytes(&bytes[..bytes.len().min(12)]).map_err(too_long)
}

fn too_long<E>(_: E) -> Trouble {
    Trouble::Inside("a name is too long for a message".into())
}

/// The bank as keeper of accounts.
pub(crate) const INSTITUTION: InstitutionId = id(62_220_001);
/// The bank's payment server as initiator.
pub(crate) const INITIATOR: InstitutionId = id(62_220_002);
/// The switch itself.
pub(crate) const SWITCH: InstitutionId = id(62_220_003);

#[expect(clippy::expect_used, reason = "looked at when this is compiled")]
const fn id(number: u64) -> InstitutionId {
    InstitutionId::new(number).expect("an identification code has 1 to 11 digits")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use interbank::port::{Amount, Currency, Peer, Tenant};
    use interbank::qrpay::PaymentId;
    use interbank::standin::{AuthCode, Source, TransactionRequest};

    pub(crate) fn instruction(kind: InstructionKind, minor: i64) -> Instruction {
        Instruction {
            kind,
            tenant: Tenant::new(1),
            uid: Uid::new("O123456789ABCDEF").unwrap(),
            payment: PaymentId([7; 16]),
            account: AccountRef::from_bytes([1; 16]),
            merchant: Uid::new("M1").unwrap(),
            amount: Amount::new(minor, Currency::parse("EUR").unwrap()),
            refund: Bytes::new(),
        }
    }

    pub(crate) fn entry(id: u8, instruction: &Instruction) -> Entry {
        let mut content = Vec::new();
        instruction.encode(&mut content);
        Entry {
            idempotency: [id; 32],
            to: Peer::new("book").unwrap(),
            created: Time::from_s(1),
            content: content.into(),
        }
    }

    /// The request of an entry.
    pub(crate) fn request(
        entry: &Entry,
        instruction: &Instruction,
        accepted: Option<Time>,
    ) -> Option<TransactionRequest> {
        TransactionRequest::new(draft(entry, instruction, accepted).ok()?).ok()
    }

    #[test]
    fn a_reversal_names_the_debit_of_its_payment() {
        let debit = instruction(InstructionKind::Debit, 400);
        let debited = entry(7, &debit);
        let request_of_debit = request(&debited, &debit, None).unwrap();
        assert_eq!(request_of_debit.key, key(&debited, &debit).unwrap());
        let reversal = instruction(InstructionKind::Reversal, 400);
        let reversed = entry(9, &reversal);
        let asked = request(&reversed, &reversal, Some(debited.created)).unwrap();
        assert_eq!(asked.original, Some(request_of_debit.key));
        assert_eq!(asked.key, key(&reversed, &reversal).unwrap());
        // Without the time of its debit it would be a reversal of nothing.
        assert!(request(&reversed, &reversal, None).is_none());
    }

    #[test]
    fn answers_become_settlements() {
        let debit = instruction(InstructionKind::Debit, 400);
        let request = request(&entry(7, &debit), &debit, None).unwrap();
        let answer = |code: [u8; 2]| Response {
            mti: request.mti.response().unwrap(),
            key: request.key,
            code: ResponseCode::new(code).unwrap(),
            approved: None,
            auth_code: Some(AuthCode::of_number(1)),
            source: Source::Host,
            balance: None,
            retrieval_ref: None,
        };
        assert_eq!(settlement(&answer(*b"00")), Settlement::Done);
        assert_eq!(settlement(&answer(*b"61")), Settlement::Declined(61));
        assert_eq!(settlement(&answer(*b"N0")), Settlement::Declined(5));
        for number in 0..100 {
            assert_eq!(cause(response_code(number)), number);
        }
        assert_eq!(response_code(5), ResponseCode::DO_NOT_HONOUR);
        assert_eq!(response_code(151), ResponseCode::DO_NOT_HONOUR);
    }

    #[test]
    fn a_name_that_does_not_fit_is_no_message() {
        let mut debit = instruction(InstructionKind::Debit, 400);
        debit.merchant = Uid::new("M123456789012345").unwrap();
        assert!(draft(&entry(7, &debit), &debit, None).is_err());
    }
}
