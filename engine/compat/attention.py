"""Attention with a bound on its scores, or in float32.

diffusers' attention processors call torch's scaled_dot_product_attention on whole tensors and pass over ``upcast_attention``. It
is intercepted by a mode of :mod:`torch.overrides`, which is what diffusers' own layer skipping does. Where neither is needed the
processor runs alone, so that compilers see nothing of this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from diffusers.hooks._helpers import AttentionProcessorRegistry
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

Output = torch.Tensor | tuple[torch.Tensor, torch.Tensor]


def bound_attention(network: torch.nn.Module, scores: int, *, upcast: bool) -> None:
    """Have every attention of ``network`` compute at most ``scores`` (rows x heads x queries x keys) at once; ``upcast``: in
    float32."""
    for module in network.modules():
        if isinstance(module, Attention):
            bounded = BoundedAttention(module.get_processor(), scores, upcast)  # pyright: ignore[reportArgumentType]
            module.set_processor(bounded)  # pyright: ignore[reportArgumentType] (diffusers lists its own processors one by one)


def allow_layer_skip() -> None:
    """Let diffusers' layer skip work on such attention: it knows processors by their class."""
    AttentionProcessorRegistry.register(BoundedAttention, AttentionProcessorRegistry.get(AttnProcessor2_0))


class BoundedAttention:
    """An attention processor of diffusers around another."""

    def __init__(self, processor: Callable[..., Output], scores: int, upcast: bool) -> None:
        self._processor, self._scores, self._upcast = processor, scores, upcast

    def __call__(
        self,
        attention: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> Output:
        """As diffusers' processors: the states after ``attention``, and those of the prompt where it has both."""
        names: dict[str, torch.Tensor | None] = {
            "encoder_hidden_states": encoder_hidden_states, "attention_mask": attention_mask, "temb": temb,
        }  # fmt: skip
        given = {name: tensor for name, tensor in names.items() if tensor is not None}
        if not self._upcast and _count_scores(attention, hidden_states, encoder_hidden_states) <= self._scores:
            return self._processor(attention, hidden_states, **given)
        with _Slices(self._scores, self._upcast):
            return self._processor(attention, hidden_states, **given)


def call_output_layers(network: torch.nn.Module) -> None:
    """Have torch's own attention, which unions of ControlNets contain, call its output layer. It reads that layer's weights past
    the hooks that widen them, or bring them to the device, when the layer is called."""
    for module in network.modules():
        if isinstance(module, torch.nn.MultiheadAttention):
            module.__class__ = _CallingAttention


class _CallingAttention(torch.nn.MultiheadAttention):
    """Attention of tokens to each other, along the first dimension, without a mask."""

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: torch.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[torch.Tensor, None]:
        """As torch's, with L x N x E tokens."""
        assert query is key is value and attn_mask is None and not need_weights, "diffusers' union asks for no more"
        length, rows, width = query.shape
        joined = torch.nn.functional.linear(query, self.in_proj_weight, self.in_proj_bias)
        heads = [part.reshape(length, rows * self.num_heads, -1).transpose(0, 1) for part in joined.chunk(3, dim=-1)]
        mixed = scaled_dot_product_attention(heads[0], heads[1], heads[2])
        return self.out_proj(mixed.transpose(0, 1).reshape(length, rows, width)), None


def _count_scores(attention: Attention, states: torch.Tensor, others: torch.Tensor | None) -> int:
    """Scores of an attention, at most: its queries may be those of the prompt too."""
    tokens = states.shape[-1] * states.shape[-2] if states.dim() == 4 else states.shape[1]
    return len(states) * attention.heads * (tokens + (0 if others is None else others.shape[1])) ** 2


class _Slices(TorchFunctionMode):
    """Inside the block torch's attention computes few scores at once."""

    def __init__(self, scores: int, upcast: bool) -> None:
        super().__init__()
        self._scores, self._upcast = scores, upcast

    def __torch_function__(
        self,
        func: Callable[..., torch.Tensor],
        types: tuple[type, ...],
        args: tuple[torch.Tensor, ...] = (),
        kwargs: Mapping[str, torch.Tensor | float | bool | None] | None = None,
    ) -> torch.Tensor:
        if func is not scaled_dot_product_attention:
            return func(*args, **kwargs or {})
        query, key, value = args
        return attend_in_slices(query, key, value, self._scores, upcast=self._upcast)


def attend_in_slices(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scores: int, *, upcast: bool = False
) -> torch.Tensor:
    """torch's scaled_dot_product_attention without a mask, of tensors of rows x heads x tokens x numbers: some heads, or some
    queries of one head, at a time. Each score is computed as in the whole.
    """
    rows, heads, queries, _ = query.shape
    pairs = queries * key.shape[-2]
    if rows * heads * pairs <= scores:
        return _attend(query, key, value, upcast)
    result = query.new_empty(rows, heads, queries, value.shape[-1])
    some_heads, some_queries = max(1, scores // pairs), max(1, min(queries, scores // key.shape[-2]))
    for row in range(rows):
        for head in range(0, heads, some_heads):
            seen = slice(row, row + 1), slice(head, head + some_heads)
            for first in range(0, queries, some_queries):
                part = (*seen, slice(first, first + some_queries))
                result[part] = _attend(query[part], key[seen], value[seen], upcast)
    return result


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, upcast: bool) -> torch.Tensor:
    if not upcast:
        return scaled_dot_product_attention(query, key, value)
    return scaled_dot_product_attention(query.float(), key.float(), value.float()).to(query.dtype)
