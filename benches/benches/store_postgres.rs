//! Redeems per second through `store-postgres`, beside hand-written SQL that does the same redeem on the same server.
//!
//! The hand-written side has a table for each kind of row, prepared statements, the three reads pipelined into one round trip,
//! and all writes with their conditions (the order as it was read, the binding not revoked) in one statement, which is one
//! round trip and one transaction. Each of its clients
//! has a connection, up to as many as serve it best. Both sides compute the same token and the same MAC. The server is
//! private, its data in the folder for temporary files (`TMPDIR` names another disk), and durable: `fsync` and
//! `synchronous_commit` are on.

use bytes::Bytes;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use interbank_benches::{NOW, Shop};
use interbank_qrpay::*;
use port::blocking::{Keys as _, Store as _};
use port::{Batch, Change, Commit, Expect, Key, KeyQuestion, KeyRef, MacAlgorithm, ReadSet};
use seal::AccountRef;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store_postgres::{Options, PostgresStore};
use testbed::Postgres;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, Statement};

/// Redeems of one iteration.
const AT_ONCE: u64 = 1_000;

/// Redeems of each side before anything is measured.
const WARM_UP: usize = 2_000;

/// Connections of the hand-written side: more than this made it slower on two cores.
const CONNECTIONS_BY_HAND: usize = 32;

fn redeems(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = Postgres::options().set("max_wal_size", "4GB").start().unwrap();
    let mut group = criterion.benchmark_group("store_postgres/redeems");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    // Many in each iteration: filling a database must not look like a slow redeem.
    group.measurement_time(Duration::from_secs(8)).throughput(Throughput::Elements(AT_ONCE));
    group.sampling_mode(SamplingMode::Flat);
    for (open, name) in [(10_000, "10k"), (1_000_000, "1m")] {
        // Filled only if something is measured on it: a million orders take a while.
        let mut filled: Option<(Shop, Sides, Orders)> = None;
        for clients in [1, 16, 64] {
            for side in [Side::Ours, Side::ByHand] {
                let id = format!("{side}/{name}/{clients}");
                let mut answers = Vec::new();
                group.bench_function(&id, |bencher| {
                    bencher.iter_custom(|times| {
                        let (shop, sides, orders) = filled.get_or_insert_with(|| {
                            let mut shop = Shop::new(10_000);
                            let sides = runtime.block_on(Sides::new(&server, name, &shop));
                            let mut orders = Orders::new(open, &mut shop, &runtime, &sides);
                            runtime.block_on(sides.settle());
                            // Neither side pays for a server that has only just begun.
                            for side in [Side::Ours, Side::ByHand] {
                                let due = orders.take(WARM_UP, &mut shop, &runtime, &sides);
                                let mut answers = Vec::new();
                                runtime.block_on(sides.run(side, &shop, due, 1, &mut answers));
                            }
                            (shop, sides, orders)
                        });
                        let count = usize::try_from(times * AT_ONCE).unwrap();
                        let due = orders.take(count, shop, &runtime, sides);
                        runtime.block_on(sides.run(side, shop, due, clients, &mut answers))
                    });
                });
                figure(&id, &mut answers);
            }
        }
        if let Some((_, sides, _)) = filled {
            eprintln!("  {:?}", sides.ours.stats());
            runtime.block_on(sides.check());
        }
    }
    group.finish();
}

#[derive(Clone, Copy)]
enum Side {
    Ours,
    ByHand,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ours => "interbank",
            Self::ByHand => "by_hand",
        })
    }
}

/// Orders that stay open, and those that are paid and replaced.
struct Orders {
    open: Vec<Order>,
    at: usize,
}

#[derive(Clone)]
struct Order {
    request: PaymentRequest,
    code: Code,
}

impl Orders {
    fn new(open: usize, shop: &mut Shop, runtime: &Runtime, sides: &Sides) -> Self {
        let mut orders = Self { open: Vec::with_capacity(open), at: 0 };
        while orders.open.len() < open {
            let more = Self::issue(5_000.min(open - orders.open.len()), shop, runtime, sides);
            orders.open.extend(more);
        }
        orders
    }

    fn issue(count: usize, shop: &mut Shop, runtime: &Runtime, sides: &Sides) -> Vec<Order> {
        let fresh = (0..count).map(|_| {
            let (request, code) = shop.order();
            Order { request, code }
        });
        let fresh: Vec<_> = fresh.collect();
        runtime.block_on(sides.put_orders(shop, &fresh));
        fresh
    }

    /// So many orders from all over the store; fresh ones take their places.
    fn take(
        &mut self,
        count: usize,
        shop: &mut Shop,
        runtime: &Runtime,
        sides: &Sides,
    ) -> Vec<Order> {
        let mut due = Vec::with_capacity(count);
        while due.len() < count {
            for order in Self::issue(5_000.min(count - due.len()), shop, runtime, sides) {
                self.at = (self.at + 7_919) % self.open.len();
                due.push(std::mem::replace(&mut self.open[self.at], order));
            }
        }
        due
    }
}

/// Both ways to the same server.
struct Sides {
    ours: Arc<PostgresStore>,
    by_hand: Vec<Arc<ByHand>>,
}

impl Sides {
    async fn new(server: &Postgres, name: &str, shop: &Shop) -> Self {
        let database = server.database(&format!("redeems_{name}")).unwrap();
        let options = Options::from_url(&database).unwrap().create(true);
        let ours = Arc::new(PostgresStore::open(options).await.unwrap());
        let first = ByHand::connect(&database, true).await;
        let mut by_hand = vec![Arc::new(first)];
        for _ in 1..CONNECTIONS_BY_HAND {
            by_hand.push(Arc::new(ByHand::connect(&database, false).await));
        }
        let sides = Self { ours, by_hand };
        sides.put_bindings(shop).await;
        sides
    }

    /// What the server owes the disk after a million rows is not put on the account of who is measured first.
    ///
    /// No ANALYZE: it would find the tables of outcomes empty, and make plans for that, which the hand-written side would keep.
    async fn settle(&self) {
        self.by_hand[0].client.batch_execute("CHECKPOINT").await.unwrap();
    }

    async fn put_bindings(&self, shop: &Shop) {
        let payers: Vec<_> = shop.payers().collect();
        for some in payers.chunks(100) {
            let keys: Vec<_> = some.iter().map(|token| shop.server.binding_key(token)).collect();
            let rows = shop.store.read(&ReadSet::points(keys.clone())).unwrap();
            let mut batch = Batch::new();
            let mut values = Vec::new();
            for ((key, row), token) in keys.into_iter().zip(rows.points).zip(some) {
                let value = row.unwrap().value;
                values.push((token.as_bytes().to_vec(), wrapped(&value, token)));
                batch.put(key, Expect::Any, value);
            }
            assert!(matches!(
                port::Store::commit(&*self.ours, &batch).await,
                Ok(Commit::Applied(_))
            ));
            self.by_hand[0].put_bindings(values).await;
        }
    }

    async fn put_orders(&self, shop: &Shop, orders: &[Order]) {
        let mut tasks = Vec::new();
        for some in orders.chunks(100) {
            let key = |order: &Order| shop.server.item_key(&order.request.uid);
            let keys: Vec<Key> = some.iter().map(key).collect();
            let rows = shop.store.read(&ReadSet::points(keys.clone())).unwrap();
            let mut batch = Batch::new();
            for (key, row) in keys.into_iter().zip(rows.points) {
                batch.put(key, Expect::Any, row.unwrap().value);
            }
            // The workshop's own copy is no longer needed.
            let mut gone = Batch::new();
            for op in batch.ops() {
                gone.delete(op.key.clone(), Expect::Any);
                assert!(matches!(op.change, Change::Put(_)));
            }
            assert!(matches!(shop.store.commit(&gone), Ok(Commit::Applied(_))));
            let ours = self.ours.clone();
            tasks.push(tokio::spawn(async move {
                assert!(matches!(
                    port::Store::commit(&*ours, &batch).await,
                    Ok(Commit::Applied(_))
                ));
            }));
        }
        self.by_hand[0].put_orders(orders).await;
        for task in tasks {
            task.await.unwrap();
        }
    }

    async fn run(
        &self,
        side: Side,
        shop: &Shop,
        due: Vec<Order>,
        clients: usize,
        times: &mut Vec<Duration>,
    ) -> Duration {
        let expected = times.len() + due.len();
        let work = Arc::new(Mutex::new(due));
        let started = Instant::now();
        let mut tasks = Vec::new();
        for client in 0..clients {
            let work = work.clone();
            let (server, tokens) = (shop.server.clone(), shop.tokens.clone());
            let keys = shop.keys().clone();
            let ours = self.ours.clone();
            let by_hand = self.by_hand[client % self.by_hand.len()].clone();
            tasks.push(tokio::spawn(async move {
                let mut times = Vec::new();
                while let Some(order) = next(&work) {
                    let begun = Instant::now();
                    match side {
                        Side::Ours => {
                            let token = tokens.token(&order.request.account);
                            let mut redeem = server.redeem(NOW, order.request, token);
                            let decided = port::decide(&*ours, &*keys, &mut redeem).await.unwrap();
                            assert!(matches!(decided.verdict, Verdict::Granted(_)));
                        }
                        Side::ByHand => {
                            let token = tokens.token(&order.request.account);
                            assert!(by_hand.redeem(&keys, &order.request, token).await);
                        }
                    }
                    times.push(begun.elapsed());
                }
                times
            }));
        }
        for task in tasks {
            times.extend(task.await.unwrap());
        }
        let taken = started.elapsed();
        assert_eq!(times.len(), expected);
        taken
    }

    /// Both sides wrote what they say.
    async fn check(&self) {
        let [payments, debits] = self.by_hand[0].counts(["payments", "outbox"]).await;
        assert_eq!(payments, debits, "a payment and a debit for each order paid by hand");
        let ours = ["interbank.qrpay_payments", "interbank.qrpay_outbox"];
        let [payments, debits] = self.by_hand[0].counts(ours).await;
        assert_eq!(payments, debits, "and for each order paid through the store");
    }
}

/// The next order to be paid.
fn next(work: &Mutex<Vec<Order>>) -> Option<Order> {
    work.lock().unwrap().pop()
}

/// One connection of the hand-written side.
struct ByHand {
    client: Client,
    order: Statement,
    binding: Statement,
    outcome: Statement,
    pay: Statement,
}

impl ByHand {
    async fn connect(url: &str, create: bool) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        if create {
            client.batch_execute(SCHEMA).await.unwrap();
        }
        let prepare = async |sql| client.prepare(sql).await.unwrap();
        let (order, binding) = (prepare(ORDER).await, prepare(BINDING).await);
        let (outcome, pay) = (prepare(OUTCOME).await, prepare(PAY).await);
        Self { client, order, binding, outcome, pay }
    }

    async fn redeem(
        &self,
        keys: &seal::SoftKeys,
        request: &PaymentRequest,
        token: AccountRef,
    ) -> bool {
        let (uid, account) = (request.uid.as_str(), &token.as_bytes()[..]);
        let Reply::Mac(reply) = &request.reply else { return false };
        let reply = &reply[..];
        // One round trip: the driver sends all three before it waits.
        let (order, binding, outcome) = tokio::join!(
            async { self.client.query_opt(&self.order, &[&uid]).await },
            async { self.client.query_opt(&self.binding, &[&account]).await },
            async { self.client.query_opt(&self.outcome, &[&uid, &account, &reply]).await },
        );
        let (Some(order), Some(binding), None) =
            (order.unwrap(), binding.unwrap(), outcome.unwrap())
        else {
            return false;
        };
        let challenge: &[u8] = order.get(0);
        let (amount, currency, payee): (i64, &str, &str) =
            (order.get(1), order.get(2), order.get(3));
        let (merchant, expires, state): (&str, i64, i16) =
            (order.get(4), order.get(5), order.get(6));
        let (version, bound): (i64, i64) = (order.get(7), binding.get(2));
        let (context, wrapped): (&[u8], &[u8]) = (binding.get(0), binding.get(1));
        let now_s = i64::try_from(NOW.as_s()).unwrap();
        if state != 1 || now_s >= expires {
            return false;
        }
        let price = Price {
            amount: port::Amount::new(amount, port::Currency::parse(currency).unwrap()),
            payee: Payee::new(payee.as_bytes().to_vec()).unwrap(),
        };
        let terms = Terms { price: Some(price), expires_s: Some(expires.unsigned_abs()) };
        let challenge_id = Challenge(challenge.try_into().unwrap());
        let transcript = Transcript {
            uid: uid.as_bytes(),
            challenge: &challenge_id,
            account: &request.account,
            terms: &terms,
        };
        let right = mac(keys, context, wrapped, &transcript.to_bytes());
        if !seal::equal(&right, reply) {
            return false;
        }
        let id = debit_id(uid, challenge, account);
        let (now, settle_by) =
            (NOW.as_ms().cast_signed(), NOW.plus_ms(60_000).as_ms().cast_signed());
        let instruction = [&id[..], account, uid.as_bytes(), merchant.as_bytes()].concat();
        let id = &id[..];
        let (payment, content) = (&id[..16], &instruction[..]);
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 14] = [
            &uid, &version, &payment, &account, &amount, &currency, &payee, &merchant, &now,
            &settle_by, &reply, &id, &content, &bound,
        ];
        self.client.execute(&self.pay, &parameters).await.unwrap() == 1
    }

    async fn put_bindings(&self, bindings: Vec<(Vec<u8>, (Bytes, Bytes))>) {
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        for (account, (context, wrapped)) in bindings {
            columns.0.push(account);
            columns.1.push(context.to_vec());
            columns.2.push(wrapped.to_vec());
        }
        let sql = "INSERT INTO bindings (account, context, wrapped)
            SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[])";
        self.client.execute(sql, &[&columns.0, &columns.1, &columns.2]).await.unwrap();
    }

    async fn put_orders(&self, orders: &[Order]) {
        let uids: Vec<_> = orders.iter().map(|order| order.request.uid.as_str()).collect();
        let challenges: Vec<_> = orders.iter().map(|order| &order.code.challenge.0[..]).collect();
        let price = |order: &Order| order.code.terms.price.clone().unwrap();
        let amounts: Vec<_> = orders.iter().map(|order| price(order).amount.minor()).collect();
        let expiries: Vec<_> =
            orders.iter().map(|order| order.code.terms.expires_s.unwrap().cast_signed()).collect();
        let sql = "INSERT INTO orders
            SELECT uid, challenge, amount, 'CNY', 'M0001', 'M0001', expires, 1, 1
            FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[]) AS o (uid, challenge, amount, expires)";
        self.client.execute(sql, &[&uids, &challenges, &amounts, &expiries]).await.unwrap();
    }

    async fn counts(&self, tables: [&str; 2]) -> [i64; 2] {
        let [one, other] = tables;
        let sql = format!("SELECT (SELECT count(*) FROM {one}), (SELECT count(*) FROM {other})");
        let row = self.client.query_one(&sql, &[]).await.unwrap();
        [row.get(0), row.get(1)]
    }
}

const SCHEMA: &str = "
    CREATE TABLE orders (uid text PRIMARY KEY, challenge bytea NOT NULL, amount bigint NOT NULL, currency text NOT NULL,
        payee text NOT NULL, merchant text NOT NULL, expires_s bigint NOT NULL, state smallint NOT NULL,
        version bigint NOT NULL) WITH (fillfactor = 85);
    CREATE TABLE bindings (account bytea PRIMARY KEY, context bytea NOT NULL, wrapped bytea NOT NULL,
        version bigint NOT NULL DEFAULT 1);
    CREATE TABLE outcomes (uid text, account bytea, reply bytea, payment bytea NOT NULL, at bigint NOT NULL,
        PRIMARY KEY (uid, account, reply));
    CREATE TABLE payments (id bytea PRIMARY KEY, uid text NOT NULL, account bytea NOT NULL, amount bigint NOT NULL,
        currency text NOT NULL, payee text NOT NULL, merchant text NOT NULL, state smallint NOT NULL,
        accepted bigint NOT NULL, settle_by bigint NOT NULL);
    CREATE TABLE outbox (idempotency bytea PRIMARY KEY, created bigint NOT NULL, content bytea NOT NULL);";
const ORDER: &str = "SELECT challenge, amount, currency, payee, merchant, expires_s, state, version
    FROM orders WHERE uid = $1";
const BINDING: &str = "SELECT context, wrapped, version FROM bindings WHERE account = $1";
const OUTCOME: &str = "SELECT payment FROM outcomes WHERE uid = $1 AND account = $2 AND reply = $3";
/// All of it or nothing: what comes after the update happens only if the order was still as it was read, and the binding,
/// which somebody may have revoked meanwhile.
const PAY: &str = "
    WITH bound AS MATERIALIZED (
        SELECT account FROM bindings WHERE account = $4 AND version = $14 FOR SHARE
    ), paid AS (
        UPDATE orders o SET state = 2, version = o.version + 1 FROM bound
        WHERE o.uid = $1 AND o.version = $2 RETURNING o.uid
    ), payment AS (
        INSERT INTO payments SELECT $3::bytea, uid, $4::bytea, $5::bigint, $6::text, $7::text, $8::text, 1::smallint,
            $9::bigint, $10::bigint FROM paid
    ), outcome AS (
        INSERT INTO outcomes SELECT uid, $4, $11::bytea, $3, $9 FROM paid
    )
    INSERT INTO outbox SELECT $12::bytea, $9, $13::bytea FROM paid";

/// Context and blob of the one wrapped key of a binding.
fn wrapped(binding: &Bytes, token: &AccountRef) -> (Bytes, Bytes) {
    let binding = Binding::parse(binding, token).unwrap();
    let Credential::Hmac(HmacReply { key: KeyRef::Wrapped { context, blob, .. }, .. }) =
        &binding.keys[0].credential
    else {
        panic!("a wrapped key")
    };
    (context.clone(), blob.clone())
}

fn mac(keys: &seal::SoftKeys, context: &[u8], blob: &[u8], message: &[u8]) -> Vec<u8> {
    let key = KeyRef::Wrapped {
        key: port::KeyId(2),
        context: Bytes::copy_from_slice(context),
        blob: Bytes::copy_from_slice(blob),
    };
    let message = Bytes::copy_from_slice(message);
    let question = KeyQuestion::Mac { key, algorithm: MacAlgorithm::HmacSha256, message };
    match keys.answer(&[question]).unwrap().remove(0) {
        port::KeyAnswer::Mac(tag) => tag.as_bytes().to_vec(),
        other => panic!("{other:?}"),
    }
}

fn debit_id(uid: &str, challenge: &[u8], account: &[u8]) -> [u8; 32] {
    use sha2::{Digest as _, Sha256};
    Sha256::new().chain_update(uid).chain_update(challenge).chain_update(account).finalize().into()
}

/// Leaves the 99th percentile for the table, where something was measured.
fn figure(id: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let Some(p99) = times.get(times.len() * 99 / 100) else { return };
    eprintln!("  p99 {p99:?}");
    let Some(folder) = std::env::var_os("INTERBANK_BENCH_FIGURES") else { return };
    let id = format!("store_postgres/p99/{id}");
    let value = p99.as_secs_f64() * 1e6;
    let text = format!("{{ \"id\": \"{id}\", \"value\": {value:.0}, \"unit\": \"µs\" }}\n");
    let file = PathBuf::from(folder).join(format!("{}.json", id.replace('/', "_")));
    std::fs::write(file, text).unwrap();
}

criterion_group!(benches, redeems);
criterion_main!(benches);
