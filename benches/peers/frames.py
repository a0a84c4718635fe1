"""What `cargo bench --bench kernels -- frame` measures, in OpenCV and Pillow: a frame to a normalised tensor [3, 224, 224], short side 248.

    pip install opencv-python-headless pillow numpy
    python benches/peers/frames.py

Pillow computes the same numbers within one level; OpenCV's resize does not antialias. Both resize the whole frame and crop afterwards, as users do; one thread.
Best of 100, in milliseconds.
"""
import time

import cv2
import numpy as np
from PIL import Image

cv2.setNumThreads(1)
draw = np.random.default_rng(0)


def best(f):
    times = []
    for _ in range(100):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def normalised(rgb):
    top, left = ((side - 224) // 2 for side in rgb.shape[:2])
    # Mean and deviation 0.5, planes, one image.
    return cv2.dnn.blobFromImage(rgb[top : top + 224, left : left + 224], 1 / 127.5, mean=(127.5, 127.5, 127.5))


def opencv(rgb, kernel):
    height, width = rgb.shape[:2]
    return normalised(cv2.resize(rgb, (248 * width // height, 248), interpolation=kernel))


def pillow(rgb):
    height, width = rgb.shape[:2]
    image = Image.fromarray(rgb).resize((248 * width // height, 248), Image.BICUBIC)
    return normalised(np.asarray(image))


nv12 = draw.integers(0, 256, (1080, 1280), dtype=np.uint8)
rgb = draw.integers(0, 256, (480, 640, 3), dtype=np.uint8)
for name, frame, colour in [
    ("NV12 1280x720", nv12, lambda x: cv2.cvtColor(x, cv2.COLOR_YUV2RGB_NV12)),
    ("RGB 640x480", rgb, lambda x: x),
]:
    print(
        f"{name}: OpenCV bilinear {best(lambda: opencv(colour(frame), cv2.INTER_LINEAR)):.2f}, "
        f"OpenCV area {best(lambda: opencv(colour(frame), cv2.INTER_AREA)):.2f}, "
        f"OpenCV cubic {best(lambda: opencv(colour(frame), cv2.INTER_CUBIC)):.2f}, "
        f"OpenCV's colour and Pillow {best(lambda: pillow(colour(frame))):.2f}"
    )
