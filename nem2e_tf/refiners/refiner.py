"""A trained refiner: what it is, on disk and in memory.

A refiner folder holds ``refiner.json`` (`RefinerInfo`), one ``.keras`` file (targets ``joint``) or
one a muscle (``each``), and ``reference.npz``: real cycles on which every exported file is compared
with the refiner it came from.
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
from nem2e_tf.refiners.info import MARKER, ModelFile, Muscle, Reference, RefinerInfo
from nem2e_tf.refiners.patterns import Composition, arrange, as_cycles, compose
from nem2e_tf.zoo.models import all_layers
from nem2e_tf.zoo.source import Source

__all__ = [
    "ModelFile",
    "Muscle",
    "Reference",
    "Refiner",
    "RefinerInfo",
    "load_info",
    "load_keras",
    "load_refiner",
    "save_refiner",
]

REFERENCE = "reference.npz"
SOURCE = "source.py"
ROWS_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Refiner:
    """A trained refiner with its weights.

    Parameters
    ----------
    info : RefinerInfo
        What it is.
    models : dict of str to keras.Model
        Muscle, or ``joint``, to its model: [row, model_samples, input] to
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
        """The channels that `refine` needs, in order; unlike `predict`, none that is not used."""
        return self.info.composition.needed

    @property
    def muscles(self) -> tuple[str, ...]:
        """The muscles that come out, in order."""
        return self.info.composition.muscles

    def predict(self, simulated: NDArray[Any]) -> NDArray[np.float32]:
        """Refine whole cycles.

        Parameters
        ----------
        simulated : array [cycle, 20, channel]
            All channels in the order of ``info.channels``. NaN is refused.

        Returns
        -------
        float32 array [cycle, 20, muscle]

        Raises
        ------
        InputError
            The array has another shape, or holds NaN or infinity.
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
        # compose wants every channel; those that no model looks at may hold anything finite
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
        One for each of ``info.composition.models``.
    info : RefinerInfo
        What it is; files, versions and the number of parameters are filled in here.
    reference : Reference
        Real cycles for checks of exported files.
    source : Source, optional
        Of a refiner of the user's own. Copied into the folder if it defines layers of the models,
        which cannot be loaded without it.

    Returns
    -------
    Refiner
        As it was written.

    Raises
    ------
    InputError
        The folder holds something else; a model is missing or takes another shape than `info`
        says; the reference has other channels or muscles.
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
    """Refuse an output folder that holds anything but a refiner of ours; for before the training.

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
    """Read only what a refiner is: no TensorFlow, no weights.

    Raises
    ------
    InputError
        The folder is missing or is not a refiner folder.
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

    Parameters
    ----------
    folder : path-like
    execute_source : bool
        Run the folder's ``source.py``, which defines layers of a refiner of the user's own. It is
        Python that can do anything: read it first. Refiners of the zoo need none.

    Raises
    ------
    InputError
        The folder is missing, is something else, or a file in it is damaged.
    """
    path = Path(folder)
    info = load_info(path)
    for item in info.files.values():
        file = path / item.file
        if Path(item.file).name != item.file or not file.is_file():
            raise InputError(f"{file}: expected a model, found no such file; train it again")
        if sha256(file) != item.sha256:
            raise InputError(
                f"{file}: expected SHA-256 {item.sha256[:12]}..., found another; "
                "the file is damaged or was exchanged, train it again"
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
            # Keras raises whatever the failing layer raised; the user needs one line
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
    """Import Keras on TensorFlow, quietly, with the zoo's layers registered.

    Returns
    -------
    module
        ``keras``.
    """
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
    arrays = {
        "simulated": reference.simulated,
        "measured": reference.measured,
        "held_out": reference.held_out,
        "calibration": reference.calibration,
        "mean_pattern": reference.mean_pattern,
    }
    kept: dict[str, Any] = {
        name: array.astype(bool if name == "held_out" else "<f4")
        for name, array in arrays.items()
        if array is not None
    }
    np.savez(file, **kept)


def _load_reference(file: Path) -> Reference:
    try:
        with np.load(file, allow_pickle=False) as content:
            return Reference(
                simulated=content["simulated"],
                measured=content["measured"],
                held_out=content["held_out"],
                # refiners of earlier versions lack these; whoever needs them says so
                calibration=content.get("calibration"),
                mean_pattern=content.get("mean_pattern"),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
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
