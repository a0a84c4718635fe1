# shellcheck shell=bash
# Sourced: the compiler for thumbv7em-none-eabihf, what it makes core and alloc from, and the linker. Every variable that is already set stays.
#
#     . targets/thumbv7em-none-eabihf/env.sh && cargo build "${build_std[@]}" ..
#
# rustc is the one that cargo would take where its target is installed (rustup target add), and then nothing is made anew; or else the
# system's with the library's sources, as packages.sh installs them.
# shellcheck disable=SC2034
build_std=(--target thumbv7em-none-eabihf)
if [ -n "${RUSTC:-}" ] || [ ! -d "$(rustc --print sysroot)/lib/rustlib/thumbv7em-none-eabihf/lib" ]; then
    export RUSTC="${RUSTC:-/usr/bin/rustc}"
    if [ ! -e "$("$RUSTC" --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock" ]; then
        echo "no library for this target and no sources of one: targets/thumbv7em-none-eabihf/packages.sh, or rustup target add" >&2
        return 1
    fi
    # -Zbuild-std is a flag of nightly cargo; it is the only one that is used.
    export RUSTC_BOOTSTRAP=1
    build_std+=('-Zbuild-std=core,alloc')
fi
if [ -z "${CARGO_TARGET_THUMBV7EM_NONE_EABIHF_LINKER:-}" ]; then
    # rustup brings a linker; Debian's compiler does not.
    CARGO_TARGET_THUMBV7EM_NONE_EABIHF_LINKER=ld.lld
    for _linker in "$(rustup run stable rustc --print sysroot 2>/dev/null)"/lib/rustlib/*/bin/rust-lld; do
        [ ! -x "$_linker" ] || CARGO_TARGET_THUMBV7EM_NONE_EABIHF_LINKER="$_linker"
    done
    export CARGO_TARGET_THUMBV7EM_NONE_EABIHF_LINKER
    unset _linker
fi
