//! A batch in the integrator's own transaction.

use crate::group::{self, Ops};
use crate::session::{PAGES, POINTS};
use crate::{Cause, Error, PostgresStore, read};
use port::{Batch, Commit, ReadSet, Rows};
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

/// Beside your own rows: both become visible with your commit, or neither.
impl PostgresStore {
    /// Applies a batch inside an open transaction of yours, on a connection of yours to the same database.
    ///
    /// `Applied` holds from the moment that your transaction commits, and the rows that the batch names stay locked until
    /// then: commit soon. After `Conflict` nothing of the batch was written, and your transaction goes on; commit it without
    /// the batch, or roll it back and begin again. Work out what a commit of unknown fate did with the batch's outcome row.
    ///
    /// It is one round trip. Where `synchronous_commit` is off it is turned on for this transaction. Under `repeatable read`
    /// and `serializable` it is right too, but a row that changed since your transaction began is a
    /// [`Cause::Contention`] instead of a conflict. Two transactions that each apply several batches, or lock rows of their
    /// own in between, can deadlock; the server breaks that, which is [`Cause::Contention`] too.
    ///
    /// # Errors
    /// Your transaction can then only be rolled back, and nothing of it was written: [`Error::NotApplied`]. After
    /// [`Error::Batch`] nothing was sent, and it goes on.
    pub async fn commit_in(
        &self,
        transaction: &Transaction<'_>,
        batch: &Batch,
    ) -> Result<Commit, Error> {
        batch.check().map_err(Error::Batch)?;
        let ops = Ops::of(&[batch]);
        if ops.keys.is_empty() {
            return Ok(Commit::Applied(port::Version::default()));
        }
        let sql = self.core.name.fill(APPLY_INSIDE);
        let params: [(&(dyn ToSql + Sync), Type); 5] = [
            (&ops.batches, Type::INT4_ARRAY),
            (&ops.keys, Type::BYTEA_ARRAY),
            (&ops.expects, Type::INT8_ARRAY),
            (&ops.changes, Type::INT2_ARRAY),
            (&ops.values, Type::BYTEA_ARRAY),
        ];
        // Whatever happens to the connection, a transaction that was not committed is undone
        let failed = |why: tokio_postgres::Error| Error::NotApplied(Cause::of(&why));
        let row = transaction.query_typed_one(&sql, &params).await.map_err(failed)?;
        Ok(group::commit(row.try_get(0).map_err(failed)?))
    }

    /// Reads inside an open transaction of yours: what it wrote itself is seen, and nothing of others that it may not see.
    ///
    /// # Errors
    /// As [`port::Store::read`]. After [`Error::NotApplied`] your transaction can only be rolled back.
    pub async fn read_in(
        &self,
        transaction: &Transaction<'_>,
        want: &ReadSet,
    ) -> Result<Rows, Error> {
        read::check(want)?;
        let name = &self.core.name;
        read::read_inside(transaction, &name.fill(POINTS), &name.fill(PAGES), want).await
    }
}

const APPLY_INSIDE: &str = "SELECT @.apply_inside($1, $2, $3, $4, $5)";
