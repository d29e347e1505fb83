//! One connection, set up for the store, with its statements prepared.

use crate::schema::{FORMAT, Name, format};
use crate::tls::Connector;
use crate::{Cause, OpenError, Options};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, SimpleQueryMessage, Statement};

/// A connection and the statements that were prepared on it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) apply: Statement,
    pub(crate) apply_one: Statement,
    pub(crate) judge: Statement,
    pub(crate) points: Statement,
    pub(crate) pages: Statement,
    /// Carries the bytes; ends the connection when the session is dropped, whatever the server does.
    carrier: Carrier,
}

impl Session {
    pub(crate) async fn open(options: &Options, connector: &Connector) -> Result<Self, OpenError> {
        let wait = options.connect_timeout;
        let opened = tokio::time::timeout(wait, Self::set_up(options, connector));
        opened.await.unwrap_or(Err(OpenError::Cause(Cause::Silent)))
    }

    async fn set_up(options: &Options, connector: &Connector) -> Result<Self, OpenError> {
        let name = Name::new(&options.schema)?;
        let (client, carrier) = connect(options, connector).await?;
        let settings = settings(options);
        // All of it leaves at once and is one round trip
        let (format, answers, apply, apply_one, judge, points, pages) = tokio::join!(
            format(&client, &name),
            client.simple_query(&settings),
            prepare(&client, &name, APPLY, APPLY_TYPES),
            prepare(&client, &name, APPLY_ONE, APPLY_ONE_TYPES),
            prepare(&client, &name, JUDGE, &[Type::BYTEA_ARRAY, Type::INT8_ARRAY]),
            prepare(&client, &name, POINTS, &[Type::BYTEA_ARRAY]),
            prepare(&client, &name, PAGES, PAGES_TYPES),
        );
        match format? {
            Some(found) if found > FORMAT => {
                return Err(OpenError::Newer { found, supported: FORMAT });
            }
            Some(_) => {}
            None => return Err(OpenError::Missing),
        }
        let answers = answers.map_err(|why| Cause::of(&why))?;
        let writable = answers.iter().any(|answer| match answer {
            SimpleQueryMessage::Row(row) => matches!(row.try_get("writable"), Ok(Some("t"))),
            _ => false,
        });
        if !writable {
            return Err(Cause::ReadOnly.into());
        }
        Ok(Self {
            apply: apply?,
            apply_one: apply_one?,
            judge: judge?,
            points: points?,
            pages: pages?,
            client,
            carrier,
        })
    }

    /// Whether the connection is known to be gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed() || self.carrier.0.is_finished()
    }
}

/// A bare connection: for making tables.
pub(crate) async fn connect(
    options: &Options,
    connector: &Connector,
) -> Result<(Client, Carrier), OpenError> {
    let config = config(options, connector);
    let connected =
        tokio::time::timeout(options.connect_timeout, config.connect(connector.clone()));
    let (client, connection) = match connected.await {
        Ok(connected) => connected.map_err(|why| Cause::of(&why))?,
        Err(_) => return Err(Cause::Silent.into()),
    };
    let carrier = tokio::spawn(async move {
        // Whoever waits for an answer learns of the failure
        let _ = connection.await;
    });
    Ok((client, Carrier(carrier.abort_handle())))
}

/// The task behind a connection; it ends with its session.
#[derive(Debug)]
pub(crate) struct Carrier(AbortHandle);

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn config(options: &Options, connector: &Connector) -> Config {
    let mut config = options.config.clone();
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        config.host("localhost");
    }
    config.ssl_mode(connector.mode());
    config.connect_timeout(options.connect_timeout);
    // Of several hosts, the primary
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    // A peer that vanished without a word is noticed in about the time of a statement
    config.tcp_user_timeout(options.statement_timeout + GRACE);
    if config.get_application_name().is_none() {
        config.application_name("interbank-store-postgres");
    }
    config
}

async fn prepare(
    client: &Client,
    name: &Name,
    sql: &str,
    types: &[Type],
) -> Result<Statement, OpenError> {
    let prepared = client.prepare_typed(&name.fill(sql), types).await;
    prepared.map_err(|why| Cause::of(&why).into())
}

/// What the store relies on, whatever the defaults of server, database and role are.
///
/// - A commit is on the disk before anybody sees it, unless `synchronous_commit` is `off`.
/// - The function takes a fresh view after it has waited for locks: `read committed`.
/// - Rows are always found by the index: plans are kept, and the table may have been small when they were made.
fn settings(options: &Options) -> String {
    let statement_ms = options.statement_timeout.as_millis();
    let lock_ms = options.lock_timeout.as_millis();
    format!(
        "SET statement_timeout = {statement_ms}; SET lock_timeout = {lock_ms}; \
         SET default_transaction_isolation = 'read committed'; SET default_transaction_deferrable = off; \
         SET jit = off; SET plan_cache_mode = force_generic_plan; \
         SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; \
         SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off; \
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; \
         SELECT current_setting('transaction_read_only') = 'off' AS writable"
    )
}

/// How much longer than the server's own time-out to wait for its answer.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

pub(crate) const APPLY: &str = "SELECT @.apply($1, $2, $3, $4, $5, $6)";
const APPLY_TYPES: &[Type] = &[
    Type::INT4,
    Type::INT4_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
    Type::INT2_ARRAY,
    Type::BYTEA_ARRAY,
];

pub(crate) const APPLY_ONE: &str = "SELECT @.apply_one($1, $2, $3, $4)";
const APPLY_ONE_TYPES: &[Type] =
    &[Type::BYTEA_ARRAY, Type::INT8_ARRAY, Type::INT2_ARRAY, Type::BYTEA_ARRAY];

/// Requirements alone: true at the moment of one view, and then the commit is at that moment. The version is the greatest
/// among the rows.
pub(crate) const JUDGE: &str = "\
SELECT bool_and(op.expect = -2 OR op.expect = coalesce(r.version, 0)), coalesce(max(r.version), 0)
FROM unnest($1, $2) AS op (key, expect) LEFT JOIN @.rows r ON r.key = ANY (ARRAY[op.key])";

pub(crate) const POINTS: &str = "SELECT key, version, value FROM @.rows WHERE key = ANY ($1)";

pub(crate) const PAGES: &str = "\
SELECT 0::bigint AS page, key, version, value FROM @.rows WHERE key = ANY ($1)
UNION ALL
SELECT want.page, r.key, r.version, r.value
FROM unnest($2, $3, $4) WITH ORDINALITY AS want (first, behind, up_to, page)
CROSS JOIN LATERAL (
    SELECT key, version, value FROM @.rows
    WHERE key >= want.first AND key < want.behind ORDER BY key LIMIT want.up_to
) r";
pub(crate) const PAGES_TYPES: &[Type] =
    &[Type::BYTEA_ARRAY, Type::BYTEA_ARRAY, Type::BYTEA_ARRAY, Type::INT8_ARRAY];
