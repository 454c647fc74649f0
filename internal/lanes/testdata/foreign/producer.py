"""A shop's own producer, on Confluent's Python client and its Avro serializer. It knows accrue's contract, not accrue.

    python producer.py BROKERS REGISTRY PREFIX < events.jsonl

Its schemas are its own: the fields that this shop has, and one that accrue has never heard of. The serializer registers
them under the record's name, and the registry holds them to be compatible with accrue's.
"""
import json
import sys
from datetime import datetime

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient, record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

AT = {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}
SCHEMAS = {
    "OrderPlaced": ("orders", {
        "type": "record", "name": "OrderPlaced", "namespace": "accrue", "fields": [
            {"name": "id", "type": "string"}, {"name": "customer", "type": "string"}, AT,
            {"name": "order", "type": "string"}, {"name": "currency", "type": "string"},
            {"name": "till", "type": ["null", "string"], "default": None},
            {"name": "lines", "type": {"type": "array", "items": {
                "type": "record", "name": "Line", "fields": [
                    {"name": "line", "type": "string"}, {"name": "sku", "type": "string"},
                    {"name": "quantity", "type": "long"}, {"name": "amount_minor", "type": "long"},
                    {"name": "discount_minor", "type": "long", "default": 0}]}}}]}),
    "OrderReturned": ("returns", {
        "type": "record", "name": "OrderReturned", "namespace": "accrue", "fields": [
            {"name": "id", "type": "string"}, {"name": "customer", "type": "string"}, AT,
            {"name": "order", "type": "string"}, {"name": "return", "type": "string"},
            {"name": "lines", "default": None, "type": ["null", {"type": "array", "items": {
                "type": "record", "name": "ReturnedLine", "fields": [
                    {"name": "line", "type": "string"}, {"name": "amount_minor", "type": "long"}]}}]}]}),
}


def main(brokers, registry, prefix):
    client = SchemaRegistryClient({"url": registry})
    conf = {"auto.register.schemas": True, "subject.name.strategy": record_subject_name_strategy}
    serializers = {name: AvroSerializer(client, json.dumps(schema), conf=conf) for name, (_, schema) in SCHEMAS.items()}
    # librdkafka's default partitioner is CRC32; accrue wants that of Kafka's own clients.
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "enable.idempotence": True, "compression.type": "zstd"})
    failed = []
    for line in sys.stdin:
        event = json.loads(line)
        kind = event.pop("type")
        event["at"] = datetime.fromisoformat(event["at"].replace("Z", "+00:00"))
        if kind == "OrderPlaced":
            event["till"] = "till 7"
        topic = prefix + SCHEMAS[kind][0]
        producer.produce(topic, key=event["customer"].encode(),
                         value=serializers[kind](event, SerializationContext(topic, MessageField.VALUE)),
                         on_delivery=lambda err, _: err and failed.append(err))
    producer.flush(60)
    if failed:
        sys.exit(f"not delivered: {failed}")


if __name__ == "__main__":
    main(*sys.argv[1:])
