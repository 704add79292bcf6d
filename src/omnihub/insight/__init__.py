"""For downstream services: typed canonical records in about twenty lines of Python.

from omnihub.insight import Subscriber
from omnihub.model.records import OrderChanged, Product

board = Subscriber("refusals", bootstrap="localhost:9092", registry="http://localhost:8081")
products = board.table(Product)

@board.on(OrderChanged)
async def count(event: OrderChanged) -> None: ...

board.run()
"""

from omnihub.insight.subscriber import Subscriber
from omnihub.insight.table import StateTable

__all__ = ["StateTable", "Subscriber"]
