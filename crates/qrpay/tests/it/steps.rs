//! The described system step by step: parties, messages, order.

use crate::bank::{ACCOUNT, Bank, START};
use interbank_qrpay::*;
use port::{Effect, Peer, Time};
use rqrr::PreparedImage;
use seal::Account;
use std::sync::mpsc;
use std::thread;

/// Draws the text as a symbol and reads the picture back with an independent decoder.
fn through_a_symbol(text: &str) -> String {
    let symbol = symbol::Symbol::encode(text, &symbol::Options::default()).unwrap();
    let pixels = symbol.pixels(&symbol::PixelStyle::default());
    let side = pixels.side_px();
    let mut image = PreparedImage::prepare_from_greyscale(side, side, |x, y| pixels.luma(x, y));
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

#[test]
fn q01_server_and_client_talk_only_through_bytes() {
    let (bank, wallet) = Bank::with_payer();
    let (to_client, from_server) = mpsc::channel::<String>();
    let (to_server, from_client) = mpsc::channel::<Vec<u8>>();
    #[expect(clippy::disallowed_methods, reason = "two parties, two threads")]
    let client = thread::spawn(move || {
        let text = from_server.recv().unwrap();
        let scanned = wallet.client.read(START, &text).unwrap();
        let mut bytes = Vec::new();
        wallet.client.answer(&scanned, &wallet.key).unwrap().encode(&mut bytes);
        to_server.send(bytes).unwrap();
    });
    to_client.send(bank.order().code.to_text()).unwrap();
    let request = PaymentRequest::parse(&from_client.recv().unwrap()).unwrap();
    client.join().unwrap();
    assert!(bank.redeem(&request).granted().is_some());
}

#[test]
fn q05_the_display_gets_exactly_the_code() {
    let (bank, _) = Bank::with_payer();
    let issued = bank.order();
    let till = Peer::new("till-7").unwrap();
    let Effect::Send { to, frame } = issued.show(till.clone()) else { panic!("not shown") };
    assert_eq!(to, till);
    let shown = Code::parse(std::str::from_utf8(&frame).unwrap()).unwrap();
    assert_eq!(shown, issued.code);
}

#[test]
fn q06_the_client_needs_the_symbol_and_nothing_else() {
    let (bank, wallet) = Bank::with_payer();
    let issued = bank.order();
    let text = through_a_symbol(&issued.code.to_text());
    // From here on, no store, no server: only the decoded text.
    let scanned = wallet.client.read(START, &text).unwrap();
    assert_eq!(scanned.code().uid, issued.uid);
    assert_eq!(scanned.code().challenge, issued.code.challenge);
    assert_eq!(scanned.issuer(), Some("bank.example"));
}

#[test]
fn q07_the_request_is_account_identifier_and_reply() {
    let (bank, _) = Bank::with_payer();
    let wallet = bank.enroll(ACCOUNT, "phone-2");
    let request = IssueRequest { form: Form::Base, ..bank.request("base") };
    let issued = bank.issue(request).granted().unwrap();
    assert_eq!(issued.code.terms, Terms::default());
    assert_eq!(issued.code.signature, None);
    let client = PaymentClient::new(Account::new(ACCOUNT).unwrap(), bank.trust()).with_unsigned();
    let scanned = client.read(START, &issued.code.to_text()).unwrap();
    let PaymentRequest { account, uid, reply, challenge_ref } =
        client.answer(&scanned, &wallet.key).unwrap();
    assert_eq!(challenge_ref, None, "the base profile works with the three alone");
    let request = PaymentRequest { account, uid, reply, challenge_ref: None };
    assert!(bank.redeem(&request).granted().is_some());
}

#[test]
fn q08_each_of_the_three_is_necessary() {
    let (bank, wallet) = Bank::with_payer();
    let stranger = bank.enroll(crate::bank::OTHER_ACCOUNT, "phone-2");
    let [issued, other] = [bank.order(), bank.order()];
    let right = wallet.answer(&issued);
    let account = PaymentRequest { account: stranger.account.clone(), ..right.clone() };
    let uid = PaymentRequest { uid: other.uid.clone(), ..right.clone() };
    let Reply::Mac(mut mac) = right.reply.clone() else { panic!("not a MAC") };
    mac[31] ^= 1;
    let reply = PaymentRequest { reply: Reply::Mac(mac), ..right.clone() };
    for altered in [account, uid, reply] {
        assert_eq!(bank.refusal(&altered), Some(Refusal::Refused));
    }
    assert_eq!(bank.debits(), 0);
    assert!(bank.redeem(&right).granted().is_some());
}

#[test]
fn q09_the_method_in_its_order() {
    let (mut bank, wallet) = Bank::with_payer();
    // 1 to 3: identifier, challenge, code.
    let issued = bank.order();
    assert_eq!(bank.item(&issued.uid).challenges[0].challenge, issued.code.challenge);
    // 4: displayed.
    let Effect::Send { frame, .. } = issued.show(Peer::new("till-7").unwrap()) else { panic!() };
    // 5: scanned.
    let text = through_a_symbol(std::str::from_utf8(&frame).unwrap());
    let scanned = wallet.client.read(bank.now, &text).unwrap();
    // 6 and 7: answered with one message.
    let mut message = Vec::new();
    wallet.client.answer(&scanned, &wallet.key).unwrap().encode(&mut message);
    // 8: checked, and the payment made.
    bank.after_ms(3_000);
    let request = PaymentRequest::parse(&message).unwrap();
    let accepted = bank.redeem(&request).granted().unwrap();
    assert_eq!(bank.item(&issued.uid).state, State::Accepted);
    let settled = bank.settle_all(Settlement::Done);
    // 9: told.
    assert_eq!(settled[0].payment, accepted.payment);
    assert_eq!(bank.item(&issued.uid).state, State::Paid);
}

#[test]
fn q11_one_message_from_cold_start_pays() {
    let (bank, wallet) = Bank::with_payer();
    let issued = bank.order();
    let before = bank.store.snapshot().last;
    let request = wallet.answer(&issued);
    assert_eq!(bank.store.snapshot().last, before, "the client left no trace before its message");
    let accepted = bank.redeem(&request).granted().unwrap();
    assert_eq!(bank.store.snapshot().last.as_u64(), before.as_u64() + 1, "one commit");
    assert_eq!(
        bank.payment(&issued.uid, accepted.payment).account,
        bank.tokens.token(&wallet.account)
    );
    assert_eq!(bank.debits(), 1);
    assert_ne!(START, Time::EPOCH);
}
