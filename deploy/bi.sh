#!/bin/sh
# The BI dashboard (bi/): waits for the first published marts, provisions where something changed, serves.
set -eu
marts=$KSC_LEDGER_HOME/marts/ksc_ledger.duckdb
umask 077
export FLASK_APP=superset SUPERSET_HOME="$KSC_LEDGER_HOME/bi" SUPERSET_CONFIG_PATH=/opt/ksc-ledger/bi/superset_config.py
touch /tmp/waiting
until [ -e "$marts" ]; do sleep 5 & wait $!; done
echo "… chuẩn bị bảng điều khiển; mật khẩu ban đầu nằm trong $SUPERSET_HOME/passwords.json"
# The key must be there before Superset reads its configuration.
python -c "from bi import places; from ksc_ledger import settings; places.make(places.of(settings.load()))"
python -m bi.provision
rm /tmp/waiting
exec python -m gunicorn --workers 1 --worker-class gthread --threads 8 --timeout 60 --no-control-socket \
  --bind 0.0.0.0:8088 "superset.app:create_app()"
