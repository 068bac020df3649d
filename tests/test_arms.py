"""Every arm has one recipe, and the recipe, its card and the list of arms agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from actlumos import arms, baselines, report
from actlumos.models import Student, Teacher
from actlumos.stages import Recipe, before, find
from actlumos.stages.recipe import title
from actlumos.stages.supervised import Supervised

SYSTEMS = [arms.BASELINES + name for name in (*arms.SYSTEMS, *arms.SUPPORTING)]
ALL = [*arms.ARMS, *SYSTEMS]


def run_python(code: str, **variables: str) -> str:
    """What the code prints in a separate process."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, check=True
    )
    return done.stdout


# --- names and recipes --------------------------------------------------------------------------


def test_every_arm_of_the_method_has_one_recipe() -> None:
    modules = {arm.module for arm in arms.ARMS.values()}
    assert len(modules) == 4
    found = Counter(name for module in modules for name in import_module(module).RECIPES)
    assert found == Counter(list(arms.ARMS))
    for name, arm in arms.ARMS.items():
        assert import_module(arm.module).RECIPES[name] is find(name)


def test_every_system_has_one_file_with_a_card_and_a_recipe() -> None:
    modules = {
        path.stem.replace("_", "-"): import_module(f"actlumos.baselines.{path.stem}")
        for path in Path(baselines.__file__).parent.glob("[!_]*.py")
    }
    cards = {name for name, module in modules.items() if hasattr(module, "CARD")}
    recipes = {name for name, module in modules.items() if hasattr(module, "RECIPE")}
    assert cards == {*arms.SYSTEMS, *arms.SUPPORTING}
    assert recipes == cards - set(arms.OWN)
    assert all(baselines.card(name).name == name for name in cards)
    assert all(find(arms.BASELINES + name) is modules[name].RECIPE for name in recipes)


def test_the_two_systems_of_the_method_are_its_arms() -> None:
    assert set(arms.OWN) <= set(arms.SYSTEMS) and set(arms.OWN.values()) <= set(arms.ARMS)
    for system, arm in arms.OWN.items():
        assert find(arms.BASELINES + system) is find(arm)
        assert title(arms.BASELINES + system) == title(arm) == arms.ARMS[arm].title
        assert arms.own_name(arms.BASELINES + system) == arms.arm_of(system) == arm
    assert arms.own_name("actlumos-student") == "actlumos-student"  # only with the prefix


@pytest.mark.parametrize("name", ALL)
def test_every_name_leads_to_a_complete_recipe(name: str) -> None:
    recipe = find(name)
    assert isinstance(recipe, Recipe) and recipe.stage and recipe.streams and title(name)
    assert set(recipe.frozen) <= set(recipe.needs)
    assert not recipe.stored_enhancer or recipe.stored_enhancer in recipe.needs


def test_the_names_of_arms_and_systems_are_distinct() -> None:
    assert len(set(ALL)) == len(ALL)
    titles = [title(name) for name in ALL if arms.own_name(name) == name]
    assert len(set(titles)) == len(titles)


def test_studies_compare_arms() -> None:
    for study, compared in arms.STUDIES.items():
        assert set(compared) <= set(arms.ARMS), study
        assert len(set(compared)) == len(compared) > 1, study


@pytest.mark.parametrize("name", ALL)
def test_what_an_arm_needs_is_trained_before_it(name: str) -> None:
    """A circle would end in a RecursionError of `before`; each need comes after its own needs."""
    order = (*before(name), name)
    assert len(set(order)) == len(order) and set(order) <= set(ALL)
    for place, arm in enumerate(order):
        assert set(find(arm).needs) <= set(order[:place]), arm


@pytest.mark.parametrize("system", (*arms.SYSTEMS, *arms.SUPPORTING))
def test_a_card_names_the_streams_of_its_recipe(system: str) -> None:
    card = baselines.card(system)
    assert card.streams == find(arms.BASELINES + system).streams
    assert set(card.grew_from) <= set(arms.SYSTEMS) and card.status in arms.STATUS


def test_an_unknown_status_of_a_card_is_refused() -> None:
    text = dict.fromkeys(("title", "venue", "idea", "source", "known", "unknown", "ours"), "")
    with pytest.raises(ValueError, match="mine: unknown status 'draft'"):
        arms.Card(name="mine", year=0, status="draft", diagram=(), streams=(), **text)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("taecher", ("unknown arm 'taecher'", *arms.ARMS, "baselines/NAME")),
        ("tsn", ("unknown arm 'tsn'", *arms.ARMS, "baselines/NAME")),
        ("baselines/tns", ("unknown system 'tns'", *arms.SYSTEMS)),
        ("baselines/dark", ("unknown system 'dark'", *arms.SYSTEMS)),
        ("baselines/", ("unknown system ''", *arms.SYSTEMS)),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(name: str, known: tuple[str, ...]) -> None:
    for look_up in (find, title, before, arms.module_of):
        with pytest.raises(ValueError, match="^unknown") as error:
            look_up(name)
        assert all(text in str(error.value) for text in known)


def test_a_card_and_a_choice_of_unknown_systems_are_refused() -> None:
    for look_up in (baselines.card, lambda name: baselines.choose([name], "darkroom")):
        with pytest.raises(ValueError, match="unknown system 'tns'.*vgg-ts, tsn"):
            look_up("tns")


# --- descriptions -------------------------------------------------------------------------------


def make(network: Any, streams: int = 1) -> Any:
    """A fake function that gives a network."""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (partial(Student, stream="dark"), partial(Student, stream="retinex")),
        (partial(Teacher, fusion="mean"), partial(Teacher, fusion="dff")),
        (Teacher, partial(Teacher, fusion="dff")),
        (partial(make, Student), partial(make, Teacher)),
        (partial(make, network=Student), partial(make, network=Teacher)),
        (partial(make, partial(make, Student)), partial(make, partial(make, Teacher))),
    ],
)
def test_another_argument_of_a_partial_is_another_description(one: Any, other: Any) -> None:
    first, second = (Supervised(network=network).description() for network in (one, other))
    assert first != second
    assert {key for key in first if first[key] != second[key]} == {"network"}
    assert json.loads(json.dumps(first)) != json.loads(json.dumps(second))


def test_arms_of_the_method_differ_in_their_descriptions() -> None:
    described = [json.dumps(find(name).description(), sort_keys=True) for name in arms.ARMS]
    assert len(set(described)) == len(described)


def test_descriptions_are_json_and_the_same_in_another_process() -> None:
    """A description is a part of the key that says what is trained already."""
    code = (
        "import json; from actlumos.stages import find; "
        f"print(json.dumps([find(name).description() for name in {ALL}], sort_keys=True))"
    )
    here = json.dumps([find(name).description() for name in ALL], sort_keys=True)
    assert run_python(code, PYTHONHASHSEED="7").strip() == here


# --- without PyTorch ----------------------------------------------------------------------------


def test_arms_and_reports_are_read_without_torch() -> None:
    names = [path.stem for path in Path(report.__file__).parent.glob("[!_]*.py")]
    assert len(names) > 10
    modules = ["actlumos.arms", "actlumos.report", *(f"actlumos.report.{name}" for name in names)]
    code = f"import sys, {', '.join(modules)}; print('torch' in sys.modules)"
    assert run_python(code, MPLBACKEND="Agg").strip() == "False"
    code = "import sys, actlumos.arms; print({'torch', 'numpy', 'pandas'} & set(sys.modules))"
    assert run_python(code).strip() == "set()"
