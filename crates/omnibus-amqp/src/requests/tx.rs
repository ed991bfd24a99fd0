//! Publishes and settlements that count together, when the client says so.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use omnibus_engine::SubmitError;
use omnibus_model::queue::Settlement;

use super::settle;
use crate::errors::Fault;
use crate::later::{Later, begun};
use crate::link::{Link, Settled};
use crate::publishing;
use crate::session::{Held, Mode, Transaction};
use crate::wire::Method;

pub(crate) fn select(link: &mut Link, number: u16) -> Result<(), Fault> {
    let channel = link.channel(number)?;
    match &channel.mode {
        Mode::Plain => channel.mode = Mode::Tx(Transaction::default()),
        Mode::Tx(_) => {}
        Mode::Confirm { .. } => return Err(Fault::ModeFixed { from: "confirm", to: "tx" }),
    }
    link.tell(number, &Method::TxSelectOk {});
    Ok(())
}

/// Lets all count that was said since the last time: first publishes, then settlements. Answered when it is on disk.
pub(crate) async fn commit(link: &mut Link, number: u16) -> Result<(), Fault> {
    let Transaction { publishes, settlements, .. } = take(link, number)?;
    for (content, share) in publishes {
        publishing::send(link, number, content, share).await?;
    }
    publishing::hand_over(link).await;
    let mut failed = None;
    while let Some(published) = link.publishing.under_way.next().await {
        failed = failed.or_else(|| published.iter().find_map(|each| each.result.as_ref().err().cloned()));
        publishing::confirm(link, published);
    }
    if let Some(error) = failed {
        return Err(Fault::Internal(format!("the transaction may be incomplete: {error}")));
    }
    settle_all(link, settlements).await?;
    link.tell(number, &Method::TxCommitOk {});
    Ok(())
}

/// Settles, and waits until that is on disk: what is told as settled does not come again.
async fn settle_all(link: &mut Link, settlements: Vec<(Vec<(u64, Held)>, Settlement)>) -> Result<(), Fault> {
    let mut settling = FuturesUnordered::new();
    for (taken, settlement) in settlements {
        for later in settle::by_queue(link, taken.into_iter().map(|(_, held)| held), settlement) {
            // All are in their places before one is waited for.
            let later: Later<Settled> = match begun(later).await {
                Ok(done) => Box::pin(std::future::ready(done)),
                Err(later) => later,
            };
            settling.push(later);
        }
    }
    let (mut lost, mut failed) = (0, None);
    while let Some(done) = settling.next().await {
        match &done.result {
            Ok(count) => lost += count,
            Err(SubmitError::Refused(_)) => {}
            Err(error) => failed = Some(error.clone()),
        }
        settle::settled(link, done);
    }
    match failed {
        Some(error) => Err(Fault::Internal(format!("the transaction may be incomplete: {error}"))),
        None if lost > 0 => Err(Fault::Precondition(format!("{lost} of what is settled was given back before"))),
        None => Ok(()),
    }
}

/// Forgets what was said since the last time: what was settled is held again.
pub(crate) fn rollback(link: &mut Link, number: u16) -> Result<(), Fault> {
    let Transaction { settlements, .. } = take(link, number)?;
    let channel = link.channel(number)?;
    settlements.into_iter().for_each(|(taken, _)| channel.hold_again(taken));
    link.tell(number, &Method::TxRollbackOk {});
    Ok(())
}

fn take(link: &mut Link, number: u16) -> Result<Transaction, Fault> {
    match &mut link.channel(number)?.mode {
        Mode::Tx(transaction) => Ok(std::mem::take(transaction)),
        Mode::Plain | Mode::Confirm { .. } => Err(Fault::NotTransactional),
    }
}
