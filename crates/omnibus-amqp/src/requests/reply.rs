//! Direct replies, for those who ask.

use crate::errors::Fault;
use crate::link::Link;
use crate::replies::{Mailbox, Reply};
use crate::session::{Content, Token};
use crate::wire::method::put_content;
use crate::wire::{Method, ShortText};

/// Begins to wait for replies; the channel's publishes may name it from now on.
pub(crate) fn consume(
    link: &mut Link,
    number: u16,
    tag: ShortText,
    (no_ack, no_wait): (bool, bool),
) -> Result<(), Fault> {
    if !no_ack {
        return Err(Fault::ReplyConsumerAcknowledges);
    }
    let token: Token = link.door.engine.random();
    let channel = link.channel(number)?;
    if channel.replying.is_some() {
        return Err(Fault::ReplyConsumerSet);
    }
    channel.replying = Some((token, tag.clone()));
    let mailbox = link.mailbox.get_or_insert_with(|| Mailbox::new(&mut link.replies)).clone();
    link.door.replies.wait(token, mailbox);
    if !no_wait {
        link.tell(number, &Method::BasicConsumeOk { consumer_tag: tag });
    }
    Ok(())
}

/// Waits no more, if that is what a tag stands for.
pub(crate) fn cancel(link: &mut Link, number: u16, tag: &ShortText) -> Result<(), Fault> {
    if let Some((token, _)) = link.channel(number)?.replying.take_if(|(_, own)| own == tag) {
        link.door.replies.leave(token);
    }
    Ok(())
}

/// Passes a reply on to who waits for it.
pub(crate) fn deliver(link: &mut Link, Reply { token, content, share }: Reply) {
    let waits = |replying: &Option<(Token, ShortText)>| replying.as_ref().is_some_and(|(own, _)| *own == token);
    // He may have gone meanwhile.
    let Some((number, channel)) = link.channels.iter_mut().find(|(_, channel)| waits(&channel.replying)) else {
        return;
    };
    let Some((_, consumer_tag)) = channel.replying.clone() else { return };
    let Content { publish, properties, body } = content;
    let deliver = Method::BasicDeliver {
        consumer_tag,
        delivery_tag: channel.deliver(None),
        redelivered: false,
        exchange: publish.exchange,
        routing_key: publish.routing_key,
    };
    deliver.put(&mut link.out, *number);
    put_content(&mut link.out, (*number, link.frame_max), &properties, &body);
    // From here on its room is that of what is written.
    drop(share);
}
