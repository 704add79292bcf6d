"""The data folder opens under the release it is for; every other one says what to do."""

import json
from dataclasses import replace

import pytest

from omnihub.model.errors import Refused
from omnihub.wiring.datafolder import (
    FILE_NAME,
    STEPS,
    Step,
    WrongFormat,
    mark_of,
    migrate,
    open_folder,
    pending,
    release,
)


def noted(folder):
    return json.loads((folder / FILE_NAME).read_text())


def write(folder, **mark):
    (folder / FILE_NAME).write_text(json.dumps(mark))


def test_a_new_folder_is_marked(tmp_path):
    open_folder(tmp_path)
    assert noted(tmp_path) == {"format": len(STEPS), "release": release()}


def test_a_folder_from_before_formats_were_noted_opens(tmp_path):
    (tmp_path / "keys.sqlite").touch()
    assert mark_of(tmp_path).format == 0
    open_folder(tmp_path)
    assert noted(tmp_path)["format"] == len(STEPS)
    assert pending(tmp_path) == []


def test_the_release_that_wrote_last_is_noted(tmp_path):
    write(tmp_path, format=len(STEPS), release="0.9")
    open_folder(tmp_path)
    assert noted(tmp_path)["release"] == release()


@pytest.mark.parametrize("format_", [len(STEPS) + 1, 99, -1])
def test_a_folder_of_another_world_is_refused_untouched_and_both_are_named(tmp_path, format_):
    write(tmp_path, format=format_, release="9.7.1")
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(WrongFormat) as refused:
        open_folder(tmp_path)
    assert isinstance(refused.value, Refused)
    for part in ("9.7.1", f"format {format_}", release(), "Run release 9.7.1", str(tmp_path)):
        assert part in str(refused.value)
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert list(tmp_path.iterdir()) == [tmp_path / FILE_NAME]


def test_a_broken_mark_is_refused_with_its_cure(tmp_path):
    (tmp_path / FILE_NAME).write_text('{"format": "one"}')
    with pytest.raises(WrongFormat, match="Restore it from a copy"):
        open_folder(tmp_path)


@pytest.fixture
def slow(tmp_path):
    """A step of a later release that a person must start."""
    ran = []
    step = Step(len(STEPS), "move the views", ran.append, opens_at_once=False)
    write(tmp_path, format=len(STEPS), release="1.1")
    return (*STEPS, step), ran


def test_what_takes_time_is_asked_for_by_its_command(tmp_path, slow):
    steps, ran = slow
    with pytest.raises(WrongFormat, match="omnihub data migrate"):
        open_folder(tmp_path, steps)
    assert (ran, noted(tmp_path)["format"]) == ([], len(STEPS))
    assert [step.title for step in migrate(tmp_path, steps)] == ["move the views"]
    assert (ran, noted(tmp_path)["format"]) == ([tmp_path], len(steps))
    open_folder(tmp_path, steps)
    assert migrate(tmp_path, steps) == []


def test_a_step_that_was_cut_short_is_taken_again(tmp_path, slow):
    steps, _ = slow

    def cut(_):
        raise KeyboardInterrupt

    broken = (*STEPS, replace(steps[-1], run=cut))
    with pytest.raises(KeyboardInterrupt):
        migrate(tmp_path, broken)
    assert noted(tmp_path)["format"] == len(STEPS)
    assert len(migrate(tmp_path, steps)) == 1
