#!/usr/bin/env bash
# Builds the C library and installs it with its headers, for pkg-config and CMake:
#
#     targets/install.sh PREFIX [TARGET]
#
#     lib/libperennial.so.0.1.0, .so.0, .so    lib/libperennial.a    include/perennial.h, perennial.hpp
#     lib/pkgconfig/perennial.pc               lib/cmake/perennial/
#
# TARGET is a Rust target such as aarch64-unknown-linux-gnu; targets/TARGET/env.sh sets its compilers where there is one. musl has no shared library. FEATURES
# chooses engines (default "tract,ffi"; with onnxruntime, libonnxruntime.so is loaded when it is used), PROFILE one of cargo's
# profiles (default release). STRIP=0 keeps symbols.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n '2,11p' "$0" >&2; exit 2; }
prefix="$1" target="${2:-}" features="${FEATURES:-tract,ffi}" profile="${PROFILE:-release}"
folder="${CARGO_TARGET_DIR:-target}${target:+/$target}/$profile"
if [ -n "$target" ] && [ -f "targets/$target/env.sh" ]; then
    # shellcheck source=/dev/null
    . "targets/$target/env.sh"
fi
version="$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"
major="${version%%.*}"

cargo rustc --locked --profile "$profile" --lib --no-default-features --features "$features" ${target:+--target "$target"} \
    --crate-type cdylib,staticlib -- -C "link-arg=-Wl,-soname,libperennial.so.$major"

libraries=(libperennial.a) private="-Wl,-z,noexecstack -lunwind -lc"
if [ "${target##*-}" != musl ]; then
    libraries+=("libperennial.so.$version") private="-Wl,-z,noexecstack -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"
fi

mkdir -p "$prefix/lib/pkgconfig" "$prefix/lib/cmake/perennial" "$prefix/include"
prefix="$(cd "$prefix" && pwd)"
for file in "${libraries[@]}"; do
    install -m 644 "$folder/${file%."$version"}" "$prefix/lib/$file"
    if [ "${STRIP:-1}" = 1 ]; then
        what=--strip-unneeded
        [ "$file" != libperennial.a ] || what=--strip-debug
        "${STRIP_PROGRAM:-strip}" "$what" "$prefix/lib/$file"
    fi
    echo "$(stat -c %s "$prefix/lib/$file" | numfmt --to=si --format=%.1f)B $file"
done
if [ -e "$prefix/lib/libperennial.so.$version" ]; then
    chmod 755 "$prefix/lib/libperennial.so.$version"
    ln -sf "libperennial.so.$version" "$prefix/lib/libperennial.so.$major"
    ln -sf "libperennial.so.$major" "$prefix/lib/libperennial.so"
fi
install -m 644 targets/c/perennial.h targets/c/perennial.hpp "$prefix/include/"
for file in perennial.pc perennial-config.cmake perennial-config-version.cmake; do
    to="$prefix/lib/cmake/perennial"
    [ "$file" = perennial.pc ] && to="$prefix/lib/pkgconfig"
    sed -e "s|@VERSION@|$version|g" -e "s|@MAJOR@|$major|g" -e "s|@PRIVATE@|$private|g" \
        -e "s|@PRIVATE_LIST@|${private// /;}|g" "targets/c/$file.in" >"$to/$file"
done
echo "installed $version${target:+ for $target} in $prefix"
