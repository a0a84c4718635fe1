"""Vision models of Hugging Face transformers, from small configurations; nothing is fetched."""

import transformers as hf
from torch import nn

from .models import Model

VIT = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32,
           patch_size=8)
ALL = ("last_hidden_state", "pooler_output")


class Named(nn.Module):
    """A model whose named outputs become a tuple, in their order."""

    def __init__(self, model, outputs):
        super().__init__()
        self.model, self.outputs = model, outputs

    def forward(self, images):
        got = self.model(images)
        return tuple(got[name] for name in self.outputs)


def bare(make, config, fused, **settings):
    """The model itself, by the names of its class and its configuration's class."""
    kind = getattr(hf, make)
    attention = "sdpa" if fused and kind._supports_sdpa else "eager"
    return kind._from_config(getattr(hf, config)(**settings), attn_implementation=attention)


def entry(name, family, make, config, plain=True, outputs=ALL, side=32, few=False, **settings):
    """`make` is the model's class, `config` its configuration's; both by name, as versions of the library differ."""
    def build(fused):
        return Named(bare(make, config, fused, **settings), outputs)

    return Model(f"hf_{name}", family, f"transformers {make}", plain, build, (3, side, side), outputs, few)


MODELS = [
    entry("vit", "ViT", "ViTModel", "ViTConfig", **VIT),
    entry("vit_class", "ViT", "ViTForImageClassification", "ViTConfig", few=True, outputs=("logits",),
          num_labels=10, **VIT),
    entry("deit", "DeiT", "DeiTModel", "DeiTConfig", **VIT),
    entry("deit_class", "DeiT", "DeiTForImageClassificationWithTeacher", "DeiTConfig", num_labels=10,
          outputs=("logits", "cls_logits", "distillation_logits"), **VIT),
    entry("dinov2", "DINOv2", "Dinov2Model", "Dinov2Config", **VIT, mlp_ratio=2),
    entry("dinov2_reg", "DINOv2", "Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", **VIT, mlp_ratio=2,
          num_register_tokens=4),
    entry("dinov2_class", "DINOv2", "Dinov2ForImageClassification", "Dinov2Config", few=True, outputs=("logits",),
          num_labels=10, **VIT, mlp_ratio=2),
    entry("dinov3", "DINOv3", "DINOv3ViTModel", "DINOv3ViTConfig", plain=False, **VIT, num_register_tokens=4),
    entry("clip", "CLIP", "CLIPVisionModel", "CLIPVisionConfig", **VIT),
    entry("clip_proj", "CLIP", "CLIPVisionModelWithProjection", "CLIPVisionConfig",
          outputs=("image_embeds", "last_hidden_state"), **VIT, projection_dim=24),
    entry("siglip", "SigLIP", "SiglipVisionModel", "SiglipVisionConfig", **VIT),
    entry("beit", "BEiT", "BeitModel", "BeitConfig", plain=False, few=True, **VIT, use_relative_position_bias=True,
          use_mean_pooling=True),
    entry("beit_class", "BEiT", "BeitForImageClassification", "BeitConfig", plain=False, few=True, outputs=("logits",),
          num_labels=10, **VIT, use_shared_relative_position_bias=True),
    entry("swin", "Swin", "SwinModel", "SwinConfig", plain=False, few=True, image_size=32, patch_size=2, embed_dim=16,
          depths=[2, 2], num_heads=[2, 4], window_size=4, mlp_ratio=2.0),
    entry("swin_class", "Swin", "SwinForImageClassification", "SwinConfig", plain=False, few=True, outputs=("logits",),
          num_labels=10, image_size=32, patch_size=2, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4,
          mlp_ratio=2.0),
    entry("mobilevit", "MobileViT", "MobileViTModel", "MobileViTConfig", plain=False, few=True, side=64, image_size=64,
          hidden_sizes=[8, 12, 16], neck_hidden_sizes=[4, 4, 8, 8, 12, 16, 24], num_attention_heads=2,
          mlp_ratio=1.0, expand_ratio=1.0),
]
