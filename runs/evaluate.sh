#!/bin/sh
# Every published figure of the embedded model: tables, JSON and the picture, into runs/out/eval.
# About 16 minutes on two cores.
set -eu
cd "$(dirname "$0")/.."
export PYTHONPATH=src
out=runs/out/eval
mkdir -p "$out" docs/img
run() { .venv/bin/python -m system2 eval "$@"; }
run countdown4 --samples 1,4,16,64 --limit 256 --temperature 1.0 --json --plot docs/img/countdown.png > "$out/countdown4.json"
run multiplication3x2 --samples 1 --limit 256 --json > "$out/multiplication3x2.json"
run free --samples 1 --limit 100 --json > "$out/free.json"
run outside --samples 1 --limit 100 --json > "$out/outside.json"
for task in addition subtraction multiplication division compare chain linear letters countdown game24 \
    bases sorting sequences knights grid; do
    run "$task" --samples 1 --limit 256 --json > "$out/$task.json"
done
