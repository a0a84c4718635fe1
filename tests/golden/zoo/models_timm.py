"""Vision transformers of timm, as small as their constructors allow."""

import timm
from timm.layers import set_fused_attn
from torch import nn

from .models import Model

SMALL = dict(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, mlp_ratio=2)


def entry(name, family, arch, plain=False, classes=0, side=32, edit=lambda model: model, few=False,
          **arguments):
    """`arch` is timm's model name, whose own arguments `arguments` override; `edit` changes what was built."""
    def build(fused):
        set_fused_attn(fused)
        return edit(timm.create_model(arch, pretrained=False, num_classes=classes, **arguments))

    outputs = ("logits",) if classes else ("features",)
    return Model(name, family, f"timm {arch}", plain, build, (3, side, side), outputs, few)


def small_bias_mlp(model):
    """Swin v2's bias network with 16 hidden units: its class fixes 512, which exporters fold into the graph."""
    for module in model.modules():
        if hasattr(module, "cpb_mlp"):
            heads = module.cpb_mlp[2].out_features
            module.cpb_mlp = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, heads, bias=False))
    return model


def plain(name, family, arch, classes=0, **arguments):
    """Global attention over the tokens of one patch embedding."""
    return entry(name, family, arch, True, classes, **{**SMALL, **arguments})


SWIN = dict(img_size=32, patch_size=2, window_size=4, embed_dim=16, depths=(2, 2), num_heads=(2, 4), mlp_ratio=2)

MODELS = [
    plain("vit", "ViT", "vit_tiny_patch16_224", classes=10),
    plain("deit", "DeiT", "deit_tiny_distilled_patch16_224", classes=10),
    entry("swin", "Swin", "swin_tiny_patch4_window7_224", classes=10, **SWIN),
    plain("clip", "CLIP", "vit_base_patch16_clip_quickgelu_224"),
    entry("eva02", "EVA-02", "eva02_tiny_patch14_224", **{**SMALL, "ref_feat_shape": (4, 4)}),
    entry("beit", "BEiT", "beit_base_patch16_224", **SMALL),
    entry("cait", "CaiT", "cait_xxs24_224", **{**SMALL, "depth_token_only": 1, "mlp_ratio_token_only": 2}),
    plain("vit_avg", "ViT", "vit_tiny_patch16_224", global_pool="avg", class_token=False),
    plain("vit_qknorm", "ViT", "vit_tiny_patch16_224", qk_norm=True),
    plain("deit3", "DeiT-III", "deit3_small_patch16_224", classes=10),
    plain("dinov2", "DINOv2", "vit_small_patch14_reg4_dinov2"),
    plain("siglip", "SigLIP", "vit_base_patch16_siglip_224"),
    entry("dinov3", "DINOv3", "vit_small_patch16_dinov3", **SMALL),
    entry("vit_relpos", "ViT relpos", "vit_relpos_small_patch16_224", classes=10, **SMALL),
    entry("vit_srelpos", "ViT relpos", "vit_srelpos_small_patch16_224", few=True, **{**SMALL, "rel_pos_dim": 32}),
    entry("swinv2", "Swin v2", "swinv2_tiny_window8_256", few=True, edit=small_bias_mlp, **SWIN),
]
