"""Progress of fits on stderr, with the time that is left."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nem2e_tf.training.run_folder import RunFolder


class FitProgress:
    """A progress bar over the chunks of a run.

    It counts each fit's epochs; a chunk that stops early jumps to its end.
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
        self.chunks: dict[int, tuple[int, int]] = {}
        self.task: Any = None
        self.finished = 0

    def __enter__(self) -> "FitProgress":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def plan(self, run: "RunFolder", unfinished: list[int]) -> None:
        """Say what there is to do."""
        for note in run.plan.notes:
            click.echo(f"nem2e-tf: note: {note}", err=True)
        n_fits = len(run.plan.fits)
        left = sum(len(run.plan.chunks[chunk]) for chunk in unfinished)
        if left < n_fits:
            click.echo(f"nem2e-tf: {n_fits - left} of {n_fits} fits are there already", err=True)
        self._begin(run, unfinished)

    def plan_again(self, run: "RunFolder", missing: list[int]) -> None:
        """Say what is fitted again, for its weights."""
        count = sum(len(run.plan.chunks[chunk]) for chunk in missing)
        click.echo(f"nem2e-tf: {count} fits again, to keep their weights in {run.path}", err=True)
        self._begin(run, missing)

    def _begin(self, run: "RunFolder", unfinished: list[int]) -> None:
        left = sum(len(run.plan.chunks[chunk]) for chunk in unfinished)
        epochs = run.settings.recipe.epochs
        self.chunks = {chunk: (len(run.plan.chunks[chunk]) * epochs, 0) for chunk in unfinished}
        self.fits = {chunk: len(run.plan.chunks[chunk]) for chunk in unfinished}
        self.task = self.bar.add_task(
            f"{left} fits", total=sum(total for total, _ in self.chunks.values())
        )

    def update(self, chunk: int, epochs: int, finished: bool) -> None:
        """Move on by what a chunk has done."""
        total, done = self.chunks[chunk]
        now = total if finished else min(total, self.fits[chunk] * epochs)
        if now > done:
            self.chunks[chunk] = (total, now)
            self.bar.advance(self.task, now - done)
        if finished:
            self.finished += 1
            if not self.console.is_terminal:
                click.echo(
                    f"nem2e-tf: chunk {self.finished} of {len(self.chunks)} finished", err=True
                )
