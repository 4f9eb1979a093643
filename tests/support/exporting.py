"""An export in progress, for tests of single steps."""

from nem2e_tf.export.context import Choices, Export


def started(refiner, scratch, **choices):
    """The context of an export whose intermediate files go to a folder."""
    refined = refiner.predict(refiner.reference.simulated)
    return Export(refiner, Choices(**choices), scratch, scratch, refined)
