//! The store: reads that go straight to a connection, commits that fly in groups.

use crate::line::{Line, Turn, Waiting};
use crate::pool::{Lease, Pool};
use crate::session::{GRACE, Session, connect};
use crate::tls::Connector;
use crate::{Cause, Error, OpenError, Options, group, read, schema};
use port::{Batch, Commit, ReadSet, Rows};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// A store in a PostgreSQL database; [`port::Store`]. [`crate::blocking::PostgresStore`] is its blocking face.
///
/// `Send + Sync`; share it by reference or in an [`Arc`]. Any number of processes use one database. It belongs to the tokio
/// runtime that it was opened in.
///
/// A commit is one statement, and one round trip. Commits that meet while others are on their way become one transaction;
/// each is judged by itself. A read is one statement too, and so one view, however many rows and ranges it asks for.
///
/// A read whose connection breaks is asked once more on a new one. A commit is never repeated unless the server said that
/// it was undone.
#[derive(Debug)]
pub struct PostgresStore {
    pub(crate) core: Arc<Core>,
}

impl PostgresStore {
    /// Opens the store that the options name.
    ///
    /// # Errors
    /// [`OpenError`] says in one phrase why not.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let name = schema::Name::new(&options.schema)?;
        let connector = Connector::new(&options)?;
        let (mut client, carrier) = connect(&options, &connector).await?;
        let limit = options.connect_timeout.max(options.statement_timeout);
        timeout(limit, schema::settle(&mut client, &options))
            .await
            .unwrap_or(Err(OpenError::Cause(Cause::Silent)))?;
        drop((client, carrier));
        let line = Line::new(&options);
        let core = Core {
            name,
            line,
            pool: Pool::new(options, connector),
            counts: Counts::default(),
            runtime: Handle::current(),
        };
        core.pool.warm().await?;
        Ok(Self { core: Arc::new(core) })
    }

    /// Answers the commits in line, refuses new ones, and closes the connections.
    pub async fn close(self) {
        self.core.line.close().await;
        self.core.pool.close();
    }

    /// What the store did since it was opened.
    pub fn stats(&self) -> Stats {
        let counts = &self.core.counts;
        Stats {
            applied: counts.applied.load(Ordering::Relaxed),
            conflicts: counts.conflicts.load(Ordering::Relaxed),
            transactions: counts.transactions.load(Ordering::Relaxed),
            repeated: counts.repeated.load(Ordering::Relaxed),
            unknown: counts.unknown.load(Ordering::Relaxed),
            connections: self.core.pool.opened(),
        }
    }

    pub(crate) async fn read_rows(&self, want: &ReadSet) -> Result<Rows, Error> {
        read::check(want)?;
        if want.is_empty() {
            return Ok(Rows::default());
        }
        self.core.ask(want).await
    }

    pub(crate) async fn commit_batch(&self, batch: &Batch) -> Result<Commit, Error> {
        batch.check().map_err(Error::Batch)?;
        if !batch.writes() {
            // Requirements alone are a read
            let judged = self.core.ask(batch).await;
            self.core.counts.note(&judged);
            return judged;
        }
        match self.core.line.enter(batch)? {
            Turn::Fly => {
                let _flight = OwnFlight(&self.core);
                self.core.fly_alone(batch).await
            }
            // A flight that vanished may have been sent
            Turn::Wait(answer) => answer.await.unwrap_or(Err(Error::Unknown(Cause::Lost))),
        }
    }
}

impl port::Store for PostgresStore {
    type Error = Error;

    fn read(&self, want: &ReadSet) -> impl Future<Output = Result<Rows, Error>> + Send {
        self.read_rows(want)
    }

    fn commit(&self, batch: &Batch) -> impl Future<Output = Result<Commit, Error>> + Send {
        self.commit_batch(batch)
    }
}

/// What a store did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches that were applied.
    pub applied: u64,
    /// Batches that met a conflict.
    pub conflicts: u64,
    /// Transactions that carried groups of batches.
    pub transactions: u64,
    /// Groups that the server undid and that were sent again: a race with another process, or a broken deadlock.
    pub repeated: u64,
    /// Batches whose fate is not known.
    pub unknown: u64,
    /// Connections that were opened.
    pub connections: u64,
}

/// What callers and flights share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) name: schema::Name,
    line: Line,
    pool: Pool,
    counts: Counts,
    runtime: Handle,
}

#[derive(Debug, Default)]
struct Counts {
    applied: AtomicU64,
    conflicts: AtomicU64,
    transactions: AtomicU64,
    repeated: AtomicU64,
    unknown: AtomicU64,
}

impl Core {
    /// Asks something that changes nothing; once more if the connection breaks.
    async fn ask<Q: Question>(&self, question: &Q) -> Result<Q::Answer, Error> {
        let lease = self.pool.session().await.map_err(Error::NotApplied)?;
        match self.ask_on(lease, question).await {
            Err(Error::NotApplied(cause)) if cause.is_of_the_connection() => {}
            other => return other,
        }
        let lease = self.pool.fresh_session().await.map_err(Error::NotApplied)?;
        self.ask_on(lease, question).await
    }

    async fn ask_on<Q: Question>(
        &self,
        lease: Lease<'_>,
        question: &Q,
    ) -> Result<Q::Answer, Error> {
        match timeout(self.limit(), question.ask(&lease)).await {
            Ok(answer) => answer,
            Err(_) => {
                lease.discard();
                Err(Error::NotApplied(Cause::Silent))
            }
        }
    }

    fn limit(&self) -> Duration {
        self.pool.options().statement_timeout + GRACE
    }

    /// Sends one batch by itself.
    async fn fly_alone(&self, batch: &Batch) -> Result<Commit, Error> {
        let sent = self.send(&[batch]).await;
        let answer = sent.map(|answers| answers.first().copied().unwrap_or(Commit::Conflict));
        self.counts.note(&answer);
        answer
    }

    /// Sends a group and answers it. If the server undid it for the sake of one batch, each is sent again by itself, so that
    /// one does not fail the others.
    async fn fly(self: &Arc<Self>, mut group: Vec<Waiting>) {
        if let [only] = group.as_slice() {
            let answer = self.fly_alone(&only.batch).await;
            return group.drain(..).for_each(|one| one.tell(answer));
        }
        let batches: Vec<&Batch> = group.iter().map(|waiting| &waiting.batch).collect();
        match self.send(&batches).await {
            Ok(answers) => {
                for (one, answer) in group.into_iter().zip(answers) {
                    self.counts.note(&Ok(answer));
                    one.tell(Ok(answer));
                }
            }
            Err(Error::NotApplied(cause)) if cause.may_be_of_one_batch() => {
                for one in group {
                    self.line.stray();
                    let stray = Stray(Arc::clone(self));
                    self.runtime.spawn(async move {
                        let answer = stray.0.fly_alone(&one.batch).await;
                        one.tell(answer);
                    });
                }
            }
            Err(why) => {
                for one in group {
                    self.counts.note(&Err(why));
                    one.tell(Err(why));
                }
            }
        }
    }

    /// Sends a group until the server has decided it, or nobody knows. What the server undid because of others is repeated.
    async fn send(&self, group: &[&Batch]) -> Result<Vec<Commit>, Error> {
        let mut attempts = 0;
        loop {
            let lease = self.pool.session().await.map_err(Error::NotApplied)?;
            self.counts.transactions.fetch_add(1, Ordering::Relaxed);
            let sent = match group {
                [only] if attempts == 0 && group::is_plain(only) => {
                    timeout(self.limit(), group::apply_one(&lease, only)).await
                }
                _ => timeout(self.limit(), group::apply(&lease, group)).await,
            };
            match sent.unwrap_or(Err(Error::Unknown(Cause::Silent))) {
                Err(Error::NotApplied(Cause::Contention)) if attempts < ATTEMPTS_MAX => {
                    attempts += 1;
                    self.counts.repeated.fetch_add(1, Ordering::Relaxed);
                }
                Err(why @ Error::Unknown(_)) => {
                    lease.discard();
                    return Err(why);
                }
                decided => return decided,
            }
        }
    }

    /// Ends a flight, or starts the next one with those who wait.
    fn hand_on(self: &Arc<Self>) {
        let mut group = self.line.land();
        if group.is_empty() {
            return;
        }
        let flight = Flight::new(self);
        self.runtime.spawn(async move {
            while !group.is_empty() {
                flight.core.fly(group).await;
                group = flight.core.line.land();
            }
            flight.landed();
        });
    }
}

impl Waiting {
    fn tell(self, answer: Result<Commit, Error>) {
        // The caller may have gone
        let _ = self.answer.send(answer);
    }
}

impl Counts {
    fn note(&self, answer: &Result<Commit, Error>) {
        let count = match answer {
            Ok(Commit::Applied(_)) => &self.applied,
            Ok(Commit::Conflict) => &self.conflicts,
            Err(Error::Unknown(_)) => &self.unknown,
            Err(_) => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// What changes nothing, so that it may be asked again.
trait Question: Sync {
    type Answer;

    fn ask(&self, session: &Session) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
}

impl Question for ReadSet {
    type Answer = Rows;

    async fn ask(&self, session: &Session) -> Result<Rows, Error> {
        let found = read::read(&session.client, &session.points, &session.pages, self).await;
        found.unwrap_or_else(|why| Err(Error::NotApplied(Cause::of(&why))))
    }
}

/// A batch that only requires.
impl Question for Batch {
    type Answer = Commit;

    async fn ask(&self, session: &Session) -> Result<Commit, Error> {
        group::judge(session, self).await
    }
}

/// A flight in a caller's own future, which may be dropped at any moment: then the flight ends all the same.
struct OwnFlight<'a>(&'a Arc<Core>);

impl Drop for OwnFlight<'_> {
    fn drop(&mut self) {
        self.0.hand_on();
    }
}

/// A flight in a task. Only a runtime that goes down drops it before its end.
struct Flight {
    core: Arc<Core>,
    over: bool,
}

impl Flight {
    fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core), over: false }
    }

    /// The line knows that it is over.
    fn landed(mut self) {
        self.over = true;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.over {
            self.core.line.abandon();
        }
    }
}

/// A batch that flies apart from the line.
struct Stray(Arc<Core>);

impl Drop for Stray {
    fn drop(&mut self) {
        self.0.line.stray_ends();
    }
}

/// How often a group that was undone because of others is sent again: each time somebody else got on.
const ATTEMPTS_MAX: usize = 16;
