//! InitProducerId: an id for an idempotent producer.

use super::Context;
use crate::errors::submit_error;
use crate::wire::ErrorCode;
use crate::wire::messages::init_producer_id_request::InitProducerIdRequest;
use crate::wire::messages::init_producer_id_response::InitProducerIdResponse;

pub(super) async fn handle(context: &Context, request: InitProducerIdRequest, _version: i16) -> InitProducerIdResponse {
    let allocated = match check(&request) {
        Ok(()) => context.engine.allocate_producer().await.map_err(|error| submit_error(&error)),
        Err(error) => Err(error),
    };
    match allocated {
        // Without a transaction there is nothing to carry over: also a producer that has run
        // out of sequences begins anew.
        Ok(producer) => InitProducerIdResponse {
            producer_id: i64::try_from(producer.0).unwrap_or(i64::MAX),
            producer_epoch: 0,
            ..InitProducerIdResponse::default()
        },
        Err(error) => InitProducerIdResponse {
            error_code: error.number(),
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        },
    }
}

fn check(request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    match request.transactional_id.as_deref() {
        Some("") => return Err(ErrorCode::InvalidRequest),
        // Clients take any other error for one that passes, and ask for ever.
        Some(_) => return Err(ErrorCode::TransactionalIdAuthorizationFailed),
        None => {}
    }
    if (request.producer_id < 0) == (request.producer_epoch < 0) { Ok(()) } else { Err(ErrorCode::InvalidRequest) }
}
