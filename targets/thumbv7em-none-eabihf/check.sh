#!/usr/bin/env bash
# Learns two classes natively, and lets a bare Cortex-M4F under QEMU read the state, answer from features and write the state again:
#
#     targets/thumbv7em-none-eabihf/check.sh
#
# Needs what packages.sh installs and, the first time, cargo's registry: core and alloc are compiled here. Then it feeds the machine what is wrong (a
# damaged state, features and answers of another learner) and wants to see each refused. TWO_CHIPS names the example where it is built already.
# QEMU counts no cycles, so nothing is said of time.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=thumbv7em-none-eabihf
folder="targets/$target"
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
say() { printf '\n-- %s (%ss)\n' "$1" "$SECONDS"; }
strategies=(perennial perennial-compact pegp)

say "learning, natively"
[ -n "${TWO_CHIPS:-}" ] || cargo build --locked --release --example two_chips
chips="${TWO_CHIPS:-${CARGO_TARGET_DIR:-target}/release/examples/two_chips}"
for strategy in "${strategies[@]}"; do
    mkdir "$out/$strategy"
    "$chips" "$out/$strategy" "$strategy"
done

say "the firmware"
built="${CARGO_TARGET_DIR:-target}/firmware"
(
    build_std=()
    # shellcheck source=/dev/null
    . "$folder/env.sh"
    CARGO_TARGET_DIR="$built" cargo build --locked --release --manifest-path "$folder/Cargo.toml" "${build_std[@]}"
)
firmware="$built/$target/release/second-chip"
readelf -SW "$firmware" | awk '
    function number(hex,    value, i) {
        value = 0
        for (i = 1; i <= length(hex); i++) value = value * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
        return value
    }
    { sub(/^ *\[ *[0-9]+\] */, "") }
    $1 ~ /^\.(vector_table|text|rodata|data|bss)$/ { printf "%s %d bytes\n", $1, number($5) }'

# The stretches of src/region.rs.
answers() { # state, features, answers: files
    timeout 600 qemu-system-arm -M mps2-an386 -nographic -monitor none -semihosting-config enable=on,target=native -kernel "$firmware" \
        -device loader,file="$1",addr=0x21000000,force-raw=on \
        -device loader,file="$2",addr=0x21200000,force-raw=on \
        -device loader,file="$3",addr=0x21300000,force-raw=on </dev/null
}
for strategy in "${strategies[@]}"; do
    say "$strategy, under QEMU"
    answers "$out/$strategy"/{state,features,answers}
done

refused() { # what it must say, then as `answers`
    local code=0
    answers "${@:2}" >"$out/said" 2>&1 || code=$?
    tail -n 1 "$out/said"
    if [ "$code" -ne 1 ] || ! grep -q "^FAILED: .*$1" "$out/said"; then
        echo "ended with $code and should have been refused with \"$1\"" >&2
        exit 1
    fi
}
say "what is wrong is refused"
right="$out/perennial" other="$out/pegp"
python3 - "$right/state" "$out/damaged" <<'PYTHON'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) // 2] ^= 1
open(sys.argv[2], "wb").write(data)
PYTHON
refused "damaged" "$out/damaged" "$right"/{features,answers}
refused "send what its own networks give" "$right/state" "$other/features" "$right/answers"
refused "\(differ by\|here and\)" "$right"/{state,features} "$other/answers"
say "done"
