//! Publishes are confirmed from now on.

use crate::errors::Fault;
use crate::link::Link;
use crate::session::Mode;
use crate::wire::Method;

pub(crate) fn select(link: &mut Link, number: u16, no_wait: bool) -> Result<(), Fault> {
    let channel = link.channel(number)?;
    match channel.mode {
        Mode::Plain => channel.mode = Mode::Confirm { published: 0, answered: 0 },
        Mode::Confirm { .. } => {}
        Mode::Tx(_) => return Err(Fault::ModeFixed { from: "tx", to: "confirm" }),
    }
    if !no_wait {
        link.tell(number, &Method::ConfirmSelectOk {});
    }
    Ok(())
}
