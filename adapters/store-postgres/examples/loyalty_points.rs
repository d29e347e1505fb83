//! A batch of ours in a transaction of yours: points for a payment, both or neither.
//!
//! `cargo run -p interbank-store-postgres --example loyalty_points -- postgresql://user:password@127.0.0.1:5432/database`
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use interbank_store_postgres::{Options, PostgresStore, tokio_postgres};
use port::{Batch, Commit, CrateTag, Expect, Key, ReadSet, Row, Store, Tenant};
use std::error::Error;
use tokio_postgres::{Client, NoTls};

#[tokio::main]
#[allow(dead_code, reason = "the test of this example calls `run`")]
async fn main() -> Result<(), Box<dyn Error>> {
    let named = std::env::args().nth(1).or_else(|| std::env::var("DATABASE_URL").ok());
    run(&named.ok_or("usage: loyalty_points URL")?).await
}

/// Plays three payments; every claim is checked.
pub(crate) async fn run(url: &str) -> Result<(), Box<dyn Error>> {
    let store = PostgresStore::open(Options::from_url(url)?.create(true)).await?;

    // Your connection, your table.
    let (mut client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    client
        .batch_execute(
            "DROP TABLE IF EXISTS loyalty_points;
             CREATE TABLE loyalty_points (member text PRIMARY KEY, points bigint NOT NULL)",
        )
        .await?;

    // Both: the receipt is written for the first time, and the points are added beside it.
    let receipt = Key::new(CrateTag::foreign(0x80).ok_or("a tag of yours")?, Tenant::new(1), 1);
    let receipt = receipt.text(format!("receipt-{}", std::process::id()).as_bytes())?;
    let mut batch = Batch::new();
    batch.put(receipt.clone(), Expect::Absent, &b"paid 12.00"[..]);
    let transaction = client.transaction().await?;
    let earned = "INSERT INTO loyalty_points VALUES ($1, 12)
                  ON CONFLICT (member) DO UPDATE SET points = loyalty_points.points + 12";
    transaction.execute(earned, &[&"ada"]).await?;
    let Commit::Applied(version) = store.commit_in(&transaction, &batch).await? else {
        return Err("the receipt was there before".into());
    };
    assert!(row(&store, &receipt).await?.is_none(), "nobody sees it yet");
    transaction.commit().await?;
    assert_eq!(row(&store, &receipt).await?.map(|row| row.version), Some(version));
    assert_eq!(points(&client).await?, 12);
    println!("the receipt and 12 points are there");

    // Conflict: the same receipt again. Nothing of the batch is written, and your transaction goes on.
    let transaction = client.transaction().await?;
    assert_eq!(store.commit_in(&transaction, &batch).await?, Commit::Conflict);
    let seen = store.read_in(&transaction, &ReadSet::points([receipt.clone()])).await?;
    assert!(seen.points[0].is_some());
    transaction.execute("UPDATE loyalty_points SET points = points + 1", &[]).await?;
    transaction.commit().await?;
    assert_eq!(points(&client).await?, 13);
    println!("the second receipt met the first; one point for the trouble");

    // Neither: rolled back, both are gone.
    let mut change = Batch::new();
    change.put(receipt.clone(), Expect::At(version), &b"paid 99.00"[..]);
    let transaction = client.transaction().await?;
    transaction.execute(earned, &[&"ada"]).await?;
    assert!(matches!(store.commit_in(&transaction, &change).await?, Commit::Applied(_)));
    transaction.rollback().await?;
    assert_eq!(row(&store, &receipt).await?.map(|row| row.version), Some(version));
    assert_eq!(points(&client).await?, 13);
    println!("rolled back: neither is there");
    store.close().await;
    Ok(())
}

async fn row(store: &PostgresStore, key: &Key) -> Result<Option<Row>, Box<dyn Error>> {
    Ok(store.read(&ReadSet::points([key.clone()])).await?.points.remove(0))
}

async fn points(client: &Client) -> Result<i64, tokio_postgres::Error> {
    let row =
        client.query_one("SELECT points FROM loyalty_points WHERE member = 'ada'", &[]).await?;
    row.try_get(0)
}
