"""A trained refiner in memory and on disk.

A refiner folder contains ``refiner.json`` (`RefinerInfo`), one ``.keras`` file (targets ``joint``)
or one per muscle (``each``), and ``reference.npz``: real cycles on which every exported file is
compared with its refiner. A refiner of the user's own that defines layers has its ``source.py``
there as well.
"""

import inspect
import os
import platform
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf import __version__
from nem2e_tf.errors import InputError
from nem2e_tf.io.files import (
    output_folder,
    read_json,
    refuse_foreign,
    replacing_folder,
    sha256,
    write_json,
)
from nem2e_tf.refiners.info import MARKER, ModelFile, Reference, RefinerInfo
from nem2e_tf.refiners.patterns import Composition, arrange, as_cycles, compose
from nem2e_tf.zoo.models import all_layers
from nem2e_tf.zoo.source import Source

REFERENCE = "reference.npz"
SOURCE = "source.py"
ROWS_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Refiner:
    """A trained refiner with its weights.

    Parameters
    ----------
    info : RefinerInfo
        Its description.
    models : dict of str to keras.Model
        The model of each muscle, or of ``joint``: [row, model_samples, input] to
        [row, model_samples, muscle]. Normalisation and, for output ``residual``, the mean pattern
        are inside the model.
    reference : Reference
        Real cycles for checks.
    source : Source, optional
        Of a refiner of the user's own whose models have layers that it defines.

    Examples
    --------
    >>> import nem2e_tf as nem2e
    >>> refiner = nem2e.train(nem2e.synthesise("walk"), "linear")
    >>> refiner.muscles
    ('recfem', 'semimem', 'bflh', 'tibant', 'gasmed')
    >>> refiner.refine(np.full((20, len(refiner.channels)), 0.1)).shape
    (20, 5)
    """

    info: RefinerInfo
    models: Mapping[str, Any]
    reference: Reference
    source: Source | None = None

    @classmethod
    def load(cls, folder: "str | os.PathLike[str]") -> "Refiner":
        """Read a refiner folder; see `load_refiner`."""
        return load_refiner(folder)

    def save(self, folder: "str | os.PathLike[str]") -> "Refiner":
        """Write a refiner folder, whole or not at all; see `save_refiner`."""
        return save_refiner(folder, self.models, self.info, self.reference, source=self.source)

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that `refine` needs, in order: those that any model uses."""
        return self.info.composition.needed

    @property
    def muscles(self) -> tuple[str, ...]:
        """The refined muscles, in order."""
        return self.info.composition.muscles

    def predict(self, simulated: NDArray[Any]) -> NDArray[np.float32]:
        """Refine whole cycles.

        Parameters
        ----------
        simulated : array [cycle, 20, channel]
            All channels in the order of ``info.channels``, without NaN.

        Returns
        -------
        float32 array [cycle, 20, muscle]

        Raises
        ------
        InputError
            The array has another shape, or contains NaN or infinity.
        """
        return compose(simulated, self.info.composition, self._apply)

    def refine(
        self,
        simulated: Any,
        *,
        channels: "tuple[str, ...] | list[str] | None" = None,
    ) -> NDArray[np.float32]:
        """Refine one cycle or several.

        Parameters
        ----------
        simulated : array [20, channel] or [cycle, 20, channel], DataFrame [20, channel], or mapping
            from channel name to array [20] or [cycle, 20]
            Activation at 20 equally spaced samples of a cycle, both ends included.
        channels : sequence of str, optional
            Names of an array's columns; without them, `channels` in that order.

        Returns
        -------
        float32 array [20, muscle] or [cycle, 20, muscle]
        """
        whole = self.info.composition
        values, one = as_cycles(arrange(simulated, channels, needed=self.channels)[0])
        # `predict` takes every channel; the values of unused ones do not matter.
        everything = np.zeros((*values.shape[:-1], len(whole.channels)))
        everything[..., [whole.channels.index(name) for name in self.channels]] = values
        refined = self.predict(everything)
        return refined[0] if one else refined

    def _apply(self, name: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        model = self.models[name]
        parts = [
            np.asarray(model(rows[start : start + ROWS_AT_ONCE], training=False))
            for start in range(0, len(rows), ROWS_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.empty((0, *model.output_shape[1:]))


def save_refiner(
    folder: "str | os.PathLike[str] | None",
    models: Mapping[str, Any],
    info: RefinerInfo,
    reference: Reference,
    *,
    source: Source | None = None,
) -> Refiner:
    """Check the parts of a refiner, put them together and write its folder, whole or not at all.

    Parameters
    ----------
    folder : path-like or None
        Where to write; an earlier refiner folder is replaced. None writes nothing.
    models : mapping of str to keras.Model
        One per name in ``info.composition.models``.
    info : RefinerInfo
        Its description; files, versions and the number of parameters are added here.
    reference : Reference
        Real cycles for checks of exported files.
    source : Source, optional
        Of a refiner of the user's own. Copied into the folder if it defines layers of the models,
        which cannot be loaded without it.

    Returns
    -------
    Refiner
        With the complete description.

    Raises
    ------
    InputError
        The folder holds something else; a model is missing or has another shape than `info`
        states; the reference has other channels or muscles.
    """
    keras = load_keras()
    plan = info.composition
    n_channels, n_muscles = reference.simulated.shape[2], reference.measured.shape[2]
    if (n_channels, n_muscles) != (len(plan.channels), len(plan.muscles)):
        raise InputError(
            f"reference: expected {len(plan.channels)} channels and {len(plan.muscles)} muscles, "
            f"found {n_channels} and {n_muscles}"
        )
    for name in plan.models:
        if name not in models:
            raise InputError(f"models: expected one for {name}, found none")
        _check_shapes(name, models[name], plan)
    complete = replace(
        info,
        n_parameters=sum(int(models[name].count_params()) for name in plan.models),
        versions=_versions(keras),
    )
    own = {name: models[name] for name in plan.models}
    if source is not None:
        about = {"file": source.file, "function": source.function, "sha256": source.sha256}
        if any(_is_custom(layer) for model in own.values() for layer in all_layers(model)):
            about["copy"] = SOURCE
        else:
            source = None
        complete = replace(complete, source=about)
    if folder is None:
        return Refiner(complete, own, reference, source)
    refuse_foreign_files(folder)
    with replacing_folder(folder, marker=MARKER) as temporary:
        files = {}
        for name in plan.models:
            file = f"{name}.keras"
            models[name].save(temporary / file)
            files[name] = ModelFile(file, sha256(temporary / file))
        _save_reference(temporary / REFERENCE, reference)
        if source is not None:
            (temporary / SOURCE).write_bytes(source.text.encode())
        complete = replace(complete, files=files)
        write_json(temporary / MARKER, complete.to_json())
    return Refiner(complete, own, reference, source)


def refuse_foreign_files(folder: "str | os.PathLike[str]") -> None:
    """Refuse an output folder that holds anything but a refiner; call before training.

    Raises
    ------
    InputError
        The path is a file, or a folder that holds something else.
    """
    path = Path(folder)
    if path.exists():
        output_folder(path, marker=MARKER)
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise InputError(f"{path}: expected a folder to write in, found the file {above}")
    refuse_foreign(path, marker=MARKER, ours=_written)


def load_info(folder: "str | os.PathLike[str]") -> RefinerInfo:
    """Read the description of a refiner alone, without TensorFlow and weights.

    Raises
    ------
    InputError
        There is no refiner folder.
    """
    path = Path(folder)
    if not path.is_dir():
        found = "a file" if path.exists() else "no such folder"
        raise InputError(f"{path}: expected a refiner folder, found {found}")
    if not (path / MARKER).is_file():
        raise InputError(
            f"{path}: expected a refiner folder with {MARKER}, found none; "
            "make one with 'nem2e-tf train'"
        )
    return RefinerInfo.from_json(read_json(path / MARKER), source=path / MARKER)


def load_refiner(folder: "str | os.PathLike[str]", *, execute_source: bool = False) -> Refiner:
    """Read a refiner folder; each model's SHA-256 is checked first, and no code is unpickled.

    Each ``.keras`` file in it is a plain Keras model: ``keras.models.load_model`` opens it after
    ``import nem2e_tf.zoo.layers``, which registers the layers of the zoo.

    Parameters
    ----------
    folder : path-like
    execute_source : bool
        Run ``source.py`` of the folder, which defines layers of a refiner of the user's own. It may
        do anything that Python can: read it first. Refiners of the zoo need none.

    Raises
    ------
    InputError
        There is no refiner folder, or a file in it is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from nem2e_tf.cohorts.synthetic.cohorts import make
    >>> from nem2e_tf.training.train import train
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = train(make("walk").cohort, "linear", out=f"{folder}/refiner")
    ...     refiner = load_refiner(f"{folder}/refiner")
    ...     import keras
    ...     import nem2e_tf.zoo.layers
    ...
    ...     model = keras.models.load_model(f"{folder}/refiner/joint.keras")
    >>> len(refiner.muscles) == model.output_shape[-1]
    True
    """
    path = Path(folder)
    info = load_info(path)
    for item in info.files.values():
        file = path / item.file
        if Path(item.file).name != item.file or not file.is_file():
            raise InputError(
                f"{file}: expected a model, found no such file; train the refiner again"
            )
        if sha256(file) != item.sha256:
            raise InputError(
                f"{file}: expected SHA-256 {item.sha256[:12]}..., found another; "
                "the file is damaged or was replaced: train the refiner again"
            )
    reference = _load_reference(path / REFERENCE)
    keras = load_keras()
    source, layers = _load_source(path, info, execute=execute_source)
    models = {}
    for name in info.composition.models:
        file = path / info.files[name].file
        try:
            models[name] = keras.saving.load_model(
                file, custom_objects=layers, compile=False, safe_mode=True
            )
        except Exception as error:
            if source is not None and not execute_source:
                raise InputError(
                    f"{path / SOURCE}: expected permission to run this file, which defines layers "
                    "of the refiner, found none; read it, then load the refiner with "
                    "execute_source=True, on the command line with --execute-source"
                ) from None
            # Keras passes on the error of any layer, often with many lines.
            first = str(error).strip().splitlines()[:1]
            raise InputError(
                f"{file}: expected a Keras model, cannot load it ({''.join(first)[:200]})"
            ) from error
        _check_shapes(name, models[name], info.composition)
    return Refiner(info, models, reference, source)


def _load_source(
    path: Path, info: RefinerInfo, *, execute: bool
) -> tuple[Source | None, dict[str, Any]]:
    """Read the source copied into a refiner folder, and its layers if it may be executed."""
    if "copy" not in info.source:
        return None, {}
    try:
        source = Source.from_dict(
            {**info.source, "text": (path / SOURCE).read_bytes().decode("utf-8")}
        )
    except (OSError, UnicodeDecodeError, KeyError, InputError) as error:
        raise InputError(
            f"{path / SOURCE}: expected the source that the refiner was trained with, found "
            f"another or none ({error}); train it again"
        ) from None
    if not execute:
        return source, {}
    import keras

    defined = vars(sys.modules[source.load().__module__])
    return source, {
        name: value
        for name, value in defined.items()
        if inspect.isclass(value) and issubclass(value, keras.Layer)
    }


def _is_custom(layer: Any) -> bool:
    return type(layer).__module__.partition(".")[0] not in ("keras", "nem2e_tf")


def load_keras() -> Any:
    """Import Keras with TensorFlow, quietly, and register the layers of the zoo; return Keras."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    import nem2e_tf.zoo.layers  # noqa: F401 (importing it registers the layers)

    return keras


def _written(marker: Path) -> list[str]:
    info = RefinerInfo.from_json(read_json(marker), source=marker)
    copied = [SOURCE] if "copy" in info.source else []
    return [REFERENCE, *copied, *(item.file for item in info.files.values())]


def _check_shapes(name: str, model: Any, plan: Composition) -> None:
    expected = (plan.model_samples, plan.n_inputs), (plan.model_samples, len(plan.muscles_of(name)))
    found = tuple(model.input_shape[1:]), tuple(model.output_shape[1:])
    if found != expected:
        raise InputError(
            f"model {name}: expected {list(expected[0])} to {list(expected[1])}, "
            f"found {list(found[0])} to {list(found[1])}"
        )


def _save_reference(file: Path, reference: Reference) -> None:
    arrays: dict[str, Any] = {
        name: array.astype(bool if name == "held_out" else "<f4")
        for name, array in vars(reference).items()
        if array is not None
    }
    np.savez(file, **arrays)


def _load_reference(file: Path) -> Reference:
    try:
        with np.load(file, allow_pickle=False) as content:
            return Reference(**content)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{file}: expected reference cycles, found {error}") from None


def _versions(keras: Any) -> dict[str, str]:
    import tensorflow as tf

    return {
        "nem2e-tf": __version__,
        "keras": str(keras.__version__),
        "tensorflow": str(tf.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
