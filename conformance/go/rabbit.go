package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var rabbitChecks = map[string]check{
	"values":       rabbitValues,
	"frames":       rabbitFrames,
	"confirms":     rabbitConfirms,
	"consume":      rabbitConsume,
	"dead_letters": rabbitDeadLetters,
	"quorum":       rabbitQuorum,
	"full":         rabbitFull,
	"delayed":      rabbitDelayed,
	"rpc":          rabbitRPC,
	"topology":     rabbitTopology,
	"errors":       rabbitErrors,
	"heartbeat":    rabbitHeartbeat,
	"channels":     rabbitChannels,
	"gone":         rabbitGone,
	"transactions": rabbitTransactions,
	"cut_off":      rabbitCutOff,
}

// dial connects, and hangs up when the check is over.
func dial(ctx context.Context, address string, config amqp.Config) *amqp.Connection {
	connection, err := amqp.DialConfig("amqp://guest:guest@"+address+"/", config)
	must(err)
	context.AfterFunc(ctx, func() { _ = connection.Close() })
	return connection
}

func open(connection *amqp.Connection) *amqp.Channel {
	channel, err := connection.Channel()
	must(err)
	return channel
}

func opened(ctx context.Context, address string) *amqp.Channel {
	return open(dial(ctx, address, amqp.Config{}))
}

// rabbitQueue declares a durable queue that nobody has used before.
func rabbitQueue(channel *amqp.Channel, arguments amqp.Table) string {
	queue, err := channel.QueueDeclare(fresh("q"), true, false, false, false, arguments)
	must(err)
	return queue.Name
}

func send(ctx context.Context, channel *amqp.Channel, queue, body string) {
	must(channel.PublishWithContext(ctx, "", queue, false, false, amqp.Publishing{Body: []byte(body)}))
}

// next waits for one that comes to a consumer.
func next[T any](ctx context.Context, from <-chan T, what string) T {
	select {
	case one, isOpen := <-from:
		if !isOpen {
			panic(what + " ended")
		}
		return one
	case <-ctx.Done():
		panic("never came: " + what)
	}
}

// fetch waits until a queue has a message.
func fetch(ctx context.Context, channel *amqp.Channel, queue string) (got amqp.Delivery) {
	until(ctx, func() bool {
		message, isThere, err := channel.Get(queue, true)
		must(err)
		got = message
		return isThere
	}, "a message in "+queue)
	return got
}

func refusedCode(err error, code int, what string) {
	var refused *amqp.Error
	if !errors.As(err, &refused) {
		panic(fmt.Sprintf("%s: got %v", what, err))
	}
	equal(refused.Code, code, "the code of "+what)
}

func rabbitValues(ctx context.Context, address string) {
	channel := opened(ctx, address)
	queue := rabbitQueue(channel, nil)
	headers := amqp.Table{
		"bool": true, "byte": int8(-7), "short": int16(-300), "int": int32(1), "long": int64(1) << 40,
		"float": float32(1.5), "double": 2.5, "decimal": amqp.Decimal{Scale: 2, Value: 125}, "text": "änd 🚌",
		"bytes": []byte{0, 255}, "list": []interface{}{int32(1), "a", []interface{}{int32(2)}},
		"time": time.Unix(1_700_000_000, 0), "table": amqp.Table{"x": amqp.Table{"y": int32(1)}}, "nothing": nil,
	}
	sent := amqp.Publishing{
		Headers: headers, ContentType: "text/plain", ContentEncoding: "utf-8", DeliveryMode: amqp.Persistent, Priority: 7,
		CorrelationId: "c", ReplyTo: "r", Expiration: "60000", MessageId: "m", Timestamp: time.Unix(1_700_000_000, 0),
		Type: "t", UserId: "guest", AppId: "a", Body: []byte("body"),
	}
	must(channel.PublishWithContext(ctx, "", queue, false, false, sent))
	got := fetch(ctx, channel, queue)
	back := amqp.Publishing{
		Headers: got.Headers, ContentType: got.ContentType, ContentEncoding: got.ContentEncoding,
		DeliveryMode: got.DeliveryMode, Priority: got.Priority, CorrelationId: got.CorrelationId, ReplyTo: got.ReplyTo,
		Expiration: got.Expiration, MessageId: got.MessageId, Timestamp: got.Timestamp, Type: got.Type, UserId: got.UserId,
		AppId: got.AppId, Body: got.Body,
	}
	equal(fmt.Sprintf("%#v", back), fmt.Sprintf("%#v", sent), "the message")
}

func rabbitFrames(ctx context.Context, address string) {
	for _, frame := range []int{0, 8192, 131_072} {
		channel := open(dial(ctx, address, amqp.Config{FrameSize: frame}))
		queue := rabbitQueue(channel, nil)
		for _, size := range []int{5_000_000, 0, 8184, 8185} {
			body := bytes.Repeat([]byte("x"), size)
			send(ctx, channel, queue, string(body))
			equal(bytes.Equal(fetch(ctx, channel, queue).Body, body), true, fmt.Sprintf("%d bytes in frames of %d", size, frame))
		}
	}
}

func rabbitConfirms(ctx context.Context, address string) {
	channel := opened(ctx, address)
	must(channel.Confirm(false))
	queue := rabbitQueue(channel, nil)
	var under []*amqp.DeferredConfirmation
	for range 1000 {
		confirmation, err := channel.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{})
		must(err)
		under = append(under, confirmation)
	}
	for _, confirmation := range under {
		acked, err := confirmation.WaitContext(ctx)
		must(err)
		equal(acked, true, "what was confirmed")
	}
	state, err := channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	must(err)
	equal(state.Messages, 1000, "messages")
	// Both come by one goroutine of the client, in their order.
	returned, confirmed := channel.NotifyReturn(make(chan amqp.Return)), channel.NotifyPublish(make(chan amqp.Confirmation))
	must(channel.PublishWithContext(ctx, "", fresh("nowhere"), true, false, amqp.Publishing{}))
	select {
	case back := <-returned:
		equal(back.ReplyCode, uint16(312), "the code of what came back")
	case <-confirmed:
		panic("confirmed before it came back")
	}
	equal(next(ctx, confirmed, "the confirm").Ack, true, "what came then")
}

func rabbitConsume(ctx context.Context, address string) {
	channel := opened(ctx, address)
	queue := rabbitQueue(channel, nil)
	for _, body := range "123456" {
		send(ctx, channel, queue, string(body))
	}
	must(channel.Qos(3, 0, false))
	deliveries, err := channel.ConsumeWithContext(ctx, queue, "tag", false, false, false, false, nil)
	must(err)
	var taken []amqp.Delivery
	take := func(count int) {
		for range count {
			taken = append(taken, next(ctx, deliveries, "a delivery"))
		}
	}
	take(3)
	select {
	case more := <-deliveries:
		panic("more than the prefetch: " + string(more.Body))
	case <-time.After(200 * time.Millisecond):
	}
	must(taken[1].Ack(true))
	take(2)
	must(taken[2].Nack(false, true))
	take(1)
	equal(fmt.Sprint(string(taken[5].Body), taken[5].Redelivered), "3true", "what was given back")
	must(channel.Cancel("tag", false))
	_, isOpen := <-deliveries
	equal(isOpen, false, "deliveries end with the consumer")
	for _, held := range taken[3:] {
		must(held.Reject(true))
	}
	var again []string
	for range 4 {
		again = append(again, string(fetch(ctx, channel, queue).Body))
	}
	slices.Sort(again)
	equal(fmt.Sprint(again), "[3 4 5 6]", "what comes again")
}

// dyingQueue makes a queue, and the queue of its dead letters.
func dyingQueue(channel *amqp.Channel, arguments amqp.Table) (queue, dead string) {
	exchange := fresh("dlx")
	must(channel.ExchangeDeclare(exchange, amqp.ExchangeFanout, true, false, false, false, nil))
	dead = rabbitQueue(channel, nil)
	must(channel.QueueBind(dead, "", exchange, false, nil))
	arguments["x-dead-letter-exchange"] = exchange
	return rabbitQueue(channel, arguments), dead
}

func deathOf(message amqp.Delivery) amqp.Table {
	return message.Headers["x-death"].([]interface{})[0].(amqp.Table)
}

func rabbitDeadLetters(ctx context.Context, address string) {
	channel := opened(ctx, address)
	queue, dead := dyingQueue(channel, amqp.Table{amqp.QueueMessageTTLArg: int32(60_000)})
	for _, expiration := range []string{"", "50"} {
		must(channel.PublishWithContext(ctx, "", queue, false, false, amqp.Publishing{Expiration: expiration}))
		wanted := "expired"
		if expiration == "" {
			wanted = "rejected"
			message, _, err := channel.Get(queue, false)
			must(err)
			must(message.Reject(false))
		}
		letter := fetch(ctx, channel, dead)
		death := deathOf(letter)
		equal(fmt.Sprint(death["reason"], death["queue"], death["count"]), fmt.Sprint(wanted, queue, 1), "how it died")
		equal(letter.Expiration, "", "it does not expire again")
	}
}

func rabbitQuorum(ctx context.Context, address string) {
	channel := opened(ctx, address)
	arguments := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-delivery-limit": 2}
	queue, dead := dyingQueue(channel, arguments)
	deliveries, err := channel.ConsumeWithContext(ctx, queue, "", false, false, false, false, nil)
	must(err)
	send(ctx, channel, queue, "worn")
	for _, count := range []interface{}{nil, int64(1), int64(2)} {
		message := next(ctx, deliveries, "a delivery")
		equal(message.Headers["x-delivery-count"], count, "deliveries before")
		must(message.Nack(false, true))
	}
	equal(deathOf(fetch(ctx, channel, dead))["reason"], interface{}("delivery_limit"), "how it wore out")
}

func rabbitFull(ctx context.Context, address string) {
	channel := opened(ctx, address)
	must(channel.Confirm(false))
	queue := rabbitQueue(channel, amqp.Table{amqp.QueueMaxLenArg: 2, amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish})
	for number := range 3 {
		confirmation, err := channel.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{})
		must(err)
		equal(confirmation.Wait(), number < 2, fmt.Sprintf("message %d", number))
	}
}

func rabbitDelayed(ctx context.Context, address string) {
	channel := opened(ctx, address)
	exchange, queue := fresh("x"), rabbitQueue(channel, nil)
	arguments := amqp.Table{"x-delayed-type": "direct"}
	must(channel.ExchangeDeclare(exchange, "x-delayed-message", true, false, false, false, arguments))
	must(channel.QueueBind(queue, "k", exchange, false, nil))
	sentAt := time.Now()
	late := amqp.Publishing{Headers: amqp.Table{"x-delay": 600}}
	must(channel.PublishWithContext(ctx, exchange, "k", false, false, late))
	fetch(ctx, channel, queue)
	equal(time.Since(sentAt) >= 600*time.Millisecond, true, "it was held back")
}

func rabbitRPC(ctx context.Context, address string) {
	answering, asking := opened(ctx, address), opened(ctx, address)
	asked := rabbitQueue(answering, nil)
	questions, err := answering.ConsumeWithContext(ctx, asked, "", false, false, false, false, nil)
	must(err)
	go func() {
		for question := range questions {
			answer := amqp.Publishing{CorrelationId: question.CorrelationId, Body: bytes.ToUpper(question.Body)}
			_ = answering.PublishWithContext(ctx, "", question.ReplyTo, false, false, answer)
			_ = question.Ack(false)
		}
	}()
	mine, err := asking.QueueDeclare("", false, true, true, false, nil)
	must(err)
	for _, replyTo := range []string{mine.Name, "amq.rabbitmq.reply-to"} {
		answers, err := asking.ConsumeWithContext(ctx, replyTo, "", true, false, false, false, nil)
		must(err)
		question := amqp.Publishing{ReplyTo: replyTo, CorrelationId: "c", Body: []byte("question")}
		must(asking.PublishWithContext(ctx, "", asked, false, false, question))
		answer := next(ctx, answers, "the answer")
		equal(fmt.Sprint(string(answer.Body), answer.CorrelationId), "QUESTIONc", "the answer")
	}
}

func rabbitTopology(ctx context.Context, address string) {
	connection := dial(ctx, address, amqp.Config{})
	channel := open(connection)
	outer, inner, queue := fresh("outer"), fresh("inner"), rabbitQueue(channel, nil)
	must(channel.ExchangeDeclare(outer, amqp.ExchangeHeaders, true, true, false, false, nil))
	must(channel.ExchangeDeclare(inner, amqp.ExchangeDirect, true, false, true, false, nil))
	red := amqp.Table{"x-match": "all", "colour": "red", "size": int32(1)}
	must(channel.ExchangeBind(inner, "", outer, false, red))
	must(channel.QueueBind(queue, "k", inner, false, nil))
	for number, headers := range []amqp.Table{{"colour": "red"}, {"colour": "red", "size": int64(1), "more": true}} {
		message := amqp.Publishing{Headers: headers, Body: []byte{byte('0' + number)}}
		must(channel.PublishWithContext(ctx, outer, "k", false, false, message))
	}
	equal(string(fetch(ctx, channel, queue).Body), "1", "what matches")
	refusedCode(open(connection).ExchangeDelete(inner, true, false), amqp.PreconditionFailed, "deleting what is used")
	send(ctx, channel, queue, "one")
	_, err := open(connection).QueueDelete(queue, false, true, false)
	refusedCode(err, amqp.PreconditionFailed, "deleting what is not empty")
	must(channel.ExchangeUnbind(inner, "", outer, false, red))
	err = open(connection).ExchangeDeclarePassive(outer, amqp.ExchangeHeaders, true, true, false, false, nil)
	refusedCode(err, amqp.NotFound, "an auto-delete exchange that is gone")
	purged, err := channel.QueuePurge(queue, false)
	must(err)
	equal(purged, 1, "what was purged")
}

func rabbitErrors(ctx context.Context, address string) {
	connection := dial(ctx, address, amqp.Config{})
	queue := rabbitQueue(open(connection), nil)
	declare := func(name string, durable bool, arguments amqp.Table) error {
		channel := open(connection)
		closed := channel.NotifyClose(make(chan *amqp.Error, 1))
		_, err := channel.QueueDeclare(name, durable, false, false, false, arguments)
		equal(fmt.Sprint(next(ctx, closed, "why the channel was closed")), fmt.Sprint(err), "what the channel tells")
		return err
	}
	refusedCode(declare(queue, false, nil), amqp.PreconditionFailed, "other arguments")
	refusedCode(declare("amq.mine", true, nil), amqp.AccessRefused, "a name of the server's")
	odd := amqp.Table{"x-max-length": "a"}
	refusedCode(declare(fresh("q"), true, odd), amqp.PreconditionFailed, "a bound that is no number")
	_, _, err := open(connection).Get(fresh("q"), true)
	refusedCode(err, amqp.NotFound, "a queue that is not there")
	equal(connection.IsClosed(), false, "the connection goes on")
	_, err = amqp.DialConfig("amqp://guest:guest@"+address+"/", amqp.Config{Vhost: fresh("nowhere")})
	equal(err != nil, true, "a virtual host that is not there is refused")
}

// silencer swallows what a connection says, once told to.
type silencer struct {
	net.Conn
	mutex    sync.Mutex
	isSilent bool
}

func (wire *silencer) Write(data []byte) (int, error) {
	wire.mutex.Lock()
	defer wire.mutex.Unlock()
	if wire.isSilent {
		return len(data), nil
	}
	return wire.Conn.Write(data)
}

func (wire *silencer) fall() {
	wire.mutex.Lock()
	defer wire.mutex.Unlock()
	wire.isSilent = true
}

func rabbitHeartbeat(ctx context.Context, address string) {
	beating := dial(ctx, address, amqp.Config{Heartbeat: time.Second})
	var wire *silencer
	silent := dial(ctx, address, amqp.Config{Heartbeat: time.Second, Dial: func(network, address string) (net.Conn, error) {
		connection, err := net.Dial(network, address)
		wire = &silencer{Conn: connection}
		return wire, err
	}})
	closed := silent.NotifyClose(make(chan *amqp.Error, 1))
	wire.fall()
	select {
	case <-closed:
	case <-ctx.Done():
		panic("a connection that says nothing stays")
	}
	time.Sleep(time.Second)
	channel := open(beating)
	queue := rabbitQueue(channel, nil)
	send(ctx, channel, queue, "1")
	fetch(ctx, channel, queue)
}

func rabbitChannels(ctx context.Context, address string) {
	connection := dial(ctx, address, amqp.Config{})
	var work sync.WaitGroup
	failures := make(chan any, 100)
	for range 100 {
		work.Go(func() {
			defer func() {
				if reason := recover(); reason != nil {
					failures <- reason
				}
			}()
			channel := open(connection)
			queue := rabbitQueue(channel, nil)
			deliveries, err := channel.ConsumeWithContext(ctx, queue, "", true, false, false, false, nil)
			must(err)
			for number := range 10 {
				send(ctx, channel, queue, fmt.Sprint(number))
			}
			for number := range 10 {
				equal(string(next(ctx, deliveries, "a delivery").Body), fmt.Sprint(number), "what a channel gets")
			}
			must(channel.Close())
		})
	}
	work.Wait()
	if len(failures) > 0 {
		panic(<-failures)
	}
}

func rabbitGone(ctx context.Context, address string) {
	connection := dial(ctx, address, amqp.Config{})
	channel := open(connection)
	queue := rabbitQueue(channel, nil)
	deliveries, err := channel.ConsumeWithContext(ctx, queue, "tag", true, false, false, false, nil)
	must(err)
	told := channel.NotifyCancel(make(chan string, 1))
	_, err = open(connection).QueueDelete(queue, false, false, false)
	must(err)
	equal(next(ctx, told, "the word that the queue is gone"), "tag", "whose queue is gone")
	_, isOpen := <-deliveries
	equal(isOpen, false, "deliveries end")
	rabbitQueue(channel, nil)
}

func rabbitTransactions(ctx context.Context, address string) {
	channel := opened(ctx, address)
	queue := rabbitQueue(channel, nil)
	must(channel.Tx())
	send(ctx, channel, queue, "1")
	must(channel.TxRollback())
	send(ctx, channel, queue, "2")
	must(channel.TxCommit())
	equal(string(fetch(ctx, channel, queue).Body), "2", "what was committed")
	must(channel.TxCommit())
	_, isThere, err := channel.Get(queue, true)
	must(err)
	equal(isThere, false, "what was rolled back")
}

// rabbitCutOff cuts the connection below the client, thrice: its recovery declares, binds and consumes again.
func rabbitCutOff(ctx context.Context, address string) {
	var mutex sync.Mutex
	var wire net.Conn
	config := amqp.Config{
		Recovery: &amqp.Recovery{ReconnectionConfig: &amqp.ReconnectionConfig{MaxRetryCount: 100, RetryInterval: 50 * time.Millisecond}},
		Dial: func(network, address string) (net.Conn, error) {
			connection, err := amqp.DefaultDial(10*time.Second)(network, address)
			mutex.Lock()
			defer mutex.Unlock()
			wire = connection
			return connection, err
		},
	}
	connection := dial(ctx, address, config)
	publishing, consuming := open(connection), open(connection)
	must(publishing.Confirm(false))
	exchange := fresh("x")
	must(consuming.ExchangeDeclare(exchange, amqp.ExchangeTopic, false, true, false, false, nil))
	kept := rabbitQueue(consuming, nil)
	mine, err := consuming.QueueDeclare("", false, true, true, false, nil)
	must(err)
	must(consuming.QueueBind(kept, "#", exchange, false, nil))
	must(consuming.QueueBind(mine.Name, "#", exchange, false, nil))
	must(consuming.Qos(5, 0, false))
	deliveries, err := consuming.ConsumeWithContext(ctx, kept, "", false, false, false, false, nil)
	must(err)
	got := make(chan string, 1000)
	go func() {
		for delivery := range deliveries {
			got <- string(delivery.Body)
			// What was cut off comes again.
			_ = delivery.Ack(false)
		}
	}()
	for number := range 60 {
		if number%20 == 10 {
			mutex.Lock()
			must(wire.Close())
			mutex.Unlock()
		}
		until(ctx, func() bool {
			message := amqp.Publishing{Body: fmt.Append(nil, number), DeliveryMode: amqp.Persistent}
			confirmation, err := publishing.PublishWithDeferredConfirm(exchange, "k", true, false, message)
			if err != nil {
				return false
			}
			patience, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			acked, err := confirmation.WaitContext(patience)
			return err == nil && acked
		}, "a confirm")
	}
	seen := map[string]bool{}
	for len(seen) < 60 {
		seen[next(ctx, got, "all that was confirmed")] = true
	}
}
