#!/usr/bin/env python3
"""What OpenCV and Pillow make of camera frames: frame_golden.json beside this script.

    python tests/golden/frame_golden.py          (OpenCV 5.0.0, Pillow 13.0.0)

OpenCV turns the frame into RGB, the region is cut out of it, Pillow resizes and crops as in resize_golden.py. Buffers follow a formula
that tests/frame.rs repeats. OpenCV has no other matrix or range than BT.601 limited; for those the equations of src/frame/yuv.rs are
computed in float.
"""
import json
import os

import cv2
import numpy as np
from PIL import Image

FILTERS = {"bilinear": 2, "bicubic": 3}
TO_RGB = {"BGR": cv2.COLOR_BGR2RGB, "GRAY8": cv2.COLOR_GRAY2RGB, "NV12": cv2.COLOR_YUV2RGB_NV12, "I420": cv2.COLOR_YUV2RGB_I420, "YUYV": cv2.COLOR_YUV2RGB_YUY2}
ROWS = {"RGB": (3, 1), "BGR": (3, 1), "GRAY8": (1, 1), "NV12": (1, 1.5), "I420": (1, 1.5), "YUYV": (2, 1)}
KR_KB = {"601": (0.299, 0.114), "709": (0.2126, 0.0722)}

# format, width, height, region, short side, crop, filter, matrix, limited
CASES = [
    ("RGB", 61, 47, (5, 3, 50, 40), 24, 20, "bicubic", "601", True),
    ("BGR", 61, 47, (5, 3, 50, 40), 24, 20, "bicubic", "601", True),
    ("GRAY8", 61, 47, (0, 0, 61, 47), 30, 25, "bilinear", "601", True),
    ("NV12", 64, 48, (30, 11, 24, 24), 24, 24, "bicubic", "601", True),
    ("NV12", 64, 48, (7, 5, 41, 33), 20, 18, "bicubic", "601", True),
    ("NV12", 34, 30, (3, 1, 13, 17), 26, 24, "bilinear", "601", True),
    ("YUYV", 64, 47, (31, 20, 24, 24), 24, 24, "bicubic", "601", True),
    ("YUYV", 50, 47, (9, 4, 39, 43), 21, 20, "bilinear", "601", True),
    ("NV12", 64, 48, (2, 2, 24, 24), 24, 24, "bicubic", "601", False),
    ("NV12", 64, 48, (12, 21, 24, 24), 24, 24, "bicubic", "709", True),
    ("YUYV", 64, 48, (7, 5, 41, 33), 20, 18, "bicubic", "709", False),
    ("I420", 64, 48, (7, 5, 41, 33), 20, 18, "bicubic", "601", True),
    ("I420", 34, 30, (3, 1, 13, 17), 26, 24, "bilinear", "601", True),
    ("I420", 64, 48, (12, 21, 24, 24), 24, 24, "bicubic", "709", False),
]


def buffer(form, width, height):
    """Smooth levels with hard edges and noise, tight rows; chroma and luma take the whole range."""
    wide, high = ROWS[form]
    y, x = np.mgrid[0 : int(height * high), 0 : width * wide].astype(np.int64)
    edges = np.where((x // 7 + y // 5) % 3 == 0, 255, 0)
    noise = (x * 7919 + y * 104729) % 251
    return ((2 * ((3 * x + 5 * y) % 256) + edges + noise) // 4).astype(np.uint8)


def exact(form, data, width, height, matrix, limited):
    if form == "NV12":
        luma, chroma = data[:height], data[height:].reshape(height // 2, width // 2, 2)
        u, v = (chroma[..., i].repeat(2, 0).repeat(2, 1) for i in (0, 1))
    elif form == "I420":
        luma, chroma = data[:height], data[height:].reshape(2, height // 2, width // 2)
        u, v = (plane.repeat(2, 0).repeat(2, 1) for plane in chroma)
    else:
        quads = data.reshape(height, width // 2, 4)
        luma = quads[..., 0::2].reshape(height, width)
        u, v = (quads[..., i].repeat(2, 1) for i in (1, 3))
    kr, kb = KR_KB[matrix]
    luma, u, v = (a.astype(np.float64) for a in (luma, u, v))
    y = np.maximum(luma - 16, 0) / 219 if limited else luma / 255
    u, v = ((a - 128) / (224 if limited else 255) for a in (u, v))
    r, b = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.floor(255 * np.stack([r, g, b], -1) + 0.5), 0, 255).astype(np.uint8)


def run(form, width, height, region, short, crop, name, matrix, limited):
    data = buffer(form, width, height)
    if form == "RGB":
        rgb = data.reshape(height, width, 3)
    elif (matrix, limited) == ("601", True):
        shape = {"BGR": (height, width, 3), "GRAY8": (height, width), "NV12": data.shape, "I420": data.shape, "YUYV": (height, width, 2)}[form]
        rgb = cv2.cvtColor(data.reshape(shape), TO_RGB[form])
    else:
        rgb = exact(form, data, width, height, matrix, limited)
    x, y, w, h = region
    image = Image.fromarray(np.ascontiguousarray(rgb[y : y + h, x : x + w]))
    follow = int(short * max(w, h) / min(w, h))
    image = image.resize((short, follow) if w <= h else (follow, short), FILTERS[name])
    left, top = (int(round((side - crop) / 2.0)) for side in image.size)
    return np.asarray(image.crop((left, top, left + crop, top + crop)))


cases = []
for form, width, height, region, short, crop, name, matrix, limited in CASES:
    out = run(form, width, height, region, short, crop, name, matrix, limited)
    cases.append({"format": form, "width": width, "height": height, "region": region, "short": short, "crop": crop,
                  "filter": name, "matrix": matrix, "limited": limited, "rgb": out.tobytes().hex()})
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "frame_golden.json")
with open(path, "w") as f:
    json.dump(cases, f, indent=0)
    f.write("\n")
print(path, os.path.getsize(path), "bytes")
