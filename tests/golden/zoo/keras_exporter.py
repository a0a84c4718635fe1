"""Keras models through tf2onnx. Images are NHWC there: the zoo's images are transposed before they are shown."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from keras import layers, ops

from . import rows as index
from .grid import generator, matrix, noise
from .models import Model, row

WIDTH, HEADS, SIDE, PATCH, CLASSES = 32, 2, 32, 8, 10
TOKENS = (SIDE // PATCH) ** 2


class Tokens(layers.Layer):
    """Patch tokens behind a class token, with a learned position table."""

    def build(self, shape):
        self.token = self.add_weight(name="class_token", shape=(1, 1, WIDTH))
        self.position = self.add_weight(name="position", shape=(1, TOKENS + 1, WIDTH))

    def call(self, patches):
        token = ops.broadcast_to(self.token, (ops.shape(patches)[0], 1, WIDTH))
        return ops.concatenate([token, patches], axis=1) + self.position


class Attention(layers.Layer):
    """Self-attention with one qkv layer, written with matrix products."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.qkv, self.out = layers.Dense(3 * WIDTH, name="qkv"), layers.Dense(WIDTH, name="out")

    def call(self, x):
        shape = (-1, TOKENS, 3, HEADS, WIDTH // HEADS)
        q, k, v = ops.unstack(ops.transpose(ops.reshape(self.qkv(x), shape), (2, 0, 3, 1, 4)), axis=0)
        weights = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) * (WIDTH // HEADS) ** -0.5)
        return self.out(ops.reshape(ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3)), (-1, TOKENS, WIDTH)))


def erf_gelu(x):
    """GELU by erf: Keras writes its own with erfc, which tf2onnx does not know."""
    return 0.5 * x * (1.0 + ops.erf(x * 0.5**0.5))


def tanh_gelu(x):
    """GELU's approximation by tanh."""
    return ops.gelu(x, approximate=True)


def block(x, attention, number, gelu):
    """Pre-norm transformer block."""
    h = layers.LayerNormalization(epsilon=1e-6, name=f"block{number}_norm1")(x)
    x = layers.Add(name=f"block{number}_add1")([x, attention(h)])
    h = layers.LayerNormalization(epsilon=1e-6, name=f"block{number}_norm2")(x)
    h = layers.Dense(2 * WIDTH, activation=gelu, name=f"block{number}_fc1")(h)
    return layers.Add(name=f"block{number}_add2")([x, layers.Dense(WIDTH, name=f"block{number}_fc2")(h)])


def embed(images):
    """Patches as tokens."""
    x = layers.Conv2D(WIDTH, PATCH, PATCH, name="patch")(images)
    return layers.Reshape((TOKENS, WIDTH), name="tokens")(x)


def keras_vit():
    """A class token and Keras's own MultiHeadAttention, which is written with einsum."""
    images = keras.Input((SIDE, SIDE, 3), name="images")
    x = Tokens(name="embedding")(embed(images))
    for number in range(2):
        own = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name=f"block{number}_attention", flash_attention=False)
        x = block(x, lambda h, own=own: own(h, h), number, tanh_gelu)
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    return keras.Model(images, layers.Dense(CLASSES, name="head")(x[:, 0]))


def keras_vit_avg():
    """Average pooling and one layer for queries, keys and values."""
    images = keras.Input((SIDE, SIDE, 3), name="images")
    x = embed(images)
    for number in range(2):
        x = block(x, Attention(name=f"block{number}_attention"), number, erf_gelu)
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    return keras.Model(images, layers.GlobalAveragePooling1D(name="pool")(x))


def fill(model):
    """The zoo's weights; Keras keeps a kernel's outputs last."""
    for weight in model.weights:
        rng, leaf = generator(weight.path), weight.path.rsplit("/", 1)[-1]
        shape = tuple(weight.shape)
        if leaf == "kernel" and len(shape) > 1:
            inputs = int(np.prod(shape[:-1])) if "attention_output" in weight.path or len(shape) != 3 else shape[0]
            flat = matrix(rng, (int(np.prod(shape)) // inputs, inputs), "four")
            weight.assign(np.reshape(flat.T, shape))
        elif leaf == "gamma":
            weight.assign(1 + noise(rng, shape, 1 / 8))
        else:
            weight.assign(noise(rng, shape, 1 / 8))
    return model


MODELS = [
    (keras_vit, "ViT", ("logits",), (17, 15)),
    (keras_vit_avg, "ViT", ("features",), (18, 13)),
]


def export(make, opset, outputs, free):
    """One export with Keras's own outputs."""
    keras.backend.clear_session()
    model = fill(make())
    batch = index.pixels({"image": [3, SIDE, SIDE], "layout": "NHWC"})
    spec = tf.TensorSpec((None if free else 2, SIDE, SIDE, 3), tf.float32, name="images")

    @tf.function(input_signature=[spec])
    def forward(images):
        return {name: tf.identity(value, name) for name, value in zip(outputs, [model(images, training=False)])}

    proto, _ = tf2onnx.convert.from_function(forward, input_signature=[spec], opset=opset)
    return proto, {name: np.asarray(value) for name, value in forward(tf.constant(batch)).items()}


def run(wanted):
    """Exports every model whose name is in `wanted` (all if empty)."""
    for make, family, outputs, opsets in MODELS:
        name = make.__name__
        if wanted and name not in wanted:
            continue
        model = Model(name, family, "Keras functional model", True, make)
        for opset, batch in zip(opsets, ("fixed", "dynamic")):
            new = {**row(model, "tf2onnx", opset, batch), "layout": "NHWC"}
            index.attempt(new, lambda: export(make, opset, outputs, batch == "dynamic"))
