//! One file per class of requests, or per request that has something to say: from wire, engine call, to wire.

mod channel;
mod confirm;
mod connection;
mod queue;
mod exchange;
mod consume;
mod follow;
mod get;
mod reply;
mod tx;
mod counted;
pub(crate) mod settle;

use crate::errors::Fault;
use crate::link::{Event, Link, What};
use crate::meter::Counted;
use crate::publishing;
use crate::session::Publish;
use crate::wire::{Frame, FrameKind, Method, MethodError};

/// Carries out what a frame asks, once the connection is open.
pub(crate) async fn handle(link: &mut Link, frame: Frame) {
    let number = frame.channel;
    if let Err((fault, method)) = take(link, frame).await {
        publishing::hand_over(link).await;
        Box::pin(link.fail(number, fault, method)).await;
    }
}

async fn take(link: &mut Link, frame: Frame) -> Result<(), (Fault, (u16, u16))> {
    const PUBLISH: (u16, u16) = (60, 40);
    let number = frame.channel;
    if frame.kind == FrameKind::Heartbeat {
        return if number == 0 { Ok(()) } else { Err((Fault::HeartbeatOnChannel(number), (0, 0))) };
    }
    let state = link.channels.get_mut(&number);
    if let Some(state) = state {
        if state.is_closing {
            return closing(link, &frame).map_err(|fault| (fault, (0, 0)));
        }
        if state.is_receiving() {
            let bytes = frame.payload.len();
            let bytes_max = u64::try_from(link.door.settings.message_bytes_max).unwrap_or(u64::MAX);
            let content = state.receive(frame, bytes_max).map_err(|fault| (fault, PUBLISH))?;
            let share = link.arriving.entry(number).or_default();
            if !link.door.budget.grow(share, bytes).await {
                return Err((Fault::OutOfMemory, PUBLISH));
            }
            return match content {
                Some(content) => publishing::publish(link, number, content).await.map_err(|fault| (fault, PUBLISH)),
                None => Ok(()),
            };
        }
    }
    if frame.kind != FrameKind::Method {
        return Err((Fault::MethodExpected, (0, 0)));
    }
    let method = Method::read(&frame.payload).map_err(|error| (Fault::from(error), id_of(error)))?;
    let id = method.id();
    if !matches!(method, Method::BasicPublish { .. }) {
        // It finds what was published before it.
        publishing::hand_over(link).await;
    }
    // In a box: a connection has room for what comes all the time, not for all that may come.
    Box::pin(carry_out(link, number, method)).await.map_err(|fault| (fault, id))
}

/// Takes what still comes by a channel that was closed: nothing counts but the word that it is.
fn closing(link: &mut Link, frame: &Frame) -> Result<(), Fault> {
    if frame.kind != FrameKind::Method {
        return Ok(());
    }
    match Method::read(&frame.payload) {
        Ok(Method::ChannelCloseOk {}) => {
            link.channels.remove(&frame.channel);
        }
        Ok(Method::ChannelClose { .. }) => link.tell(frame.channel, &Method::ChannelCloseOk {}),
        _ => {}
    }
    Ok(())
}

const fn id_of(error: MethodError) -> (u16, u16) {
    match error {
        MethodError::Unknown { class, method } | MethodError::Arguments { class, method } => (class, method),
        MethodError::TooShort { .. } => (0, 0),
    }
}

async fn carry_out(link: &mut Link, number: u16, method: Method) -> Result<(), Fault> {
    if number == 0 {
        return connection::carry_out(link, method).await;
    }
    if let Method::ChannelOpen { .. } = method {
        return channel::open(link, number);
    }
    link.channel(number)?;
    match method {
        Method::ChannelClose { .. } => channel::close(link, number).await,
        Method::ChannelFlow { active } => channel::flow(link, number, active),
        // It may come after a channel was opened anew.
        Method::ChannelCloseOk {} | Method::ChannelFlowOk { .. } => Ok(()),
        Method::AccessRequest { .. } => {
            link.tell(number, &Method::AccessRequestOk { ticket: 1 });
            Ok(())
        }
        Method::ConfirmSelect { no_wait } => confirm::select(link, number, no_wait),
        Method::BasicPublish { immediate: true, .. } => Err(Fault::NotImplemented("immediate=true".to_owned())),
        Method::BasicPublish { exchange, routing_key, mandatory, .. } => {
            let publish = Publish { exchange, routing_key, is_mandatory: mandatory };
            let is_first = link.channel(number)?.begin(publish);
            link.meter.add(Counted::PublishersBegun, u64::from(is_first));
            Ok(())
        }
        method @ (Method::QueueDeclare { .. }
        | Method::QueueBind { .. }
        | Method::QueueUnbind { .. }
        | Method::QueuePurge { .. }
        | Method::QueueDelete { .. }) => queue::carry_out(link, number, method).await,
        Method::BasicQos { prefetch_size, prefetch_count, global } => {
            consume::qos(link, number, (prefetch_size, prefetch_count), global)
        }
        Method::BasicConsume { .. } => consume::consume(link, number, method).await,
        Method::BasicCancel { consumer_tag, no_wait } => consume::cancel(link, number, consumer_tag, no_wait),
        Method::BasicGet { queue, no_ack, .. } => get::get(link, number, &queue, no_ack).await,
        method @ (Method::BasicAck { .. }
        | Method::BasicNack { .. }
        | Method::BasicReject { .. }
        | Method::BasicRecover { .. }
        | Method::BasicRecoverAsync { .. }) => settle::carry_out(link, number, &method).await,
        method @ (Method::ExchangeDeclare { .. }
        | Method::ExchangeDelete { .. }
        | Method::ExchangeBind { .. }
        | Method::ExchangeUnbind { .. }) => exchange::carry_out(link, number, method).await,
        Method::TxSelect {} => tx::select(link, number),
        Method::TxCommit {} => tx::commit(link, number).await,
        Method::TxRollback {} => tx::rollback(link, number),
        other => {
            let (class, method) = other.id();
            Err(Fault::Unsolicited { class, method })
        }
    }
}

pub(crate) use consume::give_all_back;
pub(crate) use reply::deliver as reply;

/// Passes on what has come of a consumer.
pub(crate) async fn deliver(link: &mut Link, Event { consumer, what }: Event) {
    match what {
        What::Deliveries(deliveries) => consume::deliver(link, consumer, deliveries),
        What::Read(queue, messages) => consume::read(link, consumer, (queue, messages)),
        What::Cancelled => Box::pin(consume::cancelled(link, consumer)).await,
        What::Ended => consume::ended(link, consumer),
        // The process ends.
        What::Broken => {}
    }
}
