# shellcheck shell=bash disable=SC2034
# Sourced: what targets/linux builds for this target with.
_target=riscv64gc-unknown-linux-gnu
_gnu=riscv64-linux-gnu
_debian=riscv64
_loader=/lib/ld-linux-riscv64-lp64d.so.1
_qemu="qemu-riscv64"
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/../linux/env.sh"
