#!/usr/bin/env bash
# Makes the example page of docs/evaluation.md anew: run `make evaluate` first.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=evaluations/SeamlessStreaming-mini
.venv/bin/seamless-server evaluate report "$runs" --audio-root training/held_out --sentences 10 --audio 4
rm -rf docs/examples/evaluation
(cd "$runs" && find . -name report.html -print0) | while IFS= read -r -d '' page; do
  mkdir -p "docs/examples/evaluation/$(dirname "$page")"
  cp "$runs/$page" "docs/examples/evaluation/$page"
done
