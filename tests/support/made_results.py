"""Made-up rows of results.csv."""

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.results import RESULT_COLUMNS

MUSCLES = ("soleus", "gasmed", "tibant")
SETTINGS = {"pattern": "one-entire", "targets": "each", "output": "direct", "recipe": "fast"}


def row(model, muscle, group, refined, *, simulated=1.0, blind=0.5, seed="0", **others):
    """One row, with rate and skill as the errors have them."""
    values = dict.fromkeys(RESULT_COLUMNS, 0.0) | SETTINGS
    values |= {"model": model, "muscle": muscle, "group": str(group), "seed": seed, "by": "subject"}
    values |= {"n_cycles": 4, "rmse_simulated": simulated, "rmse_mean_pattern": blind}
    values |= {
        "rmse_refined": refined,
        "rate": (refined - simulated) / simulated,
        "skill": 1 - refined / blind,
    }
    return values | others


def made(models=("lstm", "seq2seq"), *, groups=8, seeds=("0",), seed=0, **others):
    """Random results: the same simulated and blind errors for every model."""
    random = np.random.default_rng(seed)
    simulated = random.uniform(0.2, 0.4, (groups, len(MUSCLES)))
    blind = simulated * random.uniform(0.5, 0.8, simulated.shape)
    rows = []
    for model in models:
        for s in seeds:
            refined = blind * random.uniform(0.8, 1.1, simulated.shape)
            rows += [
                row(
                    model,
                    muscle,
                    f"s{g}",
                    refined[g, m],
                    simulated=simulated[g, m],
                    blind=blind[g, m],
                    seed=s,
                    **others,
                )
                for g in range(groups)
                for m, muscle in enumerate(MUSCLES)
            ]
    return pd.DataFrame(rows)


def wide(results, model, column):
    """Values [group, muscle] of a model."""
    part = results[results["model"] == model]
    return part.pivot(index="group", columns="muscle", values=column)[list(MUSCLES)]


def one_of(table, **wanted):
    """The row of a table with these values."""
    rows = table[np.logical_and.reduce([table[k] == v for k, v in wanted.items()])]
    assert len(rows) == 1, rows
    return rows.iloc[0]
