import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.record.internal.MemoryRecords;

/** Writes vectors.txt: every message and version, filled twice, as Kafka's own classes write it. */
public class Golden {
    static int counter;
    static boolean sparse;

    interface Make { ApiMessage message(); }

    public static void main(String[] names) throws Exception {
        for (String name : names) {
            Class<?> type = Class.forName("org.apache.kafka.common.message." + name);
            Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
            for (int version = 0; version < schemas.length; version++) {
                if (schemas[version] == null) continue;
                for (boolean s : new boolean[] {false, true}) {
                    sparse = s;
                    counter = version * 7;
                    emit(name, (short) version, schemas[version], (ApiMessage) type.getConstructor().newInstance());
                }
            }
        }
    }

    static void emit(String name, short version, Schema schema, ApiMessage message) {
        Struct struct = (Struct) value(schema);
        ByteBuffer buffer = ByteBuffer.allocate(schema.sizeOf(struct));
        schema.write(buffer, struct);
        buffer.flip();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        message.read(new ByteBufferAccessor(ByteBuffer.wrap(bytes)), version);
        ByteBuffer again = MessageUtil.toByteBufferAccessor(message, version).buffer();
        byte[] second = new byte[again.remaining()];
        again.get(second);
        if (!java.util.Arrays.equals(bytes, second)) throw new IllegalStateException(name + " " + version + " differs from itself");
        System.out.println(name.replaceAll("Data$", "") + " " + version + " " + HexFormat.of().formatHex(bytes));
    }

    static Object value(Type type) {
        if (sparse && type.isNullable()) return null;
        if (type.arrayElementType().isPresent()) {
            Object[] items = new Object[sparse ? 1 : 2];
            for (int i = 0; i < items.length; i++) items[i] = value(type.arrayElementType().get());
            return items;
        }
        if (type instanceof TaggedFields tagged) {
            TreeMap<Integer, Object> map = new TreeMap<>();
            if (!sparse) tagged.fields().forEach((tag, field) -> map.put(tag, value(field.type)));
            return map;
        }
        if (type instanceof Schema schema) {
            Struct struct = new Struct(schema);
            for (BoundField field : schema.fields()) struct.set(field, value(field.def.type));
            return struct;
        }
        counter++;
        String name = type.toString();
        if (name.contains("STRING")) return "s" + counter;
        if (name.contains("RECORDS")) return MemoryRecords.readableRecords(ByteBuffer.wrap(("r" + counter).getBytes()));
        if (name.contains("BYTES")) return ByteBuffer.wrap(("b" + counter).getBytes());
        if (name.contains("UUID")) return new Uuid(counter, -counter);
        return switch (name) {
            case "BOOLEAN" -> true;
            case "INT8" -> (byte) counter;
            case "INT16" -> (short) (1000 + counter);
            case "UINT16" -> 60_000 + counter;
            case "INT32" -> 1_000_000 + counter;
            case "INT64" -> 1_000_000_000_000L + counter;
            default -> throw new IllegalStateException(type.getClass() + " " + name);
        };
    }
}
