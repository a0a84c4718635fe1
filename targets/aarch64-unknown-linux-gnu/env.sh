# shellcheck shell=bash
# Sourced: the compilers for aarch64, and QEMU as what runs its programs. Every variable that is already set stays.
#
#     . targets/aarch64-unknown-linux-gnu/env.sh
#
# rustc is the one that cargo would take where it has the target's standard library (rustup target add), or else the system's, as packages.sh
# installs it.
_standard() { [ -d "$("$1" --print sysroot)/lib/rustlib/aarch64-unknown-linux-gnu/lib" ]; }
if [ -z "${RUSTC:-}" ] && ! _standard rustc; then
    if [ ! -x /usr/bin/rustc ] || ! _standard /usr/bin/rustc; then
        echo "no rustc here has a standard library for aarch64: targets/aarch64-unknown-linux-gnu/packages.sh, or rustup target add" >&2
        return 1
    fi
    export RUSTC=/usr/bin/rustc
fi
unset -f _standard
export CC_aarch64_unknown_linux_gnu="${CC_aarch64_unknown_linux_gnu:-aarch64-linux-gnu-gcc}"
export CXX_aarch64_unknown_linux_gnu="${CXX_aarch64_unknown_linux_gnu:-aarch64-linux-gnu-g++}"
export AR_aarch64_unknown_linux_gnu="${AR_aarch64_unknown_linux_gnu:-aarch64-linux-gnu-ar}"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="${CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER:-$CC_aarch64_unknown_linux_gnu}"
# With a loader in /lib (libc6:arm64, which rustc's library brings) the system is complete. With -L as well, the cross compiler's loader would meet the
# system's C library, and a program whose two halves are not of one version spins for ever when it makes a thread.
_root="-L /usr/aarch64-linux-gnu"
[ ! -e /lib/ld-linux-aarch64.so.1 ] || _root=""
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="${CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER:-qemu-aarch64 -cpu cortex-a72 $_root}"
unset _root
export STRIP_PROGRAM="${STRIP_PROGRAM:-aarch64-linux-gnu-strip}"
