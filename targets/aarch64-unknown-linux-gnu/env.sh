# shellcheck shell=bash disable=SC2034
# Sourced: what targets/linux builds for this target with.
_target=aarch64-unknown-linux-gnu
_gnu=aarch64-linux-gnu
_debian=arm64
_loader=/lib/ld-linux-aarch64.so.1
# PyPI has an ONNX Runtime for it.
_wheel=manylinux_2_28_aarch64
_qemu="qemu-aarch64 -cpu cortex-a72"
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/../linux/env.sh"
