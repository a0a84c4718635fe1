"""Vision transformers of timm with convolutions, pooling, windows or several stages inside."""

from dataclasses import replace
from functools import partial

import timm
from timm.layers import GroupNorm1, Mlp, set_fused_attn
from timm.models import efficientformer, efficientformer_v2, focalnet, gcvit, levit, metaformer, mlp_mixer, mvitv2
from timm.models import nest, volo
from timm.models.fastvit import RepConditionalPosEnc
from timm.models.metaformer import Attention, LayerNorm2dNoBias, LayerNormNoBias, SepConv
from timm.models.mobilevit import _inverted_residual_block, _mobilevit_block, _mobilevitv2_block
from timm.utils import reparameterize_model
from torch import nn

from .models import Model
from .models_timm import SMALL, entry


def direct(name, family, source, make, classes=0, side=32, **arguments):
    """A model whose class is called directly, for those whose timm function takes no other sizes."""
    def build(fused):
        set_fused_attn(fused)
        return make(num_classes=classes, **arguments)

    return Model(name, family, f"timm {source}", False, build, (3, side, side),
                 ("logits",) if classes else ("features",))


def mobilevit_blocks():
    """MobileViT with one convolution stage and two stages of attention."""
    return (_inverted_residual_block(d=1, c=16, s=2, br=2.0),
            _mobilevit_block(d=1, c=16, s=2, transformer_dim=24, transformer_depth=1, patch_size=2, br=2.0),
            _mobilevit_block(d=1, c=24, s=2, transformer_dim=32, transformer_depth=2, patch_size=2, br=2.0))


def mobilevitv2_blocks():
    """MobileViT v2 (separable attention) with one convolution stage and two stages of attention."""
    return (_inverted_residual_block(d=1, c=16, s=2, br=2.0),
            _mobilevitv2_block(d=1, c=24, s=2, transformer_depth=1, transformer_br=1.0),
            _mobilevitv2_block(d=1, c=32, s=2, transformer_depth=2, transformer_br=1.0))


def small_attention(model):
    """EfficientFormer for 64 x 64 pixels: its class fixes eight heads of 32 on a 7 x 7 grid."""
    for module in model.modules():
        if isinstance(getattr(module, "token_mixer", None), efficientformer.Attention):
            width = module.token_mixer.qkv.in_features
            module.token_mixer = efficientformer.Attention(width, key_dim=8, num_heads=2, attn_ratio=2, resolution=2)
    return model


def small_attention_v2(model):
    """EfficientFormer v2 with two heads of 8: its class fixes eight of 32, and downsampling ones of 16."""
    v2 = efficientformer_v2
    for module in model.modules():
        if isinstance(getattr(module, "token_mixer", None), v2.Attention2d):
            old = module.token_mixer
            stride = None if old.stride_conv is None else 2
            module.token_mixer = v2.Attention2d(old.q.conv.in_channels, 8, 2, 2, stride=stride,
                                                resolution=[side * (stride or 1) for side in old.resolution])
        if isinstance(getattr(module, "attn", None), v2.Attention2dDownsample):
            old = module.attn
            module.attn = v2.Attention2dDownsample(old.q.proj.conv.in_channels, 8, 2, 2, resolution=old.resolution,
                                                   out_dim=old.proj.conv.out_channels)
    return model


def small_meta_mlp(model):
    """Swin v2 (Christoph Reich's) with 16 hidden units for the position bias instead of 384, as for Swin v2."""
    for module in model.modules():
        if hasattr(module, "meta_mlp"):
            module.meta_mlp = Mlp(2, hidden_features=16, out_features=module.meta_mlp.fc2.out_features,
                                  act_layer=nn.ReLU)
    return model


FAST = dict(layers=(1, 1, 1, 2), embed_dims=(8, 8, 16, 64), mlp_ratios=(1,) * 4, cls_ratio=1.0,
            pos_embs=(None, None, None, partial(RepConditionalPosEnc, spatial_shape=(7, 7))))
MAX = dict(embed_dim=(16, 32), depths=(1, 1), stem_width=8, head_hidden_size=None, transformer_dim_head=16,
           transformer_expand_ratio=2.0, conv_expand_ratio=2.0)

MODELS = [
    entry("xcit", "XCiT", "xcit_nano_12_p8_224", classes=10, **{**SMALL, "cls_attn_layers": 1}),
    entry("mobilevit", "MobileViT", "mobilevit_xxs", side=64, blocks=mobilevit_blocks(), stem_chs=8, num_features=48),
    entry("mobilevitv2", "MobileViT", "mobilevitv2_050", classes=10, side=64, few=True,
          blocks=mobilevitv2_blocks(), stem_chs=8),
    entry("tiny_vit", "TinyViT", "tiny_vit_5m_224", side=64, few=True, embed_dims=(16, 16, 32, 32), depths=(1, 1, 2, 1),
          num_heads=(1, 2, 2, 2), window_sizes=(7, 3, 4, 2), mlp_ratio=2.0),
    direct("levit", "LeViT", "Levit", levit.Levit, classes=10, side=64, img_size=64, embed_dim=(32, 32), key_dim=8,
           depth=(1, 2), num_heads=(2, 2), down_op="subsample"),
    entry("fastvit", "FastViT", "fastvit_sa12", side=64, few=True, **FAST),
    entry("fastvit_reparam", "FastViT", "fastvit_sa12", classes=10, side=64, few=True,
          edit=reparameterize_model, **FAST),
    entry("pit", "PiT", "pit_xs_224", few=True, img_size=32, patch_size=8, stride=4, base_dims=(16, 16, 16),
          depth=(1, 2, 1), heads=(1, 2, 4), mlp_ratio=2),
    entry("pit_distilled", "PiT", "pit_xs_distilled_224", classes=10, few=True, img_size=32, patch_size=8,
          stride=4, base_dims=(8, 8), depth=(1, 2), heads=(2, 4), mlp_ratio=2),
]

MORE = [
    entry("convit", "ConViT", "convit_tiny", **{**SMALL, "embed_dim": 16, "depth": 3, "local_up_to_layer": 2}),
    direct("volo", "VOLO", "VOLO", volo.VOLO, side=64, img_size=64, layers=(1, 2), embed_dims=(32, 32),
           num_heads=(2, 2), stem_hidden_dim=8, mlp_ratio=2.0, downsamples=(True, False),
           outlook_attention=(True, False), post_layers=("ca",)),
    entry("crossvit", "CrossViT", "crossvit_9_240", classes=10, side=48, img_size=48, img_scale=(1.0, 2 / 3),
          patch_size=(12, 16), embed_dim=(16, 32), depth=((1, 1, 0),) * 2, num_heads=(2, 2), mlp_ratio=(2, 2, 1)),
    entry("twins_svt", "Twins", "twins_svt_small", side=64, img_size=64, embed_dims=(16, 32), num_heads=(2, 2),
          mlp_ratios=(2, 2), depths=(2, 2), wss=(4, 4), sr_ratios=(4, 2)),
    entry("twins_pcpvt", "Twins", "twins_pcpvt_small", classes=10, img_size=32, embed_dims=(16, 32), num_heads=(1, 2),
          mlp_ratios=(2, 2), depths=(1, 2), sr_ratios=(4, 2)),
    entry("pvt_v2", "PVT v2", "pvt_v2_b0", side=64, embed_dims=(16, 16, 32, 32), depths=(1, 1, 1, 1),
          num_heads=(1, 1, 2, 2), mlp_ratios=(2, 2, 2, 2)),
    entry("pvt_v2_linear", "PVT v2", "pvt_v2_b2_li", side=64, embed_dims=(16, 16, 32, 32), depths=(1, 1, 1, 1),
          num_heads=(1, 1, 2, 2), mlp_ratios=(2, 2, 2, 2)),
    entry("davit", "DaViT", "davit_tiny", classes=10, depths=(1, 1), embed_dims=(16, 32), num_heads=(2, 2),
          window_size=4, mlp_ratio=2),
    entry("maxvit", "MaxViT", "maxvit_tiny_tf_224", img_size=32, transformer_window_size=(4, 4),
          block_type=("M", "M"), **{**MAX, "head_hidden_size": 32}),
    entry("coatnet", "CoAtNet", "coatnet_0_rw_224", classes=10, img_size=32, block_type=("C", "T"), **MAX),
    entry("efficientformer", "EfficientFormer", "efficientformer_l1", side=64, edit=small_attention,
          depths=(1, 1, 1, 2), embed_dims=(8, 8, 16, 16), mlp_ratios=2),
    entry("efficientformerv2", "EfficientFormer", "efficientformerv2_s0", side=64, edit=small_attention_v2, img_size=64,
          depths=(1, 1, 1, 2), embed_dims=(8, 8, 16, 16), mlp_ratios=(2, 2, 2, (2, 2)), num_vit=1),
    entry("efficientvit", "EfficientViT", "efficientvit_b0", side=64, widths=(8, 8, 16, 32), depths=(1, 1, 1, 1),
          head_dim=8, head_widths=(32, 32)),
    entry("efficientvit_msra", "EfficientViT", "efficientvit_m0", classes=10, side=64, img_size=64,
          embed_dim=(16, 16, 16), depth=(1, 1, 1), num_heads=(2, 2, 2), window_size=(4, 4, 4), kernels=(3, 3, 3, 3)),
    entry("hiera", "Hiera", "hiera_tiny_224", classes=10, side=64, img_size=64, embed_dim=16, num_heads=1,
          stages=(1, 1, 2), q_pool=2, mlp_ratio=2.0, mask_unit_size=(4, 4), mask_unit_attn=(True, True, False)),
    direct("mvitv2", "MViTv2", "MultiScaleVit", mvitv2.MultiScaleVit, side=64, img_size=64,
           cfg=mvitv2.MultiScaleVitCfg(embed_dim=16, num_heads=1, depths=(1, 2), stride_q=((1, 1), (2, 2)),
                                       mlp_ratio=2.0)),
    entry("edgenext", "EdgeNeXt", "edgenext_xx_small", side=64, dims=(8, 16, 24, 32), depths=(1, 1, 2, 2),
          heads=(2, 2, 2, 2), expand_ratio=2),
    entry("repvit", "RepViT", "repvit_m0_9", side=64, embed_dim=(8, 16, 24, 32), depth=(1, 1, 1, 1)),
    direct("poolformer", "MetaFormer", "poolformer", metaformer.MetaFormer, side=64, depths=(1, 1, 1, 1),
           dims=(8, 16, 16, 32), downsample_norm=None, mlp_act=nn.GELU, mlp_bias=True, norm_layers=GroupNorm1,
           layer_scale_init_values=1e-5, res_scale_init_values=None, use_mlp_head=False),
    direct("caformer", "MetaFormer", "caformer", metaformer.MetaFormer, classes=10, side=64, depths=(1, 1, 1, 1),
           dims=(8, 16, 32, 32), token_mixers=[SepConv, SepConv, Attention, Attention],
           norm_layers=[LayerNorm2dNoBias] * 2 + [LayerNormNoBias] * 2),
    direct("gcvit", "GCViT", "GlobalContextVit", gcvit.GlobalContextVit, side=64, img_size=64, depths=(1, 1),
           num_heads=(2, 2), embed_dim=16, window_ratio=(16, 16), mlp_ratio=2.0),
    direct("nest", "NesT", "Nest", nest.Nest, side=64, img_size=64, embed_dims=(16, 32), num_heads=(2, 2),
           depths=(1, 1), num_levels=2),
    entry("tnt", "TNT", "tnt_s_legacy_patch16_224", img_size=32, patch_size=16, embed_dim=32, inner_dim=12, depth=2,
          num_heads_inner=2, num_heads_outer=2, mlp_ratio=2.0),
    entry("sam", "SAM", "samvit_base_patch16", img_size=32, patch_size=4, embed_dim=32, depth=2, num_heads=2,
          mlp_ratio=2, window_size=3, global_attn_indexes=(1,), neck_chans=16),
    direct("focalnet", "FocalNet", "FocalNet", focalnet.FocalNet, embed_dim=16, depths=(1, 1), focal_levels=(2, 2),
           focal_windows=(3, 3), mlp_ratio=2.0),
    entry("swin_cr", "Swin v2", "swinv2_cr_tiny_224", edit=small_meta_mlp, img_size=32, patch_size=2, window_size=4,
          embed_dim=16, depths=(2, 2), num_heads=(2, 2), mlp_ratio=2.0),
    entry("rope_mixed", "RoPE ViT", "vit_small_patch16_rope_mixed_224", classes=10, **SMALL),
    direct("mixer", "MLP-Mixer", "MlpMixer", mlp_mixer.MlpMixer, img_size=32, patch_size=8, embed_dim=32, num_blocks=2),
]

MODELS += [replace(model, few=True) for model in MORE]
