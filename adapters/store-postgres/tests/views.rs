//! What the views show is what the codecs read.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;

use bed::client;
use interbank_store_postgres::{Options, PostgresStore};
use port::outbox::Entry;
use port::{
    Amount, Currency, Decision, KeyId, MacAlgorithm, Peer, ReadSet, Scan, Store, Tenant, Time,
    decide,
};
use qrpay::{
    DeviceId, DeviceSecret, Enrolled, Instruction, IssueRequest, Item, Payee, Payment,
    PaymentClient, PaymentServer, Policy, Refund, ReplyKey, ServerConfig, Settlement, Uid, use_key,
};
use seal::{Account, AccountTokens, Secret, SoftKeys, TrustList, TrustedKey, Validity};
use testbed::Postgres;

struct Bank {
    store: PostgresStore,
    keys: SoftKeys,
    server: PaymentServer,
}

impl Bank {
    async fn decide<D: Decision>(&self, mut decision: D) -> D::Verdict {
        decide(&self.store, &self.keys, &mut decision).await.unwrap()
    }

    /// Answers everything owed with "done".
    async fn settle(&self, now: Time) {
        let want = ReadSet::scan(Scan::first(self.server.outbox(), 100));
        for (key, row) in self.store.read(&want).await.unwrap().scans.remove(0) {
            let entry = Entry::parse(&row.value).unwrap();
            let answer = Settlement::Done.to_bytes();
            let settle = self.server.settle(now, key, row.version, &entry, &answer).unwrap();
            assert!(self.decide(settle).await.verdict.granted().is_some());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_show_what_the_codecs_read_and_an_analyst_sees_nothing_else() {
    let machine = Postgres::options().fast().start().unwrap();
    let options = Options::from_url(&machine.url()).unwrap().create(true);
    let mut keys = SoftKeys::new();
    keys.add_signing(KeyId(1), &Secret::new([1; 32]))
        .add_wrapping(KeyId(2), &Secret::new([2; 32]))
        .add_mac(KeyId(3), MacAlgorithm::HmacSha256, &[3; 32]);
    let server = PaymentServer::new(ServerConfig {
        // As a number of 64 bits without a sign it is larger than any bigint
        tenant: Tenant::new(u64::MAX - 6),
        issuer: "bank.example".into(),
        issuer_key_id: 1,
        signing: KeyId(1),
        wrapping: KeyId(2),
        decoy: KeyId(3),
        accounting: Peer::new("accounting").unwrap(),
        policy: Policy::default(),
    })
    .unwrap();
    let bank = Bank { store: PostgresStore::open(options).await.unwrap(), keys, server };
    let now = Time::from_ms(1_700_000_000_123);

    let account = Account::new("6222000000000001").unwrap();
    let tokens = AccountTokens::new(&Secret::new([4; 32]));
    let device = DeviceId::new("phone-1").unwrap();
    let secret = DeviceSecret::draw(&[5; 32]);
    let key = use_key(&secret, None, &account, &device, 1).unwrap();
    let enrolled = Enrolled::Hmac { use_key: key, typed_digits: 0 };
    let bind = bank.server.bind(now, &[6; 32], tokens.token(&account), device.clone(), 1, enrolled);
    assert!(bank.decide(bind.unwrap()).await.verdict.granted().is_some());
    let cny = |minor| Amount::new(minor, Currency::parse("CNY").unwrap());
    let mut trust = TrustList::new();
    let issuer = bank.keys.verifying_key(KeyId(1)).unwrap();
    trust.add("bank.example", 1, TrustedKey::new(issuer, Validity::always()));
    let payer = PaymentClient::new(account.clone(), trust);
    let reply_key = ReplyKey::mac(&use_key(&secret, None, &account, &device, 1).unwrap());

    // Three orders: one stays open, one is paid and partly refunded, one is accepted and its debit owed
    let mut orders: Vec<Uid> = Vec::new();
    for (n, pays) in [(0_u8, false), (1, true), (2, true)] {
        let payee = Payee::new("Tea House \u{8336}\u{9986}").unwrap();
        let amount = cny(12_345 + i64::from(n));
        let merchant = Uid::new("M0001").unwrap();
        let request = IssueRequest::order(merchant, format!("till/{n}"), amount, payee);
        let issue = bank.server.issue(now, &[10 + n; 32], request).unwrap();
        let issued = bank.decide(issue).await.verdict.granted().unwrap();
        orders.push(issued.uid.clone());
        if !pays {
            continue;
        }
        let scanned = payer.read(now, &issued.code.to_text()).unwrap();
        let request = payer.answer(&scanned, &reply_key).unwrap();
        let redeem = bank.server.redeem(now, request.clone(), tokens.token(&request.account));
        let accepted = bank.decide(redeem).await.verdict.granted().unwrap();
        if n == 1 {
            bank.settle(now).await;
            let id: &'static [u8] = b"refund \xFF\x001";
            let refund = bank.server.refund(now, issued.uid, accepted.payment, id, cny(345));
            assert!(bank.decide(refund.unwrap()).await.verdict.granted().is_some());
        }
    }

    machine.sql("CREATE ROLE analyst LOGIN").unwrap();
    let grant = PostgresStore::grant_views_sql("interbank", "analyst").unwrap();
    machine.sql(&grant).unwrap();
    let analyst = client(&bed::url_as("analyst", &machine, "postgres")).await;
    let denied = analyst.query("SELECT value FROM interbank.rows", &[]).await.unwrap_err();
    assert_eq!(denied.code().unwrap().code(), "42501");
    let lines = async |sql: String| -> Vec<String> {
        let rows = analyst.query(&sql, &[]).await.unwrap();
        let mut lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        lines.sort();
        lines
    };
    let tenant = u64::MAX - 6;
    let ms = |time: Time| time.as_ms().to_string();
    let lower = |state: &dyn core::fmt::Debug| format!("{state:?}").to_lowercase();

    // Items
    let want = ReadSet::scan(Scan::first(bank.server.items(), 100));
    let mut expected = Vec::new();
    let mut payments = Vec::new();
    for (key, row) in bank.store.read(&want).await.unwrap().scans.remove(0) {
        let item = Item::parse(&row.value).unwrap();
        let uid = orders.iter().find(|uid| bank.server.item_key(uid) == key).unwrap();
        let payment = item.payment.map_or(String::from("-"), |id| id.to_string());
        payments.extend(item.payment.map(|id| (uid.clone(), id)));
        expected.push(format!(
            "{tenant} {} {} {} {} {} {} {} {} {payment} {}",
            String::from_utf8_lossy(uid.as_bytes()),
            lower(&item.state),
            item.price.amount.minor(),
            item.price.amount.currency(),
            item.price.payee,
            String::from_utf8_lossy(item.merchant.as_bytes()),
            ms(item.created),
            ms(item.valid_until),
            row.version.as_u64()
        ));
    }
    expected.sort();
    assert_eq!(expected.len(), 3);
    let time = |column: &str| format!("(extract(epoch FROM {column}) * 1000)::bigint");
    let (created, until) = (time("created"), time("valid_until"));
    let found = lines(format!(
        "SELECT concat_ws(' ', tenant, uid, state, amount_minor, currency, payee, merchant, {created}, {until}, \
         coalesce(payment_id, '-'), version) FROM interbank.qrpay_orders"
    ));
    assert_eq!(found.await, expected);
    assert_eq!(lines("SELECT DISTINCT kind FROM interbank.qrpay_items".into()).await, ["order"]);

    // Payments and refunds
    let mut expected = Vec::new();
    let mut refunds = Vec::new();
    for (uid, id) in &payments {
        let want = ReadSet {
            points: vec![bank.server.payment_key(uid, id)],
            scans: vec![Scan::first(bank.server.refunds(uid, id), 100)],
        };
        let mut rows = bank.store.read(&want).await.unwrap();
        let row = rows.points.remove(0).unwrap();
        let payment = Payment::parse(&row.value).unwrap();
        let uid = String::from_utf8_lossy(uid.as_bytes()).into_owned();
        expected.push(format!(
            "{tenant} {uid} {id} {} {} {} {} {} {} {} {} {} {}",
            lower(&payment.state),
            payment.price.amount.minor(),
            payment.price.amount.currency(),
            payment.price.payee,
            String::from_utf8_lossy(payment.merchant.as_bytes()),
            ms(payment.accepted),
            ms(payment.settle_by),
            payment.refunded_minor,
            payment.cause,
            row.version.as_u64()
        ));
        for (_, row) in rows.scans.remove(0) {
            let refund = Refund::parse(&row.value).unwrap();
            refunds.push(format!(
                "{tenant} {uid} {id} refund \\377\\0001 {} {} {} {} {}",
                lower(&refund.state),
                refund.amount.minor(),
                refund.amount.currency(),
                ms(refund.granted),
                row.version.as_u64()
            ));
        }
    }
    expected.sort();
    assert_eq!((expected.len(), refunds.len()), (2, 1));
    let (accepted, by) = (time("accepted"), time("settle_by"));
    let found = lines(format!(
        "SELECT concat_ws(' ', tenant, uid, payment_id, state, amount_minor, currency, payee, merchant, {accepted}, {by}, \
         refunded_minor, cause, version) FROM interbank.qrpay_payments"
    ));
    assert_eq!(found.await, expected);
    let granted = time("granted");
    let found = lines(format!(
        "SELECT concat_ws(' ', tenant, uid, payment_id, refund_id, state, amount_minor, currency, {granted}, version) \
         FROM interbank.qrpay_refunds"
    ));
    assert_eq!(found.await, refunds);

    // Outbox: one debit and one refund are owed
    let want = ReadSet::scan(Scan::first(bank.server.outbox(), 100));
    let mut expected = Vec::new();
    for (_, row) in bank.store.read(&want).await.unwrap().scans.remove(0) {
        let entry = Entry::parse(&row.value).unwrap();
        let owed = Instruction::parse(&entry.content).unwrap();
        let key: String = entry.idempotency.iter().map(|byte| format!("{byte:02x}")).collect();
        let refund = if owed.refund.is_empty() { "-" } else { "refund \\377\\0001" };
        expected.push(format!(
            "{tenant} {key} {} accounting {} {} {} {} {} {} {refund} {}",
            ms(entry.created),
            lower(&owed.kind),
            String::from_utf8_lossy(owed.uid.as_bytes()),
            owed.payment,
            String::from_utf8_lossy(owed.merchant.as_bytes()),
            owed.amount.minor(),
            owed.amount.currency(),
            row.version.as_u64()
        ));
    }
    expected.sort();
    assert_eq!(expected.len(), 2);
    let decided = time("decided");
    let found = lines(format!(
        "SELECT concat_ws(' ', tenant, idempotency_key, {decided}, peer, kind, uid, payment_id, merchant, amount_minor, \
         currency, coalesce(refund_id, '-'), version) FROM interbank.qrpay_outbox"
    ));
    assert_eq!(found.await, expected);

    // No column holds a challenge or anything of a key
    let columns = lines(
        "SELECT DISTINCT column_name::text FROM information_schema.columns \
         WHERE table_schema = 'interbank' AND table_name LIKE 'qrpay%'"
            .into(),
    );
    let columns = columns.await;
    assert!(
        columns.len() > 10
            && columns.iter().all(|name| !name.contains("challenge") && name != "value")
    );
}
