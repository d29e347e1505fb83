//! A few connections, kept for the next use.

use crate::session::Session;
use crate::tls::Connector;
use crate::{Cause, OpenError, Options};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Connections that nobody uses, and the right to open more up to a bound.
#[derive(Debug)]
pub(crate) struct Pool {
    options: Options,
    connector: Connector,
    idle: Mutex<Vec<Session>>,
    permits: Semaphore,
    opened: AtomicU64,
}

impl Pool {
    pub(crate) fn new(options: Options, connector: Connector) -> Self {
        let permits = Semaphore::new(options.connections_max);
        Self { options, connector, idle: Mutex::default(), permits, opened: AtomicU64::new(0) }
    }

    /// Opens the first connection, to see that everything is in place.
    pub(crate) async fn warm(&self) -> Result<(), OpenError> {
        let session = Session::open(&self.options, &self.connector).await?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.lock().push(session);
        Ok(())
    }

    /// A connection for one use: the one that was used last, or a new one.
    pub(crate) async fn session(&self) -> Result<Lease<'_>, Cause> {
        let permit = self.permit().await?;
        while let Some(session) = self.lock().pop() {
            if !session.is_closed() {
                return Ok(Lease { pool: self, session: Some(session), _permit: permit });
            }
        }
        self.open(permit).await
    }

    /// A new connection, after one broke: those that rest have probably broken with it.
    pub(crate) async fn fresh_session(&self) -> Result<Lease<'_>, Cause> {
        self.lock().clear();
        let permit = self.permit().await?;
        self.open(permit).await
    }

    /// How many connections were opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    pub(crate) const fn options(&self) -> &Options {
        &self.options
    }

    /// Closes what rests, and lets nobody in any more.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.lock().clear();
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, Cause> {
        let permit = tokio::time::timeout(self.options.connect_timeout, self.permits.acquire());
        match permit.await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Cause::NoConnection),
        }
    }

    async fn open<'a>(&'a self, permit: SemaphorePermit<'a>) -> Result<Lease<'a>, Cause> {
        let session = Session::open(&self.options, &self.connector).await;
        let session = session.map_err(|why| match why {
            OpenError::Cause(cause) => cause,
            _ => Cause::Schema,
        })?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Lease { pool: self, session: Some(session), _permit: permit })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use; it goes back to the pool by itself.
///
/// A caller who gives up leaves an answer on its way: the connection skips it, and the next user waits behind it.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    pool: &'a Pool,
    session: Option<Session>,
    _permit: SemaphorePermit<'a>,
}

impl Lease<'_> {
    /// Closes the connection: nobody knows what it would say next.
    pub(crate) fn discard(mut self) {
        self.session = None;
    }
}

impl Deref for Lease<'_> {
    type Target = Session;

    #[allow(clippy::expect_used, reason = "the session is taken only when the lease ends")]
    fn deref(&self) -> &Session {
        self.session.as_ref().expect("a lease has its session until it ends")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && !session.is_closed()
            && !self.pool.permits.is_closed()
        {
            self.pool.lock().push(session);
        }
    }
}
