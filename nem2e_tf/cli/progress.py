"""Progress of fits on stderr, with the remaining time."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nem2e_tf.training.run_folder import RunFolder


class FitProgress:
    """A progress bar over the chunks of a run.

    It counts the epochs of all fits; a chunk that stops early advances to its end.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task: Any = None
        self.finished = 0

    def __enter__(self) -> "FitProgress":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def plan(self, run: "RunFolder", unfinished: list[int]) -> None:
        """Print the notes of the plan and start the bar."""
        for note in run.plan.notes:
            click.echo(f"nem2e-tf: note: {note}", err=True)
        n_fits, left = len(run.plan.fits), self._begin(run, unfinished)
        if left < n_fits:
            click.echo(f"nem2e-tf: {n_fits - left} of {n_fits} fits are finished", err=True)

    def plan_again(self, run: "RunFolder", missing: list[int]) -> None:
        """Report the fits that are repeated for their weights, and start the bar."""
        count = self._begin(run, missing)
        click.echo(f"nem2e-tf: {count} fits again, to keep their weights in {run.path}", err=True)

    def _begin(self, run: "RunFolder", chunks: list[int]) -> int:
        self.fits = {chunk: len(run.plan.chunks[chunk]) for chunk in chunks}
        self.epochs = run.settings.recipe.epochs
        self.done = dict.fromkeys(chunks, 0)
        count = sum(self.fits.values())
        self.task = self.bar.add_task(f"{count} fits", total=count * self.epochs)
        return count

    def update(self, chunk: int, epochs: int, finished: bool) -> None:
        """Advance the bar to the epochs that a chunk has done."""
        now = self.fits[chunk] * (self.epochs if finished else min(epochs, self.epochs))
        if now > self.done[chunk]:
            self.bar.advance(self.task, now - self.done[chunk])
            self.done[chunk] = now
        if finished:
            self.finished += 1
            if not self.console.is_terminal:
                click.echo(
                    f"nem2e-tf: chunk {self.finished} of {len(self.fits)} finished", err=True
                )
