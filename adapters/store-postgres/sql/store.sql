-- Format 1 of the store. `@` stands for the quoted name of its schema.

CREATE SCHEMA IF NOT EXISTS @;

-- What the rows mean. One row; a program that knows only older formats refuses the store.
CREATE TABLE @.format (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    format integer NOT NULL
);

-- The rows. bytea compares bytewise and unsigned, as keys do.
CREATE TABLE @.rows (
    key bytea NOT NULL,
    version bigint NOT NULL,
    value bytea NOT NULL,
    CONSTRAINT rows_by_key PRIMARY KEY (key)
) WITH (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02
);

-- Versions. They are drawn while every row that a batch names is held; see the function.
CREATE SEQUENCE @.versions AS bigint MINVALUE 1 NO CYCLE CACHE 1;

-- Applies a group of batches, each all or nothing. The caller's promises:
--   keys ascend; two operations name one key only if both change nothing and expect the row to be there;
--   batches count from 1 to `group_size`.
--   expects: -2 anything, -1 never, 0 absent, else the version.   changes: 0 keep, 1 put, 2 delete.
-- The answer has one number for each batch: its version, or 0 where a requirement did not hold.
--
-- Why it is right. Step 1 locks the rows that are there, in the order of keys, and learns their versions as they are under
-- the lock. Step 3 inserts what is absent (with a stand-in, deleted in step 5, where a batch only relies on the
-- absence): an insert waits for whoever inserts the same key, and where the row is there after all, everything is undone.
-- So at the end of step 3 every key that the group names is held until the transaction ends, and each judgement of step 2 is
-- true at that moment. That moment is the group's place in the one order of all commits.
--
-- `= ANY (ARRAY[...])` is `=` for which the planner has only one way: an index lookup for each operation. Plans are kept, and
-- one that was made while the table had few rows might read all of it.
--
-- No deadlock among these functions. In step 1 everybody waits in the order of keys. In step 3 one waits only for
-- transactions that have come to step 3 themselves (nobody inserts or deletes before), again in the order of keys.
CREATE FUNCTION @.apply(
    group_size integer, batches integer[], keys bytea[], expects bigint[], changes smallint[], vals bytea[]
) RETURNS bigint[] LANGUAGE plpgsql VOLATILE AS $body$
DECLARE
    found bigint[];
    versions bigint[];
    hold boolean;
    inserts bigint;
    updates boolean;
    deletes boolean;
    inserted bigint;
BEGIN
    -- A group that meets a row held for long is split by its sender; it should not wait as a whole.
    IF group_size > 1 THEN
        PERFORM set_config('lock_timeout', '100ms', true);
    END IF;

    -- 1. Hold what is there. Rows that only have to stay are shared with others who rely on them.
    SELECT array_agg(o.found ORDER BY o.at),
           bool_and(o.expect = -2 OR o.expect = o.found),
           count(*) FILTER (WHERE o.found = 0),
           bool_or(o.change = 1 AND o.found > 0),
           bool_or(o.change = 2 OR (o.change = 0 AND o.found = 0))
    INTO found, hold, inserts, updates, deletes
    FROM (
        SELECT op.at, op.expect, op.change, coalesce(changed.version, kept.version, 0) AS found
        FROM unnest(keys, expects, changes) WITH ORDINALITY AS op (key, expect, change, at)
        LEFT JOIN LATERAL (
            SELECT r.version FROM @.rows r WHERE op.change <> 0 AND r.key = op.key FOR UPDATE
        ) changed ON true
        LEFT JOIN LATERAL (
            SELECT r.version FROM @.rows r WHERE op.change = 0 AND r.key = op.key FOR SHARE
        ) kept ON true
    ) o;

    -- 2. Judge each batch, and draw a version for each that applies.
    IF hold AND group_size = 1 THEN
        versions := ARRAY[nextval('@.versions')];
    ELSIF hold THEN
        versions := ARRAY(SELECT nextval('@.versions') FROM generate_series(1, group_size));
    ELSIF group_size = 1 THEN
        RETURN ARRAY[0];
    ELSE
        versions := ARRAY(
            SELECT CASE WHEN b.holds THEN nextval('@.versions') ELSE 0 END
            FROM (
                SELECT op.batch, bool_and(op.expect = -2 OR op.expect = op.found) AS holds
                FROM unnest(batches, expects, found) AS op (batch, expect, found)
                GROUP BY op.batch ORDER BY op.batch
            ) b
        );
        SELECT count(*) FILTER (WHERE op.found = 0) INTO inserts
        FROM unnest(batches, found) AS op (batch, found) WHERE versions[op.batch] > 0;
    END IF;

    -- 3. Hold what is absent, by writing it.
    IF inserts > 0 THEN
        INSERT INTO @.rows AS r (key, version, value)
        SELECT op.key, versions[op.batch], coalesce(op.val, '')
        FROM unnest(keys, batches, vals, found) AS op (key, batch, val, found)
        WHERE op.found = 0 AND versions[op.batch] > 0
        ON CONFLICT (key) DO NOTHING;
        GET DIAGNOSTICS inserted = ROW_COUNT;
        IF inserted < inserts THEN
            RAISE EXCEPTION 'a row appeared meanwhile' USING ERRCODE = 'IB001';
        END IF;
        -- While this waited for a key, another may have drawn a greater version, inserted and deleted that key. Versions
        -- follow the order of commits: draw again, now that everything is held.
        IF currval('@.versions') <> (SELECT s.last_value FROM @.versions s) THEN
            versions := ARRAY(
                SELECT CASE WHEN v.version > 0 THEN nextval('@.versions') ELSE 0 END
                FROM unnest(versions) WITH ORDINALITY AS v (version, at) ORDER BY v.at
            );
            UPDATE @.rows r SET version = versions[op.batch]
            FROM unnest(keys, batches, changes, found) AS op (key, batch, change, found)
            WHERE r.key = ANY (ARRAY[op.key]) AND op.found = 0 AND op.change = 1 AND versions[op.batch] > 0;
        END IF;
    END IF;

    -- 4. and 5. Change what was there; take the stand-ins away.
    IF updates THEN
        UPDATE @.rows r SET version = versions[op.batch], value = op.val
        FROM unnest(keys, batches, changes, vals, found) AS op (key, batch, change, val, found)
        WHERE r.key = ANY (ARRAY[op.key]) AND op.change = 1 AND op.found > 0 AND versions[op.batch] > 0;
    END IF;
    IF deletes THEN
        DELETE FROM @.rows r
        USING unnest(keys, batches, changes, found) AS op (key, batch, change, found)
        WHERE r.key = ANY (ARRAY[op.key]) AND (op.change = 2 OR (op.change = 0 AND op.found = 0)) AND versions[op.batch] > 0;
    END IF;
    RETURN versions;
END
$body$;

-- One batch that names for each row what it was, which is what decisions send: the same steps for one row after another,
-- which costs the server half of what sets cost. The caller's promises: keys ascend and are all different; each operation
-- expects a version, or absence and puts.
--
-- An insert is not judged but tried: where a row is there after all, the unique index fails the statement (23505), and the
-- sender asks `apply`. The answer is the version, or 0 where a requirement did not hold.
CREATE FUNCTION @.apply_one(
    keys bytea[], expects bigint[], changes smallint[], vals bytea[]
) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $body$
DECLARE
    ops integer := cardinality(keys);
    found bigint;
    drawn bigint;
BEGIN
    -- 1. and 2. Hold what is there, and judge it.
    FOR i IN 1..ops LOOP
        CONTINUE WHEN expects[i] = 0;
        IF changes[i] = 0 THEN
            SELECT r.version INTO found FROM @.rows r WHERE r.key = keys[i] FOR SHARE;
        ELSE
            SELECT r.version INTO found FROM @.rows r WHERE r.key = keys[i] FOR UPDATE;
        END IF;
        IF found IS DISTINCT FROM expects[i] THEN
            RETURN 0;
        END IF;
    END LOOP;
    drawn := nextval('@.versions');

    -- 3. Hold what is absent, by writing it; versions follow the order of commits, as above.
    FOR i IN 1..ops LOOP
        CONTINUE WHEN expects[i] > 0;
        INSERT INTO @.rows (key, version, value) VALUES (keys[i], drawn, vals[i]);
    END LOOP;
    IF drawn <> (SELECT s.last_value FROM @.versions s) THEN
        drawn := nextval('@.versions');
        FOR i IN 1..ops LOOP
            CONTINUE WHEN expects[i] > 0;
            UPDATE @.rows r SET version = drawn WHERE r.key = keys[i];
        END LOOP;
    END IF;

    -- 4. and 5. Change what was there.
    FOR i IN 1..ops LOOP
        CONTINUE WHEN expects[i] = 0;
        IF changes[i] = 1 THEN
            UPDATE @.rows r SET version = drawn, value = vals[i] WHERE r.key = keys[i];
        ELSIF changes[i] = 2 THEN
            DELETE FROM @.rows r WHERE r.key = keys[i];
        END IF;
    END LOOP;
    RETURN drawn;
END
$body$;

-- One batch inside somebody else's transaction. An insert that lost a race is undone and judged again, so that their
-- transaction stays usable. What they commit must be durable when it becomes visible, whatever their session says.
CREATE FUNCTION @.apply_inside(
    batches integer[], keys bytea[], expects bigint[], changes smallint[], vals bytea[]
) RETURNS bigint LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $body$
DECLARE
    versions bigint[];
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    FOR attempt IN 1..16 LOOP
        BEGIN
            versions := @.apply(1, batches, keys, expects, changes, vals);
            RETURN versions[1];
        EXCEPTION WHEN SQLSTATE 'IB001' THEN
            NULL;
        END;
    END LOOP;
    RAISE EXCEPTION 'rows keep appearing' USING ERRCODE = 'IB001';
END
$body$;

INSERT INTO @.format (format) VALUES (1);
