"""The log's ports over the installation's cluster."""

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.appender import KafkaAppender
from omnihub.broker.reader import KafkaReader
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.registry_client import RegistryClient
from omnihub.wiring.installation import Installation


def ids_of(install: Installation) -> SchemaIds:
    """Return the ids of this release's schemas at the registry."""
    return RegistryClient(install.registry_url()).ids()


def codec_of(install: Installation) -> Codec:
    """Return a codec with the registry's ids; for one thread."""
    return Codec(ids_of(install))


def reader_of(install: Installation, codec: Codec) -> KafkaReader:
    """Return a reader."""
    return KafkaReader(install.cluster(), install.topics, codec)


def appender_of(install: Installation, codec: Codec) -> KafkaAppender:
    """Return an appender; use it as an async context manager."""
    return KafkaAppender(install.cluster(), install.topics, codec)


def admin_of(install: Installation) -> TopicAdmin:
    """Return the topic administration."""
    return TopicAdmin(install.cluster())


def log_id_of(install: Installation) -> str:
    """Return what tells this log from another one, so that views never mix two."""
    return admin_of(install).cluster_id()
