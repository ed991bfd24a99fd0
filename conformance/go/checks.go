package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// start is the time of a check's first record: within every default retention, or housekeeping takes the records away.
var start = time.Now().Add(-time.Hour).UnixMilli()

var checks = map[string]check{
	"compression_none":       compression(kgo.NoCompression()),
	"compression_gzip":       compression(kgo.GzipCompression()),
	"compression_snappy":     compression(kgo.SnappyCompression()),
	"compression_lz4":        compression(kgo.Lz4Compression()),
	"compression_zstd":       compression(kgo.ZstdCompression()),
	"record_fields":          recordFields,
	"order_per_key":          orderPerKey,
	"large_record":           largeRecord,
	"idempotence":            idempotence,
	"auto_create":            autoCreate,
	"seek":                   seek,
	"group_resume":           groupResume,
	"group_rebalance":        rebalance(kgo.Balancers(kgo.RangeBalancer())),
	"group_cooperative":      rebalance(kgo.Balancers(kgo.CooperativeStickyBalancer())),
	"group_static":           groupStatic,
	"group_kip848":           rebalance(kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer())),
	"admin_topics":           adminTopics,
	"admin_configs":          adminConfigs,
	"unknown_config_refused": unknownConfigRefused,
	"admin_partitions":       adminPartitions,
	"admin_delete_records":   adminDeleteRecords,
	"admin_offsets":          adminOffsets,
	"admin_groups":           adminGroups,
	"transactions_refused":   transactionsRefused,
}

func client(bootstrap string, options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(strings.Split(bootstrap, ",")...)}, options...)...)
	must(err)
	return made
}

func admin(bootstrap string) *kadm.Client { return kadm.NewClient(client(bootstrap)) }

func create(ctx context.Context, bootstrap string, partitions int32) string {
	topic := fresh("t")
	administrator := admin(bootstrap)
	defer administrator.Close()
	_, err := administrator.CreateTopic(ctx, partitions, 1, nil, topic)
	must(err)
	return topic
}

// produce sends the records in order and returns them as acknowledged.
func produce(ctx context.Context, bootstrap, topic string, records []*kgo.Record, options ...kgo.Opt) []*kgo.Record {
	options = append([]kgo.Opt{kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(20 * time.Millisecond)}, options...)
	producer := client(bootstrap, options...)
	defer producer.Close()
	results := producer.ProduceSync(ctx, records...)
	must(results.FirstErr())
	return records
}

func numbered(count int) []*kgo.Record {
	records := make([]*kgo.Record, count)
	for number := range records {
		records[number] = kgo.StringRecord(fmt.Sprint(number))
	}
	return records
}

func take(ctx context.Context, reader *kgo.Client, count int) []*kgo.Record {
	var taken []*kgo.Record
	for len(taken) < count {
		fetches := reader.PollRecords(ctx, count-len(taken))
		must(fetches.Err())
		taken = append(taken, fetches.Records()...)
	}
	return taken
}

func fromStart() kgo.Opt { return kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()) }

func read(ctx context.Context, bootstrap, topic string, count int) []*kgo.Record {
	reader := client(bootstrap, kgo.ConsumeTopics(topic), fromStart())
	defer reader.Close()
	return take(ctx, reader, count)
}

func compression(codec kgo.CompressionCodec) check {
	return func(ctx context.Context, bootstrap string) {
		topic := create(ctx, bootstrap, 1)
		produce(ctx, bootstrap, topic, numbered(500), kgo.ProducerBatchCompression(codec))
		for number, record := range read(ctx, bootstrap, topic, 500) {
			equal(string(record.Value), fmt.Sprint(number), "value")
		}
	}
}

func recordFields(ctx context.Context, bootstrap string) {
	topic := create(ctx, bootstrap, 1)
	headers := []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}, {Key: "empty", Value: []byte{}}, {Key: "missing"}}
	at := time.UnixMilli(start + 123)
	produce(ctx, bootstrap, topic, []*kgo.Record{
		{Key: []byte("key"), Value: []byte("value"), Headers: headers, Timestamp: at},
		{Key: []byte{}, Value: []byte{}, Timestamp: at.Add(time.Millisecond)},
		{Key: nil, Value: nil, Timestamp: at.Add(2 * time.Millisecond)},
	})
	got := read(ctx, bootstrap, topic, 3)
	for index, record := range got {
		equal(record.Timestamp.UnixMilli(), at.UnixMilli()+int64(index), "timestamp")
	}
	equal(fmt.Sprintf("%q %q %#v", got[0].Key, got[0].Value, got[0].Headers), fmt.Sprintf("%q %q %#v", "key", "value", headers), "record 0")
	equal(got[1].Key != nil && got[1].Value != nil && len(got[1].Key)+len(got[1].Value) == 0, true, "record 1 is empty")
	equal(got[2].Key == nil && got[2].Value == nil, true, "record 2 has neither key nor value")
}

func orderPerKey(ctx context.Context, bootstrap string) {
	topic := create(ctx, bootstrap, 4)
	records := numbered(10_000)
	for number, record := range records {
		record.Key = []byte(fmt.Sprint(number % 100))
	}
	produce(ctx, bootstrap, topic, records)
	reader := client(bootstrap, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(fresh("g")), fromStart())
	defer reader.Close()
	last := map[string]int{}
	for _, record := range take(ctx, reader, 10_000) {
		var number int
		_, err := fmt.Sscan(string(record.Value), &number)
		must(err)
		before, known := last[string(record.Key)]
		if !known {
			before = number%100 - 100
		}
		equal(before, number-100, "the record before")
		last[string(record.Key)] = number
	}
	equal(len(last), 100, "keys")
}

func largeRecord(ctx context.Context, bootstrap string) {
	topic := create(ctx, bootstrap, 1)
	body := make([]byte, 900_000)
	for index := range body {
		body[index] = byte(index)
	}
	produce(ctx, bootstrap, topic, []*kgo.Record{{Value: body}}, kgo.ProducerBatchCompression(kgo.NoCompression()))
	equal(string(read(ctx, bootstrap, topic, 1)[0].Value) == string(body), true, "the same bytes")
}

func idempotence(ctx context.Context, bootstrap string) {
	topic := create(ctx, bootstrap, 1)
	// Idempotent is what this client is unless it is told otherwise.
	for number, record := range produce(ctx, bootstrap, topic, numbered(2000), kgo.RequiredAcks(kgo.AllISRAcks())) {
		equal(record.Offset, int64(number), "offset")
		equal(record.ProducerID >= 0, true, "a producer id")
	}
}

func autoCreate(ctx context.Context, bootstrap string) {
	topic := fresh("auto")
	produce(ctx, bootstrap, topic, numbered(1), kgo.AllowAutoTopicCreation())
	topics, err := admin(bootstrap).ListTopics(ctx)
	must(err)
	equal(topics.Has(topic), true, "the topic exists")
}

func seek(ctx context.Context, bootstrap string) {
	topic := create(ctx, bootstrap, 1)
	records := numbered(100)
	for number, record := range records {
		record.Timestamp = time.UnixMilli(start + int64(number))
	}
	produce(ctx, bootstrap, topic, records)
	for from, offset := range map[string]kgo.Offset{
		"0":  kgo.NewOffset().AtStart(),
		"40": kgo.NewOffset().At(40),
		"70": kgo.NewOffset().AfterMilli(start + 70),
	} {
		reader := client(bootstrap, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: offset}}))
		equal(string(take(ctx, reader, 1)[0].Value), from, "the first record")
		reader.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: 5}}})
		equal(string(take(ctx, reader, 1)[0].Value), "5", "the record after rewinding")
		reader.Close()
	}
}

func groupResume(ctx context.Context, bootstrap string) {
	topic, group := create(ctx, bootstrap, 1), fresh("g")
	produce(ctx, bootstrap, topic, numbered(100))
	member := func() *kgo.Client {
		return client(bootstrap, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), fromStart(), kgo.DisableAutoCommit())
	}
	first := member()
	taken := take(ctx, first, 30)
	must(first.CommitRecords(ctx, taken...))
	first.Close()
	offsets, err := admin(bootstrap).FetchOffsets(ctx, group)
	must(err)
	committed, _ := offsets.Lookup(topic, 0)
	equal(committed.At, 30, "committed")
	second := member()
	defer second.Close()
	equal(string(take(ctx, second, 1)[0].Value), "30", "the next record")
}

// share is what one member of a group owns now, as the client's own callbacks tell it.
type share struct {
	*kgo.Client
	mutex sync.Mutex
	owned map[int32]bool
}

func (s *share) partitions() []int32 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var owned []int32
	for partition := range s.owned {
		owned = append(owned, partition)
	}
	slices.Sort(owned)
	return owned
}

func join(bootstrap, topic, group string, options ...kgo.Opt) *share {
	member := &share{owned: map[int32]bool{}}
	change := func(owned bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
			member.mutex.Lock()
			defer member.mutex.Unlock()
			for _, partition := range changed[topic] {
				if owned {
					member.owned[partition] = true
				} else {
					delete(member.owned, partition)
				}
			}
		}
	}
	member.Client = client(bootstrap, append([]kgo.Opt{
		kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), fromStart(), kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)),
	}, options...)...)
	return member
}

// shares waits until the members' shares have these sizes.
func shares(ctx context.Context, members []*share, wanted ...int) {
	until(ctx, func() bool {
		seen, sizes := map[int32]bool{}, []int{}
		for _, member := range members {
			owned := member.partitions()
			sizes = append(sizes, len(owned))
			for _, partition := range owned {
				seen[partition] = true
			}
		}
		return slices.Equal(sizes, wanted) && len(seen) == 4
	}, fmt.Sprint("shares of ", wanted))
}

func rebalance(options ...kgo.Opt) check {
	return func(ctx context.Context, bootstrap string) {
		topic, group := create(ctx, bootstrap, 4), fresh("g")
		members := []*share{join(bootstrap, topic, group, options...), join(bootstrap, topic, group, options...)}
		shares(ctx, members, 2, 2)
		members[0].Close()
		shares(ctx, members[1:], 4)
		produce(ctx, bootstrap, topic, numbered(40))
		must(members[1].CommitRecords(ctx, take(ctx, members[1].Client, 40)...))
		members[1].Close()
	}
}

func groupStatic(ctx context.Context, bootstrap string) {
	topic, group := create(ctx, bootstrap, 4), fresh("g")
	member := func(name string) *share {
		return join(bootstrap, topic, group, kgo.InstanceID(name), kgo.SessionTimeout(30*time.Second))
	}
	members := []*share{member("one"), member("two")}
	shares(ctx, members, 2, 2)
	before := members[0].partitions()
	members[0].Close()
	time.Sleep(time.Second)
	equal(len(members[1].partitions()), 2, "the other's share while the member is away")
	members[0] = member("one")
	shares(ctx, members, 2, 2)
	equal(fmt.Sprint(members[0].partitions()), fmt.Sprint(before), "its share when it is back")
	for _, member := range members {
		member.Close()
	}
}
