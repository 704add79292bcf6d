"""What can go wrong between OmniHub and Kafka: the one it starts itself, and transactions with any.

Every message names the value, the place and the cure; none holds a record's content.
"""

from omnihub.model.errors import OmniHubError, RetryableError


class BrokerError(OmniHubError):
    """The embedded Kafka cannot do what was asked."""


class JarsUnavailable(BrokerError):
    """Kafka's jars are not in the cache and could not be fetched."""


class JavaNotFound(BrokerError):
    """No Java that is new enough to run Kafka."""


class BrokerAlreadyRunning(BrokerError):
    """A broker already owns this data; a second one would write into its metadata log."""


class PortInUse(BrokerError):
    """Another program listens on a port that the broker needs."""


class BrokerStartFailed(BrokerError):
    """The JVM ended, or did not answer in time."""


class BrokerStopFailed(BrokerError):
    """The recorded process is not ours, or outlived SIGKILL."""


class ProducerFenced(OmniHubError):
    """Another producer has taken over this transactional id: stop, never fight."""


class TransactionFailed(RetryableError):
    """Not committed, or nobody can say whether it was; begin again with a new producer."""
