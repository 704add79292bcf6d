"""The channel of an instance reaches its mapping by `refs.channel`."""

from omnihub.connect.config import channels_of, maps_of
from omnihub.connect.refs import CrossReferences
from omnihub.model.ids import InstanceId
from omnihub.wiring.installation import open_installation

CONFIG = """
channels: {phone: {locations: [W1]}}
connectors:
  erp: {type: poslog, config: {spool: spool, time_zone: UTC}, orders: {channel: phone}}
  till: {type: poslog, config: {spool: spool, time_zone: UTC}}
"""


def test_a_mapping_learns_its_channel_and_web_where_nothing_is_set(tmp_path):
    path = tmp_path / "omnihub.yaml"
    path.write_text(CONFIG)
    instances = open_installation(path, {}).instances
    refs = CrossReferences(maps_of(instances), channels_of(instances))
    assert refs.of(InstanceId("erp")).channel == "phone"
    assert refs.of(InstanceId("till")).channel == "web"
