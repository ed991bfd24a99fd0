//! What a shard decides about several things that are asked of it at once.

use tokio::sync::oneshot;

use super::Shard;
use crate::error::SubmitError;

/// What has become of several things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided<T> {
    /// An answer for each, in order.
    pub answers: Vec<T>,
    /// Whether the answers wait for an entry that is proposed after them. That it was committed says that whoever decided
    /// led then, and so knew everything; where nothing is logged, nothing says so.
    pub is_logged: bool,
}

impl Shard {
    /// Answers for several things at once, when all that the answers may rest on is committed.
    pub(super) fn answer_all<T: Send + 'static>(
        &mut self,
        reply: oneshot::Sender<Result<Decided<T>, SubmitError>>,
        answers: Result<Vec<T>, SubmitError>,
    ) {
        let is_logged = !self.open.is_empty();
        self.answer_with(reply, answers.map(|answers| Decided { answers, is_logged }));
    }
}
