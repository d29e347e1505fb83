//! The tables, functions and views, and how they come into a database.

use crate::{Cause, OpenError, Options, PostgresStore};
use tokio_postgres::{Client, Transaction};

/// What a DBA runs who does not let programs make tables.
impl PostgresStore {
    /// The statements that make a store in this schema; run them in one transaction.
    ///
    /// # Errors
    /// [`OpenError::SchemaName`].
    pub fn schema_sql(schema: &str) -> Result<String, OpenError> {
        Ok(Name::new(schema)?.fill(&[STORE_SQL, QRPAY_SQL].concat()))
    }

    /// The statements that let a role of programs use the store in this schema, and nothing more.
    ///
    /// # Errors
    /// [`OpenError::SchemaName`].
    pub fn grant_sql(schema: &str, role: &str) -> Result<String, OpenError> {
        Ok(Name::new(schema)?.fill(PROGRAM_SQL).replace('#', &quoted(role)))
    }

    /// The statements that let a role of analysts read the views in this schema, and nothing else: rows hold challenges and
    /// wrapped keys, which the views leave out.
    ///
    /// # Errors
    /// [`OpenError::SchemaName`].
    pub fn grant_views_sql(schema: &str, role: &str) -> Result<String, OpenError> {
        Ok(Name::new(schema)?.fill(ANALYST_SQL).replace('#', &quoted(role)))
    }
}

/// The name of a schema, so plain that it can stand in a statement.
#[derive(Clone, Debug)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn new(schema: &str) -> Result<Self, OpenError> {
        let plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        let starts = schema.as_bytes().first().is_some_and(|first| !first.is_ascii_digit());
        if starts && schema.len() <= 63 && schema.as_bytes().iter().all(plain) {
            Ok(Self(quoted(schema)))
        } else {
            Err(OpenError::SchemaName)
        }
    }

    /// Puts the name in its places.
    pub(crate) fn fill(&self, sql: &str) -> String {
        sql.replace('@', &self.0)
    }
}

/// Finds the store of these options, or makes it if they say so.
pub(crate) async fn settle(client: &mut Client, options: &Options) -> Result<(), OpenError> {
    let name = Name::new(&options.schema)?;
    match format(client, &name).await? {
        Some(found) if found > FORMAT => Err(OpenError::Newer { found, supported: FORMAT }),
        Some(_) => Ok(()),
        None if options.create => make(client, &name, &options.schema).await,
        None => Err(OpenError::Missing),
    }
}

/// The format of a store that is there.
pub(crate) async fn format(client: &Client, name: &Name) -> Result<Option<u32>, OpenError> {
    let found = client.query_opt(&name.fill("SELECT format FROM @.format"), &[]).await;
    match found {
        Ok(row) => Ok(row.and_then(|row| row.try_get::<_, i32>(0).ok()).map(i32::unsigned_abs)),
        Err(why) => match Cause::of(&why) {
            Cause::Schema => Ok(None),
            cause => Err(cause.into()),
        },
    }
}

/// Makes the store, or finds that another program has just made it.
async fn make(client: &mut Client, name: &Name, schema: &str) -> Result<(), OpenError> {
    let failed = |why: tokio_postgres::Error| OpenError::from(Cause::of(&why));
    let transaction = client.transaction().await.map_err(failed)?;
    lock(&transaction).await.map_err(failed)?;
    let there = transaction
        .query_one("SELECT to_regclass($1) IS NOT NULL", &[&name.fill("@.format")])
        .await
        .map_err(failed)?;
    if !there.try_get::<_, bool>(0).map_err(failed)? {
        let sql = PostgresStore::schema_sql(schema)?;
        transaction.batch_execute(&sql).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// One program at a time makes or changes tables.
async fn lock(transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await.map(drop)
}

/// A name as PostgreSQL quotes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The format that this version makes, and the newest that it works with.
pub(crate) const FORMAT: u32 = 1;

/// Any number; the same in all versions of this crate.
const MIGRATION_LOCK: i64 = 0x6962_7374_6f72_6531;

const STORE_SQL: &str = include_str!("../sql/store.sql");
const QRPAY_SQL: &str = include_str!("../sql/qrpay.sql");
const PROGRAM_SQL: &str = include_str!("../sql/program.sql");
const ANALYST_SQL: &str = include_str!("../sql/analyst.sql");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_change_a_statement_are_refused() {
        for bad in ["", "1a", "A", "a b", "a\"", "a;", "a.b", "ä", &"a".repeat(64)] {
            assert_eq!(PostgresStore::schema_sql(bad), Err(OpenError::SchemaName), "{bad}");
        }
        let sql = PostgresStore::schema_sql("bank_1").unwrap_or_default();
        assert!(sql.contains("CREATE TABLE \"bank_1\".rows") && !sql.contains('@'));
        for grant in [PostgresStore::grant_sql, PostgresStore::grant_views_sql] {
            let sql = grant("bank_1", "o\"dd@#").unwrap_or_default();
            let grants = sql.matches("GRANT").count();
            assert!(grants > 0 && sql.matches(" TO \"o\"\"dd@#\";").count() == grants, "{sql}");
        }
    }
}
