#!/usr/bin/env bash
# Fuzzes every target, from the kept corpus on; README.md says what is looked for.
#
#   fuzz/run.sh [SECONDS] [TARGET]..        60 seconds, all targets
#
# Ends with an error when an input crashes a target, hangs it, or makes it take too much memory. New inputs are found in
# $FUZZ_WORK (a temporary folder if it is not set) and are not added to the corpus. $FUZZ_SEED chooses what is tried, and is another at every
# run if it is not set. Needs stable Rust and a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")"
seconds="${1:-60}"
targets=("${@:2}")
if [ "${#targets[@]}" = 0 ]; then targets=(onnx store bundle peft pictures frame command_line); fi
work="${FUZZ_WORK:-$(mktemp -d)}"
together="${FUZZ_JOBS:-2}"
host="$(rustc -vV | sed -n 's/^host: //p')"
target_dir="${CARGO_TARGET_DIR:-$PWD/target}"

# LLVM's coverage counters and comparisons, as libFuzzer reads them. With a target named, build scripts are left alone.
counters="-Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    counters+=" -Cllvm-args=-sanitizer-coverage-$option"
done
started=$SECONDS
CARGO_TARGET_DIR="$target_dir" RUSTFLAGS="--cfg fuzzing $counters" \
    cargo build --locked --release --bins --target "$host"
echo "built in $((SECONDS - started)) s"

fuzz() { # target
    mkdir -p "$work/$1/corpus" "$work/$1/found"
    local options=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -seed="${FUZZ_SEED:-0}" -print_final_stats=1 -artifact_prefix="$work/$1/found/")
    if [ -f "$1.dict" ]; then options+=(-dict="$1.dict"); fi
    # One thread of the library's beside another target's.
    RAYON_NUM_THREADS=1 "$target_dir/$host/release/$1" "${options[@]}" "$work/$1/corpus" "corpus/$1" >"$work/$1/log" 2>&1 ||
        echo "$1" >>"$work/failed"
}

rm -f "$work/failed"
for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$together" ]; do wait -n; done
    fuzz "$target" &
done
wait

printf '\n%-14s %12s %10s %10s %8s %8s\n' target executions coverage features inputs crashes
for target in "${targets[@]}"; do
    log="$work/$target/log"
    last() { grep -oE "$1: [0-9]+" "$log" | tail -n 1 | grep -oE '[0-9]+$' || echo 0; }
    printf '%-14s %12s %10s %10s %8s %8s\n' "$target" "$(last 'stat::number_of_executed_units')" "$(last ' cov')" "$(last ' ft')" \
        "$(find "$work/$target/corpus" -type f | wc -l)" "$(find "$work/$target/found" -type f | wc -l)"
done
if [ -f "$work/failed" ]; then
    while read -r target; do
        printf '\n== %s\n' "$target"
        grep -A 2 panicked "$work/$target/log" || true
        grep -vE '^#[0-9]+' "$work/$target/log" | tail -n 40
        for input in "$work/$target/found"/*; do
            [ -e "$input" ] || continue
            printf '\nAgain: RAYON_NUM_THREADS=1 %s %s\nSmaller: the same with -minimize_crash=1 -max_total_time=60\n' \
                "$target_dir/$host/release/$target" "$input"
            printf 'Once mended, keep it: cp %s fuzz/corpus/%s/\n' "$input" "$target"
        done
    done <"$work/failed"
    exit 1
fi
