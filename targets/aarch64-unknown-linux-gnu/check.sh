#!/usr/bin/env bash
# Installs the library for aarch64, runs the robot cell and every call of the C ABI under QEMU, and compares the cell's answers with the native ones:
#
#     targets/aarch64-unknown-linux-gnu/check.sh
#     targets/aarch64-unknown-linux-gnu/check.sh --program     # instead: the program, on tract and on ONNX Runtime, and Rust tests
#
# Needs what packages.sh installs, and no network but for ONNX Runtime: PyPI's wheels are downloaded, unless ORT_DYLIB_PATH and
# ORT_DYLIB_PATH_AARCH64 name a native and an aarch64 libonnxruntime.so. Without either that part is SKIPPED, which is an error where CI is set.
# TESTS chooses the test files. Seconds under QEMU are emulation, not performance.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=aarch64-unknown-linux-gnu
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
say() { printf '\n-- %s (%ss)\n' "$1" "$SECONDS"; }
cross() (
    # shellcheck source=/dev/null
    . "targets/$target/env.sh"
    "$@"
)
# shellcheck disable=SC2016
read -ra qemu <<<"$(cross sh -c 'echo "$CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER"')"
# shellcheck disable=SC2016
read -ra compiler <<<"$(cross sh -c 'echo "$CC_aarch64_unknown_linux_gnu"')"
under_qemu() { # name, program, arguments..
    local name="$1" start="$SECONDS"
    "${qemu[@]}" "${@:2}"
    echo "$name: $((SECONDS - start)) s under QEMU"
}

library() {
    say "library, natively and for aarch64"
    targets/install.sh "$out/native"
    targets/install.sh "$out/aarch64" "$target"
    needs="$(objdump -T "$out/aarch64/lib/libperennial.so" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)"
    echo "the aarch64 library asks for $needs"

    say "robot cell"
    cell() { # where, further arguments of CMake
        cmake -S examples/robot_cell -B "$out/cell-$1" -DCMAKE_PREFIX_PATH="$out/$1" -DCMAKE_BUILD_TYPE=Release "${@:2}" >"$out/cmake.log" &&
            cmake --build "$out/cell-$1" >"$out/cmake.log" || { cat "$out/cmake.log" >&2; return 1; }
    }
    cell native
    cell aarch64 "-DCMAKE_TOOLCHAIN_FILE=$PWD/targets/$target/toolchain.cmake"
    "$out/cell-native/robot_cell" models/perennial-tiny.onnx "$out/native.state" >"$out/native.txt"
    under_qemu "robot cell" "$out/cell-aarch64/robot_cell" models/perennial-tiny.onnx "$out/aarch64.state" | tee "$out/qemu.txt"
    cmp "$out/native.txt" <(grep -v ' s under QEMU$' "$out/qemu.txt")
    echo "the same predictions as natively, $(wc -l <"$out/native.txt") lines of them"

    say "every call of the C ABI"
    strict=(-std=c99 -Wall -Wextra -pedantic -Werror "-I$out/aarch64/include")
    read -ra links <<<"$(sed -n 's/^Libs.private: //p' "$out/aarch64/lib/pkgconfig/perennial.pc")"
    "${compiler[@]}" "${strict[@]}" targets/c/test.c -o "$out/shared" "-L$out/aarch64/lib" "-Wl,-rpath,$out/aarch64/lib" -lperennial -lpthread -lm
    "${compiler[@]}" "${strict[@]}" targets/c/test.c -o "$out/static" "$out/aarch64/lib/libperennial.a" "${links[@]}"
    for kind in shared static; do
        under_qemu "$kind library" "$out/$kind" tests/fixtures/timm_legacy_op17_dynamic.onnx "$out"
        rm -f "$out"/*.state
    done
}

program() {
    local features=onnxruntime built="${CARGO_TARGET_DIR:-target}"
    local tests="${TESTS:-store slots sealed optim subspace head mixture_golden frame onnx_codec onnx_hostile learner guard}"
    say "program and tests, built"
    chosen=(--lib)
    for name in $tests; do
        chosen+=(--test "$name")
    done
    cargo build --locked --release --features "$features" --bin perennial
    cross cargo test --locked --release --features "$features" --target "$target" --no-run "${chosen[@]}"

    native=("$built/release/perennial") emulated=("${qemu[@]}" "$built/$target/release/perennial")
    say "the program: learning and predicting"
    "${native[@]}" draw --pictures 8 --side 48 "$out/shown"
    "${native[@]}" --seed 1 draw --pictures 4 --side 48 "$out/asked"
    asked=("$out"/asked/tools/*/*.png)
    learn=(--backbone default --data "$out/shown/tools" --task tools --epochs 2 --blocks 1 --rank 2 --random-features 200 --json)
    answers() { # what, the program's words..: learns and predicts
        local start="$SECONDS"
        "${@:2}" learn "${learn[@]}" --state "$out/$1.learned" ${engine:+--engine "$engine"} >"$out/$1.report.json"
        "${@:2}" predict --json --backbone default --state "$out/$1.learned" ${engine:+--engine "$engine"} "${asked[@]}" >"$out/$1.json"
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
    "${emulated[@]}" inspect models/perennial-tiny.onnx >"$out/inspect.qemu"
    "${native[@]}" inspect models/perennial-tiny.onnx | diff - "$out/inspect.qemu" && echo "inspect: the same text"
    engine="" answers tract-native "${native[@]}"
    engine="" answers tract-qemu "${emulated[@]}"
    agree "$out/tract-native.json" "$out/tract-qemu.json"
    "${native[@]}" predict --json --backbone default --state "$out/tract-qemu.learned" "${asked[@]}" >"$out/across.json"
    agree "$out/tract-qemu.json" "$out/across.json"
    echo "what aarch64 learned is read natively"

    say "the program on ONNX Runtime's aarch64 library"
    wheel() { # folder, arguments of pip: the library in it, or nothing
        python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$1" "${@:2}" onnxruntime >&2 &&
            python3 -m zipfile -e "$1"/*.whl "$1" && echo "$1"/onnxruntime/capi/libonnxruntime.so.*
    }
    ort_native="${ORT_DYLIB_PATH:-$(wheel "$out/wheel-native" || true)}"
    ort_aarch64="${ORT_DYLIB_PATH_AARCH64:-$(wheel "$out/wheel-aarch64" --platform manylinux_2_28_aarch64 || true)}"
    if [ -n "$ort_native" ] && [ -n "$ort_aarch64" ]; then
        echo "$(basename "$ort_native") and, under QEMU, $(basename "$ort_aarch64")"
        export ORT_DYLIB_PATH="$ort_native"
        engine=onnxruntime answers onnxruntime-native "${native[@]}"
        export ORT_DYLIB_PATH="$ort_aarch64"
        engine=onnxruntime answers onnxruntime-qemu "${emulated[@]}"
        unset ORT_DYLIB_PATH
        agree "$out/onnxruntime-native.json" "$out/onnxruntime-qemu.json"
        agree "$out/tract-qemu.json" "$out/onnxruntime-qemu.json"
    else
        echo "SKIPPED: no libonnxruntime.so; nothing is known of ONNX Runtime on aarch64" >&2
        [ -z "${CI:-}" ] || exit 1
    fi

    say "tests under QEMU: the library's own, $tests"
    cross cargo test --locked --release --features "$features" --target "$target" "${chosen[@]}"
}

case "${1:-}" in
"") library ;;
--program) program ;;
*) sed -n '2,9p' "$0" >&2; exit 2 ;;
esac
say "done"
