//! Secrets: never printed, never stored in clear.

use crate::bank::{ACCOUNT, Bank};
use interbank_qrpay::*;

#[test]
fn qd10_debug_output_holds_no_secret() {
    let (bank, wallet) = Bank::with_payer();
    let issued = bank.order();
    let request = wallet.answer(&issued);
    let Reply::Mac(mac) = &request.reply else { panic!("not a MAC") };
    let use_key = use_key(&wallet.secret, None, &wallet.account, &wallet.device, 1).unwrap();
    let enrolled = Enrolled::Hmac { use_key: use_key.clone(), typed_digits: 8 };
    let bind = bank.server.bind(
        bank.now,
        &[0xAB; 32],
        bank.tokens.token(&wallet.account),
        wallet.device.clone(),
        1,
        enrolled.clone(),
    );
    let typed = TypedCode::new(b"54327466").unwrap();
    let redeem = bank.server.redeem(bank.now, request.clone(), bank.tokens.token(&wallet.account));
    let printed = [
        format!("{request:?} {redeem:?} {enrolled:?} {typed:?}"),
        format!("{:?} {:?} {:?}", bind.unwrap(), wallet.client, wallet.secret),
        format!("{:?} {:?} {:?}", wallet.key, Pin::new("1234").unwrap(), bank.keys),
        format!("{:?}", Reply::Typed(typed)),
    ]
    .concat();
    let forbidden = [
        ACCOUNT.to_owned(),
        "54327466".to_owned(),
        format!("{:?}", &mac[..4]).replace(['[', ']'], ""),
        format!("{:?}", &use_key.expose()[..4]).replace(['[', ']'], ""),
        format!("{:?}", &wallet.secret.expose()[..4]).replace(['[', ']'], ""),
        "171, 171, 171".to_owned(),
    ];
    for secret in forbidden {
        assert!(!printed.contains(&secret), "{secret} in {printed}");
    }
}

#[test]
fn qd10_nothing_stored_holds_the_account_or_the_use_key() {
    let (bank, wallet) = Bank::with_payer();
    let (uid, id) = bank.paid(&wallet);
    let refund = bank.server.refund(bank.now, uid, id, "r", crate::bank::cny(1)).unwrap();
    assert!(bank.decide(refund).verdict.granted().is_some());
    let use_key = use_key(&wallet.secret, None, &wallet.account, &wallet.device, 1).unwrap();
    let rows = bank.store.snapshot().rows;
    assert!(rows.len() >= 6);
    for secret in [ACCOUNT.as_bytes(), use_key.expose(), wallet.secret.expose()] {
        for (key, row) in &rows {
            for bytes in [key.as_bytes(), &row.value[..]] {
                assert!(!bytes.windows(secret.len()).any(|part| part == secret), "in {key:?}");
            }
        }
    }
}

#[test]
fn qd10_secrets_are_erased_when_dropped() {
    fn erased<T: zeroize::ZeroizeOnDrop>() {}
    erased::<Pin>();
    erased::<seal::Secret<32>>();
    erased::<seal::Account>();
    // The transcript holds the account number: its bytes are erased too.
    let account = seal::Account::new(ACCOUNT).unwrap();
    let terms = Terms::default();
    let transcript =
        Transcript { uid: b"O1", challenge: &Challenge([0; 16]), account: &account, terms: &terms };
    let bytes: zeroize::Zeroizing<Vec<u8>> = transcript.to_bytes();
    assert!(bytes.windows(ACCOUNT.len()).any(|part| part == ACCOUNT.as_bytes()));
}
