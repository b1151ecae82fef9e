"""The control networks of a run, leased beside its checkpoint, with the maps that they read."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from diffusers import T2IAdapter

from engine.checkpoints.control.purposes import UNION_TASKS
from engine.checkpoints.load.control.network import ControlNetwork
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.compat.stop_hooks import raise_on_stop
from engine.generate.control.maps import ControlMap
from engine.generate.control.prepare import PreparedControl
from engine.generate.control.running import Controls, RunningControl
from engine.generate.engine_state import EngineState
from engine.stopping import Stop


@dataclass(frozen=True)
class LoadedControls:
    """Control networks in memory, and their maps by the number of the control."""

    networks: tuple[tuple[PreparedControl, ControlNetwork], ...]
    maps: Mapping[int, ControlMap]

    def start_image(self, steps: int) -> Controls | None:
        """The controls of an image of ``steps`` steps; None if there are none."""
        running = tuple(
            RunningControl(
                control=each.control, network=network, image=self._read_map(each, network), task=UNION_TASKS.get(each.purpose, 0)
            )
            for each, network in self.networks
        )
        return Controls(running, steps) if running else None

    def _read_map(self, prepared: PreparedControl, network: ControlNetwork) -> torch.Tensor:
        """The map as the network reads it: 1 x channels x height x width."""
        fills = prepared.control.preprocessor == "inpaint" or prepared.purpose == "inpaint"
        values = torch.from_numpy(self.maps[prepared.number].read_values(fills=fills)).permute(2, 0, 1)[None]
        if network.config.get("controlnet_conditioning_channel_order") == "bgr":
            values = values.flip(1)
        channels = network.config.get("in_channels" if isinstance(network, T2IAdapter) else "conditioning_channels")
        return values.mean(dim=1, keepdim=True) if channels == 1 else values


@contextmanager
def lease_controls(
    controls: Sequence[PreparedControl], maps: Mapping[int, ControlMap], loaded: LoadedCheckpoint, state: EngineState, stop: Stop
) -> Generator[LoadedControls]:
    """The networks of ``controls`` beside the leased checkpoint ``loaded``, while the block runs; Stop works inside them."""
    with ExitStack() as stack:
        leased = [
            (each, stack.enter_context(state.cache.lease_control(each.entry, loaded, cancelled=stop.is_set))) for each in controls
        ]
        stack.enter_context(raise_on_stop(stop, *(network for _, network in leased)))
        yield LoadedControls(tuple(leased), maps)
