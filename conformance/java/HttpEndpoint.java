import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** A server that keeps what it is told, and fails as often as it was told to. */
final class HttpEndpoint implements AutoCloseable {
    private final HttpServer server;
    private final BlockingQueue<Told> told = new LinkedBlockingQueue<>();
    private final AtomicInteger failures = new AtomicInteger();

    record Told(Headers headers, String body) {
        String header(String name) {
            return headers.getFirst(name);
        }
    }

    HttpEndpoint() throws IOException {
        server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/told", this::answer);
        server.setExecutor(Executors.newCachedThreadPool(task -> {
            var thread = new Thread(task, "endpoint");
            thread.setDaemon(true);
            return thread;
        }));
        server.start();
    }

    private void answer(HttpExchange exchange) throws IOException {
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(failures.getAndDecrement() > 0 ? 503 : 200, -1);
        exchange.close();
        told.add(new Told(exchange.getRequestHeaders(), body));
    }

    String url() {
        return "http://127.0.0.1:" + server.getAddress().getPort() + "/told";
    }

    void fail(int times) {
        failures.set(times);
    }

    Told next(String kind) throws InterruptedException {
        Told next = told.poll(30, TimeUnit.SECONDS);
        Harness.equal(next == null ? null : next.header("x-amz-sns-message-type"), kind, "the kind of message");
        return next;
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
