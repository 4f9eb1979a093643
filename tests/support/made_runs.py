"""Run folders for tests of reports and controls, made up or fitted, and what a report says."""

import html
import json
import re

import numpy as np
import pandas as pd
from click.testing import CliRunner

from nem2e_tf.cli.report import command
from nem2e_tf.evaluation.results import RESULT_COLUMNS

MUSCLES = ("soleus", "gasmed", "tibant", "semimem")
ENTRIES = {
    "opensim": ("one-entire", "each", "direct", 1.0),
    "mean-pattern": ("one-entire", "each", "direct", 0.5),
    "seq2seq": ("one-quarter", "each", "residual", 0.55),
    "stdr-net-temporal": ("one-quarter", "each", "residual", 0.45),
    "stdr-net-spatial": ("all-entire", "joint", "residual", 0.4),
}


def made(*, by="subject", groups=6, entries=ENTRIES, seed=0, muscles=MUSCLES):
    """Rows of results: errors scatter about a share of the simulation's."""
    rng = np.random.default_rng(seed)
    simulated = np.random.default_rng(7).uniform(0.2, 0.4, (groups, len(muscles)))
    rows = []
    for model, (pattern, targets, output, share) in entries.items():
        exact = model in ("opensim", "mean-pattern")
        noise = 1 if exact else rng.uniform(0.9, 1.1, simulated.shape)
        refined = simulated * share * noise
        for g in range(groups):
            for m, muscle in enumerate(muscles):
                before, after = simulated[g, m], refined[g, m]
                words = (model, pattern, targets, output, "fast", "0", muscle, by, f"s{g}")
                scores = (before, before / 2, after, after / before - 1, 1 - 2 * after / before)
                values = (*words, 12, *scores, 0.8, -12.3, 100, 1.5)
                rows.append(dict(zip(RESULT_COLUMNS, values, strict=True)))
    return pd.DataFrame(rows)


def without(results, rows, *, cycles=None):
    """The results with no score in some rows; `cycles` is how many of them had EMG."""
    results = results.copy()
    results.loc[rows, ["rmse_refined", "rate", "skill", "r", "lag_ms"]] = np.nan
    if cycles is not None:
        results.loc[rows, "n_cycles"] = cycles
        if not cycles:
            results.loc[rows, ["rmse_simulated", "rmse_mean_pattern"]] = np.nan
    return results


def write_run(folder, results, *, digest="abc", **header):
    """Write a run folder of results alone."""
    folder.mkdir()
    about = {"cohort": {"name": "made up", "digest": digest}, **header}
    (folder / "run.json").write_text(json.dumps(about))
    results.to_csv(folder / "results.csv", index=False)
    return folder


def fitted_run(folder, cohort, settings, *, keep_weights=False):
    """Cross-validate in this process: a worker of its own would load Keras first."""
    from nem2e_tf.training.chunk import Workshop
    from nem2e_tf.training.cross_validation import write_results
    from nem2e_tf.training.plan import make_plan
    from nem2e_tf.training.run_folder import create_run

    run = create_run(folder, cohort, settings, make_plan(cohort, settings))
    shop = Workshop(cohort, settings, run.plan)
    for chunk in range(len(run.plan.chunks)):
        results = shop.run(chunk)
        run.write_chunk(chunk, results)
        if keep_weights:
            run.write_weights(chunk, results)
    write_results(run, cohort)
    return run


def fit_chunks_here(run_path, cohort_path, chunks, **_):
    """Stand in for `nem2e_tf.training.backends.processes.fit_chunks`, without a worker."""
    from nem2e_tf.cohorts.cohort import load_cohort
    from nem2e_tf.training.chunk import Workshop
    from nem2e_tf.training.run_folder import open_run

    run = open_run(run_path)
    shop = Workshop(load_cohort(cohort_path), run.settings, run.plan)
    for chunk in chunks:
        run.write_chunk(chunk, shop.run(chunk))


def report(*arguments):
    """Call 'nem2e-tf report'; it must not fail otherwise than by raising."""
    done = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def text_of(page):
    """What a page says, without its tags."""
    body = re.sub(r"<(style|script).*?</\1>", "", page.read_text(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def said_by_report(run, folder):
    """What the page of a run says."""
    report(run, "-o", folder)
    return text_of(folder / "report.html")
