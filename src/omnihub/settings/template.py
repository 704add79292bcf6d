"""The commented configuration that `omnihub init` writes. It is valid as it stands (tested)."""

TEMPLATE = """\
# OmniHub configuration. Unknown keys are errors; check it with `omnihub config check`.
# Any value can be overridden: OMNIHUB_KAFKA__BOOTSTRAP=host:9092 sets kafka.bootstrap.
# yaml-language-server: $schema=./omnihub.schema.json
version: 1

# The retailer: first part of every key. Never change it later.
tenant: main

# Everything kept on this machine, relative to this file: Kafka's data, views, logs, keys.
data_dir: .omnihub

# Without `bootstrap`, a real Kafka is started on this machine and kept under data_dir.
kafka: {}
#  bootstrap: kafka-1:9092,kafka-2:9092
#  security_protocol: SASL_SSL
#  sasl_mechanism: SCRAM-SHA-512
#  sasl_username: omnihub
#  sasl_password: ${env:KAFKA_PASSWORD}     # secrets are references, never literals

# Without `url`, the embedded schema registry is started on this port (0 = any free one).
registry:
  port: 8081

# REST, live events and webhooks. Keys: the first start prints a one-time admin key.
api:
  host: 127.0.0.1
  port: 8080
#  public_url: https://hub.example.com

# Processes that run the rules, and partitions of new topics (never changed afterwards).
workers:
  count: 2
partitions:
  default: 8
  raw: 4

# Sales channels: where each may sell from, and how much is kept back (thousandths of a unit).
channels: {}
#  WEB:
#    locations: [WAREHOUSE, STORE-61]
#    buffer_milli: 2000
safety:
  default_milli: 0

# Connected systems: a name of your own, its type (`omnihub connectors list`), what it gets.
connectors: {}
#  web:
#    type: woocommerce
#    map: {sku: table, location: identity}   # codes by `omnihub map set`, or already canonical
#    levels: {channel: WEB}                  # show this channel's stock there
#    config: {}                              # `omnihub connectors list` names its settings
#  erp:
#    type: tryton
#    owns: [stock]                           # its counts are believed
#    movements: {locations: [WAREHOUSE]}     # tell it what moved there
#    config: {}

ops:
  require_key: true
  log_format: auto
  log_level: info
"""
