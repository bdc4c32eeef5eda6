#!/bin/bash
# Before a restore: the operational database gets another name, and an empty one takes its place.
# Nothing is deleted. Run in the container `postgres`, with everything that writes stopped.
set -eu
export PGPASSWORD; PGPASSWORD=$(cat /run/secrets/postgres_password)
psql --quiet --set ON_ERROR_STOP=1 --username postgres --dbname postgres <<'SQL'
select 'ledger_before_' || to_char(now() at time zone 'utc', 'YYYYMMDD_HH24MISS') as aside \gset
alter database ledger rename to :"aside";
create database ledger owner ledger;
revoke connect on database ledger from public;
\echo :aside
SQL
