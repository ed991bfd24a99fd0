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
        Method::ConnectionUpdateSecret { secret, .. } => {
            // The secret takes the place of the password.
            let (door, user) = (&link.door, &link.user);
            if !door.admits(user, &secret.0, link.is_local) {
                return Err(Fault::Precondition("the new secret is not the user's".to_owned()));
            }
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
