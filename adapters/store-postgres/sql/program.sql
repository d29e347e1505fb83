GRANT USAGE ON SCHEMA @ TO #;
GRANT SELECT ON @.format TO #;
GRANT SELECT, INSERT, UPDATE, DELETE ON @.rows TO #;
GRANT USAGE, SELECT ON SEQUENCE @.versions TO #;
GRANT EXECUTE ON FUNCTION @.apply(integer, integer[], bytea[], bigint[], smallint[], bytea[]) TO #;
GRANT EXECUTE ON FUNCTION @.apply_one(bytea[], bigint[], smallint[], bytea[]) TO #;
GRANT EXECUTE ON FUNCTION @.apply_inside(integer[], bytea[], bigint[], smallint[], bytea[]) TO #;
