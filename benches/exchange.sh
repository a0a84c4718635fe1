#!/usr/bin/env bash
# Two devices exchange what they learned: one common task (PACS photographs), then sketches on the one and cartoons on the other.
#
#   benches/exchange.sh [PERENNIAL_DATA]     how many test pictures either has right, and how often it answers as one that learned all
set -euo pipefail
cd "$(dirname "$0")/.."
data=$(realpath "${1:-${PERENNIAL_DATA:-../shared/data}}")
perennial=${PERENNIAL:-target/release/perennial}
[ -x "$perennial" ] || cargo build --release
perennial=$(realpath "$perennial")
model=$(ls "$data"/vit_tiny_patch16_224/*.onnx | head -1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

learn() { # domain state more..
    "$perennial" --json learn --backbone "$model" --data "$data/pacs/train/$1" --task "$1" --state "$2" --epochs 1 "${@:3}" > /dev/null
}
take() { # bundle state more..
    "$perennial" bundle import "$1" --trust . --backbone "$model" --state "$2" "${@:3}"
}
"$perennial" bundle keygen a.key > /dev/null
"$perennial" bundle keygen b.key > /dev/null
learn photo a.state
cp a.state b.state
cp a.state all.state
learn sketch a.state --bundle sketch.bundle --key a.key
learn cartoon b.state --bundle cartoon.bundle --key b.key
learn sketch all.state
learn cartoon all.state
ls -l ./*.bundle | awk '{ print $NF, $5, "bytes" }'
take sketch.bundle b.state --dry-run > /dev/null
time take sketch.bundle b.state
take cartoon.bundle a.state
for state in a b all; do
    "$perennial" --json predict --backbone "$model" --state "$state.state" \
        "$data"/pacs/test/{photo,sketch,cartoon}/*/* 2> /dev/null > "$state.json"
done
python3 - << 'PY'
import json
answers = {s: {r["image"]: r["prediction"]["name"] for r in json.load(open(f"{s}.json"))} for s in ["a", "b", "all"]}
for state, own in answers.items():
    right = sum(name == image.split("/")[-2] for image, name in own.items()) / len(own)
    same = sum(name == answers["all"][image] for image, name in own.items()) / len(own)
    print(f"{state:<4} {len(own)} pictures, {100 * right:.1f} % right, {100 * same:.1f} % answered as by the one that learned all")
PY
