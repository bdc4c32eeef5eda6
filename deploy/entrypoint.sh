#!/bin/sh
# Every service's first process. A word that is a program of ours runs as it is; all else is Airflow's.
set -eu
case "${1:-}" in
  airflow | ksc-ledger | python | sh | find | cat) ;;
  *) set -- airflow "$@" ;;
esac
exec "$@"
