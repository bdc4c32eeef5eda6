#!/bin/sh
# What Airflow remembers of its own runs goes after a while; a run a minute fills a database and a disk
# in a year. Nothing of the product is here: loads, marts, mails and letters have terms of their own.
set -eu
days=${KSC_LEDGER_AIRFLOW_HISTORY_DAYS:-60}
tidy() {
  airflow db clean --yes --skip-archive --clean-before-timestamp "$(date -u -d "-$days days" +%Y-%m-%dT%H:%M:%SZ)"
  find "$KSC_LEDGER_HOME/airflow/logs" -type f -mtime "+$days" -delete
  find "$KSC_LEDGER_HOME/airflow/logs" -mindepth 1 -type d -empty -mtime +1 -delete
}
[ "${1:-}" = once ] && { tidy; exit 0; }
while true; do
  sleep 86400 & wait $! # so that a signal ends it at once
  tidy || echo "tidy: failed, tried again tomorrow" >&2
done
