//! lapin: futures, and confirms as values. Its recovery is not checked: of publishes that are cut off it sometimes never
//! says what became of them, against RabbitMQ as against Omnibus. Whether that is its doing or this program's is not known.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::join_all;
use futures::stream::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions,
    BasicQosOptions, BasicRecoverOptions, ConfirmSelectOptions, ExchangeBindOptions, ExchangeDeclareOptions,
    ExchangeDeleteOptions, ExchangeUnbindOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, DecimalValue, FieldArray, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, Error, ErrorKind, ExchangeKind};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::{Check, equal, fresh};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn find(name: &str) -> Option<Check> {
    let check: Check = match name {
        "values" => |address| run(values(address)),
        "frames" => |address| run(frames(address)),
        "confirms" => |address| run(confirms(address)),
        "consume" => |address| run(consume(address)),
        "dead_letters" => |address| run(dead_letters(address)),
        "quorum" => |address| run(quorum(address)),
        "full" => |address| run(full(address)),
        "delayed" => |address| run(delayed(address)),
        "rpc" => |address| run(rpc(address)),
        "topology" => |address| run(topology(address)),
        "errors" => |address| run(errors(address)),
        "heartbeat" => |address| run(heartbeat(address)),
        "channels" => |address| run(channels(address)),
        "gone" => |address| run(gone(address)),
        "transactions" => |address| run(transactions(address)),
        _ => return None,
    };
    Some(check)
}

fn run(check: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async { timeout(2 * PATIENCE, check).await.context("it takes too long")? })
}

async fn connect(address: &str) -> Result<Connection> {
    connect_as(address, "", ConnectionProperties::default()).await
}

async fn connect_as(address: &str, query: &str, properties: ConnectionProperties) -> Result<Connection> {
    Ok(Connection::connect(&format!("amqp://guest:guest@{address}/%2f{query}"), properties).await?)
}

fn table<const N: usize>(fields: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert(name.into(), value);
    }
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// Declares a durable queue that nobody has used before.
async fn queue(channel: &Channel, arguments: FieldTable) -> Result<ShortString> {
    let declared = channel.queue_declare(fresh("q").as_str().into(), QueueDeclareOptions::durable(), arguments).await?;
    Ok(declared.name().clone())
}

async fn send(channel: &Channel, queue: &ShortString, body: &[u8]) -> Result<()> {
    let properties = BasicProperties::default();
    channel.basic_publish("".into(), queue.clone(), BasicPublishOptions::default(), body, properties).await?.await?;
    Ok(())
}

async fn next(consumer: &mut Consumer) -> Result<Delivery> {
    Ok(timeout(PATIENCE, consumer.next()).await.context("nothing comes")?.context("it ended")??)
}

async fn subscribe(channel: &Channel, queue: &ShortString, no_ack: bool) -> Result<Consumer> {
    let options = BasicConsumeOptions { no_ack, ..BasicConsumeOptions::default() };
    Ok(channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await?)
}

/// Takes the next message of a queue, as soon as there is one.
async fn fetch(channel: &Channel, queue: &ShortString) -> Result<Delivery> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(got) = channel.basic_get(queue.clone(), BasicGetOptions { no_ack: true }).await? {
            return Ok(got.delivery);
        }
        sleep(Duration::from_millis(20)).await;
    }
    bail!("no message in {queue}")
}

fn code(error: &Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

fn refused<T>(ended: Result<T, Error>, wanted: u16, what: &str) -> Result<()> {
    match ended {
        Ok(_) => bail!("{what} was accepted"),
        Err(error) => {
            ensure!(code(&error) == Some(wanted), "{what}: got {error}, wanted {wanted}");
            Ok(())
        }
    }
}

async fn values(address: &str) -> Result<()> {
    let channel = connect(address).await?.create_channel().await?;
    let queue = queue(&channel, FieldTable::default()).await?;
    let list = vec![AMQPValue::LongInt(1), text("a"), AMQPValue::FieldArray(vec![AMQPValue::LongInt(2)].into())];
    let headers = table([
        ("bool", AMQPValue::Boolean(true)),
        ("i8", AMQPValue::ShortShortInt(-7)),
        ("u8", AMQPValue::ShortShortUInt(200)),
        ("i16", AMQPValue::ShortInt(-300)),
        ("u16", AMQPValue::ShortUInt(60_000)),
        ("i32", AMQPValue::LongInt(1)),
        ("u32", AMQPValue::LongUInt(4_000_000_000)),
        ("i64", AMQPValue::LongLongInt(1 << 40)),
        ("f32", AMQPValue::Float(1.5)),
        ("f64", AMQPValue::Double(2.5)),
        ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 125 })),
        ("text", text("änd 🚌")),
        ("bytes", AMQPValue::ByteArray(vec![0, 255].into())),
        ("list", AMQPValue::FieldArray(FieldArray::from(list))),
        ("time", AMQPValue::Timestamp(1_700_000_000)),
        ("table", AMQPValue::FieldTable(table([("y", AMQPValue::LongInt(1))]))),
        ("nothing", AMQPValue::Void),
    ]);
    let sent = BasicProperties::default()
        .with_headers(headers)
        .with_content_type("text/plain".into())
        .with_content_encoding("utf-8".into())
        .with_delivery_mode(2)
        .with_priority(7)
        .with_correlation_id("c".into())
        .with_reply_to("r".into())
        .with_expiration("60000".into())
        .with_message_id("m".into())
        .with_timestamp(1_700_000_000)
        .with_type("t".into())
        .with_user_id("guest".into())
        .with_app_id("a".into())
        .with_cluster_id("cl".into());
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), queue.clone(), options, &[0, 255], sent.clone()).await?;
    let got = fetch(&channel, &queue).await?;
    equal((got.properties, got.data, got.routing_key), (sent, vec![0, 255], queue), "the message")
}

async fn frames(address: &str) -> Result<()> {
    for frame in [4_096, 131_072] {
        let query = format!("?frame_max={frame}");
        let connection = connect_as(address, &query, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let queue = queue(&channel, FieldTable::default()).await?;
        for size in [5_000_000, 0, 4_088, 4_089] {
            let body = vec![b'x'; size];
            send(&channel, &queue, &body).await?;
            ensure!(fetch(&channel, &queue).await?.data == body, "{size} bytes in frames of {frame} are not the same");
        }
    }
    Ok(())
}

async fn confirms(address: &str) -> Result<()> {
    let connection = connect(address).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let queue = queue(&channel, FieldTable::default()).await?;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default;
    let mut under = Vec::new();
    for number in 0..1_000 {
        let body = format!("{number}");
        under.push(channel.basic_publish("".into(), queue.clone(), options, body.as_bytes(), properties()).await?);
    }
    for confirmed in join_all(under).await {
        equal(confirmed?, Confirmation::Ack(None), "what was confirmed")?;
    }
    let passive = QueueDeclareOptions::durable().passive();
    let state = channel.queue_declare(queue, passive, FieldTable::default()).await?;
    equal(state.message_count(), 1_000, "messages")?;
    let nowhere = fresh("nowhere").as_str().into();
    let confirmed = channel.basic_publish("".into(), nowhere, options, b"lost", properties()).await?.await?;
    ensure!(confirmed.is_ack(), "it is confirmed");
    let back = confirmed.take_message().context("a message that no queue takes did not come back")?;
    equal((back.reply_code, back.delivery.data), (312, b"lost".to_vec()), "what came back")
}

async fn consume(address: &str) -> Result<()> {
    let connection = connect(address).await?;
    let channel = connection.create_channel().await?;
    let queue = queue(&channel, FieldTable::default()).await?;
    for body in ["1", "2", "3", "4", "5", "6"] {
        send(&channel, &queue, body.as_bytes()).await?;
    }
    channel.basic_qos(3, BasicQosOptions::default()).await?;
    let mut consumer = subscribe(&channel, &queue, false).await?;
    let mut held = Vec::new();
    for wanted in [b"1", b"2", b"3"] {
        held.push(next(&mut consumer).await?);
        equal(held.last().map(|delivery| &delivery.data[..]), Some(&wanted[..]), "the next")?;
    }
    ensure!(timeout(Duration::from_millis(200), consumer.next()).await.is_err(), "more than the prefetch");
    held[1].ack(BasicAckOptions { multiple: true }).await?;
    next(&mut consumer).await?;
    next(&mut consumer).await?;
    held[2].nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await?;
    let again = next(&mut consumer).await?;
    equal((&again.data[..], again.redelivered), (&b"3"[..], true), "what was given back")?;
    channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
    channel.basic_recover(BasicRecoverOptions { requeue: true }).await?;
    let mut rest = BTreeSet::new();
    for _ in 0..4 {
        rest.insert(fetch(&channel, &queue).await?.data);
    }
    equal(rest, [b"3", b"4", b"5", b"6"].map(|body| body.to_vec()).into(), "what comes again")
}

/// Makes a queue, and the queue of its dead letters.
async fn dying(channel: &Channel, mut arguments: FieldTable) -> Result<(ShortString, ShortString)> {
    let exchange: ShortString = fresh("dlx").as_str().into();
    channel
        .exchange_declare(exchange.clone(), ExchangeKind::Fanout, ExchangeDeclareOptions::default(), FieldTable::default())
        .await?;
    let dead = queue(channel, FieldTable::default()).await?;
    let options = QueueBindOptions::default();
    channel.queue_bind(dead.clone(), exchange.clone(), "".into(), options, FieldTable::default()).await?;
    arguments.insert("x-dead-letter-exchange".into(), text(exchange.as_str()));
    Ok((queue(channel, arguments).await?, dead))
}

/// Why a dead letter died, and where.
fn death(letter: &Delivery) -> Result<(String, String)> {
    let headers = letter.properties.headers().as_ref().context("no headers")?;
    let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death") else { bail!("no deaths") };
    let Some(AMQPValue::FieldTable(death)) = deaths.as_slice().first() else { bail!("no death") };
    let told = |name: &str| match death.inner().get(name) {
        Some(AMQPValue::LongString(text)) => Ok(text.to_string()),
        other => bail!("{name} is {other:?}"),
    };
    Ok((told("reason")?, told("queue")?))
}

async fn dead_letters(address: &str) -> Result<()> {
    let connection = connect(address).await?;
    let channel = connection.create_channel().await?;
    let (queue, dead) = dying(&channel, table([("x-message-ttl", AMQPValue::LongUInt(60_000))])).await?;
    send(&channel, &queue, b"1").await?;
    let got = channel.basic_get(queue.clone(), BasicGetOptions::default()).await?.context("a message")?;
    got.nack(BasicNackOptions::default()).await?;
    equal(death(&fetch(&channel, &dead).await?)?, ("rejected".to_owned(), queue.to_string()), "how it died")?;
    let expiring = BasicProperties::default().with_expiration("50".into());
    channel.basic_publish("".into(), queue.clone(), BasicPublishOptions::default(), b"2", expiring).await?;
    let letter = fetch(&channel, &dead).await?;
    equal(death(&letter)?, ("expired".to_owned(), queue.to_string()), "how it died")?;
    equal(letter.properties.expiration(), &None, "it does not expire again")
}

async fn quorum(address: &str) -> Result<()> {
    let connection = connect(address).await?;
    let channel = connection.create_channel().await?;
    let arguments = table([("x-queue-type", text("quorum")), ("x-delivery-limit", AMQPValue::LongInt(2))]);
    let (queue, dead) = dying(&channel, arguments).await?;
    send(&channel, &queue, b"worn").await?;
    let mut consumer = subscribe(&channel, &queue, false).await?;
    for wanted in [None, Some(AMQPValue::LongLongInt(1)), Some(AMQPValue::LongLongInt(2))] {
        let delivery = next(&mut consumer).await?;
        let headers = delivery.properties.headers().clone().unwrap_or_default();
        equal(headers.inner().get("x-delivery-count").cloned(), wanted, "deliveries before")?;
        delivery.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await?;
    }
    equal(death(&fetch(&channel, &dead).await?)?.0, "delivery_limit".to_owned(), "how it wore out")
}

async fn full(address: &str) -> Result<()> {
    let connection = connect(address).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let bounds = table([("x-max-length", AMQPValue::LongInt(2)), ("x-overflow", text("reject-publish"))]);
    let queue = queue(&channel, bounds).await?;
    let mut taken = Vec::new();
    for _ in 0..3 {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        taken.push(channel.basic_publish("".into(), queue.clone(), options, b"", properties).await?.await?.is_ack());
    }
    equal(taken, vec![true, true, false], "which were taken")
}

async fn delayed(address: &str) -> Result<()> {
    let connection = connect(address).await?;
    let channel = connection.create_channel().await?;
    let (exchange, queue) = (ShortString::from(fresh("x").as_str()), queue(&channel, FieldTable::default()).await?);
    let kind = ExchangeKind::Custom("x-delayed-message".to_owned());
    let direct = table([("x-delayed-type", text("direct"))]);
    channel.exchange_declare(exchange.clone(), kind, ExchangeDeclareOptions::default(), direct).await?;
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.clone(), exchange.clone(), "k".into(), options, FieldTable::default()).await?;
    let sent_at = Instant::now();
    let late = BasicProperties::default().with_headers(table([("x-delay", AMQPValue::LongInt(600))]));
    channel.basic_publish(exchange, "k".into(), BasicPublishOptions::default(), b"", late).await?;
    fetch(&channel, &queue).await?;
    ensure!(sent_at.elapsed() >= Duration::from_millis(600), "it was not held back");
    Ok(())
}

async fn rpc(address: &str) -> Result<()> {
    let (server, client) = (connect(address).await?, connect(address).await?);
    let (answering, asking) = (server.create_channel().await?, client.create_channel().await?);
    let asked = queue(&answering, FieldTable::default()).await?;
    let mut questions = subscribe(&answering, &asked, true).await?;
    let answers = tokio::spawn(async move {
        while let Some(Ok(question)) = questions.next().await {
            let reply_to = question.properties.reply_to().clone().unwrap_or_default();
            let id = question.properties.correlation_id().clone().unwrap_or_default();
            let properties = BasicProperties::default().with_correlation_id(id);
            let body = question.data.to_ascii_uppercase();
            let options = BasicPublishOptions::default();
            answering.basic_publish("".into(), reply_to, options, &body, properties).await?;
        }
        Ok::<(), Error>(())
    });
    let mine = asking.queue_declare("".into(), QueueDeclareOptions::exclusive(), FieldTable::default()).await?;
    for reply_to in [mine.name().clone(), "amq.rabbitmq.reply-to".into()] {
        let mut answers = subscribe(&asking, &reply_to, true).await?;
        let question = BasicProperties::default().with_reply_to(reply_to).with_correlation_id("c".into());
        let options = BasicPublishOptions::default();
        asking.basic_publish("".into(), asked.clone(), options, b"question", question).await?;
        let answer = next(&mut answers).await?;
        equal((&answer.data[..], answer.properties.correlation_id().clone()), (&b"QUESTION"[..], Some("c".into())), "it")?;
    }
    answers.abort();
    Ok(())
}

async fn topology(address: &str) -> Result<()> {
    let connection = connect(address).await?;
    let channel = connection.create_channel().await?;
    let (outer, inner) = (ShortString::from(fresh("outer").as_str()), ShortString::from(fresh("inner").as_str()));
    let queue = queue(&channel, FieldTable::default()).await?;
    let none = FieldTable::default;
    let going = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(outer.clone(), ExchangeKind::Headers, going, none()).await?;
    let internal = ExchangeDeclareOptions { internal: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(inner.clone(), ExchangeKind::Topic, internal, none()).await?;
    let red = || table([("x-match", text("any")), ("colour", text("red")), ("size", AMQPValue::LongInt(1))]);
    channel.exchange_bind(inner.clone(), outer.clone(), "".into(), ExchangeBindOptions::default(), red()).await?;
    channel.queue_bind(queue.clone(), inner.clone(), "#.b.*".into(), QueueBindOptions::default(), none()).await?;
    for (key, colour) in [("a.b.c", "blue"), ("a.c", "red"), ("b.c", "red")] {
        let properties = BasicProperties::default().with_headers(table([("colour", text(colour))]));
        let options = BasicPublishOptions::default();
        channel.basic_publish(outer.clone(), key.into(), options, key.as_bytes(), properties).await?;
    }
    equal(fetch(&channel, &queue).await?.data, b"b.c".to_vec(), "what matches")?;
    let unused = ExchangeDeleteOptions { if_unused: true, ..ExchangeDeleteOptions::default() };
    let other = connection.create_channel().await?;
    refused(other.exchange_delete(inner.clone(), unused).await, 406, "deleting what is used")?;
    channel.exchange_unbind(inner, outer.clone(), "".into(), ExchangeUnbindOptions::default(), red()).await?;
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    let other = connection.create_channel().await?;
    refused(other.exchange_declare(outer, ExchangeKind::Headers, passive, none()).await, 404, "one that is gone")
}

async fn errors(address: &str) -> Result<()> {
    let connection = connect(address).await?;
    let name = queue(&connection.create_channel().await?, FieldTable::default()).await?;
    let transient = QueueDeclareOptions::default();
    let durable = QueueDeclareOptions::durable();
    for (wanted, queue, options, arguments) in [
        (406, name.clone(), transient, FieldTable::default()),
        (404, fresh("q").as_str().into(), durable.passive(), FieldTable::default()),
        (403, "amq.mine".into(), durable, FieldTable::default()),
        (406, fresh("q").as_str().into(), durable, table([("x-max-length", text("a"))])),
    ] {
        let channel = connection.create_channel().await?;
        refused(channel.queue_declare(queue, options, arguments).await, wanted, "a declaration")?;
        ensure!(!channel.status().connected(), "the channel is closed");
    }
    ensure!(connection.status().connected(), "the connection goes on");
    let wrong = Connection::connect(&format!("amqp://guest:wrong@{address}/%2f"), ConnectionProperties::default()).await;
    refused(wrong, 403, "a wrong password")
}

async fn heartbeat(address: &str) -> Result<()> {
    let beating = connect_as(address, "?heartbeat=1", ConnectionProperties::default()).await?;
    let channel = beating.create_channel().await?;
    let mut silent = TcpStream::connect(address).await?;
    tokio::io::AsyncWriteExt::write_all(&mut silent, b"AMQP\x00\x00\x09\x01").await?;
    sleep(Duration::from_millis(3_500)).await;
    let queue = queue(&channel, FieldTable::default()).await?;
    send(&channel, &queue, b"1").await?;
    fetch(&channel, &queue).await?;
    let mut told = Vec::new();
    // To the end, which may be a sudden one.
    drop(timeout(PATIENCE, tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut told)).await.context("it stays")?);
    Ok(())
}

async fn channels(address: &str) -> Result<()> {
    let connection = Arc::new(connect(address).await?);
    let mut work = JoinSet::new();
    for _ in 0..100 {
        let connection = Arc::clone(&connection);
        work.spawn(async move {
            let channel = connection.create_channel().await?;
            let queue = queue(&channel, FieldTable::default()).await?;
            let mut consumer = subscribe(&channel, &queue, true).await?;
            for number in 0..10_u8 {
                send(&channel, &queue, &[number]).await?;
            }
            for number in 0..10_u8 {
                equal(next(&mut consumer).await?.data, vec![number], "what a channel gets")?;
            }
            Ok(channel.close(200, "done".into()).await?)
        });
    }
    work.join_all().await.into_iter().collect::<Result<()>>()
}

async fn gone(address: &str) -> Result<()> {
    let connection = connect(address).await?;
    let (channel, other) = (connection.create_channel().await?, connection.create_channel().await?);
    let queue = queue(&channel, FieldTable::default()).await?;
    let mut consumer = subscribe(&channel, &queue, true).await?;
    other.queue_delete(queue, QueueDeleteOptions::default()).await?;
    let told = timeout(PATIENCE, consumer.next()).await.context("nothing is told")?;
    ensure!(told.is_none(), "its deliveries end: {told:?}");
    self::queue(&channel, FieldTable::default()).await?;
    Ok(())
}

async fn transactions(address: &str) -> Result<()> {
    let connection = connect(address).await?;
    let channel = connection.create_channel().await?;
    let queue = queue(&channel, FieldTable::default()).await?;
    channel.tx_select().await?;
    send(&channel, &queue, b"1").await?;
    channel.tx_rollback().await?;
    send(&channel, &queue, b"2").await?;
    channel.tx_commit().await?;
    equal(fetch(&channel, &queue).await?.data, b"2".to_vec(), "what was committed")?;
    channel.tx_commit().await?;
    let got = channel.basic_get(queue, BasicGetOptions::default()).await?;
    ensure!(got.is_none(), "what was rolled back is there");
    Ok(())
}
