import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;

/** Without arguments writes batches.txt; with hex batches as arguments prints what Kafka reads in them. */
public class Batches {
    public static void main(String[] args) {
        for (String hex : args) {
            MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(HexFormat.of().parseHex(hex)));
            for (MutableRecordBatch batch : records.batches()) {
                batch.ensureValid();
                System.out.print(batch.baseOffset() + ".." + batch.lastOffset() + " " + batch.compressionType() + " max " + batch.maxTimestamp() + ":");
                for (org.apache.kafka.common.record.internal.Record record : batch) {
                    System.out.print(" " + record.offset() + "@" + record.timestamp() + "/" + record.keySize() + "/" + record.valueSize() + "/" + record.headers().length);
                }
                System.out.println();
            }
        }
        if (args.length > 0) return;
        for (CompressionType type : CompressionType.values()) {
            ByteBuffer buffer = ByteBuffer.allocate(1 << 20);
            MemoryRecordsBuilder builder = MemoryRecords.builder(buffer, (byte) 2, Compression.of(type).build(), TimestampType.CREATE_TIME,
                1000L, 0L, 77L, (short) 3, 5, false, 9);
            Header[] twice = {new RecordHeader("h", "one".getBytes()), new RecordHeader("h", null)};
            builder.append(500L, "key-0".getBytes(), "value-0".getBytes(), twice);
            builder.append(900L, null, "value-1".getBytes());
            builder.append(700L, "key-2".getBytes(), null);
            builder.append(900L, "".getBytes(), "x".repeat(300).getBytes());
            ByteBuffer built = builder.build().buffer();
            byte[] bytes = new byte[built.remaining()];
            built.get(bytes);
            System.out.println(type.name + " " + HexFormat.of().formatHex(bytes));
        }
    }
}
