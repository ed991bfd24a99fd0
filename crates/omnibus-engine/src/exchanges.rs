//! Exchanges, as front ends change them.

use omnibus_model::command::{Bind, CreateExchange, CreateQueue};
use omnibus_model::config::ConfigChange;
use omnibus_model::exchange::{BindingConfig, BindingId, BindingTarget, ExchangeConfig, ExchangeKey, SharedExchange};
use omnibus_model::queue::QueueConfig;
use omnibus_model::topic::TopicConfig;
use omnibus_model::{Command, Outcome, ShardId, TopicId, TopicName};

use crate::engine::Engine;
use crate::error::SubmitError;

impl Engine {
    /// Creates an exchange; it is in the catalog when this returns.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn create_exchange(&self, command: CreateExchange) -> Result<SharedExchange, SubmitError> {
        self.change_exchange(Command::CreateExchange(Box::new(command))).await
    }

    /// Deletes an exchange; returns it as it was, with all that was bound to it.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn delete_exchange(&self, exchange: ExchangeKey) -> Result<SharedExchange, SubmitError> {
        self.change_exchange(Command::DeleteExchange { exchange }).await
    }

    /// Changes an exchange's configuration.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn alter_exchange(
        &self,
        exchange: ExchangeKey,
        change: ConfigChange<ExchangeConfig>,
    ) -> Result<SharedExchange, SubmitError> {
        self.change_exchange(Command::AlterExchange { exchange, change: Box::new(change) }).await
    }

    /// Binds something to an exchange; what is published from now on goes there, too. A push binding
    /// has a queue of its own from the beginning ([`BindingId::push_queue`]).
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn bind(&self, command: Bind) -> Result<SharedExchange, SubmitError> {
        let queue = matches!(command.target, BindingTarget::Push { .. }).then(|| command.id.push_queue());
        if let Some(queue) = &queue {
            self.create_push_queue(queue.clone()).await?;
        }
        let bound = self.change_exchange(Command::Bind(Box::new(command))).await;
        if let (Some(queue), Err(SubmitError::Refused(_))) = (queue, &bound) {
            self.delete_topic(queue).await?;
        }
        bound
    }

    /// Creates the queue of a push binding. Its settings follow as soon as somebody pushes.
    pub(crate) async fn create_push_queue(&self, name: TopicName) -> Result<(), SubmitError> {
        let id = TopicId(self.random());
        let command = CreateQueue { name, id, config: TopicConfig::default(), queue: QueueConfig::default() };
        self.create_queue(command).await.map(drop)
    }

    /// Changes a binding's configuration.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn alter_binding(
        &self,
        exchange: ExchangeKey,
        binding: BindingId,
        change: ConfigChange<BindingConfig>,
    ) -> Result<SharedExchange, SubmitError> {
        self.change_exchange(Command::AlterBinding { exchange, binding, change: Box::new(change) }).await
    }

    /// Ends a binding.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn unbind(&self, exchange: ExchangeKey, binding: BindingId) -> Result<SharedExchange, SubmitError> {
        self.change_exchange(Command::Unbind { exchange, binding }).await
    }

    async fn change_exchange(&self, command: Command) -> Result<SharedExchange, SubmitError> {
        match self.submit(ShardId::METADATA, command).await? {
            Outcome::ExchangeChanged { exchange } | Outcome::ExchangeDeleted { exchange } => Ok(exchange),
            other => unreachable!("changing an exchange ended in {other:?}"),
        }
    }
}
