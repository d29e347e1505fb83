//! Answers as messages, and a host's messages as answers.

use super::*;

pub(crate) fn response(request: &TransactionRequest, code: ResponseCode) -> Response {
    let approved = code.is_approval().then_some(request.amount);
    Response {
        mti: request.mti.response().unwrap(),
        key: request.key,
        code,
        approved,
        auth_code: approved.map(|_| AuthCode::new(*b"A1B2C3").unwrap()),
        source: Source::StandIn { epoch: 3, parameters: 9 },
        balance: None,
        retrieval_ref: request.retrieval_ref,
    }
}

fn bytes(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&network(), &mut bytes).unwrap();
    bytes
}

#[test]
fn each_type_is_answered_with_its_own() {
    for (digits, answer) in ASKING {
        for code in [ResponseCode::APPROVED, ResponseCode::AMOUNT_LIMIT] {
            let message = message(digits);
            let response = response(&transaction(&message), code);
            let answered = incoming(&message).answer(&response).unwrap();
            assert_eq!(answered.mti().to_string(), answer);
            assert_eq!(answered.text(39).unwrap(), code.to_string());
            assert_eq!(answered.text(38), code.is_approval().then_some("A1B2C3"));
            for field in [2, 3, 4, 7, 11, 32, 37, 41, 42, 49] {
                assert_eq!(answered.field(field), message.field(field), "field {field}");
            }
            assert_eq!(answered.has(90), message.has(90));
            assert!(!answered.has(14) && !answered.has(54));
        }
    }
}

#[test]
fn sd11_a_repeat_has_the_same_answer_byte_for_byte() {
    for (digits, _) in ASKING {
        let first = message(digits);
        let mut again = first.clone();
        again.set_mti(first.mti().repeat().unwrap());
        let stored = response(&transaction(&first), ResponseCode::APPROVED);
        let answer = bytes(&incoming(&first).answer(&stored).unwrap());
        assert_eq!(bytes(&incoming(&again).answer(&stored).unwrap()), answer);
    }
}

#[test]
fn a_part_and_a_balance() {
    let mut message = message("0200");
    message.set(3, "001000").unwrap();
    let incoming = incoming(&message);
    let whole = response(&transaction(&message), ResponseCode::PARTIAL);
    let part = Response { approved: Some(yuan(5_000)), balance: Some(yuan(-75)), ..whole.clone() };
    let answer = incoming.answer(&part).unwrap();
    assert_eq!((answer.text(39), answer.text(4)), (Some("10"), Some("000000005000")));
    assert_eq!(answer.text(54), Some("1002156D000000000075"));
    assert_eq!(answer.available_balance(), Ok(Some(yuan(-75))));
    let euro = Amount::new(5_000, Currency::parse("EUR").unwrap());
    let foreign = Response { approved: Some(euro), ..whole.clone() };
    assert_eq!(fault(incoming.answer(&foreign)), (4, Fault::Currency));
    let large = Response { balance: Some(yuan(1_000_000_000_000)), ..whole.clone() };
    assert_eq!(fault(incoming.answer(&large)), (54, Fault::Meaning));
    let largest = Response { balance: Some(yuan(999_999_999_999)), ..whole };
    assert!(incoming.answer(&largest).is_ok());
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let message = message("0200");
    let response = response(&transaction(&message), ResponseCode::APPROVED);
    let other = key(standin::Class::Financial, 123_457, at(1));
    let wrong = Response { key: other, ..response.clone() };
    assert_eq!(fault(incoming(&message).answer(&wrong)), (11, Fault::Conflict));
    let wrong = Response { mti: standin::Mti::parse(b"0110").unwrap(), ..response.clone() };
    assert_eq!(fault(incoming(&message).answer(&wrong)), (0, Fault::MessageType));
    let answer = incoming(&message).answer(&response).unwrap();
    assert_eq!(fault(incoming(&answer).answer(&response)), (0, Fault::MessageType));
}

#[test]
fn what_a_host_answers_is_read_back() {
    for (digits, _) in ASKING {
        for code in [ResponseCode::APPROVED, ResponseCode::VIP, ResponseCode::INSUFFICIENT_FUNDS] {
            let message = message(digits);
            let request = transaction(&message);
            let said = Response { source: Source::Host, ..response(&request, code) };
            let said = Response { balance: Some(yuan(1)), ..said };
            let answer = incoming(&incoming(&message).answer(&said).unwrap());
            assert_eq!(answer.key(), Ok(request.key));
            assert_eq!(answer.response(&request), Ok(said));
        }
    }
}

#[test]
fn a_hosts_answer_that_does_not_fit_is_refused() {
    let message = message("0200");
    let request = transaction(&message);
    let part = response(&request, ResponseCode::PARTIAL);
    let part = Response { approved: Some(yuan(5_000)), source: Source::Host, ..part };
    let good = incoming(&message).answer(&part).unwrap();
    assert_eq!(incoming(&good).response(&request), Ok(part.clone()));
    // An empty value takes the field out.
    let with = |field, value: &str| {
        let mut answer = good.clone();
        let _ = match (field, value) {
            (0, digits) => answer.set_mti(mti(digits)),
            (_, "") => answer.remove(field),
            _ => answer.set(field, value).unwrap(),
        };
        incoming(&answer).response(&request)
    };
    for (field, value, blamed, expected) in [
        (39, "", 39, Fault::Missing),
        (4, "", 4, Fault::Missing),
        (39, "0a", 39, Fault::Meaning),
        (11, "000001", 11, Fault::Conflict),
        (41, "T2      ", 11, Fault::Conflict),
        (54, "1002156D00000000007", 54, Fault::Meaning),
        (54, "1002156X000000000075", 54, Fault::Meaning),
        (0, "0110", 0, Fault::MessageType),
        (0, "0200", 0, Fault::MessageType),
    ] {
        assert_eq!(fault(with(field, value)), (blamed, expected), "{field} {value}");
    }
    // A code of authorization in another form is not worth an approval.
    let odd = Response { auth_code: None, ..part };
    assert_eq!(with(38, "ab 123"), Ok(odd));
    // Code 08 approves for some hosts; here it does not, and nothing was approved.
    let other = with(39, "08").unwrap();
    assert_eq!((other.is_approval(), other.approved, other.auth_code), (false, None, None));
}
