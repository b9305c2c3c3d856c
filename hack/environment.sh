# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts beside it: makes .venv what a lock file says, and puts it first on PATH.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  echo "pyk8s needs Python 3.11 or later: install it, or name one with PYTHON=" >&2
  return 1
}

# ensure_environment LOCK_FILE: the exact versions of the lock, and this project in editable form.
# Quick when nothing has changed: a stamp in .venv holds the digest of what was installed.
ensure_environment() {
  local lock=$root/$1 venv=$root/.venv python stamp digest
  if ! "$venv/bin/python" -c '' 2>/dev/null; then
    python=$(find_python)
    echo "making $venv with $("$python" --version)" >&2
    "$python" -m venv --clear "$venv"
  fi
  stamp=$venv/.installed-$1
  digest=$(cat "$lock" "$root/pyproject.toml" | "$venv/bin/python" -c \
    'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
  if [[ $(cat "$stamp" 2>/dev/null) != "$digest" ]]; then
    echo "installing what $1 lists" >&2
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet install)
    "${pip[@]}" --require-hashes -r "$lock" >&2
    "${pip[@]}" --no-deps --no-build-isolation --editable "$root" >&2
    echo "$digest" >"$stamp"
  fi
  PATH=$venv/bin:$PATH
}
