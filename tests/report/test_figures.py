"""Figures: what they draw, and that they refuse what they cannot."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from support.made_runs import MUSCLES, made

from nem2e_tf.errors import InputError
from nem2e_tf.muscles import known
from nem2e_tf.report.figures.attention import (
    BACK,
    FRONT,
    draw_channel_map,
    draw_spatial_attention,
    draw_temporal_attention,
    outline,
    place,
    positions,
)
from nem2e_tf.report.figures.panels import draw_curves, draw_losses
from nem2e_tf.report.figures.scores import draw_boxes, draw_intervals
from nem2e_tf.report.figures.style import svg_text, write_figure
from nem2e_tf.report.pictures import attention_pictures, chosen


def words(figure):
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(lambda item: hasattr(item, "get_text"))]


def inside(figure):
    """Whether nothing that is drawn lies beyond the edge of the figure."""
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    return box.x0 > -0.02 and box.y0 > -0.02 and box.x1 < width + 0.02 and box.y1 < height + 0.02


def test_traces_show_means_over_the_cycles_of_a_condition():
    rng = np.random.default_rng(0)
    curves = [rng.random((6, 20, 2)) for _ in range(3)]
    curves[2][1, 3, 1] = np.nan
    groups = ["slow", "slow", "slow", "fast", "fast", "fast"]
    figure = draw_curves(*curves, muscles=["soleus", "tibant"], groups=groups, title="linear")
    assert inside(figure)
    refined = figure.axes[0].lines[2]
    np.testing.assert_allclose(refined.get_ydata(), curves[2][:3, :, 0].mean(axis=0))
    # A curve with NaN is left out, and the panel says how many remain.
    np.testing.assert_allclose(
        figure.axes[2].lines[2].get_ydata(), curves[2][[0, 2], :, 1].mean(axis=0)
    )
    assert "n = 2" in words(figure)
    styles = {(str(line.get_linestyle()), line.get_marker()) for line in figure.axes[0].lines}
    assert len(styles) == 3, "reported apart without colour"


def test_one_condition_puts_muscles_side_by_side():
    curves = np.random.default_rng(0).random((4, 20, 5))
    figure = draw_curves(
        curves, curves, curves, muscles=[f"m{i}" for i in range(5)], groups=["walk"] * 4
    )
    assert inside(figure)
    assert [ax.get_visible() for ax in figure.axes] == [True] * 5 + [False]
    assert "walk (n = 4)" in "\n".join(words(figure))
    tops = [ax.lines[0].get_ydata().max() <= ax.get_ylim()[1] for ax in figure.axes[:5]]
    assert all(tops)


def test_boxes_stand_on_the_quartiles_and_state_what_is_missing():
    scores = made().assign(series=lambda table: table["model"])
    scores = scores[scores["model"].isin(["seq2seq", "stdr-net-spatial"])]
    gone = (scores["muscle"] == "tibant") & (scores["series"] == "seq2seq")
    scores.loc[gone, "rate"] = np.nan
    reference = pd.Series(dict.fromkeys(MUSCLES, -0.5))
    figure = draw_boxes(
        scores, value="rate", zero="OpenSim", reference=reference, reference_label="mean pattern"
    )
    assert inside(figure)
    assert words(figure).count("no value") == 1
    first = scores[(scores["muscle"] == "soleus") & (scores["series"] == "seq2seq")]["rate"]
    box = figure.axes[0].patches[0].get_path().vertices[:, 1]
    assert (box.min(), box.max()) == pytest.approx(tuple(first.quantile([0.25, 0.75])))
    hatches = {patch.get_hatch() for patch in figure.axes[0].patches}
    assert len(hatches) == 2, "reported apart without colour"
    with pytest.raises(InputError, match="at most 5 series"):
        draw_boxes(made().assign(series=range(len(made()))), value="rate")
    with pytest.raises(InputError, match="found none"):
        draw_boxes(scores.iloc[:0], value="rate")


def test_many_muscles_take_several_rows():
    scores = made(muscles=[f"muscle{i}" for i in range(16)], groups=3)
    figure = draw_boxes(scores[scores["model"] == "seq2seq"].assign(series="a"), value="skill")
    assert len(figure.axes) == 2
    assert inside(figure)


def test_intervals_are_full_only_where_they_leave_out_0():
    rows = pd.DataFrame(
        {
            "label": ["good", "unclear", "reference", "far below"],
            "skill": [0.2, 0.05, 0.0, -13.4],
            "skill_low": [0.1, -0.05, np.nan, -15.0],
            "skill_high": [0.3, 0.15, np.nan, -12.0],
        }
    )
    figure = draw_intervals(rows, value="skill", zero="the mean EMG pattern")
    assert inside(figure)
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [dot.get_markerfacecolor() != "white" for dot in dots] == [True, False, False]
    assert any("-13.4" in text for text in words(figure))
    with pytest.raises(InputError, match="found none"):
        draw_intervals(rows.assign(skill=np.nan), value="skill")


def test_losses_are_the_median_of_the_fits():
    rows = [
        {"entry": "lstm", "fit": fit, "epoch": epoch, "training": (fit + 1) / epoch, "kept": 3}
        | {"validation": 2 * (fit + 1) / epoch, "left_out": np.nan}
        for fit, epochs in ((0, 4), (1, 4), (2, 2))
        for epoch in range(1, epochs + 1)
    ]
    figure = draw_losses(pd.DataFrame(rows))
    assert inside(figure)
    training = figure.axes[0].lines[0]
    np.testing.assert_allclose(training.get_ydata(), [2, 1, 1.5 / 3, 1.5 / 4])
    assert "lstm (3 fits)" in words(figure)
    with pytest.raises(InputError, match="found none"):
        draw_losses(pd.DataFrame(rows).iloc[:0])


def test_every_known_muscle_has_its_place_on_the_body():
    assert set(positions()) == set(known())
    points = outline()
    for name, (view, x, y) in positions().items():
        assert view in (FRONT, BACK)
        row = points[np.abs(points[:, 1] - y) < 4, 0]
        right = row[row > 0]
        assert x < right.max(), f"{name} is beside the body"
        assert y > 80 or x > right.min(), f"{name} is between the legs"


def test_sides_of_the_body_are_the_persons():
    assert place("soleus") == place("soleus_ipsi")
    assert place("recfem_ipsi")[1] < 0 < place("recfem_contra")[1], "seen from the front"
    assert place("soleus_ipsi")[1] > 0 > place("soleus_contra")[1], "seen from behind"
    assert place("knee_reserve") is None


def test_spatial_attention_ranks_channels_at_three_phases():
    channels = ["soleus_ipsi", "tibant_ipsi", "soleus_contra", "lumbar_ext"]
    weights = np.full((20, 4), 0.1)
    weights[0, 0], weights[19, 3] = 0.7, 0.7
    weights[10, 1] = 0.7
    figure = draw_spatial_attention(weights, channels=channels, title="spatial")
    assert inside(figure)
    bars = figure.axes[3:]
    first = [panel.get_yticklabels()[0].get_text().split()[0] for panel in bars]
    assert first == ["soleus_ipsi", "tibant_ipsi", "lumbar_ext"]
    assert "lumbar_ext *  1" in words(figure)
    assert bars[0].patches[0].get_width() == pytest.approx(0.7)
    with pytest.raises(InputError, match="channels"):
        draw_spatial_attention(weights, channels=channels[:3])
    with pytest.raises(InputError, match="finite"):
        draw_spatial_attention(weights * np.nan, channels=channels)


def test_maps_show_weights_where_they_are():
    weights = np.eye(20)
    figure = draw_temporal_attention(weights, title="temporal")
    assert inside(figure)
    drawn = figure.axes[0].collections[0].get_array()
    np.testing.assert_allclose(np.asarray(drawn).reshape(20, 20), weights.T)
    names = [f"channel{i}" for i in range(30)]
    many = draw_channel_map(np.random.default_rng(0).random((20, 30)), channels=names)
    assert inside(many)
    assert any("24 of 30 channels" in text for text in words(many))


def test_attention_of_a_control_becomes_pictures():
    rows = [
        {"model": "stdr-net-spatial", "pattern": "all-entire", "targets": "each"}
        | {"output": "direct", "recipe": "fast", "muscle": muscle, "attention": "spatial"}
        | {"sample": sample, "percent": 0, "token": token, "weight": weight}
        for muscle, shares in (("soleus", (0.8, 0.2)), ("tibant", (0.6, 0.4)))
        for sample in range(20)
        for token, weight in zip(("soleus_ipsi", "tibant_ipsi"), shares, strict=True)
    ]
    pictures = attention_pictures(pd.DataFrame(rows))
    assert [picture.name for picture in pictures] == ["attention-1-body", "attention-1-channels"]
    bar = pictures[0].figure.axes[3].patches[0]
    assert bar.get_width() == pytest.approx(0.7), "mean over muscles"
    assert attention_pictures(None) == []


def test_shown_are_the_best_of_each_pattern():
    from nem2e_tf.evaluation.statistics import summarise

    summary = summarise(made())
    assert list(chosen(summary)["model"]) == ["stdr-net-temporal", "stdr-net-spatial"]
    assert list(chosen(summary, models=["seq2seq"])["model"]) == ["seq2seq"]
    references = summary[summary["model"].isin(["opensim", "mean-pattern"])]
    assert list(chosen(references)["model"]) == ["mean-pattern"]


def test_svg_is_the_same_every_time_and_has_ids_of_its_own(tmp_path):
    figures = [draw_temporal_attention(np.eye(20), title="a < b & c") for _ in range(2)]
    first, second = (svg_text(figure, name="one") for figure in figures)
    assert first == second
    assert "a &lt; b &amp; c" in first
    root = ElementTree.fromstring(first)
    ids = [item.get("id") for item in root.iter() if item.get("id")]
    assert len(ids) > 10
    assert all(name.startswith("one-") for name in ids)
    assert "url(#one-" in first
    for suffix in (".svg", ".pdf", ".png"):
        write_figure(figures[0], tmp_path / f"figure{suffix}")
        assert (tmp_path / f"figure{suffix}").stat().st_size > 1000
