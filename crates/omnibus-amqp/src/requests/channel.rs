//! Channels come and go.

use crate::errors::Fault;
use crate::link::Link;
use crate::meter::Counted;
use crate::session::Channel;
use crate::wire::{LongText, Method};

pub(crate) fn open(link: &mut Link, number: u16) -> Result<(), Fault> {
    if link.channels.contains_key(&number) {
        return Err(Fault::ChannelState("second 'channel.open' seen"));
    }
    // How many there are is agreed, not how they are numbered.
    if link.channels.len() >= usize::from(link.channel_max) {
        return Err(Fault::TooManyChannels(u64::from(link.channel_max)));
    }
    let place = link.door.take_channel(&link.user)?;
    link.channels_opened += 1;
    link.meter.add(Counted::ChannelsOpened, 1);
    link.channels.insert(number, Box::new(Channel::opened(link.channels_opened, place)));
    link.tell(number, &Method::ChannelOpenOk { reserved: LongText::default() });
    Ok(())
}

pub(crate) async fn close(link: &mut Link, number: u16) -> Result<(), Fault> {
    link.end_channel(number).await;
    link.tell(number, &Method::ChannelCloseOk {});
    Ok(())
}

pub(crate) fn flow(link: &mut Link, number: u16, active: bool) -> Result<(), Fault> {
    if !active {
        return Err(Fault::NotImplemented("active=false".to_owned()));
    }
    link.tell(number, &Method::ChannelFlowOk { active });
    Ok(())
}
