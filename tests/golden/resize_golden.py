#!/usr/bin/env python3
"""What Pillow and torchvision make of small pictures: resize_golden.json beside this script.

    python tests/golden/resize_golden.py          (Pillow 13.0.0)

The pictures follow a formula that tests/data.rs repeats. Torchvision's Resize and CenterCrop are written out: the
long side is int(size * long / short), the offset int(round((side - crop) / 2)).
"""
import json
import os

import numpy as np
from PIL import Image

FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}

# width, height, resize, crop, filter
CASES = [
    (32, 32, "224", 40, "bicubic"),
    (32, 32, "224", 41, "bicubic"),
    (105, 105, "48", 48, "bicubic"),
    (227, 227, "62", 56, "bicubic"),
    (61, 40, "33", 30, "bicubic"),
    (40, 61, "33", 32, "bicubic"),
    (301, 97, "24", 24, "bicubic"),
    (17, 23, "50x31", None, "bicubic"),
    (90, 70, "31x44", None, "bicubic"),
    (64, 64, "none", 31, "bicubic"),
    (90, 70, "40x30", None, "bilinear"),
    (30, 20, "45x41", None, "bilinear"),
    (90, 70, "40x30", None, "lanczos"),
    (90, 70, "40x30", None, "box"),
    (90, 70, "40x30", None, "hamming"),
    (90, 70, "40x30", None, "nearest"),
]


def picture(width, height):
    """Smooth colours with hard edges and a little noise, so that ringing and rounding show."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    planes = []
    for c in range(3):
        smooth = (x * (3 + c) + y * (5 - c)) % 256
        edges = np.where(((x // 7) + (y // 5) + c) % 3 == 0, 255, 0)
        noise = (x * 7919 + y * 104729 + c * 1299709) % 251
        planes.append((2 * smooth + edges + noise) // 4)
    return np.stack(planes, -1).astype(np.uint8)


def run(width, height, resize, crop, name):
    image = Image.fromarray(picture(width, height))
    if "x" in resize:
        image = image.resize(tuple(int(n) for n in resize.split("x")), FILTERS[name])
    elif resize != "none":
        n, short, long = int(resize), min(width, height), max(width, height)
        follow = int(n * long / short)
        image = image.resize((n, follow) if width <= height else (follow, n), FILTERS[name])
    if crop:
        left, top = (int(round((side - crop) / 2.0)) for side in image.size)
        image = image.crop((left, top, left + crop, top + crop))
    return np.asarray(image)


cases = []
for case in CASES:
    out = run(*case)
    width, height, resize, crop, name = case
    options = f"resize={resize},crop={crop or 'none'},filter={name}"
    cases.append({"width": width, "height": height, "options": options,
                  "out_width": out.shape[1], "out_height": out.shape[0], "rgb": out.tobytes().hex()})
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "resize_golden.json")
with open(path, "w") as f:
    json.dump(cases, f, indent=0)
print(path, os.path.getsize(path), "bytes")
