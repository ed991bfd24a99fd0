//! Exchanges are declared, bound and deleted.

use omnibus_model::{ExchangeName, TopicName};

use crate::errors::Fault;
use crate::hosts::plain;
use crate::link::Link;
use crate::nature::{BindingWish, ExchangeNature};
use crate::rights::Right;
use crate::routing::Destination;
use crate::wire::{Method, ShortText, Table};

pub(crate) async fn carry_out(link: &mut Link, number: u16, method: Method) -> Result<(), Fault> {
    let (no_wait, answer) = match method {
        Method::ExchangeDeclare { exchange, passive: true, no_wait, .. } => {
            let name = not_default(name(link, &exchange)?)?;
            link.access.see_exchange(name.as_str())?;
            link.door.look_up_exchange(&name).await?;
            (no_wait, Method::ExchangeDeclareOk {})
        }
        Method::ExchangeDeclare { exchange, kind, durable, auto_delete, internal, no_wait, arguments, .. } => {
            let name = not_default(name(link, &exchange)?)?;
            let wanted = ExchangeNature::wished(&kind.lossy(), (durable, auto_delete, internal), &arguments)?;
            let is_new = link.door.exchange(&name).is_none();
            link.access.declare_exchange(name.as_str(), &arguments, is_new)?;
            link.door.declare_exchange(&name, &wanted).await?;
            (no_wait, Method::ExchangeDeclareOk {})
        }
        Method::ExchangeDelete { exchange, if_unused, no_wait, .. } => {
            let name = not_default(name(link, &exchange)?)?;
            link.access.exchange(Right::Configure, name.as_str())?;
            link.door.delete_exchange(&name, if_unused).await?;
            (no_wait, Method::ExchangeDeleteOk {})
        }
        Method::ExchangeBind { destination, source, routing_key, no_wait, arguments, .. } => {
            let to = not_default(name(link, &destination)?)?;
            link.access.exchange(Right::Write, to.as_str())?;
            check_source(link, &source, &routing_key)?;
            link.door.look_up_exchange(&to).await?;
            bind(link, &source, Destination::Exchange(to), (routing_key, arguments)).await?;
            (no_wait, Method::ExchangeBindOk {})
        }
        Method::ExchangeUnbind { destination, source, routing_key, no_wait, arguments, .. } => {
            let to = not_default(name(link, &destination)?)?;
            link.access.exchange(Right::Write, to.as_str())?;
            check_source(link, &source, &routing_key)?;
            unbind(link, &source, &Destination::Exchange(to), (routing_key, arguments)).await?;
            (no_wait, Method::ExchangeUnbindOk {})
        }
        other => unreachable!("{other:?} does not speak of exchanges"),
    };
    if !no_wait {
        link.tell(number, &answer);
    }
    Ok(())
}

/// Makes sure that the connection may bind to an exchange by a key.
pub(crate) fn check_source(link: &mut Link, source: &ShortText, key: &ShortText) -> Result<(), Fault> {
    let source = not_default(name(link, source)?)?;
    link.access.exchange(Right::Read, source.as_str())?;
    link.access.key(&link.door, (Right::Read, &source), &key.0)
}

/// Binds a queue that the connection may use.
pub(crate) async fn bind_queue(
    link: &mut Link,
    queue: &TopicName,
    source: &ShortText,
    wish: (ShortText, Table),
) -> Result<(), Fault> {
    bind(link, source, Destination::Queue(queue.clone()), wish).await
}

async fn bind(
    link: &mut Link,
    source: &ShortText,
    to: Destination,
    (key, arguments): (ShortText, Table),
) -> Result<(), Fault> {
    let source = not_default(name(link, source)?)?;
    let wish = BindingWish { key: key.0, arguments };
    link.door.bind(&source, to, &wish).await
}

/// Ends a binding. What is not there has ended already.
pub(crate) async fn unbind(
    link: &mut Link,
    source: &ShortText,
    to: &Destination,
    (key, arguments): (ShortText, Table),
) -> Result<(), Fault> {
    let source = not_default(name(link, source)?)?;
    link.door.unbind(&source, to, &BindingWish { key: key.0, arguments }).await
}

/// Reads the name of an exchange, as the engine calls it; line ends are left out, as RabbitMQ does.
pub(crate) fn name(link: &Link, name: &ShortText) -> Result<ExchangeName, Fault> {
    let bytes: Vec<u8> = name.0.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let text = String::from_utf8(bytes).map_err(|_| Fault::NoExchange(link.host.full(&name.lossy())))?;
    let full = link.host.full(&text);
    ExchangeName::new(&full).map_err(|_| Fault::NoExchange(full))
}

fn not_default(name: ExchangeName) -> Result<ExchangeName, Fault> {
    if plain(name.as_str()).is_empty() { Err(Fault::DefaultExchange) } else { Ok(name) }
}
