"""Any other pipeline that diffusers can load, run by diffusers itself."""

from __future__ import annotations

from engine.checkpoints.families.family import ANY, NOT_HALF, TEXT, Family

OTHER = Family(
    name="other", label="another pipeline (best effort)", pipelines={TEXT: "AutoPipelineForText2Image"}, tokenizers={},
    loaded_by_diffusers=True, prediction_type_varies=False,
    dtypes={
        "unet": ANY, "transformer": NOT_HALF, "vae": NOT_HALF, "text_encoder": NOT_HALF, "text_encoder_2": NOT_HALF,
        "text_encoder_3": NOT_HALF,
    },
)  # fmt: skip

FAMILIES = (OTHER,)
