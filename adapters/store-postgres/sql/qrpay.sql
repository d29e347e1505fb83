
-- Views on what `qrpay` stores, for reports. The crates' codecs are the authority; docs/spec/qrpay.md and docs/spec/port.md say
-- where each field is. Rows of another form than version 1 are left out, and so are challenges, keys and account tokens.

CREATE FUNCTION @.field_u8(bytes bytea, at integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN length(bytes) > at THEN get_byte(bytes, at) END $$;

CREATE FUNCTION @.field_i64(bytes bytea, at integer) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN length(bytes) >= at + 8 THEN ('x' || encode(substr(bytes, at + 1, 8), 'hex'))::bit(64)::bigint END $$;

CREATE FUNCTION @.field_u32(bytes bytea, at integer) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN length(bytes) >= at + 4
    THEN ('x' || encode(substr(bytes, at + 1, 4), 'hex'))::bit(32)::bigint END $$;

CREATE FUNCTION @.field_u64(bytes bytea, at integer) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT f.v::numeric + CASE WHEN f.v < 0 THEN 18446744073709551616 ELSE 0 END FROM (SELECT @.field_i64(bytes, at)) f (v) $$;

-- Milliseconds since 1970; what is after the year 9999 is `infinity`.
CREATE FUNCTION @.field_time(bytes bytea, at integer) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN f.v BETWEEN 0 AND 253402300799999 THEN to_timestamp(f.v / 1000.0::double precision)
    WHEN f.v IS NOT NULL THEN 'infinity'::timestamptz END
    FROM (SELECT @.field_i64(bytes, at)) f (v) $$;

CREATE FUNCTION @.field_hex(bytes bytea, at integer, size integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN length(bytes) >= at + size THEN encode(substr(bytes, at + 1, size), 'hex') END $$;

CREATE FUNCTION @.field_letters(bytes bytea, at integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN length(bytes) >= at + 3 THEN encode(substr(bytes, at + 1, 3), 'escape') END $$;

-- A text behind its length in one byte, and where the next field is.
CREATE FUNCTION @.field_text(bytes bytea, at integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN length(bytes) > at AND length(bytes) >= at + 1 + get_byte(bytes, at)
    THEN convert_from(substr(bytes, at + 2, get_byte(bytes, at)), 'UTF8') END $$;

-- The same for bytes that others chose freely: what is not plain ASCII is written as \nnn.
CREATE FUNCTION @.field_bytes(bytes bytea, at integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN length(bytes) > at AND length(bytes) >= at + 1 + get_byte(bytes, at)
    THEN encode(substr(bytes, at + 2, get_byte(bytes, at)), 'escape') END $$;

CREATE FUNCTION @.field_behind(bytes bytea, at integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT at + 1 + @.field_u8(bytes, at) $$;

CREATE VIEW @.qrpay_items WITH (security_barrier) AS
SELECT @.field_u64(r.key, 1) AS tenant,
       @.field_text(r.key, 10) AS uid,
       CASE @.field_u8(r.value, 1) WHEN 1 THEN 'order' WHEN 2 THEN 'commodity' END AS kind,
       CASE @.field_u8(r.value, 2) WHEN 1 THEN 'open' WHEN 2 THEN 'accepted' WHEN 3 THEN 'paid'
           WHEN 4 THEN 'cancelled' WHEN 5 THEN 'lapsed' END AS state,
       @.field_i64(r.value, 4) AS amount_minor,
       @.field_letters(r.value, 12) AS currency,
       @.field_text(r.value, 15) AS payee,
       @.field_text(r.value, merchant.at) AS merchant,
       @.field_time(r.value, rest.at) AS created,
       @.field_time(r.value, rest.at + 8) AS valid_until,
       CASE WHEN @.field_u8(r.value, rest.at + 20) = 1 THEN @.field_hex(r.value, rest.at + 21, 16) END AS payment_id,
       r.version
FROM @.rows r
CROSS JOIN LATERAL (SELECT @.field_behind(r.value, 15)) merchant (at)
CROSS JOIN LATERAL (SELECT @.field_behind(r.value, merchant.at)) rest (at)
WHERE r.key >= '\x12' AND r.key < '\x13' AND substr(r.key, 10, 1) = '\x01' AND substr(r.value, 1, 1) = '\x01';

CREATE VIEW @.qrpay_orders WITH (security_barrier) AS
SELECT tenant, uid, state, amount_minor, currency, payee, merchant, created, valid_until, payment_id, version
FROM @.qrpay_items WHERE kind = 'order';

CREATE VIEW @.qrpay_payments WITH (security_barrier) AS
SELECT @.field_u64(r.key, 1) AS tenant,
       @.field_text(r.key, 10) AS uid,
       @.field_hex(r.key, id.at, 16) AS payment_id,
       CASE @.field_u8(r.value, 1) WHEN 1 THEN 'accepted' WHEN 2 THEN 'paid' WHEN 3 THEN 'declined' WHEN 4 THEN 'lapsed'
           WHEN 5 THEN 'reversing' WHEN 6 THEN 'reversed' WHEN 7 THEN 'unreversed' END AS state,
       @.field_i64(r.value, 18) AS amount_minor,
       @.field_letters(r.value, 26) AS currency,
       @.field_text(r.value, 29) AS payee,
       @.field_text(r.value, merchant.at) AS merchant,
       @.field_time(r.value, rest.at + 4) AS accepted,
       @.field_time(r.value, rest.at + 12) AS settle_by,
       @.field_i64(r.value, rest.at + 20) AS refunded_minor,
       @.field_u32(r.value, rest.at + 28) AS cause,
       r.version
FROM @.rows r
CROSS JOIN LATERAL (SELECT @.field_behind(r.key, 10)) id (at)
CROSS JOIN LATERAL (SELECT @.field_behind(r.value, 29)) merchant (at)
CROSS JOIN LATERAL (SELECT @.field_behind(r.value, merchant.at)) rest (at)
WHERE r.key >= '\x12' AND r.key < '\x13' AND substr(r.key, 10, 1) = '\x04' AND substr(r.value, 1, 1) = '\x01';

CREATE VIEW @.qrpay_refunds WITH (security_barrier) AS
SELECT @.field_u64(r.key, 1) AS tenant,
       @.field_text(r.key, 10) AS uid,
       @.field_hex(r.key, id.at, 16) AS payment_id,
       @.field_bytes(r.key, id.at + 16) AS refund_id,
       CASE @.field_u8(r.value, 1) WHEN 1 THEN 'owed' WHEN 2 THEN 'done' WHEN 3 THEN 'declined' END AS state,
       @.field_i64(r.value, 2) AS amount_minor,
       @.field_letters(r.value, 10) AS currency,
       @.field_time(r.value, 13) AS granted,
       r.version
FROM @.rows r
CROSS JOIN LATERAL (SELECT @.field_behind(r.key, 10)) id (at)
WHERE r.key >= '\x12' AND r.key < '\x13' AND substr(r.key, 10, 1) = '\x05' AND substr(r.value, 1, 1) = '\x01';

-- What is owed to the accounting system: entries with the instructions in them.
CREATE VIEW @.qrpay_outbox WITH (security_barrier) AS
SELECT @.field_u64(r.key, 1) AS tenant,
       @.field_hex(r.value, 1, 32) AS idempotency_key,
       @.field_time(r.value, 33) AS decided,
       @.field_text(r.value, 41) AS peer,
       CASE @.field_u8(r.value, inside.at + 1) WHEN 1 THEN 'debit' WHEN 2 THEN 'refund' WHEN 3 THEN 'reversal' END AS kind,
       @.field_text(r.value, inside.at + 10) AS uid,
       @.field_hex(r.value, id.at, 16) AS payment_id,
       @.field_text(r.value, id.at + 32) AS merchant,
       @.field_i64(r.value, amount.at) AS amount_minor,
       @.field_letters(r.value, amount.at + 8) AS currency,
       nullif(@.field_bytes(r.value, amount.at + 11), '') AS refund_id,
       r.version
FROM @.rows r
CROSS JOIN LATERAL (SELECT @.field_behind(r.value, 41) + 4) inside (at)
CROSS JOIN LATERAL (SELECT @.field_behind(r.value, inside.at + 10)) id (at)
CROSS JOIN LATERAL (SELECT @.field_behind(r.value, id.at + 32)) amount (at)
WHERE r.key >= '\x12' AND r.key < '\x13' AND substr(r.key, 10, 1) = '\xfe' AND substr(r.value, 1, 1) = '\x01';
