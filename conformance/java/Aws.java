import java.net.URI;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.regions.Region;

/** Clients of AWS's services, for whoever speaks to the broker as one of them. */
final class Aws {
    private static final StaticCredentialsProvider CREDENTIALS =
        StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test"));

    static <B extends AwsClientBuilder<B, C>, C> C client(B builder, String endpoint) {
        var address = URI.create("http://" + endpoint);
        return builder.endpointOverride(address).region(Region.US_EAST_1).credentialsProvider(CREDENTIALS).build();
    }

    private Aws() {}
}
