"""OmniHub: event-streaming integration hub for omnichannel retail."""
