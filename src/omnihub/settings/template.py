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

# Processes that run the rules, and partitions of new topics (never changed afterwards). At most as
# many workers as `default` share the work; each partition makes every commit a millisecond longer.
workers:
  count: 2
  rows: disk          # what rules know: disk (more than memory, quick restarts) or memory
partitions:
  default: 4
  raw: 2

# Sales channels: where each may sell from, and how much is kept back (thousandths of a unit).
channels: {}
#  WEB:
#    locations: [WAREHOUSE, STORE-61]
#    buffer_milli: 2000
safety:
  default_milli: 0

# Places, for orders that are collected and for the nearest store. Once one is listed, all must be.
locations: {}
#  WAREHOUSE:
#    kind: warehouse
#    services: [ship]
#  STORE-61:
#    kind: store
#    lat: 39.1031                            # degrees
#    lon: -84.5120
#    tz: America/New_York
#    pickup_sla_min: 45                      # open minutes until an order is ready
#    services: [ship, pickup, return]
#    opening_hours: {mon: "08:00-20:00", sat: "09:00-12:00,13:00-18:00"}   # the rest is closed

# How long goods are held for an order and how long it may stay unpaid, seconds; by channel, the
# places shipped lines are taken from, the preferred first.
orders:
  hold_s: 900
  payment_s: 900
#  sources: {WEB: [WAREHOUSE, STORE-61]}

# Connected systems: a name of your own, its type (`omnihub connectors list`), what it gets.
connectors: {}
#  web:
#    type: woocommerce
#    map: {sku: table, location: identity}   # codes by `omnihub map set`, or already canonical
#    levels: {channel: WEB}                  # show this channel's stock there
#    orders: {channel: WEB, status: true}    # its orders belong to WEB; it is told their status
#    config: {}                              # `omnihub connectors list` names its settings
#  erp:
#    type: tryton
#    owns: [stock]                           # its counts are believed
#    movements: {locations: [WAREHOUSE]}     # tell it what moved there
#    sales: {locations: [WAREHOUSE]}         # orders from there become its sales
#    totals: {channels: [WEB]}               # the other orders it learns as totals a day
#    config: {}
#  mail:
#    type: smtp
#    messages: {channel: email}              # it sends what buyers are told
#    config: {}

ops:
  require_key: true
  log_format: auto
  log_level: info
"""
