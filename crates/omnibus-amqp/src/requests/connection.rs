//! The connection itself: all that comes by channel 0 once it is open.

use crate::errors::Fault;
use crate::link::{Ending, Link};
use crate::wire::Method;

pub(crate) async fn carry_out(link: &mut Link, method: Method) -> Result<(), Fault> {
    match method {
        Method::ConnectionClose { .. } => {
            link.end_all().await;
            link.tell(0, &Method::ConnectionCloseOk {});
            link.ending = Ending::Done;
            Ok(())
        }
        Method::ConnectionCloseOk {} => {
            link.ending = Ending::Done;
            Ok(())
        }
        Method::ConnectionUpdateSecret { .. } => {
            // Who has come in by a password stays in: only tokens, which there are none of, run out.
            link.tell(0, &Method::ConnectionUpdateSecretOk {});
            Ok(())
        }
        Method::ChannelOpen { .. } => Err(Fault::ChannelState("channel 0 cannot be opened")),
        other => {
            let (class, method) = other.id();
            Err(Fault::Unsolicited { class, method })
        }
    }
}
