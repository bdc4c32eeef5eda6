#!/usr/bin/env bash
# Install a hash lock and this repository (editable) into a virtual environment.
# usage: tools/install.sh VENV LOCK [UV]
set -euo pipefail
venv=$1 lock=$2 uv=${3:-$1/bin/uv}
echo "… cài đặt thư viện theo $lock"
if ! "$uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" --require-hashes -r "$lock"; then
  # uv does not read pip's own configuration (mirrors, proxies); pip does, only slower.
  echo "… uv không cài được, thử lại bằng pip" >&2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
fi
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
