#!/usr/bin/env bash
# The fault table of SECURITY.md: what was tried on stored state and on files from outside, and what was lost.
#
#   benches/faults.sh [KILLS]            processes to be killed, 1000 where not told
set -euo pipefail
cd "$(dirname "$0")/.."
found=$(PERENNIAL_KILLS="${1:-1000}" cargo test --release --test slots --test killed --test store --test forget --test sealed --test sealed_hostile --test onnx_hostile --test bundle_hostile --test peft --test poisoned \
    -- --nocapture 2>&1) || { printf '%s\n' "$found" >&2; exit 1; }
printf '| fault | tried | lost | what happens |\n|---|---|---|---|\n'
printf '%s\n' "$found" | sed -n 's/^.*fault: //p' | sed 's/^/| /; s/$/ |/'
