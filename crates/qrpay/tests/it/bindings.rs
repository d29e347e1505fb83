//! Devices of an account: rotation with overlap, revocation, bounds.

use crate::bank::{ACCOUNT, Bank};
use interbank_qrpay::*;
use seal::Secret;

#[test]
fn qd08_revocation_refuses_replies_computed_before_it() {
    let (bank, wallet) = Bank::with_payer();
    let computed_before = wallet.answer(&bank.order());
    let revoke = Rebinding::Revoke(wallet.device.clone());
    assert!(bank.rebind(&wallet.account, revoke).granted().is_some());
    assert_eq!(bank.refusal(&computed_before), Some(Refusal::Refused));
    assert_eq!(bank.debits(), 0);
    let unknown = Rebinding::Revoke(DeviceId::new("nobody").unwrap());
    assert_eq!(bank.rebind(&wallet.account, unknown).declined(), Some(Refusal::UnknownDevice));
}

#[test]
fn qd08_revoking_one_device_leaves_the_others() {
    let (bank, wallet) = Bank::with_payer();
    let tablet = bank.enroll(ACCOUNT, "tablet");
    let revoke = Rebinding::Revoke(wallet.device.clone());
    assert!(bank.rebind(&wallet.account, revoke).granted().is_some());
    assert!(bank.redeem(&tablet.answer(&bank.order())).granted().is_some());
}

#[test]
fn a_new_key_overlaps_the_old_one_and_then_replaces_it() {
    let (mut bank, wallet) = Bank::with_payer();
    let enrolled = |number: u8| Enrolled::Hmac {
        use_key: use_key(&wallet.secret, None, &wallet.account, &wallet.device, number).unwrap(),
        typed_digits: 0,
    };
    let skipped = bank.bind(&wallet.account, &wallet.device, 3, enrolled(3));
    assert_eq!(skipped.declined(), Some(Refusal::NotNow), "numbers are not skipped");
    assert!(bank.bind(&wallet.account, &wallet.device, 2, enrolled(2)).granted().is_some());
    let key = use_key(&wallet.secret, None, &wallet.account, &wallet.device, 2).unwrap();
    let pays = |bank: &Bank, key: &ReplyKey| {
        let text = bank.order().code.to_text();
        let scanned = wallet.client.read(bank.now, &text).unwrap();
        bank.refusal(&wallet.client.answer(&scanned, key).unwrap())
    };
    let new_key = ReplyKey::mac(&key);
    bank.after_ms(Policy::default().key_overlap_ms - 1);
    assert_eq!((pays(&bank, &wallet.key), pays(&bank, &new_key)), (None, None));
    bank.after_ms(1);
    assert_eq!(pays(&bank, &wallet.key), Some(Refusal::Refused));
    assert_eq!(pays(&bank, &new_key), None);
}

#[test]
fn devices_of_an_account_are_bounded() {
    let bank = Bank::new();
    for n in 0..8 {
        bank.enroll(ACCOUNT, &format!("device-{n}"));
    }
    let account = seal::Account::new(ACCOUNT).unwrap();
    let enrolled = Enrolled::Hmac { use_key: Secret::new([1; 32]), typed_digits: 0 };
    let ninth = bank.bind(&account, &DeviceId::new("device-8").unwrap(), 1, enrolled);
    assert_eq!(ninth.declined(), Some(Refusal::TooMany));
    // A revoked one makes room.
    let revoke = Rebinding::Revoke(DeviceId::new("device-3").unwrap());
    assert!(bank.rebind(&account, revoke).granted().is_some());
    bank.enroll(ACCOUNT, "device-8");
}

#[test]
fn a_key_row_moved_to_another_account_does_not_pay() {
    use port::blocking::Store as _;
    let (bank, thief) = Bank::with_payer();
    let victim = seal::Account::new(crate::bank::OTHER_ACCOUNT).unwrap();
    // The thief may write rows of the store, but holds no keys: the own row is copied to the victim's account.
    let key_of = |account: &seal::Account| {
        let table = port::Key::new(port::CrateTag::QRPAY, port::Tenant::new(1), 2);
        table.raw(bank.tokens.token(account).as_bytes()).unwrap()
    };
    let want = port::ReadSet::points([key_of(&thief.account)]);
    let own = bank.store.read(&want).unwrap().points.remove(0).unwrap();
    let mut batch = port::Batch::new();
    batch.put(key_of(&victim), port::Expect::Absent, own.value);
    assert!(matches!(bank.store.commit(&batch), Ok(port::Commit::Applied(_))));
    let client = PaymentClient::new(victim.clone(), bank.trust());
    let scanned = client.read(bank.now, &bank.order().code.to_text()).unwrap();
    let request = client.answer(&scanned, &thief.key).unwrap();
    let mut redeem = bank.server.redeem(bank.now, request, bank.tokens.token(&victim));
    let failed = port::blocking::decide(&bank.store, &bank.keys, &mut redeem).unwrap_err();
    let expected = Error::Keys(port::KeyRefusal::BadWrap);
    assert_eq!(failed, port::DecideError::Decision(expected));
}

#[test]
fn a_locked_account_is_refused_unread() {
    let (bank, wallet) = Bank::with_payer();
    assert!(bank.rebind(&wallet.account, Rebinding::Lock).granted().is_some());
    assert_eq!(bank.refusal(&wallet.answer(&bank.order())), Some(Refusal::Locked));
    let nobody = seal::Account::new("404").unwrap();
    assert_eq!(bank.rebind(&nobody, Rebinding::Lock).declined(), Some(Refusal::UnknownDevice));
}
