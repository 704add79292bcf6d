"""Instances: every fault is told with its path and cure, and no secret is ever shown."""

from importlib.metadata import EntryPoint

import pytest

from omnihub.connect.config import Place, configure, maps_of, understandings
from omnihub.connect.refs import CrossReferences
from omnihub.connect.registry import connector, connector_names
from omnihub.model.errors import ConfigurationError
from omnihub.model.ids import InstanceId, TenantId

ENVIRON = {"S": "canary-s3cret"}


@pytest.fixture
def read(tmp_path, diary_type):
    def find(name):
        if name != "diary":
            raise ConfigurationError(f"connector type '{name}' is not installed")
        return diary_type

    def read(**sections):
        return configure(TenantId("t"), sections, find, ENVIRON, Place(tmp_path))

    return read


def test_a_secret_comes_from_the_environment_or_a_file(read, diary_settings, tmp_path):
    (tmp_path / "key").write_text("from-file\n")
    found = read(a=diary_settings(), b=diary_settings(config={"secret": "${file:key}"}))
    secrets = [instance.config.secret.get_secret_value() for instance in found.values()]
    assert secrets == ["canary-s3cret", "from-file"]
    assert "canary" not in repr(found)


def test_all_faults_are_told_at_once_with_path_value_and_cure(read, diary_settings):
    with pytest.raises(ConfigurationError) as caught:
        read(
            a=diary_settings(type="fax"),
            b=diary_settings(config={"secret": "${env:NOT_SET}"}),
            c=diary_settings(config={"secret": "${env:S}", "retrys": 1}),
            d=diary_settings(config={"secret": "${env:S}", "retries": 12}),
            e=diary_settings(config={}),
        )
    text = str(caught.value)
    assert "connectors.a: connector type 'fax' is not installed" in text
    assert "connectors.b.config.secret is ${env:NOT_SET}: NOT_SET is not set. Set it" in text
    assert "connectors.c.config.retrys is not a setting. Did you mean 'retries'?" in text
    assert "connectors.d.config.retries is '12': Input should be less than or equal to 9" in text
    assert "connectors.e.config.secret is missing" in text
    assert len(text.splitlines()) == 5


def test_a_secret_in_clear_is_refused_without_being_repeated(read, diary_settings):
    with pytest.raises(ConfigurationError) as caught:
        read(a=diary_settings(config={"secret": "canary-in-clear"}))
    assert "connectors.a.config.secret is a secret given in clear" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_wrong_secret_is_never_shown(read, diary_settings):
    with pytest.raises(ConfigurationError) as caught:
        read(a=diary_settings(config={"secret": "${env:S}", "retries": "${env:S}"}))
    assert "connectors.a.config.retries" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_split_and_translate_get_only_their_own_instances(read, diary_settings):
    instances = read(a=diary_settings(owns=("stock",), map={"sku": "identity"}))
    refs = CrossReferences(maps_of(instances))
    known = understandings(instances, "diary", refs)[InstanceId("a")]
    assert known.owns == {"stock"}
    assert known.refs.resolve("sku", "x") == "x"
    assert understandings(instances, "other", refs) == {}


def points(*pairs):
    return [EntryPoint(name, value, "omnihub.connectors") for name, value in pairs]


def test_an_installed_connector_is_found_by_its_name():
    assert "poslog" in connector_names()
    assert connector("poslog").name == "poslog"


def test_an_unknown_type_names_what_is_installed():
    with pytest.raises(ConfigurationError, match="'x' is not installed \\(installed: a\\)"):
        connector("x", points(("a", "m:A")))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (points(("a", "m:A"), ("a", "n:A")), "installed twice"),
        (points(("a", "no.such.module:A")), "cannot be imported"),
        (points(("a", "json:JSONDecoder")), "is no Connector"),
    ],
)
def test_a_broken_installation_says_how(found, why):
    with pytest.raises(ConfigurationError, match=why):
        connector("a", found)
