"""Tiny HunyuanVideo pipelines: text, image (with a Llava that reads it), and 1.5."""

from __future__ import annotations

from typing import Any

import diffusers
import transformers
from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video_image2video import DEFAULT_PROMPT_TEMPLATE

from tests.local.tiny_text import clip_text, llama, tokenizer, tokenizer_of


def _hunyuan_transformer(**over: Any) -> Any:
    return diffusers.HunyuanVideoTransformer3DModel(
        **{
            "in_channels": 4, "out_channels": 4, "num_attention_heads": 2, "attention_head_dim": 10, "num_layers": 1,
            "num_single_layers": 1, "num_refiner_layers": 1, "patch_size": 1, "patch_size_t": 1,
            "guidance_embeds": True, "text_embed_dim": 16, "pooled_projection_dim": 8, "rope_axes_dim": (2, 4, 4),
            **over,
        }
    )  # fmt: skip


def _hunyuan_vae() -> Any:
    return diffusers.AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=(8,) * 4, layers_per_block=1, norm_num_groups=4
    )


def hunyuan_t2v() -> Any:
    return diffusers.HunyuanVideoPipeline(
        text_encoder=llama(), tokenizer=tokenizer("llama"), transformer=_hunyuan_transformer(), vae=_hunyuan_vae(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0), text_encoder_2=clip_text(8),
        tokenizer_2=tokenizer("clip"),
    )  # fmt: skip


LLAVA_WORDS = {
    "pad_token": "<pad>", "bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>", "unk_token": "<unk>",
    "start": "<|start_header_id|>", "end": "<|end_header_id|>", "turn": "<|eot_id|>", "image": "<image>",
}  # fmt: skip


def llava() -> tuple[Any, Any]:
    """(model, its tokenizer): 24 x 24 patches make the 576 image tokens that the pipeline's template counts on."""
    words = tokenizer_of(DEFAULT_PROMPT_TEMPLATE["template"], LLAVA_WORDS, model_max_length=4096)
    seeing = transformers.CLIPVisionConfig(
        hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=48, patch_size=2,
        projection_dim=8,
    )  # fmt: skip
    reading = transformers.LlamaConfig(
        bos_token_id=1, eos_token_id=2, pad_token_id=0, hidden_size=16, intermediate_size=37, num_attention_heads=4,
        num_hidden_layers=3, num_key_value_heads=4, vocab_size=len(words),
    )  # fmt: skip
    config = transformers.LlavaConfig(
        vision_config=seeing, text_config=reading, image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=576, vision_feature_layer=-1, pad_token_id=0,
    )  # fmt: skip
    return transformers.LlavaForConditionalGeneration(config).eval(), words


def _hunyuan_image(**transformer: Any) -> Any:
    model, words = llava()
    return diffusers.HunyuanVideoImageToVideoPipeline(
        text_encoder=model, tokenizer=words, transformer=_hunyuan_transformer(**transformer), vae=_hunyuan_vae(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0), text_encoder_2=clip_text(8),
        tokenizer_2=tokenizer("clip"),
        image_processor=transformers.CLIPImageProcessor(size={"shortest_edge": 48}, crop_size=48),
    )  # fmt: skip


def hunyuan_i2v() -> Any:
    """The form with 16 channels of latents: the first frame is the image's."""
    return _hunyuan_image(image_condition_type="token_replace")


def hunyuan_i2v_33ch() -> Any:
    """The form with 33: the image's latents stand beside the noise, and the first latent frame is cut off."""
    return _hunyuan_image(image_condition_type="latent_concat", in_channels=9, guidance_embeds=False)


CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _hunyuan_15_parts(task: str) -> dict[str, Any]:
    reader = transformers.Qwen2_5_VLTextConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2,
        vocab_size=300, rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]},
    )  # fmt: skip
    glyphs = transformers.T5Config(
        d_model=32, d_ff=37, d_kv=8, num_heads=4, num_layers=2, vocab_size=384, feed_forward_proj="gated-gelu"
    )
    transformer = diffusers.HunyuanVideo15Transformer3DModel(
        in_channels=9, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=2, num_refiner_layers=1,
        mlp_ratio=2.0, text_embed_dim=16, text_embed_2_dim=32, image_embed_dim=12, rope_axes_dim=(2, 2, 4),
        target_size=640, task_type=task,
    )  # fmt: skip
    vae = diffusers.AutoencoderKLHunyuanVideo15(
        latent_channels=4, block_out_channels=(16,) * 5, layers_per_block=1, scaling_factor=0.476986
    )
    words = tokenizer("qwen")
    words.chat_template = CHAT
    return {
        "text_encoder": transformers.Qwen2_5_VLTextModel(reader).eval(),
        "tokenizer": words,
        "transformer": transformer,
        "vae": vae,
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        "text_encoder_2": transformers.T5EncoderModel(glyphs).eval(),
        "tokenizer_2": transformers.ByT5Tokenizer(),
        "guider": diffusers.ClassifierFreeGuidance(guidance_scale=6.0),
    }


def hunyuan_15_t2v() -> Any:
    return diffusers.HunyuanVideo15Pipeline(**_hunyuan_15_parts("t2v"))


def hunyuan_15_i2v() -> Any:
    """27 x 27 patches of the image, as many as the pipeline counts on."""
    seeing = transformers.SiglipVisionConfig(
        hidden_size=12, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=54, patch_size=2
    )
    return diffusers.HunyuanVideo15ImageToVideoPipeline(
        **_hunyuan_15_parts("i2v"), image_encoder=transformers.SiglipVisionModel(seeing).eval(),
        feature_extractor=transformers.SiglipImageProcessor(size={"height": 54, "width": 54}),
    )  # fmt: skip
