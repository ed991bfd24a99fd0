//! The queues that a measurement makes for itself, and deletes.

use std::hash::{BuildHasher, Hasher, RandomState};

use anyhow::{Context, Result, bail};
use omnibus_amqp::wire::{Method, Table, Value};

use super::LoadArgs;
use super::address::Address;
use super::client::Client;

/// What has been made so far.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) queues: Vec<String>,
    /// That all queues are bound to, if they are.
    pub(super) exchange: Option<String>,
}

impl Made {
    /// Makes all. What is there is taken if it is empty and nobody uses it.
    pub(super) async fn declare(&mut self, client: &mut Client, args: &LoadArgs) -> Result<()> {
        for number in 0..args.queues.get() {
            let queue = format!("{}-{number}", args.queue);
            let declared = client.ask(&declaration(&queue, args), (50, 11)).await;
            let declared = declared.with_context(|| format!("queue {queue} cannot be made"))?;
            let Method::QueueDeclareOk { message_count, consumer_count, .. } = declared else { bail!("no declare-ok") };
            if message_count > 0 || consumer_count > 0 {
                bail!(
                    "queue {queue} is there, with {message_count} messages and {consumer_count} consumers; \
                     delete it, or name others with --queue"
                );
            }
            self.queues.push(queue);
        }
        if args.fan_out {
            // Nobody else's: it would bring theirs to many queues, and be deleted in the end.
            let number = RandomState::new().build_hasher().finish();
            self.fan_out(client, &format!("{}-{number:016x}", args.queue)).await?;
        }
        Ok(())
    }

    async fn fan_out(&mut self, client: &mut Client, exchange: &str) -> Result<()> {
        let declare = Method::ExchangeDeclare {
            reserved: 0,
            exchange: exchange.into(),
            kind: "fanout".into(),
            passive: false,
            durable: true,
            auto_delete: false,
            internal: false,
            no_wait: false,
            arguments: Table::default(),
        };
        client.ask(&declare, (40, 11)).await.with_context(|| format!("exchange {exchange} cannot be made"))?;
        self.exchange = Some(exchange.to_owned());
        for queue in &self.queues {
            let bind = Method::QueueBind {
                reserved: 0,
                queue: queue.as_str().into(),
                exchange: exchange.into(),
                routing_key: "".into(),
                no_wait: false,
                arguments: Table::default(),
            };
            client.ask(&bind, (50, 21)).await.with_context(|| format!("queue {queue} cannot be bound"))?;
        }
        Ok(())
    }

    /// Deletes all, whatever is in it, over a connection that nothing went wrong on.
    pub(super) async fn delete(self, address: &Address) -> Result<()> {
        if self.queues.is_empty() {
            return Ok(());
        }
        let mut client = Client::open(address).await?;
        for queue in &self.queues {
            let queue = queue.as_str().into();
            let delete = Method::QueueDelete { reserved: 0, queue, if_unused: false, if_empty: false, no_wait: false };
            client.ask(&delete, (50, 41)).await?;
        }
        if let Some(exchange) = &self.exchange {
            let exchange = exchange.as_str().into();
            let delete = Method::ExchangeDelete { reserved: 0, exchange, if_unused: false, no_wait: false };
            client.ask(&delete, (40, 21)).await?;
        }
        client.close().await
    }
}

fn declaration(queue: &str, args: &LoadArgs) -> Method {
    let kind = args.queue_type.map(|kind| ("x-queue-type", Value::text(kind.word())));
    Method::QueueDeclare {
        reserved: 0,
        queue: queue.into(),
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments: kind.map(|kind| Table::from([kind])).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn declared(message_count: u32, consumer_count: u32) -> (Result<()>, Made) {
        let answer = Method::QueueDeclareOk { queue: "q-0".into(), message_count, consumer_count };
        let (mut client, _broker) = Client::told(&[answer]).await;
        let mut made = Made::default();
        (made.declare(&mut client, &LoadArgs::of_queue("q")).await, made)
    }

    #[tokio::test]
    async fn queue_of_somebody_is_refused_and_left_alone() {
        for (messages, consumers) in [(3, 0), (0, 1)] {
            let (declared, made) = declared(messages, consumers).await;
            let told = format!("queue q-0 is there, with {messages} messages and {consumers} consumers");
            assert!(declared.unwrap_err().to_string().starts_with(&told));
            assert!(made.queues.is_empty());
        }
        let (declared, made) = declared(0, 0).await;
        assert!(declared.is_ok() && made.queues == ["q-0"]);
    }

    #[tokio::test]
    async fn refusal_is_told_in_the_brokers_words() {
        let close = Method::ChannelClose { code: 406, text: "PRECONDITION_FAILED - x".into(), class: 50, method: 10 };
        let (mut client, _broker) = Client::told(&[close]).await;
        let error = Made::default().declare(&mut client, &LoadArgs::of_queue("q")).await.unwrap_err();
        let told = "queue q-0 cannot be made: the broker closed the channel: 406 PRECONDITION_FAILED - x";
        assert_eq!(format!("{error:#}"), told);
    }
}
