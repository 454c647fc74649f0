import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A shop's own producer, on Kafka's Java client and Apache Avro. It takes the schemas from the registry, by the record's
 * name, and writes the Confluent wire format itself, because Confluent's serializer is not on Maven Central.
 *
 * <pre>java -cp 'jars/*' Shop.java BROKERS REGISTRY PREFIX &lt; events.jsonl</pre>
 */
public class Shop {
  record Registered(int id, Schema schema) {}

  static final ObjectMapper JSON = new ObjectMapper();
  static final Map<String, String> TOPICS = Map.of("OrderPlaced", "orders", "OrderReturned", "returns");

  public static void main(String[] args) throws Exception {
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    config.put("compression.type", "lz4");
    Map<String, Registered> known = new HashMap<>();
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        JsonNode event = JSON.readTree(line);
        String type = event.get("type").asText();
        if (!known.containsKey(type)) {
          known.put(type, latest(args[1], "accrue." + type));
        }
        byte[] key = event.get("customer").asText().getBytes(StandardCharsets.UTF_8);
        sent.add(producer.send(new ProducerRecord<>(args[2] + TOPICS.get(type), key, encode(known.get(type), event))));
      }
      for (Future<RecordMetadata> f : sent) {
        f.get();
      }
    }
  }

  static Registered latest(String registry, String subject) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(registry + "/subjects/" + subject + "/versions/latest")).build();
    HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    if (answer.statusCode() != 200) {
      throw new IOException(subject + ": " + answer.statusCode() + " " + answer.body());
    }
    JsonNode body = JSON.readTree(answer.body());
    return new Registered(body.get("id").asInt(), new Schema.Parser().parse(body.get("schema").asText()));
  }

  static byte[] encode(Registered registered, JsonNode event) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(0);
    out.write(ByteBuffer.allocate(4).putInt(registered.id()).array());
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
    new GenericDatumWriter<GenericRecord>(registered.schema()).write(recordOf(registered.schema(), event), encoder);
    encoder.flush();
    return out.toByteArray();
  }

  /** The fields that the event has; the others get the schema's defaults. */
  static GenericRecord recordOf(Schema schema, JsonNode event) {
    GenericRecordBuilder builder = new GenericRecordBuilder(schema);
    for (Schema.Field field : schema.getFields()) {
      JsonNode value = event.get(field.name());
      if (value != null) {
        builder.set(field, valueOf(field.schema(), value));
      }
    }
    return builder.build();
  }

  static Object valueOf(Schema schema, JsonNode value) {
    switch (schema.getType()) {
      case UNION:
        return value.isNull() ? null : valueOf(schema.getTypes().get(1), value);
      case RECORD:
        return recordOf(schema, value);
      case ARRAY:
        List<Object> items = new ArrayList<>();
        value.forEach(item -> items.add(valueOf(schema.getElementType(), item)));
        return new GenericData.Array<>(schema, items);
      case LONG:
        return value.isTextual() ? Instant.parse(value.asText()).toEpochMilli() : value.asLong();
      case STRING:
        return value.asText();
      default:
        throw new IllegalArgumentException("a field of type " + schema);
    }
  }
}
