"""What is sent must be of the JSON type that is promised: nothing is turned into it."""

import jsonschema
import pytest
from pydantic import ValidationError

from omnihub.api.bodies import RequestBody
from omnihub.api.customer_bodies import Search
from omnihub.api.hospital_bodies import BulkRelease
from omnihub.api.order_bodies import NewLine

BULK = {"action": "RETRY", "reason": "mended"}
LINE = {
    "line_id": "1",
    "sku": "4711",
    "quantity_milli": 2000,
    "unit_price_minor": 199,
    "total_minor": 398,
}


def test_what_is_of_its_type_is_taken() -> None:
    assert BulkRelease.model_validate({**BULK, "older_than_s": 60, "dry_run": True}).dry_run
    assert NewLine.model_validate(LINE).total_minor == 398
    assert NewLine.model_validate({**LINE, "total_minor": 398.0}).total_minor == 398


@pytest.mark.parametrize("wrong", [True, "398", 398.5])
def test_an_amount_that_is_no_integer_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError, match="total_minor"):
        NewLine.model_validate({**LINE, "total_minor": wrong})


@pytest.mark.parametrize(("field", "wrong"), [("older_than_s", True), ("dry_run", "yes")])
def test_a_bulk_act_takes_no_value_for_another(field: str, wrong: object) -> None:
    with pytest.raises(ValidationError, match=field):
        BulkRelease.model_validate({**BULK, field: wrong})


def bodies(of: type[RequestBody] = RequestBody) -> list[type[RequestBody]]:
    """Return all kinds of bodies that have an example."""
    found = [kind for child in of.__subclasses__() for kind in (child, *bodies(child))]
    return [kind for kind in found if "examples" in kind.model_json_schema()]


def test_null_is_taken_only_where_the_document_says_so() -> None:
    taken = 0
    for body in bodies():
        schema = body.model_json_schema()
        for name in schema["properties"]:
            for example in schema["examples"]:
                sent = {**example, name: None}
                try:
                    body.model_validate(sent)
                except ValidationError:
                    continue
                taken += 1
                jsonschema.validate(sent, schema)
    assert taken > 5


def test_nobody_is_searched_for_by_null() -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        Search.model_validate({"email": None})
