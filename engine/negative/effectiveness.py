"""When a negative prompt cannot work: it acts through guidance, and without guidance it is ignored."""

from __future__ import annotations

LOW_SCALE = (
    "At a CFG scale of 1 or less there is no guidance, so a negative prompt changes nothing. Set the CFG scale to 5 or so."
)
DISTILLED = "This checkpoint has its guidance built in (LCM) and ignores negative prompts. Choose another checkpoint to use one."
FEW_STEPS = (
    "This checkpoint was made to run in a few steps without guidance (CFG scale 1), so a negative prompt changes nothing. "
    "Say what you want in the prompt instead."
)
STRAINED = (
    "This checkpoint was made to run without guidance. With a CFG scale above 1 the negative prompt works, and the picture "
    "may turn harsh."
)


def explain_no_effect(guidance_scale: float, *, guidance_free: bool, distilled: bool, composed: bool = False) -> str:
    """Why a negative prompt cannot work, as a sentence that says what to do; empty if it can.

    ``guidance_free``: the checkpoint was made to run without guidance (turbo kinds). ``distilled``: its UNet takes the scale as
    an input and never runs twice (LCM). ``composed``: the prompt is composed of several with ``AND``, which are added to the
    prediction of the negative prompt in any case.
    """
    if composed:
        return ""
    if distilled:
        return DISTILLED
    if guidance_scale > 1:
        return ""
    return FEW_STEPS if guidance_free else LOW_SCALE


def explain_doubt(guidance_scale: float, *, guidance_free: bool, distilled: bool, composed: bool = False) -> str:
    """As :func:`explain_no_effect`; or why a negative prompt harms the checkpoint's images; else empty."""
    reason = explain_no_effect(guidance_scale, guidance_free=guidance_free, distilled=distilled, composed=composed)
    return reason or (STRAINED if guidance_free else "")
