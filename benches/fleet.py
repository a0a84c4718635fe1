#!/usr/bin/env python3
"""Twenty devices at five sites, each with two tasks of its own, in network namespaces, until every device knows everything.

    benches/fleet.py --backbone vit_tiny.onnx --cifar cifar100/ --out fleet/ [--rate 1mbit --loss 5] [--partition 60] [--hostile]

As root, on Linux. Needs `ip` and `tc` (iproute2), `nft` (nftables), Pillow, zenohd (cargo install zenohd), and with --hostile eclipse-zenoh of PyPI; a `perennial` with the features
fleet and onnxruntime (--program). Writes fleet/result.json and fleet/report.html. Devices and routers are real processes; only the links are made.

Devices begin from one state that learned 20 classes of CIFAR-100; each then learns two tasks of two further classes, all 100 with twenty devices. Accuracy is that of test
images of all classes that anybody learned; it is compared with one device that was shown all tasks, and with a device that only knows its own.
"""

import argparse
import html
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

BASE, TASKS, CLASSES = 20, 2, 2


def sh(*words, **more):
    return subprocess.run([str(w) for w in words], check=True, **more)


def said(*words, **more):
    return sh(*words, capture_output=True, text=True, **more).stdout


class Pictures:
    """Class folders of PNG files from the WebP sheets of CIFAR-100."""

    def __init__(self, cifar, out, train, test, classes):
        from PIL import Image

        self.out = out
        order = [int(n) for n in (cifar / "order_1993.txt").read_text().split()]
        names = (cifar / "classes.txt").read_text().split()
        self.classes = [names[i] for i in order][:classes]
        for split, count in (("train", train), ("test", test)):
            for index, name in zip(order, self.classes):
                folder = out / split / name
                if folder.exists():
                    continue
                folder.mkdir(parents=True)
                sheet = Image.open(next((cifar / split).glob(f"{index:02d}_*.webp")))
                across = sheet.width // 32
                for i in range(count):
                    x, y = i % across * 32, i // across * 32
                    sheet.crop((x, y, x + 32, y + 32)).save(folder / f"{i:03d}.png")

    def task(self, name, classes):
        folder = self.out / "tasks" / name
        if not folder.exists():
            folder.mkdir(parents=True)
            for c in classes:
                (folder / c).symlink_to((self.out / "train" / c).resolve())
        return folder


class Network:
    """A router a site on a bridge of its own, routers on one more bridge behind slow links."""

    def __init__(self, args):
        self.args, self.spaces, self.processes = args, [], []

    def space(self, name):
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)
        sh("ip", "netns", "add", name)
        sh("ip", "-n", name, "link", "set", "lo", "up")
        self.spaces.append(name)

    def link(self, a, b, bridge, address):
        """A cable from namespace `a`, where it has `address`, to `bridge` in namespace `b`."""
        end, port = f"to-{b}"[:15], f"to-{a}"[:15]
        sh("ip", "-n", a, "link", "add", end, "type", "veth", "peer", "name", port, "netns", b)
        sh("ip", "-n", a, "addr", "add", address, "dev", end)
        sh("ip", "-n", a, "link", "set", end, "up")
        sh("ip", "-n", b, "link", "set", port, "master", bridge, "up")
        return end, port

    def build(self):
        a = self.args
        self.space("wan")
        sh("ip", "-n", "wan", "link", "add", "wan", "type", "bridge")
        sh("ip", "-n", "wan", "link", "set", "wan", "up")
        self.uplinks = {}
        for s in range(a.sites):
            router = f"r{s}"
            self.space(router)
            sh("ip", "-n", router, "link", "add", "lan", "type", "bridge")
            sh("ip", "-n", router, "addr", "add", f"10.9.{s}.1/24", "dev", "lan")
            sh("ip", "-n", router, "link", "set", "lan", "up")
            self.uplinks[s] = self.link(router, "wan", "wan", f"10.8.0.{s + 1}/24")
            for space, device in ((router, self.uplinks[s][0]), ("wan", self.uplinks[s][1])):
                # Packets as they go over a cable: otherwise 64 KiB are one packet, and lost as one.
                sh("ip", "-n", space, "link", "set", device, "gso_max_size", 1514, "gso_max_segs", 1)
                sh("ip", "netns", "exec", space, "tc", "qdisc", "add", "dev", device, "root", "tbf",
                   "rate", a.rate, "burst", "16kb", "latency", "500ms")
            lossy = f'iifname "{self.uplinks[s][0]}" numgen random mod 1000 < {int(10 * a.loss)} drop'
            rules = f"table inet loss {{ chain in {{ type filter hook input priority 0; {lossy}; }}; }}"
            sh("ip", "netns", "exec", router, "nft", rules)
            for d in range(a.devices):
                self.space(f"d{s}{d}")
                self.link(f"d{s}{d}", router, "lan", f"10.9.{s}.{d + 10}/24")

    def run(self, space, log, *words):
        with open(log, "w") as out:
            words = ["ip", "netns", "exec", space, *map(str, words)]
            self.processes.append(subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT))

    def cut(self, site, up):
        sh("ip", "-n", f"r{site}", "link", "set", self.uplinks[site][0], "up" if up else "down")

    def bytes(self):
        """Bytes that went up from every site."""
        sent = {}
        for s, (device, _) in self.uplinks.items():
            stats = json.loads(said("ip", "-n", f"r{s}", "-s", "-j", "link", "show", device))
            sent[f"site-{s}"] = stats[0]["stats64"]["tx"]["bytes"]
        return sent

    def close(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space], stderr=subprocess.DEVNULL)


class Fleet:
    def __init__(self, args):
        self.args, self.out = args, args.out
        classes = BASE + args.sites * args.devices * TASKS * CLASSES
        self.pictures = Pictures(args.cifar, self.out / "pictures", args.train, args.test, classes)
        self.names = [f"d{s}{d}" for s in range(args.sites) for d in range(args.devices)]

    def perennial(self, *words):
        model = ("--backbone", self.args.backbone, "--preprocess", "resize=224,crop=224", "--engine", self.args.engine)
        return (self.args.program, *map(str, words), *model)

    def tasks_of(self, index):
        for t in range(TASKS):
            first = BASE + (index * TASKS + t) * CLASSES
            yield f"{self.names[index]}-{t}", self.pictures.classes[first:first + CLASSES]

    def learn(self):
        """Everybody's own tasks; and the device that was shown all of them."""
        base = self.out / "base.state"
        if not base.exists():
            folder = self.pictures.task("base", self.pictures.classes[:BASE])
            sh(*self.perennial("learn", "--data", folder, "--task", "base", "--state", base), stdout=sys.stderr)
        trust = self.out / "keys"
        trust.mkdir(exist_ok=True)
        everything, growing = self.out / "everything.state", self.out / "everything.part"
        fresh = not everything.exists()
        if fresh:
            shutil.copy(base, growing)
        for index, name in enumerate(self.names):
            home = self.out / name
            if not (home / "done").exists():
                shutil.rmtree(home, ignore_errors=True)
                home.mkdir()
                shutil.copy(base, home / "state")
                said(self.args.program, "bundle", "keygen", home / "key")
                shutil.copy(home / "key.pub", trust / f"{name}.pub")
                for task, classes in self.tasks_of(index):
                    folder = self.pictures.task(task, classes)
                    said(*self.perennial("learn", "--data", folder, "--task", task, "--state", home / "state", "--bundle",
                                         home / f"{task}.bundle", "--key", home / "key", "--anyway"))
                shutil.copy(home / "state", home / "alone.state")
                (home / "done").touch()
            if fresh:
                for task, classes in self.tasks_of(index):
                    folder = self.pictures.task(task, classes)
                    said(*self.perennial("learn", "--data", folder, "--task", task, "--state", growing, "--anyway"))
            print(f"{name} has learned", file=sys.stderr)
        if fresh:
            growing.rename(everything)

    def publish(self):
        for index, name in enumerate(self.names):
            home = self.out / name
            shutil.rmtree(home / "shelf", ignore_errors=True)
            shutil.copy(home / "alone.state", home / "state")
            for task, _ in self.tasks_of(index):
                said(self.args.program, "fleet", "publish", home / f"{task}.bundle", "--key", home / "key", "--shelf", home / "shelf",
                     "--trust", self.out / "keys")

    def join(self, network):
        for s in range(self.args.sites):
            others = [f"-etcp/10.8.0.{o + 1}:7447" for o in range(self.args.sites) if o != s]
            network.run(f"r{s}", self.out / f"r{s}.log", self.args.zenohd, "-ltcp/0.0.0.0:7447", "--no-multicast-scouting", *others)
        time.sleep(2)
        for name in self.names:
            home = self.out / name
            network.run(name, self.out / f"{name}.log",
                        *self.perennial("fleet", "join", "--shelf", home / "shelf", "--trust", self.out / "keys", "--state", home / "state",
                                        "--site", f"site-{name[1]}", "--connect", f"tcp/10.9.{name[1]}.1:7447", "--every", "10s", "--json",
                                        "--max-loss", "100"))

    def held(self, name):
        return len(list((self.out / name / "shelf").glob("*.notice")))

    def accuracy(self, state):
        """Of test images of all classes, in percent."""
        paths = sorted((self.out / "pictures/test").glob("*/*.png"))
        answers = json.loads(said(*self.perennial("predict", "--json", "--state", state, *paths)))
        right = sum(a["prediction"]["name"] == p.parent.name for a, p in zip(answers, paths, strict=True))
        return 100 * right / len(paths)


def svg(curve, want):
    """How many devices hold how much, over time."""
    width, height, left, low = 720, 260, 50, 30
    last = max(curve[-1]["seconds"], 1)
    point = lambda t, share: f"{left + (width - left - 10) * t / last:.1f},{height - low - (height - low - 10) * share:.1f}"
    lines = []
    for pick, colour, name in ((min, "#b33", "the device that has least"), (lambda h: sum(h) / len(h), "#36c", "mean"), (max, "#393", "the device that has most")):
        path = " ".join(point(c["seconds"], pick(c["held"]) / want) for c in curve)
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"><title>{name}</title></polyline>')
        lines.append(f'<text x="{width - 200}" y="{height - low - 60 + 18 * len(lines) // 2}" fill="{colour}">{name}</text>')
    marks = [f'<text x="{left + (width - left - 10) * k / 4:.0f}" y="{height - 8}">{last * k / 4:.0f} s</text>' for k in range(5)]
    marks += [f'<text x="4" y="{height - low - (height - low - 10) * k / 4 + 4:.0f}">{25 * k} %</text>' for k in range(5)]
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" font-family="sans-serif" font-size="12">{"".join(lines + marks)}</svg>'


def report(result, out):
    rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in result["table"].items())
    style = "body{font:15px sans-serif;max-width:50em;margin:2em auto}th{text-align:left;padding-right:2em;font-weight:normal}td{text-align:right}"
    page = f"<!doctype html><meta charset=utf-8><title>A fleet</title><style>{style}</style><h1>{len(result['accuracy'])} devices</h1>"
    page += f"<p>Bundles on the shelves, of all that were made</p>{result['drawing']}<table>{rows}</table>"
    (out / "report.html").write_text(page)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--backbone", type=Path, required=True)
    p.add_argument("--cifar", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--sites", type=int, default=5)
    p.add_argument("--devices", type=int, default=4, help="devices of a site")
    p.add_argument("--program", default="target/release/perennial")
    p.add_argument("--zenohd", default="zenohd")
    p.add_argument("--engine", default="onnxruntime")
    p.add_argument("--train", type=int, default=50, help="images a class")
    p.add_argument("--test", type=int, default=10, help="test images a class")
    p.add_argument("--rate", default="1mbit")
    p.add_argument("--loss", type=float, default=5, help="packets that are lost on the way into a site, in percent")
    p.add_argument("--partition", type=float, default=0, help="seconds that one site is cut off, ten seconds after the start")
    p.add_argument("--hostile", action="store_true", help="three hostile peers: a flood, forged notices and chunks, one that never answers")
    p.add_argument("--limit", type=float, default=1800, help="seconds after which it is given up")
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    args.out, args.backbone = args.out.resolve(), args.backbone.resolve()

    fleet, network = Fleet(args), Network(args)
    fleet.learn()
    fleet.publish()
    want = len(fleet.names) * TASKS
    curve = []
    try:
        network.build()
        before = network.bytes()
        fleet.join(network)
        if args.hostile:
            here = Path(__file__).resolve().parent
            for s, kind in enumerate(("flood", "forge", "silent")):
                network.space(kind)
                network.link(kind, f"r{s}", "lan", f"10.9.{s}.66/24")
                network.run(kind, args.out / f"{kind}.log", "env", f"SITE={s}", sys.executable, here / "hostile_peer.py", kind, args.out)
        start, cut = time.monotonic(), False
        while True:
            seconds = time.monotonic() - start
            if args.partition and not cut and seconds >= 10:
                network.cut(args.sites - 1, False)
                cut = True
            if cut and seconds >= 10 + args.partition:
                network.cut(args.sites - 1, True)
                args.partition, cut = 0, False
            curve.append({"seconds": seconds, "held": [fleet.held(name) for name in fleet.names]})
            if min(curve[-1]["held"]) >= want or seconds > args.limit:
                break
            time.sleep(1)
        time.sleep(15)  # the last round takes over what it fetched
        sent = {site: n - before[site] for site, n in network.bytes().items()}
    finally:
        network.close()

    converged = min(curve[-1]["held"]) >= want
    each = [fleet.accuracy(args.out / name / "state") for name in fleet.names]
    everything, alone = fleet.accuracy(args.out / "everything.state"), fleet.accuracy(args.out / "d00/alone.state")
    payload = sum(f.stat().st_size for f in args.out.glob("d*/*.bundle"))
    table = {
        "every device has every bundle": f"{curve[-1]['seconds']:.0f} s" if converged else f"not within {args.limit:.0f} s",
        "accuracy of the devices, all classes": f"{min(each):.1f} to {max(each):.1f} %",
        "of one that was shown everything": f"{everything:.1f} %",
        "of one alone": f"{alone:.1f} %",
        "all bundles together": f"{payload / 1e6:.2f} MB",
        "sent up by the sites": ", ".join(f"{n / 1e6:.2f} MB" for n in sent.values()),
        "links between sites": f"{args.rate} each way, {args.loss:g} % of packets lost",
    }
    result = {"table": table, "accuracy": dict(zip(fleet.names, each)), "everything": everything, "alone": alone, "sent": sent,
              "payload": payload, "curve": curve, "converged": converged}
    (args.out / "result.json").write_text(json.dumps(result, indent=1))
    report({**result, "drawing": svg(curve, want)}, args.out)
    for name, value in table.items():
        print(f"{name:<44} {value}")
    sys.exit(0 if converged else 1)


if __name__ == "__main__":
    main()
