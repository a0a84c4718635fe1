#!/usr/bin/env bash
# A long life inside a promise, in a control group: lessons of drawn things, power cuts, restarts, what other devices learned. Then the same
# life without a promise, and a page with both.
#
#   benches/soak.sh [TASKS [FLASH [RAM [LIMIT_MIB]]]]        500 lessons, 700KB, 64MB and 160 MiB where not told
#
# RAM is promised to one learner. The process also holds the pictures that it asks about, and now and then a second learner, whose task the
# first one takes over; LIMIT_MIB is what it may have in all. As root.
set -euo pipefail
cd "$(dirname "$0")/.."
perennial=${PERENNIAL:-target/release/perennial}
[ -x "$perennial" ] || cargo build --release
tasks=${1:-500} flash=${2:-700KB} ram=${3:-64MB} bytes=$((${4:-160} << 20))
. benches/group.sh
limit "$bytes"
inside "$perennial" soak --tasks "$tasks" --flash "$flash" --budget "$ram" --alone --out perennial-soak-inside.html
echo "the kernel counted at most $(most) bytes of $bytes"
"$perennial" soak --tasks "$tasks" --flash "$flash" --budget "$ram" --out perennial-soak.html
