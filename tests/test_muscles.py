"""Muscle names of every style, and labels that are no muscles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nem2e_tf import muscles
from nem2e_tf.errors import InputError
from nem2e_tf.muscles import Label, canonical, parse_label, relative, try_parse_label

# Model order of gait2392's force set, from the model file.
GAIT2392_NAMES = [
    *("glut_med1", "glut_med2", "glut_med3", "glut_min1", "glut_min2", "glut_min3"),
    *("semimem", "semiten", "bifemlh", "bifemsh", "sar", "add_long"),
    *("add_brev", "add_mag1", "add_mag2", "add_mag3", "tfl", "pect"),
    *("grac", "glut_max1", "glut_max2", "glut_max3", "iliacus", "psoas"),
    *("quad_fem", "gem", "peri", "rect_fem", "vas_med", "vas_int"),
    *("vas_lat", "med_gas", "lat_gas", "soleus", "tib_post", "flex_dig"),
    *("flex_hal", "tib_ant", "per_brev", "per_long", "per_tert", "ext_dig"),
    *("ext_hal", "ercspn", "intobl", "extobl"),
]


def test_gait2392_in_model_order():
    assert [canonical(name) for name in GAIT2392_NAMES] == list(muscles.GAIT2392)
    assert len(set(muscles.GAIT2392)) == 46


@pytest.mark.shared_data
def test_rajagopal_is_the_model_in_the_shared_recording(shared_data):
    from nem2e_tf.io.storage import read_storage

    labels = read_storage(shared_data / "treadmill_walk" / "so_activation.sto").labels
    right = [label for label in map(try_parse_label, labels) if label and label.side == "r"]
    assert [label.muscle for label in right] == list(muscles.RAJAGOPAL)
    assert len(muscles.RAJAGOPAL) == 40


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bi", "bflh"),
        ("sem", "semimem"),
        ("tib", "tibant"),
        ("rect", "recfem"),
        ("gasmed", "gasmed"),
        ("vaslat", "vaslat"),
        ("glmax1", "glmax1"),
        ("med_gas", "gasmed"),
        ("MED-GAS", "gasmed"),
        ("Rectus femoris", "recfem"),
        ("addmagdist", "addmagDist"),
        ("peri", "piri"),
        ("glut_max1", "glmax1"),
        ("glut_max", "glut_max"),
    ],
)
def test_aliases(name, expected):
    assert canonical(name) == expected


def test_every_canonical_name_is_its_own_and_no_alias_hides_another():
    assert [canonical(name) for name in muscles.known()] == list(muscles.known())
    aliases = [alias for group in muscles._ALIASES.values() for alias in group]
    keys = [muscles._key(name) for name in (*muscles.known(), *aliases)]
    assert len(keys) == len(set(keys))


def test_unknown_muscle_names_the_nearest():
    with pytest.raises(InputError, match=r"muscle 'soleos': .*did you mean soleus"):
        canonical("soleos")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("soleus_r", Label("soleus", "r", "activation")),
        ("soleus_l.activation", Label("soleus", "l", "activation")),
        ("soleus_r/activation", Label("soleus", "r", "activation")),
        ("soleus_r|activation", Label("soleus", "r", "activation")),
        ("/forceset/soleus_r/activation", Label("soleus", "r", "activation")),
        ("/model/forceset/soleus_r|activation", Label("soleus", "r", "activation")),
        ("/forceset/soleus_r", Label("soleus", "r", "excitation")),
        ("soleus_r.excitation", Label("soleus", "r", "excitation")),
        ("soleus_l_activation", Label("soleus", "l", "activation")),
        ("/forceset/glut_med1_l/activation", Label("glmed1", "l", "activation")),
        ("ercspn_r", Label("ercspn", "r", "activation")),
        ("bi", Label("bflh", "", "activation")),
    ],
)
def test_labels(label, expected):
    assert parse_label(label) == expected


@pytest.mark.parametrize(
    "label",
    [
        "knee_angle_r_reserve",
        "FX",
        "lumbar_ext",
        "/forceset/torque_hip_rotation_r",
        "/forceset/soleus_r/fiber_length",
        "soleus_r.fiber_length",
        "/forceset/med_gas_r/normalized_tendon_force",
        "/jointset/hip_r/hip_flexion_r/value",
        "lambda_cid21_p0",
        "time",
        "",
    ],
)
def test_labels_of_other_things(label):
    assert try_parse_label(label) is None
    with pytest.raises(InputError, match="expected a muscle's activation"):
        parse_label(label)


def test_wrong_label_names_the_nearest_muscle():
    with pytest.raises(InputError, match="did you mean soleus"):
        parse_label("/forceset/solues_r/activation")


@given(st.sampled_from(muscles.known()), st.sampled_from("rl"))
def test_all_label_styles_are_equivalent(muscle, side):
    for style in (
        "{}",
        "{}.activation",
        "{}/activation",
        "{}|activation",
        "/forceset/{}/activation",
    ):
        assert parse_label(style.format(f"{muscle}_{side}")) == Label(muscle, side, "activation")


def test_relative():
    assert [relative(a, b) for a in "rl" for b in "rl"] == ["ipsi", "contra", "contra", "ipsi"]
    with pytest.raises(InputError, match="side ''"):
        relative("", "r")


def test_order_is_that_of_the_model_that_has_them_all():
    assert muscles.in_order(["vaslat", "soleus", "bflh"]) == ["bflh", "soleus", "vaslat"]
    assert muscles.in_order(["vaslat", "soleus", "gem"]) == ["gem", "vaslat", "soleus"]
    assert muscles.in_order(reversed(muscles.GAIT2392)) == list(muscles.GAIT2392)


def test_electrodes_have_the_counts_of_the_public_sets():
    assert len(muscles.ELECTRODES_RUN) == 11
    assert sum(map(len, muscles.ELECTRODES_RUN.values())) == 16
    assert len(muscles.ELECTRODES_WALK) == 5
    for group in (muscles.ELECTRODES_RUN, muscles.ELECTRODES_WALK):
        names = [name for row in group.values() for name in row]
        assert len(names) == len(set(names))
        assert set(names) <= set(muscles.GAIT2392)
