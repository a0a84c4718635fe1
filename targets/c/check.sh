#!/usr/bin/env bash
# Installs the C library into a temporary folder and uses it as firmware would: the header as C99 and C++17, a test of every call as it is, under
# AddressSanitizer and under valgrind, the C++ wrapper, pkg-config, and the robot cell by CMake.
#
#     targets/c/check.sh
#
# Needs a C and a C++ compiler, cmake, pkg-config; valgrind is left out, loudly, where it is not installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
say() { printf '\n-- %s\n' "$1"; }

say "install"
targets/install.sh "$out/prefix"
ls -l "$out/prefix/lib"
export PKG_CONFIG_PATH="$out/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$out/prefix/lib"
strict=(-Wall -Wextra -pedantic -Werror)
read -ra flags <<<"$(pkg-config --cflags perennial)"
read -ra links <<<"$(pkg-config --libs perennial) -lpthread -lm"
model=tests/fixtures/timm_legacy_op17_dynamic.onnx

say "header as C99 and C++17"
printf '#include <perennial.h>\n#include <perennial.h>\nint main(void) { return 0; }\n' >"$out/header.c"
cc -std=c99 "${strict[@]}" "${flags[@]}" -fsyntax-only "$out/header.c"
c++ -std=c++17 "${strict[@]}" "${flags[@]}" -x c++ -fsyntax-only "$out/header.c"

say "what is seen from outside"
foreign="$(nm -D --defined-only "$out/prefix/lib/libperennial.so" | awk '{ print $3 }' | grep -v '^perennial_' || true)"
if [ -n "$foreign" ]; then
    echo "symbols that are not the ABI's: $foreign" >&2
    exit 1
fi
echo "$(nm -D --defined-only "$out/prefix/lib/libperennial.so" | wc -l) functions, and nothing else"

run() {
    local start="$SECONDS"
    "$@" "$model" "$out"
    rm -f "$out"/*.state
    echo "$((SECONDS - start)) s"
}
sanitized=(-fsanitize=address,undefined -fno-sanitize-recover=undefined)
say "every call"
cc -std=c99 -g "${strict[@]}" "${flags[@]}" targets/c/test.c -o "$out/test" "${links[@]}"
run "$out/test"
say "every call, AddressSanitizer and UndefinedBehaviorSanitizer"
cc -std=c99 -g "${strict[@]}" "${sanitized[@]}" "${flags[@]}" targets/c/test.c -o "$out/sanitized" "${links[@]}"
run "$out/sanitized"
say "C++ wrapper, the same sanitizers"
c++ -std=c++17 -g "${strict[@]}" "${sanitized[@]}" "${flags[@]}" targets/c/test.cpp -o "$out/wrapped" "${links[@]}"
run "$out/wrapped"
say "every call, valgrind"
if command -v valgrind >/dev/null; then
    run valgrind --quiet --error-exitcode=1 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite "$out/test"
else
    echo "SKIPPED: valgrind is not installed" >&2
fi
say "every call, the static library"
read -ra private <<<"$(sed -n 's/^Libs.private: //p' "$PKG_CONFIG_PATH/perennial.pc")"
cc -std=c99 "${strict[@]}" "${flags[@]}" targets/c/test.c -o "$out/static" "$out/prefix/lib/libperennial.a" "${private[@]}"
run "$out/static"

say "robot cell"
cmake -S examples/robot_cell -B "$out/cell" -DCMAKE_PREFIX_PATH="$out/prefix" -DCMAKE_BUILD_TYPE=Release >"$out/cmake.log" ||
    { cat "$out/cmake.log" >&2; exit 1; }
cmake --build "$out/cell" >"$out/cmake.log" || { cat "$out/cmake.log" >&2; exit 1; }
"$out/cell/robot_cell" models/perennial-tiny.onnx "$out/cell.state"
