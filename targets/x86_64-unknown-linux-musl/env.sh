# shellcheck shell=bash
# Sourced: what builds for x86_64-unknown-linux-musl. Every variable that is already set stays.
#
#     . targets/x86_64-unknown-linux-musl/env.sh
#
# rustc is the one that cargo would take where it has the target's standard library (rustup target add), or else the system's with the library's
# sources, as packages.sh installs them, and the library is compiled with the program. Zig brings musl and an unwinder for it.
_here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
if [ -z "${RUSTC:-}" ] && [ ! -d "$(rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-musl/lib" ]; then
    export RUSTC=/usr/bin/rustc
    if [ ! -x "$RUSTC" ] || [ ! -e "$("$RUSTC" --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock" ]; then
        echo "no library for this target and no sources of one: targets/x86_64-unknown-linux-musl/packages.sh, or rustup target add" >&2
        return 1
    fi
    # build-std is for nightly cargo; it is the only such thing that is used.
    export RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=std,panic_unwind
fi
export CC_x86_64_unknown_linux_musl="${CC_x86_64_unknown_linux_musl:-$_here/zig-cc}"
export CXX_x86_64_unknown_linux_musl="${CXX_x86_64_unknown_linux_musl:-$_here/zig-c++}"
export AR_x86_64_unknown_linux_musl="${AR_x86_64_unknown_linux_musl:-ar}"
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER="${CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER:-$CC_x86_64_unknown_linux_musl}"
# Zig brings what a program begins with.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="${CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS:--C link-self-contained=no}"
# This machine runs its programs as they are.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUNNER="${CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUNNER:-env}"
unset _here
