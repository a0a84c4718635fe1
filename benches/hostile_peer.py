"""A peer that means harm, for benches/fleet.py: `flood`, `forge` or `silent`. Needs eclipse-zenoh (PyPI)."""

import hashlib
import itertools
import os
import sys
import time
from pathlib import Path

import zenoh

kind, out = sys.argv[1], Path(sys.argv[2])
site = int(os.environ.get("SITE", "0"))
shelf = next(out.glob("d*/shelf"))
backbone = (shelf / "backbone").read_text().strip()
notices = {path.stem: path.read_bytes() for path in out.glob("d*/shelf/*.notice")}

config = zenoh.Config()
config.insert_json5("connect/endpoints", f'["tcp/10.9.{site}.1:7447"]')
session = zenoh.open(config)


def flood():
    """Garbage under new keys, as fast as it goes, and thousands of garbage answers to every listing."""

    def answer(query):
        for i in range(5000):
            name = hashlib.sha256(str(i).encode()).hexdigest()
            query.reply(f"perennial/flood/{backbone}/{name}", os.urandom(400))

    session.declare_queryable(f"perennial/flood/{backbone}/*", answer)
    for i in itertools.count():
        session.put(f"perennial/flood/{backbone}/{hashlib.sha256(str(-i).encode()).hexdigest()}", os.urandom(300_000 if i % 100 == 0 else 400))
        if i % 200 == 0:
            time.sleep(0.1)


def forge():
    """Real notices with a bit changed, and real bundles with wrong chunks, offered at every site as the nearest that has them."""

    def tell(query):
        for name, notice in notices.items():
            changed = bytearray(notice)
            changed[len(changed) // 2] ^= 1
            query.reply(f"perennial/site-{site}/{backbone}/{name}", bytes(changed))
            query.reply(f"perennial/site-{site}/{backbone}/{hashlib.sha256(notice).hexdigest()}", notice)

    session.declare_queryable(f"perennial/site-{site}/{backbone}/*", tell)
    kept = [session.declare_queryable(f"perennial/site-{s}/{backbone}/{name}/*", lambda query: query.reply(query.key_expr, os.urandom(65536)), complete=True)
            for name in notices for s in range(5)]
    time.sleep(1e6)
    del kept


def silent():
    """Takes every query for chunks, as if it had them, and never answers."""
    held = []
    kept = [session.declare_queryable(f"perennial/site-{s}/{backbone}/{name}/*", held.append, complete=True) for name in notices for s in range(5)]
    kept.append(session.declare_queryable(f"perennial/*/{backbone}/*", held.append))
    time.sleep(1e6)
    del kept


{"flood": flood, "forge": forge, "silent": silent}[kind]()
