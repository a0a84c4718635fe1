"""Writes the frozen features that tests/head_parity.rs reads (not committed: 12 MB, five minutes).

    python tests/golden/frozen_features.py DATA OUT        (numpy, pillow, onnxruntime)

DATA holds vit_tiny_patch16_224/*.onnx, cifar100/{train,test}/*.webp (one sheet a class) and
omniglot/{train,test}/<alphabet>/<character>/*. For every set NAME this writes NAME.f32, rows of 192 little-endian
floats, and NAME.labels, u32. psmall is 100 training and 20 test images a class, the first in file order.
"""
import pathlib
import sys

import numpy as np
import onnxruntime
from PIL import Image

data, out = (pathlib.Path(a) for a in sys.argv[1:3])
session = onnxruntime.InferenceSession(str(next((data / "vit_tiny_patch16_224").glob("*.onnx"))))


def cifar(part, count):
    for label, sheet in enumerate(sorted((data / "cifar100" / part).glob("*.webp"))):
        pixels = np.asarray(Image.open(sheet).convert("RGB"))
        rows, cols = pixels.shape[0] // 32, pixels.shape[1] // 32
        tiles = pixels.reshape(rows, 32, cols, 32, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 32, 32, 3)
        for tile in tiles[:count]:
            yield Image.fromarray(tile), label


def omniglot(part):
    characters = [c for alphabet in sorted((data / "omniglot" / part).iterdir()) for c in sorted(alphabet.iterdir())]
    for label, character in enumerate(characters):
        for drawing in sorted(character.iterdir()):
            yield Image.open(drawing).convert("RGB"), label


def write(name, images, batch=16):
    features, labels, pending = [], [], []

    def flush():
        if pending:
            features.append(session.run(["features"], {"images": np.stack(pending)})[0])
            pending.clear()

    for image, label in images:
        pixels = np.asarray(image.resize((224, 224), Image.BICUBIC), np.float32).transpose(2, 0, 1)
        pending.append((pixels / 255 - 0.5) / 0.5)
        labels.append(label)
        if len(pending) == batch:
            flush()
    flush()
    np.concatenate(features).astype("<f4").tofile(out / f"{name}.f32")
    np.array(labels, "<u4").tofile(out / f"{name}.labels")
    print(name, len(labels), flush=True)


write("omniglot_train", omniglot("train"))
write("omniglot_test", omniglot("test"))
write("psmall_train", cifar("train", 100))
write("psmall_test", cifar("test", 20))
