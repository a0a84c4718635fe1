# A control group of either version with a memory limit and no swap; to be sourced. Needs root.
#
#   limit BYTES          makes the group, and removes it when the script ends
#   inside COMMAND..     runs a command in it; what takes more is killed by the kernel, status 137
#   most                 bytes that the kernel counted at most, file pages that it could have dropped included
limit() {
    local name=perennial-$$
    if [ -d /sys/fs/cgroup/memory ]; then
        group=/sys/fs/cgroup/memory/$name peak=memory.max_usage_in_bytes
        mkdir "$group"
        echo "$1" > "$group/memory.limit_in_bytes"
        [ ! -e "$group/memory.memsw.limit_in_bytes" ] || echo "$1" > "$group/memory.memsw.limit_in_bytes"
    else
        group=/sys/fs/cgroup/$name peak=memory.peak
        echo +memory > /sys/fs/cgroup/cgroup.subtree_control
        mkdir "$group"
        echo "$1" > "$group/memory.max"
        [ ! -e "$group/memory.swap.max" ] || echo 0 > "$group/memory.swap.max"
    fi
    trap 'rmdir "$group"' EXIT
}

inside() {
    (echo "$BASHPID" > "$group/cgroup.procs" && exec "$@")
}

most() {
    cat "$group/$peak"
}
