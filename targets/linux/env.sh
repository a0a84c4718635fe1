# shellcheck shell=bash
# Sourced by the env.sh of a target, which names it: the compilers that cargo, `cc` and strip take, and QEMU as what runs the target's programs.
# Every variable that is already set stays.
#
#     . targets/armv7-unknown-linux-gnueabihf/env.sh
#
# rustc is the one that cargo would take where it has the target's standard library (rustup target add), or else the system's, as packages.sh
# installs it.
_standard() { [ -d "$("$1" --print sysroot)/lib/rustlib/$_target/lib" ]; }
_default() { export "$1=${!1:-$2}"; }
_name="${_target//-/_}"
if [ -z "${RUSTC:-}" ] && ! _standard rustc; then
    if [ ! -x /usr/bin/rustc ] || ! _standard /usr/bin/rustc; then
        echo "no rustc here has a standard library for $_target: targets/linux/packages.sh $_target, or rustup target add" >&2
        return 1
    fi
    export RUSTC=/usr/bin/rustc
fi
_default "CC_$_name" "$_gnu-gcc"
_default "CXX_$_name" "$_gnu-g++"
_default "AR_$_name" "$_gnu-ar"
_default "CARGO_TARGET_${_name^^}_LINKER" "$_gnu-gcc"
# With a loader in /lib (Debian's libc6 of the target's architecture) the system is complete. With -L as well, the cross compiler's loader would meet
# the system's C library, and a program whose two halves are not of one version spins for ever when it makes a thread.
[ -e "$_loader" ] || _qemu+=" -L /usr/$_gnu"
_default "CARGO_TARGET_${_name^^}_RUNNER" "$_qemu"
_default STRIP_PROGRAM "$_gnu-strip"
unset -f _standard _default
unset _name _loader _qemu
