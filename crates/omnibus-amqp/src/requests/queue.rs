//! Queues are declared, emptied and deleted.

use omnibus_model::TopicName;

use super::exchange;
use crate::arguments::{Declaration, QUEUE_TYPE};
use crate::errors::Fault;
use crate::hosts::plain;
use crate::link::Link;
use crate::queues::{Declared, Queue};
use crate::replies::{Address, DIRECT_REPLY};
use crate::rights::Right;
use crate::routing::Destination;
use crate::wire::{Method, ShortText};

pub(crate) async fn carry_out(link: &mut Link, number: u16, method: Method) -> Result<(), Fault> {
    match method {
        Method::QueueDeclare { queue, passive, durable, exclusive, auto_delete, no_wait, arguments, .. } => {
            let wanted = Declaration {
                queue: name(link, number, &queue, !passive)?,
                is_durable: durable,
                is_exclusive: exclusive,
                is_auto_delete: auto_delete,
                arguments,
            };
            if is_for_replies(&wanted.queue) {
                return waiting(link, number, wanted.queue, no_wait).await;
            }
            let queue = if passive {
                Declared { queue: passively(link, &wanted.queue).await?, is_new: false }
            } else {
                declare(link, wanted).await?
            };
            declared(link, number, &queue, no_wait).await
        }
        Method::QueueBind { queue, exchange, routing_key, no_wait, arguments, .. } => {
            let key = if queue.0.is_empty() && routing_key.0.is_empty() {
                // The last that was declared, by its name.
                ShortText::from(plain(&name(link, number, &queue, false)?))
            } else {
                routing_key
            };
            let name = name(link, number, &queue, false)?;
            link.access.queue(Right::Write, &name)?;
            exchange::check_source(link, &exchange, &key)?;
            let queue = look_up(link, &name).await?;
            exchange::bind_queue(link, &queue.topic.name, &exchange, (key, arguments)).await?;
            if !no_wait {
                link.tell(number, &Method::QueueBindOk {});
            }
            Ok(())
        }
        Method::QueueUnbind { queue, exchange, routing_key, arguments, .. } => {
            let queue = name(link, number, &queue, false)?;
            link.access.queue(Right::Write, &queue)?;
            exchange::check_source(link, &exchange, &routing_key)?;
            if let Some(present) = link.door.find(&queue) {
                present.open_to(&link.owner)?;
            }
            if let Ok(queue) = TopicName::new(&queue) {
                exchange::unbind(link, &exchange, &Destination::Queue(queue), (routing_key, arguments)).await?;
            }
            link.tell(number, &Method::QueueUnbindOk {});
            Ok(())
        }
        Method::QueuePurge { queue, no_wait, .. } => {
            let queue = readable(link, number, &queue).await?;
            let message_count = link.door.purge(&queue).await?;
            if !no_wait {
                link.tell(number, &Method::QueuePurgeOk { message_count });
            }
            Ok(())
        }
        Method::QueueDelete { queue, if_unused, if_empty, no_wait, .. } => {
            let queue = name(link, number, &queue, false)?;
            link.access.queue(Right::Configure, &queue)?;
            let message_count = delete(link, &queue, if_unused, if_empty).await?;
            if !no_wait {
                link.tell(number, &Method::QueueDeleteOk { message_count });
            }
            Ok(())
        }
        other => unreachable!("{other:?} does not speak of queues"),
    }
}

fn is_for_replies(name: &str) -> bool {
    plain(name) == DIRECT_REPLY || Address::of(plain(name).as_bytes()).is_some()
}

/// Says whether somebody still waits for replies; what they are consumed from is there for everybody.
async fn waiting(link: &mut Link, number: u16, name: String, no_wait: bool) -> Result<(), Fault> {
    if let Some(address) = Address::of(plain(&name).as_bytes())
        && !link.door.awaits_reply(address).await
    {
        return Err(Fault::NoQueue(name));
    }
    if !no_wait {
        let queue = ShortText::from(plain(&name));
        link.tell(number, &Method::QueueDeclareOk { queue, message_count: 0, consumer_count: 1 });
    }
    Ok(())
}

/// The queue that a name stands for, as the engine calls it: nothing stands for the last that was declared on the channel, or, if one is
/// declared, for a new name.
fn name(link: &mut Link, number: u16, name: &ShortText, declares: bool) -> Result<String, Fault> {
    if name.0.is_empty() {
        if declares {
            return Ok(String::new());
        }
        return link.channel(number)?.last_queue.clone().ok_or(Fault::NoLastQueue);
    }
    // Line ends are left out, as RabbitMQ does.
    let name: Vec<u8> = name.0.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    match String::from_utf8(name) {
        Ok(name) => Ok(link.host.full(&name)),
        Err(error) => {
            let name = link.host.full(&String::from_utf8_lossy(error.as_bytes()));
            Err(Fault::NameUnusable(name, "it is not UTF-8"))
        }
    }
}

/// Finds the queue that a name stands for, if the connection may take messages out of it.
pub(crate) async fn readable(link: &mut Link, number: u16, queue: &ShortText) -> Result<Queue, Fault> {
    let name = name(link, number, queue, false)?;
    link.access.queue(Right::Read, &name)?;
    look_up(link, &name).await
}

/// Finds a queue that the connection may use.
async fn look_up(link: &mut Link, name: &str) -> Result<Queue, Fault> {
    link.door.look_up(name).await?.open_to(&link.owner)
}

/// Finds a queue that a client asks about, and so uses.
async fn passively(link: &mut Link, name: &str) -> Result<Queue, Fault> {
    link.access.see_queue(name)?;
    let queue = look_up(link, name).await?;
    link.door.use_once(&queue).await?;
    Ok(queue)
}

async fn declare(link: &mut Link, mut wanted: Declaration) -> Result<Declared, Fault> {
    link.door.complete(&link.host, &mut wanted);
    if wanted.queue.is_empty() {
        if let Some(kind @ ("quorum" | "stream")) = wanted.arguments.get(QUEUE_TYPE).and_then(|kind| kind.str()) {
            let text = format!("Cannot declare a server-named queue for type rabbit_{kind}_queue");
            return Err(Fault::Precondition(text));
        }
        wanted.queue = link.host.full(&format!("amq.gen-{:032x}", link.door.engine.random()));
    } else if link.door.find(&wanted.queue).is_none() {
        Queue::check_name(&wanted.queue)?;
    }
    let is_new = link.door.find(&wanted.queue).is_none();
    link.access.declare_queue(&wanted.queue, &wanted.arguments, is_new)?;
    if wanted.is_exclusive && !link.exclusive.contains(&wanted.queue) {
        // Noted first: whatever comes of it, it goes with the connection.
        link.exclusive.push(wanted.queue.clone());
    }
    link.door.declare(&wanted, &link.owner).await
}

async fn declared(link: &mut Link, number: u16, declared: &Declared, no_wait: bool) -> Result<(), Fault> {
    let Declared { queue, is_new } = declared;
    let name = queue.name().to_owned();
    if !no_wait {
        let (message_count, consumer_count) = if *is_new {
            (0, 0)
        } else {
            (link.door.ready(queue).await?, link.door.engine.consumer_count(queue.place).await?)
        };
        let queue = ShortText::from(plain(&name));
        link.tell(number, &Method::QueueDeclareOk { queue, message_count, consumer_count });
    }
    link.channel(number)?.last_queue = Some(name);
    Ok(())
}

/// Deletes a queue; returns how many records were ready. One that is not there is deleted already.
async fn delete(link: &mut Link, name: &str, if_unused: bool, if_empty: bool) -> Result<u32, Fault> {
    let queue = match link.door.look_up(name).await {
        Err(Fault::NoQueue(_)) => return Ok(0),
        found => found?.open_to(&link.owner)?,
    };
    let ready = link.door.delete_if(&queue, (if_unused, if_empty)).await?;
    link.exclusive.retain(|each| each != name);
    Ok(ready)
}
