//! What is kept in the catalog under a name as nothing but texts: policies, exchanges, virtual hosts and users.

use omnibus_engine::SubmitError;
use omnibus_model::Refusal;
use omnibus_model::command::CreateExchange;
use omnibus_model::config::ConfigChange;
use omnibus_model::exchange::{ExchangeConfig, ExchangeKey, SharedExchange};

use crate::door::Door;
use crate::errors::Fault;

impl Door {
    /// Keeps something as it is to be, where this was kept before; `false` if somebody else has changed it meanwhile, of which
    /// this node has heard then.
    pub(crate) async fn keep(
        &self,
        key: ExchangeKey,
        kept: Option<&SharedExchange>,
        after: ExchangeConfig,
    ) -> Result<bool, Fault> {
        let done = match kept {
            None => self.engine.create_exchange(CreateExchange { key, config: after }).await,
            Some(present) if present.config == after => return Ok(true),
            Some(present) => {
                let change = ConfigChange { before: present.config.clone(), after };
                self.engine.alter_exchange(key, change).await
            }
        };
        match done {
            Ok(_) => Ok(true),
            Err(SubmitError::Refused(
                Refusal::ExchangeExists { .. } | Refusal::UnknownExchange { .. } | Refusal::SettingsChangedMeanwhile,
            )) => {
                self.engine.learn_names().await;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}
