// Command consumer is one member of a group. It notes every record that it has processed.
//
//	consumer BOOTSTRAP TOPIC GROUP NOTES
//
// Each line of NOTES holds the time in nanoseconds, the partition, the offset and the headers
// `number` and `sequence` of one record, and its key. A record is noted before it is committed.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const recordsPerCommit = 200

func main() {
	bootstrap, topic, group, notes := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	owned := 0
	owns := func(added int) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
			owned += added * len(changed[topic])
			fmt.Println("owns", owned)
		}
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumeTopics(topic),
		kgo.ConsumerGroup(group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.OnPartitionsAssigned(owns(+1)),
		kgo.OnPartitionsRevoked(owns(-1)),
		kgo.OnPartitionsLost(owns(-1)),
	)
	if err != nil {
		log.Fatal(err)
	}
	// Closing leaves the group, so that the others take over at once.
	defer client.Close()
	file, err := os.OpenFile(notes, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	for ctx.Err() == nil {
		if err := step(ctx, client, file); err != nil && !errors.Is(err, context.Canceled) {
			log.Fatal(err)
		}
	}
}

// step processes some records, then commits them.
func step(ctx context.Context, client *kgo.Client, file *os.File) error {
	defer client.AllowRebalance()
	fetches := client.PollRecords(ctx, recordsPerCommit)
	if err := fetches.Err0(); err != nil {
		return err
	}
	for _, failed := range fetches.Errors() {
		log.Printf("%s/%d: %v", failed.Topic, failed.Partition, failed.Err)
	}
	out := bufio.NewWriter(file)
	for _, record := range fetches.Records() {
		number, sequence := header(record, "number"), header(record, "sequence")
		fmt.Fprintln(out, time.Now().UnixNano(), record.Partition, record.Offset, number, sequence, string(record.Key))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return client.CommitUncommittedOffsets(context.WithoutCancel(ctx))
}

func header(record *kgo.Record, key string) string {
	for _, header := range record.Headers {
		if header.Key == key {
			return string(header.Value)
		}
	}
	return ""
}
