#!/usr/bin/env bash
# Installs the library for a target of this folder, runs the robot cell and every call of the C ABI as the target runs them, and compares the cell's
# answers with the native ones; then the program and Rust tests:
#
#     targets/linux/check.sh TARGET              # the C side
#     targets/linux/check.sh TARGET --program    # the program, on tract and, where the target has it, on ONNX Runtime, and Rust tests
#
# Needs what the target's packages.sh installs, and no network but for ONNX Runtime: PyPI's wheels are downloaded, unless ORT_DYLIB_PATH and
# ORT_DYLIB_PATH_TARGET name a native libonnxruntime.so and the target's. Without either that part is SKIPPED, which is an error where CI is set.
# TESTS chooses the test files, PROFILE how it is compiled: `emulated` unless told, for an emulator spends less than a compiler. Seconds under QEMU
# are emulation, not performance.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] && [ -f "targets/$1/env.sh" ] || { sed -n '2,13p' "$0" >&2; exit 2; }
target="$1"
export PROFILE="${PROFILE:-emulated}"
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
say() { printf '\n-- %s (%ss)\n' "$1" "$SECONDS"; }
cross() (
    # shellcheck source=/dev/null
    . "targets/$target/env.sh"
    "$@"
)
name="${target//-/_}"
read -ra runner <<<"$(cross printenv "CARGO_TARGET_${name^^}_RUNNER")"
read -ra compiler <<<"$(cross printenv "CC_$name")"
on_target() { # name, program, arguments..
    local name="$1" start="$SECONDS"
    "${runner[@]}" "${@:2}"
    echo "$name: $((SECONDS - start)) s ${runner[0]:+under ${runner[0]}}"
}

library() {
    say "library, natively and for $target"
    targets/install.sh "$out/native"
    targets/install.sh "$out/target" "$target"
    local kinds=(static)
    if [ -e "$out/target/lib/libperennial.so" ]; then
        kinds+=(shared)
        echo "the library asks for $(objdump -T "$out/target/lib/libperennial.so" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)"
    fi

    say "robot cell"
    quietly() { "$@" >"$out/log" || { cat "$out/log" >&2; return 1; }; }
    cell() { # where, further arguments of CMake
        quietly cmake -S examples/robot_cell -B "$out/cell-$1" "-DCMAKE_PREFIX_PATH=$out/$1" -DCMAKE_BUILD_TYPE=Release "${@:2}"
        quietly cmake --build "$out/cell-$1"
    }
    cell native
    cell target "-DCMAKE_TOOLCHAIN_FILE=$PWD/targets/$target/toolchain.cmake"
    "$out/cell-native/robot_cell" models/perennial-tiny.onnx "$out/native.state" >"$out/native.txt"
    on_target "robot cell" "$out/cell-target/robot_cell" models/perennial-tiny.onnx "$out/target.state" | tee "$out/target.txt"
    cmp "$out/native.txt" <(sed '$d' "$out/target.txt")
    echo "the same predictions as natively, $(wc -l <"$out/native.txt") lines of them"

    say "every call of the C ABI"
    strict=(-std=c99 -Wall -Wextra -pedantic -Werror "-I$out/target/include")
    read -ra links <<<"$(sed -n 's/^Libs.private: //p' "$out/target/lib/pkgconfig/perennial.pc")"
    for kind in "${kinds[@]}"; do
        local linked=("$out/target/lib/libperennial.a" "${links[@]}")
        [ "$kind" = static ] || linked=("-L$out/target/lib" "-Wl,-rpath,$out/target/lib" -lperennial -lpthread -lm)
        "${compiler[@]}" "${strict[@]}" targets/c/test.c -o "$out/$kind" "${linked[@]}"
        on_target "$kind library" "$out/$kind" tests/fixtures/timm_legacy_op17_dynamic.onnx "$out"
        rm -f "$out"/*.state
    done
}

program() {
    local built="${CARGO_TARGET_DIR:-target}" wheel flags
    local tests="${TESTS:-store slots sealed optim subspace head mixture_golden frame onnx_codec onnx_hostile learner guard}"
    wheel="$(sed -n 's/^_wheel=//p' "targets/$target/env.sh")"
    flags=(--locked --profile "$PROFILE")
    [ -z "$wheel" ] || flags+=(--features onnxruntime)
    say "program and tests, built"
    chosen=(--lib)
    for name in $tests; do
        chosen+=(--test "$name")
    done
    cargo build "${flags[@]}" --bin perennial
    cross cargo test "${flags[@]}" --target "$target" --no-run "${chosen[@]}"

    native=("$built/$PROFILE/perennial") theirs=("${runner[@]}" "$built/$target/$PROFILE/perennial")
    say "the program: learning and predicting"
    "${native[@]}" draw --pictures 8 --side 48 "$out/shown"
    "${native[@]}" --seed 1 draw --pictures 4 --side 48 "$out/asked"
    asked=("$out"/asked/tools/*/*.png)
    learn=(--backbone default --data "$out/shown/tools" --task tools --epochs 2 --blocks 1 --rank 2 --random-features 200 --json)
    answers() { # what, engine, the program's words..: learns and predicts
        local start="$SECONDS" engine=(--engine "$2")
        "${@:3}" learn "${learn[@]}" --state "$out/$1.learned" "${engine[@]}" >"$out/$1.report.json"
        "${@:3}" predict --json --backbone default --state "$out/$1.learned" "${engine[@]}" "${asked[@]}" >"$out/$1.json"
        echo "$1: $((SECONDS - start)) s"
    }
    agree() { # two files of predictions: same names, scores that differ by rounding
        python3 - "$@" <<'PYTHON'
import json, sys
first, second = (json.load(open(name)) for name in sys.argv[1:])
worst = 0.0
for a, b in zip(first, second, strict=True):
    a, b = a["prediction"], b["prediction"]
    assert (a["name"], a["task"], a["unknown"]) == (b["name"], b["task"], b["unknown"]), (a, b)
    worst = max(worst, abs(a["score"] - b["score"]) / max(1, abs(a["score"])))
assert worst < 1e-3, worst
print(f"{len(first)} predictions agree; scores differ by {worst:.1e} of themselves at most")
PYTHON
    }
    "${theirs[@]}" inspect models/perennial-tiny.onnx >"$out/inspect.target"
    "${native[@]}" inspect models/perennial-tiny.onnx | diff - "$out/inspect.target" && echo "inspect: the same text"
    answers tract-native tract "${native[@]}"
    answers tract-target tract "${theirs[@]}"
    agree "$out/tract-native.json" "$out/tract-target.json"
    "${native[@]}" predict --json --backbone default --state "$out/tract-target.learned" "${asked[@]}" >"$out/across.json"
    agree "$out/tract-target.json" "$out/across.json"
    echo "what $target learned is read natively"
    [ -z "$wheel" ] || onnxruntime

    say "the library's own tests, $tests"
    cross cargo test "${flags[@]}" --target "$target" "${chosen[@]}"
}

onnxruntime() {
    say "the program on ONNX Runtime's library for $target"
    fetched() { # folder, arguments of pip: the library in it, or nothing
        python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$1" "${@:2}" onnxruntime >&2 &&
            python3 -m zipfile -e "$1"/*.whl "$1" && echo "$1"/onnxruntime/capi/libonnxruntime.so.*
    }
    local ours="${ORT_DYLIB_PATH:-$(fetched "$out/wheel-native" || true)}"
    local theirs_too="${ORT_DYLIB_PATH_TARGET:-$(fetched "$out/wheel-target" --platform "$wheel" || true)}"
    if [ -z "$ours" ] || [ -z "$theirs_too" ]; then
        echo "SKIPPED: no libonnxruntime.so; nothing is known of ONNX Runtime on $target" >&2
        [ -z "${CI:-}" ] || exit 1
        return
    fi
    echo "$(basename "$ours") and, for the target, $(basename "$theirs_too")"
    ORT_DYLIB_PATH="$ours" answers onnxruntime-native onnxruntime "${native[@]}"
    ORT_DYLIB_PATH="$theirs_too" answers onnxruntime-target onnxruntime "${theirs[@]}"
    agree "$out/onnxruntime-native.json" "$out/onnxruntime-target.json"
    agree "$out/tract-target.json" "$out/onnxruntime-target.json"
}

case "${2:-}" in
"") library ;;
--program) program ;;
*) sed -n '2,13p' "$0" >&2; exit 2 ;;
esac
say "done"
