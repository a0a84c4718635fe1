#!/usr/bin/env bash
# Builds the C library and installs it with its headers, for pkg-config and CMake:
#
#     targets/install.sh PREFIX [TARGET]
#
#     lib/libperennial.so.0.1.0, .so.0, .so    lib/libperennial.a    include/perennial.h, perennial.hpp
#     lib/pkgconfig/perennial.pc               lib/cmake/perennial/
#
# TARGET is a Rust target such as aarch64-unknown-linux-gnu; targets/TARGET/env.sh sets its compilers where there is one. FEATURES
# chooses engines (default "tract,ffi"; with onnxruntime, libonnxruntime.so is loaded when it is used). STRIP=0 keeps symbols.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n '2,10p' "$0" >&2; exit 2; }
prefix="$1" target="${2:-}" features="${FEATURES:-tract,ffi}"
folder="${CARGO_TARGET_DIR:-target}${target:+/$target}/release"
if [ -n "$target" ] && [ -f "targets/$target/env.sh" ]; then
    # shellcheck source=/dev/null
    . "targets/$target/env.sh"
fi
version="$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"
major="${version%%.*}"

cargo rustc --locked --release --lib --no-default-features --features "$features" ${target:+--target "$target"} \
    --crate-type cdylib,staticlib -- -C "link-arg=-Wl,-soname,libperennial.so.$major"

mkdir -p "$prefix/lib/pkgconfig" "$prefix/lib/cmake/perennial" "$prefix/include"
prefix="$(cd "$prefix" && pwd)"
install -m 755 "$folder/libperennial.so" "$prefix/lib/libperennial.so.$version"
install -m 644 "$folder/libperennial.a" "$prefix/lib/libperennial.a"
if [ "${STRIP:-1}" = 1 ]; then
    "${STRIP_PROGRAM:-strip}" --strip-unneeded "$prefix/lib/libperennial.so.$version"
    "${STRIP_PROGRAM:-strip}" --strip-debug "$prefix/lib/libperennial.a"
fi
ln -sf "libperennial.so.$version" "$prefix/lib/libperennial.so.$major"
ln -sf "libperennial.so.$major" "$prefix/lib/libperennial.so"
install -m 644 targets/c/perennial.h targets/c/perennial.hpp "$prefix/include/"
for file in perennial.pc perennial-config.cmake perennial-config-version.cmake; do
    to="$prefix/lib/cmake/perennial"
    [ "$file" = perennial.pc ] && to="$prefix/lib/pkgconfig"
    sed -e "s|@VERSION@|$version|g" -e "s|@MAJOR@|$major|g" "targets/c/$file.in" >"$to/$file"
done
for file in "libperennial.so.$version" libperennial.a; do
    echo "$(stat -c %s "$prefix/lib/$file" | numfmt --to=si --format=%.1f)B $file"
done
echo "installed $version${target:+ for $target} in $prefix"
