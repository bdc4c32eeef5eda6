-- Run once, when the cluster is made: two databases, each with a role that owns it and nothing else.
\set airflow_password `cat /run/secrets/airflow_db_password`
\set ledger_password `cat /run/secrets/ledger_db_password`
create role airflow login password :'airflow_password';
create role ledger login password :'ledger_password';
create database airflow owner airflow;
create database ledger owner ledger;
revoke connect on database airflow from public;
revoke connect on database ledger from public;
