package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func adminTopics(ctx context.Context, bootstrap string) {
	topic, administrator := create(ctx, bootstrap, 3), admin(bootstrap)
	defer administrator.Close()
	details, err := administrator.ListTopics(ctx, topic)
	must(err)
	equal(len(details[topic].Partitions), 3, "partitions")
	_, err = administrator.CreateTopic(ctx, 1, 1, nil, topic)
	refusedWith(err, kerr.TopicAlreadyExists, "a topic that exists")
	_, err = administrator.DeleteTopic(ctx, topic)
	must(err)
	until(ctx, func() bool {
		topics, err := administrator.ListTopics(ctx)
		must(err)
		return !topics.Has(topic)
	}, "the topic is gone")
	_, err = administrator.DeleteTopic(ctx, topic)
	refusedWith(err, kerr.UnknownTopicOrPartition, "deleting it twice")
}

func retention(ctx context.Context, administrator *kadm.Client, topic string) string {
	described, err := administrator.DescribeTopicConfigs(ctx, topic)
	must(err)
	configs, err := described.On(topic, nil)
	must(err)
	must(configs.Err)
	for _, config := range configs.Configs {
		if config.Key == "retention.ms" {
			return config.MaybeValue()
		}
	}
	return ""
}

func adminConfigs(ctx context.Context, bootstrap string) {
	topic, administrator := fresh("t"), admin(bootstrap)
	defer administrator.Close()
	_, err := administrator.CreateTopic(ctx, 1, 1, map[string]*string{"retention.ms": kadm.StringPtr("1000000")}, topic)
	must(err)
	equal(retention(ctx, administrator, topic), "1000000", "retention.ms")
	change := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("2000000")}}
	answers, err := administrator.AlterTopicConfigs(ctx, change, topic)
	must(err)
	must(answers[0].Err)
	equal(retention(ctx, administrator, topic), "2000000", "retention.ms, altered")
}

func unknownConfigRefused(ctx context.Context, bootstrap string) {
	unknown := map[string]*string{"no.such.config": kadm.StringPtr("1")}
	_, err := admin(bootstrap).CreateTopic(ctx, 1, 1, unknown, fresh("t"))
	refusedWith(err, kerr.InvalidConfig, "an unknown config")
}

func adminPartitions(ctx context.Context, bootstrap string) {
	topic, administrator := create(ctx, bootstrap, 2), admin(bootstrap)
	defer administrator.Close()
	answers, err := administrator.UpdatePartitions(ctx, 5, topic)
	must(err)
	must(answers.Error())
	until(ctx, func() bool {
		details, err := administrator.ListTopics(ctx, topic)
		must(err)
		return len(details[topic].Partitions) == 5
	}, "five partitions")
	answers, err = administrator.UpdatePartitions(ctx, 1, topic)
	must(err)
	refusedWith(answers.Error(), kerr.InvalidPartitions, "fewer partitions")
}

func adminDeleteRecords(ctx context.Context, bootstrap string) {
	topic, administrator := create(ctx, bootstrap, 1), admin(bootstrap)
	defer administrator.Close()
	produce(ctx, bootstrap, topic, numbered(100))
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 60})
	answers, err := administrator.DeleteRecords(ctx, offsets)
	must(err)
	must(answers.Error())
	equal(read(ctx, bootstrap, topic, 1)[0].Offset, 60, "the first offset")
}

func adminOffsets(ctx context.Context, bootstrap string) {
	topic, administrator := create(ctx, bootstrap, 1), admin(bootstrap)
	defer administrator.Close()
	for _, stamp := range []int64{1000, 3000, 2000} {
		produce(ctx, bootstrap, topic, []*kgo.Record{{Value: []byte("x"), Timestamp: time.UnixMilli(start + stamp)}})
	}
	offset := func(listed kadm.ListedOffsets, err error) int64 {
		must(err)
		must(listed.Error())
		found, _ := listed.Lookup(topic, 0)
		return found.Offset
	}
	equal(offset(administrator.ListStartOffsets(ctx, topic)), 0, "earliest")
	equal(offset(administrator.ListEndOffsets(ctx, topic)), 3, "latest")
	equal(offset(administrator.ListOffsetsAfterMilli(ctx, start+1001, topic)), 1, "by time")
	// Past the newest record this client answers with the end itself.
	equal(offset(administrator.ListOffsetsAfterMilli(ctx, start+9000, topic)), 3, "after the newest")
	equal(offset(administrator.ListMaxTimestampOffsets(ctx, topic)), 1, "newest timestamp")
}

func adminGroups(ctx context.Context, bootstrap string) {
	topic, group, administrator := create(ctx, bootstrap, 1), fresh("g"), admin(bootstrap)
	defer administrator.Close()
	produce(ctx, bootstrap, topic, numbered(10))
	member := join(bootstrap, topic, group)
	must(member.CommitRecords(ctx, take(ctx, member.Client, 10)...))
	described, err := administrator.DescribeGroups(ctx, group)
	must(err)
	equal(described[group].State, "Stable", "the state of the group at work")
	equal(len(described[group].Members), 1, "members")
	_, err = administrator.DeleteGroup(ctx, group)
	refusedWith(err, kerr.NonEmptyGroup, "deleting a group at work")
	member.Close()
	groups, err := administrator.ListGroups(ctx)
	must(err)
	_, isListed := groups[group]
	equal(isListed, true, "the group is listed")
	committed := func() int64 {
		offsets, err := administrator.FetchOffsets(ctx, group)
		must(err)
		found, isKnown := offsets.Lookup(topic, 0)
		if !isKnown {
			return -1
		}
		return found.At
	}
	equal(committed(), 10, "committed")
	var back kadm.Offsets
	back.Add(kadm.Offset{Topic: topic, Partition: 0, At: 4, LeaderEpoch: -1})
	must(administrator.CommitAllOffsets(ctx, group, back))
	equal(committed(), 4, "rewound")
	_, err = administrator.DeleteOffsets(ctx, group, back.TopicsSet())
	must(err)
	equal(committed(), -1, "offsets deleted")
	_, err = administrator.DeleteGroup(ctx, group)
	must(err)
}

func transactionsRefused(ctx context.Context, bootstrap string) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	producer := client(bootstrap, kgo.TransactionalID(fresh("x")), kgo.RecordRetries(3))
	defer producer.Close()
	// The client asks for its producer id when it begins, or at the latest when it sends.
	err := producer.BeginTransaction()
	if err == nil {
		err = producer.ProduceSync(ctx, &kgo.Record{Topic: create(ctx, bootstrap, 1), Value: []byte("x")}).FirstErr()
	}
	equal(err != nil && ctx.Err() == nil, true, "refused at once")
}
