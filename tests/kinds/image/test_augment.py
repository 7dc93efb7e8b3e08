"""Changed images: a function of seed, epoch and batch, each image its own, and each change what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dltrain.config.compose import compose_jobs
from dltrain.data.loader import TensorLoader
from dltrain.experiment.build import build_task
from dltrain.kinds.image.augment import Augment, draw
from dltrain.kinds.image.mixing import Mix
from dltrain.kinds.image.pixels import Normalize
from dltrain.kinds.image.randaugment import CHANGES
from dltrain.runs.folder import RunDir
from dltrain.tasks.losses import CrossEntropy
from dltrain.training.loop import loss_of
from dltrain.types import Batch, Facts, Mixing, Split

STRONG = Augment(0.5, 0.5, 0.125, 30.0, 0.3, 0.3, 0.3, 0.3, 0.5)


@pytest.fixture
def pixels() -> Tensor:
    """Noise, `(64, 3, 12, 16)`, so that no change of an image leaves it as it was."""
    return torch.randint(0, 256, (64, 3, 12, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def gradients() -> Tensor:
    """The same smooth image 16 times, `(16, 1, 9, 9)`, brighter to the right."""
    return torch.arange(9).mul(20).to(torch.uint8).expand(16, 1, 9, 9).contiguous()


def loader(pixels: Tensor, change: Augment | None, seed: int | None = 0, batch_size: int = 24) -> TensorLoader:
    split = Split((pixels,), torch.arange(len(pixels)), ("",) * len(pixels))
    return TensorLoader(split, batch_size, torch.device("cpu"), change=change, seed=seed)


def epoch_of(loader: TensorLoader, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    loader.set_epoch(epoch)
    return ((batch.inputs[0], batch.target) for batch in loader)


def test_the_same_seed_epoch_and_batch_give_the_same_images(pixels: Tensor) -> None:
    once = STRONG((pixels,), 3, 5, 7)[0]
    torch.rand(5)  # the global generator has no say
    assert torch.equal(once, STRONG((pixels,), 3, 5, 7)[0])
    for other in ((4, 5, 7), (3, 6, 7), (3, 5, 8), (3, 5, 0)):
        assert not torch.equal(once, STRONG((pixels,), *other)[0]), other


def test_a_batch_is_the_same_whether_or_not_those_before_it_were_drawn(pixels: Tensor) -> None:
    shuffled = loader(pixels, STRONG)
    last = list(epoch_of(shuffled, 2))[-1]
    chosen = list(shuffled._batches(shuffled.order()))[-1]
    assert torch.equal(last[0], STRONG((pixels[chosen],), 0, 2, 2)[0])


def test_the_order_of_the_samples_does_not_depend_on_the_augmentation(pixels: Tensor) -> None:
    for (plain, target), (changed, same) in zip(
        epoch_of(loader(pixels, None), 1), epoch_of(loader(pixels, STRONG), 1), strict=True
    ):
        assert torch.equal(target, same)
        assert plain.shape == changed.shape
        assert not torch.equal(plain.float(), changed.float())


def test_epochs_differ_and_evaluation_sees_the_images_as_they_are(pixels: Tensor) -> None:
    full = loader(pixels, STRONG, batch_size=64)
    (first, _), (second, _) = next(epoch_of(full, 0)), next(epoch_of(full, 1))
    assert not torch.equal(first, second)
    ((unchanged, target),) = epoch_of(full.in_order(), 1)
    assert torch.equal(unchanged, pixels)
    assert torch.equal(target, torch.arange(64))
    assert torch.equal(next(epoch_of(loader(pixels, STRONG, seed=None), 0))[0], pixels[:24])


def test_images_of_a_batch_are_changed_apart(gradients: Tensor) -> None:
    for entry in fields(Augment):
        if entry.name in ("vflip", "saturation", "magnitude", "mixup", "cutmix"):
            continue  # they do nothing to this image, or to an image alone
        change = Augment(**{entry.name: {"rotation": 20.0, "randaugment": 2}.get(entry.name, 0.5)})
        (changed,) = change((gradients,), 0, 0, 0)
        kinds = {tuple(image.flatten().tolist()) for image in changed}
        assert len(kinds) == 2 if entry.name == "hflip" else len(kinds) > 3, entry.name


def test_a_mirror_image_is_one(pixels: Tensor) -> None:
    assert torch.equal(Augment(hflip=1.0)((pixels,), 0, 0, 0)[0], pixels.flip(3))
    assert torch.equal(Augment(vflip=1.0)((pixels,), 0, 0, 0)[0], pixels.flip(2))
    (half,) = Augment(hflip=0.5)((pixels,), 0, 0, 0)
    mirrored = (half == pixels.flip(3)).all(dim=(1)).all(dim=1).all(dim=1)
    assert 0.3 < mirrored.float().mean() < 0.7
    assert torch.equal(half[~mirrored], pixels[~mirrored])


def test_a_shifted_image_is_a_window_of_the_reflected_one(pixels: Tensor) -> None:
    (shifted,) = Augment(crop=0.25)((pixels,), 0, 0, 0)  # 3 of 12 rows, 4 of 16 columns
    padded = torch.nn.functional.pad(pixels.float(), (4, 4, 3, 3), mode="reflect").to(torch.uint8)
    places = set()
    for image, wide in zip(shifted, padded, strict=True):
        windows = {
            (row, column): wide[:, row : row + 12, column : column + 16] for row in range(7) for column in range(9)
        }
        (place,) = [at for at, window in windows.items() if torch.equal(window, image)]
        places.add(place)
    assert {row for row, _ in places} == set(range(7))
    assert {column for _, column in places} == set(range(9))


def test_small_images_may_be_shifted_by_all_but_everything() -> None:
    tiny = torch.arange(2, dtype=torch.uint8).expand(50, 1, 1, 2).contiguous()
    (shifted,) = Augment(crop=0.5)((tiny,), 0, 0, 0)
    assert shifted.shape == tiny.shape
    assert set(shifted.unique().tolist()) == {0, 1}


def test_turning_keeps_the_centre_and_moves_the_edge() -> None:
    image = torch.zeros(200, 1, 15, 15, dtype=torch.uint8)
    image[:, :, 7, :] = 255  # a horizontal bar
    (turned,) = Augment(rotation=90.0)((image,), 0, 0, 0)
    assert (turned[:, 0, 7, 7] > 200).all()
    ends = turned[:, 0, 7, 0]
    assert (ends < 50).any() and (ends > 200).any()
    upright = turned[:, 0, 0, 7]
    assert (upright > 100).any()


def test_the_angle_of_a_wide_image_is_an_angle() -> None:
    """A square stays as wide as high however wide its image is."""
    image = torch.zeros(100, 1, 20, 24, dtype=torch.uint8)
    image[:, :, 6:14, 8:16] = 255
    (turned,) = Augment(rotation=180.0)((image,), 1, 0, 0)
    mass = turned.sum(dim=(1, 2, 3)) / 255
    assert mass.min() > 58 and mass.max() < 70
    rows, columns = turned.amax(dim=3)[:, 0] > 60, turned.amax(dim=2)[:, 0] > 60
    assert (rows.sum(1) - columns.sum(1)).abs().max() <= 2


def test_resizing_makes_things_larger_and_smaller() -> None:
    image = torch.zeros(100, 1, 32, 32, dtype=torch.uint8)
    image[:, :, 12:20, 12:20] = 255
    areas = Augment(scale=0.5)((image,), 0, 0, 0)[0].sum(dim=(1, 2, 3)) / 255
    assert areas.min() < 64 * 0.4
    assert areas.max() > 64 * 1.7


def test_colours_change_by_no_more_than_the_share(pixels: Tensor) -> None:
    dark = pixels // 5 + 80  # nothing is clipped
    (brighter,) = Augment(brightness=0.5)((dark,), 0, 0, 0)
    factors = brighter.mean(dim=(1, 2, 3)) / dark.float().mean(dim=(1, 2, 3))
    assert factors.min() > 0.5 and factors.max() < 1.5
    assert factors.min() < 0.6 and factors.max() > 1.4
    (contrasted,) = Augment(contrast=0.5)((dark,), 0, 0, 0)
    assert torch.allclose(contrasted.mean(dim=(1, 2, 3)), dark.float().mean(dim=(1, 2, 3)), atol=1.5)
    (duller,) = Augment(saturation=1.0)((dark,), 0, 0, 0)
    spread = (duller.amax(1) - duller.amin(1)).mean(dim=(1, 2)) / (dark.amax(1) - dark.amin(1)).float().mean(dim=(1, 2))
    assert spread.min() < 0.2 and spread.max() > 1.2
    grey = dark[:, :1]
    assert torch.equal(Augment(saturation=1.0)((grey,), 0, 0, 0)[0], grey.float())


def test_values_stay_between_0_and_255(pixels: Tensor) -> None:
    (changed,) = STRONG((pixels,), 0, 0, 0)
    assert changed.min() >= 0 and changed.max() <= 255


def test_a_rectangle_of_2_to_20_percent_is_erased() -> None:
    noise = torch.rand(300, 1, 40, 40, generator=torch.Generator().manual_seed(1)).mul(255)
    (erased,) = Augment(erase=1.0)((noise,), 0, 0, 0)
    hidden = erased != noise
    share = hidden.float().mean(dim=(1, 2, 3))
    assert 0.01 < share.min() < 0.04 and 0.17 < share.max() < 0.23
    rectangle = hidden.any(3).sum((1, 2)) * hidden.any(2).sum((1, 2))
    assert torch.equal(rectangle, hidden.sum((1, 2, 3)))
    (some,) = Augment(erase=0.25)((noise,), 0, 0, 0)
    assert 0.15 < (some != noise).any(3).any(2).any(1).float().mean() < 0.35


def test_one_change_leaves_the_draws_of_the_others_alone(pixels: Tensor) -> None:
    (mirrored,) = Augment(hflip=0.5)((pixels,), 0, 0, 0)
    (both,) = Augment(hflip=0.5, erase=1.0)((pixels,), 0, 0, 0)
    kept = both == mirrored
    assert 0.75 < kept.float().mean() < 0.99


def test_draws_are_from_0_to_1_and_of_their_own_stream() -> None:
    draws = draw(1000, 0, 0, 0)
    assert draws.min() >= 0 and draws.max() < 1
    assert abs(float(draws.mean()) - 0.5) < 0.01
    assert not torch.equal(draw(1, 0, 1, 0), draw(1, 1, 0, 0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_images_are_the_same_on_a_gpu(pixels: Tensor) -> None:
    (on_cpu,), (on_gpu,) = (STRONG((pixels.to(device),), 0, 0, 0) for device in ("cpu", "cuda"))
    assert torch.allclose(on_cpu, on_gpu.cpu(), atol=1e-2)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["data=animals"], 0.5),
        (["data=digits"], 0.5),
        (["data=iris"], 0.0),
        (["experiment=cnn"], 0.0),
        (["experiment=fcnn"], 0.0),
        (["experiment=animals"], 0.5),
        (["data=animals", "augment=none"], 0.0),
        (["data=animals", "augment.hflip=0.1"], 0.1),
    ],
)
def test_the_recipe_of_images_augments_and_the_plain_one_does_not(arguments: list[str], expected: float) -> None:
    (job,) = compose_jobs(arguments, sweep=False)
    assert job.config["augment"]["hflip"] == expected


def test_tables_refuse_augmentation_only_where_it_is_asked_for(dltrain: Callable) -> None:
    assert dltrain("data=iris", "debug=smoke").code == 0
    called = dltrain("data=iris", "augment=light", "debug=smoke")
    assert called.code == 2
    assert "augment=none" in called.err
    assert len(called.runs) == 1


def test_digits_are_never_mirrored(dltrain: Callable) -> None:
    losses = []
    for arguments in (["augment=none"], ["augment.hflip=1", "augment.crop=0"], ["augment.hflip=1", "data.mirror=true"]):
        dltrain("model=linear", "data=digits", "debug=smoke", f"hydra.run.dir={len(losses)}", *arguments)
        losses.append(RunDir(str(len(losses))).read_history()[0]["train/loss"])
    assert losses[0] == losses[1] != losses[2]


def test_randaugment_changes_most_images_and_is_a_function_of_seed_epoch_and_batch(pixels: Tensor) -> None:
    change = Augment(randaugment=2, magnitude=0.5)
    once = change((pixels,), 3, 5, 7)[0]
    assert (once.dtype, once.shape) == (torch.uint8, pixels.shape)
    assert torch.equal(once, change((pixels,), 3, 5, 7)[0])
    assert not torch.equal(once, change((pixels,), 3, 5, 8)[0])
    same = (once == pixels).flatten(1).all(1).float().mean()
    assert 0 < same < 0.3  # two of fourteen changes do nothing to some of them
    assert torch.equal(pixels, torch.randint(0, 256, pixels.shape, dtype=torch.uint8, generator=_zero()))


def _zero() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_change_of_randaugment_keeps_the_form(pixels: Tensor, name: str, channels: int) -> None:
    few = pixels[:4, :channels].repeat(1, 1, 4, 4)
    changed = [CHANGES[name](few, strength) for strength in (-1.0, 0.5, 1.0)]
    assert all((one.dtype, one.shape) == (torch.uint8, few.shape) for one in changed)
    if name not in ("identity", "autocontrast") and (name, channels) != ("saturation", 1):
        assert not torch.equal(changed[0], few)


@pytest.mark.parametrize("mix", [Mix(0.4, 0.0), Mix(0.0, 1.0)], ids=["mixup", "cutmix"])
def test_mixed_images_hold_so_much_of_each(mix: Mix) -> None:
    pixels = torch.arange(8, dtype=torch.uint8).mul(30).view(8, 1, 1, 1).expand(8, 3, 20, 30).contiguous()
    shares = []
    for batch in range(12):
        ((mixed,), mixing) = mix((pixels,), 0, 1, batch)
        expected = mixing.share * pixels.float() + (1 - mixing.share) * pixels[mixing.partners].float()
        assert torch.allclose(mixed.float().mean((1, 2, 3)), expected.mean((1, 2, 3)), atol=1e-3)
        assert sorted(mixing.partners.tolist()) == list(range(8))
        shares.append(mixing.share)
        ((again,), same) = mix((pixels,), 0, 1, batch)
        assert torch.equal(mixed, again) and same.share == mixing.share
    assert len(set(shares)) > 6 and all(0 <= share <= 1 for share in shares)
    assert pixels[3].unique().tolist() == [90]  # what is stored stays


def test_of_both_ways_to_mix_each_has_its_turn() -> None:
    pixels = torch.zeros(2, 1, 20, 20, dtype=torch.uint8)
    mixed = [Mix(0.4, 1.0)((pixels,), 0, 0, batch)[0][0].dtype for batch in range(20)]
    assert {torch.uint8, torch.float32} == set(mixed)


def test_only_training_batches_are_mixed(pixels: Tensor) -> None:
    split = Split((pixels,), torch.arange(len(pixels)), ("",) * len(pixels))
    train = TensorLoader(split, 24, torch.device("cpu"), mix=Augment(mixup=0.4).mix, seed=0)
    assert all(batch.mixing is not None for batch in train)
    assert all(batch.mixing is None for batch in train.in_order())
    assert Augment(hflip=0.5).mix is None
    assert Augment(mixup=0.1) and Augment(cutmix=0.1) and Augment(randaugment=1) and not Augment(magnitude=0.9)


def test_the_loss_of_mixed_samples_is_that_of_both_targets() -> None:
    facts = Facts("image", "classification", (3,), classes=("a", "b", "c"), class_counts=(2, 2, 2))
    task = build_task(facts, CrossEntropy(facts))
    model, x, target = torch.nn.Linear(3, 3), torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    mixing = Mixing(torch.tensor([4, 3, 2, 1, 0]), 0.3)
    soft = 0.3 * torch.eye(3)[target] + 0.7 * torch.eye(3)[target[mixing.partners]]
    expected = torch.nn.functional.cross_entropy(model(x), soft)
    assert loss_of(model, task, Batch((x,), target, None, mixing)).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("how", ["augment.mixup=0.2", "augment.cutmix=1", "augment.randaugment=2"])
def test_a_run_with_new_changes_resumes_with_the_same_bits(image_folder: Path, dltrain: Callable, how: str) -> None:
    words = ("model=cnn", "data=images", f"data.path={image_folder}", "data.size=8", how, "scheduler=constant")
    words = (*words, "baseline=none", "trainer.batch_size=4")
    assert dltrain(*words, "trainer.epochs=3", "hydra.run.dir=whole").code == 0
    assert dltrain(*words, "trainer.epochs=1", "hydra.run.dir=part").code == 0
    assert dltrain("resume", "part", "trainer.epochs=3").code == 0
    whole, part = ([row["train/loss"] for row in RunDir(name).read_history()] for name in ("whole", "part"))
    assert whole == part


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_of_changed_images_do_not_wait_for_the_gpu() -> None:
    gpu = torch.device("cuda")
    pixels = torch.randint(0, 256, (64, 3, 16, 16), dtype=torch.uint8)
    split = Split((pixels,), torch.zeros(64, dtype=torch.int64), ("",) * 64)
    normalize = Normalize((0.5,) * 3, (0.2,) * 3)
    loader = TensorLoader(split, 8, gpu, prepare=normalize, change=STRONG, mix=Mix(0.4, 1.0), seed=0)
    batches = iter(loader)
    next(batches)  # an epoch begins with its order
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert len(list(batches)) == 7
    finally:
        torch.cuda.set_sync_debug_mode("default")
