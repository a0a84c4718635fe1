"""Writes tests/golden/peft: adapters as the PEFT library saves them, and what the model says with them.

    python tests/golden/peft_golden.py
    python tests/golden/peft_golden.py --check ADAPTER ADAPTED.onnx     an adapter that `perennial export` wrote

Needs torch, timm, onnxruntime, safetensors and peft (0.21.2). The models are those of export_fixtures.py. The second form
loads an adapter of a state on tests/fixtures/timm_legacy_op17_dynamic.onnx with PEFT and compares the features with those
of the ONNX file.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model

import export_fixtures

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
ADAPTERS = {
    "plain": dict(r=2, lora_alpha=5, target_modules=["attn.qkv", "mlp.fc2"]),
    "patterns": dict(r=3, lora_alpha=4, target_modules=["attn.qkv", "attn.proj", "mlp.fc1"],
                     rank_pattern={"blocks.1.attn.qkv": 2}, alpha_pattern={"mlp.fc1": 7, "blocks.0.attn.proj": 1}),
    "stabilised": dict(r=4, lora_alpha=3, target_modules=["mlp.fc1"], use_rslora=True),
}


def images():
    raw = np.fromfile(FIXTURES / "images_2x3x32x32.f32", np.float32)
    return torch.from_numpy(raw.reshape(2, 3, 32, 32))


def golden():
    folder = HERE / "peft"
    logits = {}
    for seed, (name, options) in enumerate(ADAPTERS.items()):
        model = get_peft_model(export_fixtures.MODELS["timm"](), LoraConfig(**options)).eval()
        g = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for key, p in model.named_parameters():
                if "lora_" in key:
                    p.copy_(0.3 * torch.randn(p.shape, generator=g))
            logits[name] = model(images()).double().tolist()
        model.save_pretrained(folder / name)
        (folder / name / "README.md").unlink(missing_ok=True)
        config = folder / name / "adapter_config.json"
        document = json.loads(config.read_text())
        document["target_modules"].sort()
        config.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    (folder / "expected.json").write_text(json.dumps(logits, indent=1) + "\n")


def check(adapter, onnx_file):
    import onnxruntime
    model = PeftModel.from_pretrained(export_fixtures.MODELS["timm"](), adapter).eval()
    inner = model.base_model.model
    with torch.no_grad():
        want = inner.forward_head(inner.forward_features(images()), pre_logits=True).numpy()
        plain = export_fixtures.MODELS["timm"]()
        without = plain.forward_head(plain.forward_features(images()), pre_logits=True).numpy()
    session = onnxruntime.InferenceSession(onnx_file)
    got = session.run(None, {session.get_inputs()[0].name: images().numpy()})[0]
    off, moved = np.abs(got - want).max(), np.abs(want - without).max()
    print(f"features differ by {off:.1e}; the adapter moves them by {moved:.1e}")
    assert off < 1e-4 and moved > 100 * off


if __name__ == "__main__":
    check(*sys.argv[2:]) if sys.argv[1:2] == ["--check"] else golden()
