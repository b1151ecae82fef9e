"""Upscaling through the engine as a user of the library does: files in, files out, with tiny random networks."""

from __future__ import annotations

import dataclasses
import io
import resource
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SwinIR import SwinIR

from engine import preferences
from engine.errors import CancelledError, CheckpointError, DiskFull, EaselError, ImageError, RequestError
from engine.events import ImageSaved, Notice, Step
from engine.generate.upscale.diffusion import DiffusionUpscaler
from engine.generate.upscale.prepare import LARGEST
from engine.local import Local
from engine.records import metadata
from engine.records.blobs import Blobs
from engine.records.images.open_image import open_image
from engine.requests import Upscale, complete_upscale
from engine.settings import Settings
from engine.stopping import Stop

NETWORKS = {
    "compact": lambda: Compact(num_feat=8, num_conv=2, upscale=4),
    "esrgan": lambda: ESRGAN(num_filters=8, num_blocks=1, scale=2, plus=True),
    "swinir": lambda: SwinIR(upscale=4, img_size=16, window_size=4, depths=[1], embed_dim=12, num_heads=[2], mlp_ratio=2,
                             upsampler="pixelshuffledirect"),
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with random networks, and the built-in one's two files."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "starter-x4").mkdir()
    for seed, (name, make) in enumerate({**NETWORKS, "starter-x4/clean": NETWORKS["compact"],
                                         "starter-x4/cleaning": NETWORKS["compact"]}.items()):  # fmt: skip
        torch.manual_seed(seed)
        save_file({k: v.contiguous() for k, v in make().state_dict().items()}, folder / f"{name}.safetensors")
    return folder


@pytest.fixture
def settings(models: Path, tmp_path: Path) -> Settings:
    return Settings(models=models, outputs=tmp_path / "outputs", data=tmp_path / "data", device="cpu", precision="float32")


@pytest.fixture
def engine(settings: Settings) -> Iterator[Local]:
    with Local(settings) as local:
        yield local


@pytest.fixture
def keep(settings: Settings) -> Callable[[Image.Image | bytes], str]:
    """Puts an image where requests find it."""
    return Blobs(settings.data / "blobs").put


def photo(width: int = 60, height: int = 44, mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def leftovers(settings: Settings) -> list[Path]:
    return [p for p in settings.outputs.rglob("*") if p.is_file()]


@pytest.mark.parametrize("name", NETWORKS)
def test_any_network_that_spandrel_loads_upscales(name: str, engine: Local, keep: Callable, models: Path) -> None:
    from spandrel import ModelLoader

    (result,) = engine.make(Upscale(images=(keep(photo()),), upscaler=name, factor=4, tile=512))
    assert (result.width, result.height) == (240, 176)
    network = ModelLoader().load_from_file(models / f"{name}.safetensors").eval()
    if network.scale == 4:
        pixels = torch.from_numpy(np.array(photo())).permute(2, 0, 1)[None].float() / 255
        whole = network(pixels)[0].mul(255).round().permute(1, 2, 0).numpy()
        with Image.open(result.path) as made:
            assert np.abs(np.asarray(made).astype(int) - whole).max() <= 1


def test_the_built_in_upscaler_is_the_default_and_cleaning_changes_it(engine: Local, keep: Callable) -> None:
    image = keep(photo())
    made = [engine.make(Upscale(images=(image,), cleaning=share))[0] for share in (0.0, 0.5, 1.0)]
    pixels = [np.asarray(Image.open(each.path)).astype(int) for each in made]
    assert pixels[0].shape == (176, 240, 3)
    assert np.abs(pixels[0] - pixels[1]).max() > 2 and np.abs(pixels[1] - pixels[2]).max() > 2


def test_the_record_reads_back_and_keeps_what_the_source_said(engine: Local, keep: Callable) -> None:
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("parameters", "a cat\nSteps: 3, Seed: 5")
    image = keep(encoded(photo(), "PNG", pnginfo=texts))
    asked = Upscale(images=(image,), upscaler="lanczos", factor=2, seed=7)
    (result,) = engine.make(asked)
    record = metadata.read(result.path)
    assert record is not None
    request = record.resolved.request
    width, height = photo().size
    assert request == complete_upscale(
        asked, image=image, upscaler="lanczos", width=2 * width, height=2 * height, tile=LARGEST, seed=7
    )
    assert record.source["parameters"] == "a cat\nSteps: 3, Seed: 5"
    with Image.open(result.path) as made:
        assert made.text["parameters"].startswith("a cat")
        assert "algorithmicallyEnhanced" in made.text["XML:com.adobe.xmp"]


def test_what_settings_ask_of_every_picture_holds_for_upscaled_ones(engine: Local, keep: Callable, settings: Settings) -> None:
    from PIL.PngImagePlugin import PngInfo

    preferences.write(settings.data, preferences.Preferences(leave_metadata_out=True, watermark="mine"))
    texts = PngInfo()
    texts.add_text("parameters", "a cat")
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    asked = Upscale(images=(keep(encoded(photo(), "PNG", pnginfo=texts, exif=exif)),), upscaler="lanczos")
    events = list(engine.run("bare", asked, Stop()))
    (result,) = events[-1].results
    with Image.open(result.path) as made:
        assert made.text == {} and not made.getexif()
    assert any("without the invisible watermark" in event.text for event in events if isinstance(event, Notice))


def test_orientation_and_profile_are_kept(engine: Local, keep: Callable) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    wide = _display_profile()
    image = keep(encoded(photo(60, 44), "JPEG", exif=exif, icc_profile=wide))
    (result,) = engine.make(Upscale(images=(image,), upscaler="lanczos", factor=2))
    with Image.open(result.path) as made:
        assert made.size == (88, 120)
        assert made.info["icc_profile"] == wide
        assert made.getexif()[0x0112] == 1 and made.getexif()[0x010F] == "A camera"


def _display_profile() -> bytes:
    """An RGB profile that is not sRGB: sRGB's, under another name."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return plain.replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be")).replace(b"sRGB", b"wide")


def see_through() -> Image.Image:
    """A palette image whose first pixel's colour is transparent."""
    image = photo(20, 10, "P")
    image.info["transparency"] = image.getpixel((0, 0))
    return image


ODD = {
    "1 x 1": (lambda: encoded(photo(1, 1), "PNG"), (4, 4), "RGB"),
    "7 x 300": (lambda: encoded(photo(7, 300), "PNG"), (28, 1200), "RGB"),
    "16 bits": (lambda: encoded(Image.fromarray(np.full((9, 8), 40000, np.uint16)), "PNG"), (32, 36), "RGB"),
    "CMYK": (lambda: encoded(photo(20, 10, "CMYK"), "TIFF"), (80, 40), "RGB"),
    "palette with transparency": (lambda: encoded(see_through(), "PNG"), (80, 40), "RGBA"),
    "animated": (lambda: encoded(photo(20, 10), "GIF", save_all=True, append_images=[photo(20, 10, "L")]), (80, 40), "RGB"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_pictures_are_upscaled(kind: str, engine: Local, keep: Callable) -> None:
    make, size, mode = ODD[kind]
    (result,) = engine.make(Upscale(images=(keep(make()),)))
    with Image.open(result.path) as made:
        assert (made.size, made.mode) == (size, mode)
        made.load()


def test_hidden_colours_do_not_show_at_soft_edges(engine: Local, keep: Callable) -> None:
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 20, 40))
    (result,) = engine.make(Upscale(images=(keep(image),), upscaler="lanczos"))
    made = np.asarray(Image.open(result.path)).astype(int)
    visible = made[made[..., 3] > 8]
    assert visible[:, 0].min() >= 250 and visible[:, 1:3].max() <= 5


def bomb() -> bytes:
    """A file of some hundred bytes that claims a billion pixels."""
    head = struct.pack(">IIBBBBB", 40_000, 25_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(("make", "said"), [(bomb, "megapixels"), (lambda: encoded(photo(), "PNG")[:900], "damaged or cut off")])
def test_bad_pictures_are_refused_in_a_sentence(make: Callable, said: str, engine: Local, settings: Settings) -> None:
    blobs = settings.data / "blobs"
    name = "ab" * 32
    (blobs / "ab").mkdir(parents=True)
    (blobs / "ab" / name).write_bytes(make())
    with pytest.raises(ImageError, match=said):
        engine.make(Upscale(images=(name,)))
    assert leftovers(settings) == []


def test_one_bad_picture_of_several_is_named_and_the_others_are_made(engine: Local, keep: Callable) -> None:
    good = keep(photo())
    events = list(engine.run("several", Upscale(images=(good, "0" * 64, good), upscaler="lanczos"), Stop()))
    assert [e.index for e in events if isinstance(e, ImageSaved)] == [0, 2]
    assert any("Picture 2 was left out" in e.text for e in events if isinstance(e, Notice))


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"upscaler": "nothing"}, CheckpointError, "no checkpoint called"),
        ({"upscaler": "starter-x4/clean", "factor": 99}, RequestError, "The factor must be from 1 to 16"),
        ({"images": ()}, RequestError, "no picture"),
    ],
)
def test_what_cannot_be_done_is_said(changes: dict, error: type[EaselError], said: str, engine: Local, keep: Callable) -> None:
    asked = dataclasses.replace(Upscale(images=(keep(photo()),)), **changes)
    with pytest.raises(error, match=said):
        engine.make(asked)


def test_a_file_that_is_no_upscaler_is_told(engine: Local, keep: Callable, tmp_path: Path) -> None:
    save_file({"a.lora_down.weight": torch.zeros(2, 2)}, tmp_path / "some.safetensors")
    with pytest.raises(CheckpointError, match="not an upscaler"):
        engine.make(Upscale(images=(keep(photo()),), upscaler=str(tmp_path / "some.safetensors")))


def test_a_result_that_would_be_too_large_names_a_factor_that_fits(engine: Local, keep: Callable) -> None:
    with pytest.raises(RequestError, match=r"Choose a factor of [\d.]+ or less"):
        engine.make(Upscale(images=(keep(Image.new("L", (1500, 1000))),), factor=16))


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(engine: Local, keep: Callable, settings: Settings) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8))
    asked = Upscale(images=(keep(noise),), upscaler="lanczos", factor=8, tile=64)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))  # the system itself refuses, as a full disk does
    try:
        with pytest.raises(DiskFull):
            engine.make(asked)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert leftovers(settings) == []


def test_stop_is_heard_between_layers(engine: Local, keep: Callable, settings: Settings) -> None:
    stop = Stop()
    job = engine.run("stopped", Upscale(images=(keep(photo(200, 200)),), tile=64), stop)
    for event in job:
        if isinstance(event, Step):
            assert event.seconds_left is not None
            stop.set()
            break
    with pytest.raises(CancelledError):
        list(job)
    assert leftovers(settings) == []


# Stable Diffusion's


@pytest.fixture
def x4(checkpoint: Callable[[str, str], Path]) -> Path:
    return checkpoint("x4_upscaler", "folder")


def made(engine: Local, image: str, x4: Path, **changes: object) -> np.ndarray:
    asked = Upscale(images=(image,), upscaler=str(x4), prompt="a cat", seed=3, steps=2, factor=2)
    (result,) = engine.make(dataclasses.replace(asked, **changes))
    with Image.open(result.path) as opened:
        return np.asarray(opened).astype(int)


def test_in_one_tile_it_is_diffusers_own_result(engine: Local, keep: Callable, x4: Path) -> None:
    pipeline = diffusers.StableDiffusionUpscalePipeline.from_pretrained(x4)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt="a cat", image=photo(24, 16), noise_level=50, num_inference_steps=2, guidance_scale=9.0,
        generator=torch.Generator().manual_seed(3), output_type="np",
    ).images[0]  # fmt: skip
    ours = made(engine, keep(photo(24, 16)), x4, noise_level=50)
    assert np.abs(ours - theirs * 255).max() <= 1


def test_prompt_negative_noise_level_seed_and_steps_each_matter(engine: Local, keep: Callable, x4: Path) -> None:
    image = keep(photo(24, 16))
    plain = made(engine, image, x4)
    assert np.array_equal(plain, made(engine, image, x4)), "the same request gives the same picture"
    for change in ({"prompt": "a dog"}, {"negative_prompt": "fog"}, {"noise_level": 300}, {"seed": 4}, {"steps": 3}):
        assert not np.array_equal(plain, made(engine, image, x4, **change)), change


def test_it_goes_through_in_tiles_and_single_files(engine: Local, keep: Callable, checkpoint: Callable) -> None:
    file, image = checkpoint("x4_upscaler", "safetensors"), keep(photo(90, 70))
    assert made(engine, image, checkpoint("x4_upscaler", "folder"), tile=32, factor=4).shape == (280, 360, 3)
    assert file.is_file()


def test_short_memory_halves_the_tiles_of_the_denoiser(
    engine: Local, keep: Callable, x4: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, sides = DiffusionUpscaler._predict_in_tiles, []

    def short(self: DiffusionUpscaler, *arguments: object) -> Iterator[None]:
        sides.append(self.side)
        if self.side > 40:
            raise RuntimeError("CUDA out of memory")
        return (yield from honest(self, *arguments))

    monkeypatch.setattr(DiffusionUpscaler, "_predict_in_tiles", short)
    image = keep(photo(90, 70))
    large = made(engine, image, x4, tile=128)
    assert sides[:3] == [128, 64, 32] and large.shape == (140, 180, 3)


@pytest.mark.long
def test_results_open_again_without_a_warning(engine: Local, keep: Callable, recwarn: pytest.WarningsRecorder) -> None:
    (result,) = engine.make(Upscale(images=(keep(photo(1000, 900)),), upscaler="lanczos", factor=10))
    assert open_image(result.path).colours.size == (10_000, 9_000)
    assert [w for w in recwarn if "Decompression" in str(w.category)] == []
