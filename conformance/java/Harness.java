import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** Runs the checks of one client and prints what came of each as one line of JSON. */
final class Harness {
    private static final int CHECK_SECONDS_MAX = 90;
    private static final int WAIT_SECONDS_MAX = 45;
    private static final ObjectMapper JSON = new ObjectMapper();

    interface Check {
        void run(String bootstrap) throws Exception;
    }

    interface Call {
        void run() throws Exception;
    }

    static void run(String client, String version, Map<String, Check> checks, String[] arguments) throws Exception {
        List<String> words = List.of(arguments).subList(2, arguments.length);
        print(Map.of("client", client, "version", version));
        for (JsonNode item : JSON.readTree(new File(arguments[1]))) {
            String name = item.get("check").asText();
            if (words.isEmpty() || words.contains(name)) {
                print(one(name, checks.get(name), arguments[0]));
            }
        }
        System.exit(0);
    }

    private static Map<String, Object> one(String name, Check check, String bootstrap) {
        long startedAt = System.nanoTime();
        String outcome = "pass";
        String detail = "";
        if (check == null) {
            outcome = "absent";
            detail = "the client has no such feature";
        } else {
            var task = new FutureTask<Void>(() -> {
                check.run(bootstrap);
                return null;
            });
            var thread = new Thread(task, name);
            thread.setDaemon(true);
            thread.start();
            try {
                task.get(CHECK_SECONDS_MAX, TimeUnit.SECONDS);
            } catch (Exception failure) {
                Throwable cause = failure instanceof ExecutionException ? failure.getCause() : failure;
                cause.printStackTrace();
                outcome = "fail";
                detail = cause.toString();
            }
        }
        long millis = (System.nanoTime() - startedAt) / 1_000_000;
        return Map.of("check", name, "outcome", outcome, "detail", detail, "seconds", millis / 1000.0);
    }

    private static void print(Map<String, ?> line) throws Exception {
        System.out.println(JSON.writeValueAsString(line));
        System.out.flush();
    }

    /** A name that nobody has used before. */
    static String fresh(String word) {
        return word + "-" + UUID.randomUUID().toString().substring(0, 13);
    }

    static void equal(Object got, Object wanted, String what) {
        if (!Objects.equals(got, wanted)) {
            throw new AssertionError(what + ": got " + got + ", wanted " + wanted);
        }
    }

    static void until(BooleanSupplier condition, String what) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS_MAX);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("never came true: " + what);
            }
            Thread.sleep(20);
        }
    }

    /** The call must end with this exception. */
    static void refused(Call call, Class<? extends Throwable> wanted, String what) throws Exception {
        try {
            call.run();
        } catch (Exception thrown) {
            Throwable cause = thrown instanceof ExecutionException ? thrown.getCause() : thrown;
            equal(wanted.isInstance(cause), true, what + " ends with " + cause + ", wanted " + wanted);
            return;
        }
        throw new AssertionError(what + " was accepted");
    }

    private Harness() {}
}
