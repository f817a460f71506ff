#!/usr/bin/env bash
# Prepare this checkout: .venv/ with the locked Python packages, the web page's packages and the page.
# Every step leaves a stamp with the hash of what it was made from, so a second run does nothing.
#
#   PYTHON=python3.12 scripts/setup.sh      choose the interpreter (default: the first of 3.11, 3.12, 3.13, 3.10)
#   NO_WHISPER=1 scripts/setup.sh           do not fetch Whisper base
#   EXTRAS=dev,evaluation,cluster,asr scripts/setup.sh   choose the optional parts (default: dev,evaluation,cluster)
set -euo pipefail
cd "$(dirname "$0")/.."

EXTRAS=${EXTRAS:-dev,evaluation,cluster}
APP=streaming-react-app

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}
hash_of() { sha256sum "$@" | sha256sum | cut -c1-32; }
fresh() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# Two targets started at once must not install into the same folder together.
if command -v flock >/dev/null; then
  exec 9<Makefile
  flock 9
fi

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.10 python3 python}; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "no Python 3.10 to 3.13 found (tried: ${PYTHON:-python3.11 python3.12 python3.13 python3.10 python3 python}); install one, or name it: PYTHON=/path/to/python make setup"
}

# What pip was told on this machine (its environment variables and files) holds for uv too.
use_settings_of_pip() {
  local setting
  setting=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
  [ -z "$setting" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$setting}"
  setting=${PIP_FIND_LINKS:-$(.venv/bin/python -m pip config get global.find-links 2>/dev/null || true)}
  [ -z "$setting" ] || export UV_FIND_LINKS="${UV_FIND_LINKS:-$setting}"
}

setup_python() {
  local stamp=.venv/.setup-stamp want python
  want="$(hash_of pyproject.toml constraints.txt requirements-simuleval.txt scripts/setup.sh) $EXTRAS"
  if fresh "$stamp" "$want" && .venv/bin/python -c '' 2>/dev/null; then
    return
  fi
  if ! .venv/bin/python -c '' 2>/dev/null; then
    python=$(find_python)
    say "Making .venv with $("$python" --version)"
    # Debian ships the venv module's pip apart; ask for it only when it is really missing.
    "$python" -c 'import ensurepip' 2>/dev/null || scripts/system_packages.sh python3-venv
    "$python" -m venv .venv
  fi
  say "Installing Python packages (the first time this takes a minute or more: PyTorch is large)"
  # uv installs the same locked versions as pip in a third of the time.
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
  use_settings_of_pip
  .venv/bin/uv pip install --quiet --python .venv/bin/python -c constraints.txt -e ".[$EXTRAS]"
  .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps -r requirements-simuleval.txt
  .venv/bin/python -m seamless_server --version >/dev/null
  printf '%s' "$want" >"$stamp"
}

setup_page() {
  [ -f "$APP/package-lock.json" ] || return 0
  if ! command -v npm >/dev/null; then
    printf 'setup: npm is missing, so the web page is not built; install Node.js 20 or newer and run make setup again\n' >&2
    return 0
  fi
  local modules="$APP/node_modules/.setup-stamp" built="$APP/node_modules/.build-stamp" want
  want=$(hash_of "$APP/package.json" "$APP/package-lock.json")
  if ! fresh "$modules" "$want"; then
    say "Installing the web page's packages"
    (cd "$APP" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error)
    printf '%s' "$want" >"$modules"
  fi
  want=$(find "$APP" \( -name node_modules -o -name dist -o -name e2e -o -name test-results -o -name playwright-report \) \
    -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32)
  if ! fresh "$built" "$want" || [ ! -f "$APP/dist/index.html" ]; then
    say "Building the web page"
    (cd "$APP" && npm run --silent build)
    printf '%s' "$want" >"$built"
  fi
}

# Whisper base makes captions of what people say; without network the server does without.
setup_whisper() {
  local stamp=.venv/.whisper-stamp
  [ ! -f "$stamp" ] || return 0
  .venv/bin/python -c 'import faster_whisper' 2>/dev/null || return 0
  say "Fetching Whisper base for captions (145 MB, once)"
  if .venv/bin/python -m seamless_server models download Whisper-base >/dev/null; then
    touch "$stamp"
  else
    printf 'setup: Whisper base is not to be had now; get it later: seamless-server models download Whisper-base\n' >&2
  fi
}

setup_python
setup_page
[ -n "${NO_WHISPER:-}" ] || setup_whisper
