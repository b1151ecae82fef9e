"""What Gradio keeps of each page that is open, without a second description of every component.

Gradio describes all components anew for each page and with each message, for links that bring a page back as somebody left it,
which Easel does not offer. It is a third of what a page costs the server.
"""

from __future__ import annotations

from copy import copy

from gradio import state_holder
from gradio.blocks import Block, Blocks, BlocksConfig
from gradio.components import Component
from gradio.renderable import Renderable

from engine.json_values import JsonObject


class UndescribedConfig(BlocksConfig):
    """The components of one page, which describe themselves in no words."""

    @staticmethod
    def config_for_block(
        _id: int, rendered_ids: list[int], block: Block | Component, renderable: Renderable | None = None
    ) -> JsonObject:
        """Nothing."""
        return {}

    def __copy__(self) -> BlocksConfig:
        return _undescribe(super().__copy__())


class PageState(state_holder.SessionState):
    """Gradio's state of one page, over :class:`UndescribedConfig`."""

    def __init__(self, blocks: Blocks) -> None:
        super().__init__(_Shown(_undescribe(copy(blocks.default_config))))


class _Shown(Blocks):
    """What Gradio's state of a page asks of the page."""

    def __init__(self, config: BlocksConfig) -> None:
        self.default_config = config


def _undescribe(config: BlocksConfig) -> BlocksConfig:
    config.__class__ = UndescribedConfig
    return config


def use_undescribed() -> None:
    """From now on, pages that are opened are kept like this."""
    state_holder.SessionState = PageState
