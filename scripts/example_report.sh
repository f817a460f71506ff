#!/usr/bin/env bash
# Makes the example pages of docs/evaluation.md anew, with the embedded model as it is now.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=evaluations/example pages=docs/examples/evaluation
evaluate=(.venv/bin/seamless-server evaluate)
data=(--model SeamlessStreaming-mini --data training/held_out/manifest.tsv --ref-field 'text_{lang}')
rm -rf "$runs"
"${evaluate[@]}" --task s2tt "${data[@]}" --tgt-lang spa,fra,deu \
  --sweep decision_threshold=0.3,0.7,0.95,0.99 --output "$runs/text"
"${evaluate[@]}" --task s2st "${data[@]}" --tgt-lang spa --asr-model none --output "$runs/speech"
for folder in text speech; do
  "${evaluate[@]}" report "$runs/$folder" --audio-root training/held_out --sentences 10 --audio 2
done
rm -rf "$pages"
copy() { # FROM TO: the reports below one folder
  (cd "$1" && find . -name report.html -print0) | while IFS= read -r -d '' page; do
    mkdir -p "$2/$(dirname "$page")"
    cp "$1/$page" "$2/$page"
  done
}
copy "$runs/text" "$pages"
copy "$runs/speech" "$pages/speech"
"${evaluate[@]}" compare "$runs/text/spa/decision_threshold=0.7" \
  "$runs/text/spa/decision_threshold=0.99" --output "$pages/comparison.html"
du -sh "$pages"
