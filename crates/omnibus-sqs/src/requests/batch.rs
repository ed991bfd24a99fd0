//! What the three batches have in common.

use crate::errors::ApiError;
use crate::wire::messages::BatchResultErrorEntry;

const ENTRIES_MAX: usize = 10;
const ID_CHARACTERS_MAX: usize = 80;

/// Checks the ids of a batch's entries.
pub(super) fn check<'a>(
    entry: &'static str,
    ids: impl ExactSizeIterator<Item = Option<&'a str>>,
) -> Result<(), ApiError> {
    if ids.len() == 0 {
        return Err(ApiError::EmptyBatchRequest { entry });
    }
    if ids.len() > ENTRIES_MAX {
        return Err(ApiError::TooManyEntriesInBatchRequest { sent: ids.len() });
    }
    let mut seen: Vec<&str> = Vec::new();
    for id in ids {
        let id = id.unwrap_or_default();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > ID_CHARACTERS_MAX || !id.bytes().all(allowed) {
            return Err(ApiError::InvalidBatchEntryId);
        }
        if seen.contains(&id) {
            return Err(ApiError::BatchEntryIdsNotDistinct { id: id.to_owned() });
        }
        seen.push(id);
    }
    Ok(())
}

/// What is said of an entry that failed.
pub(super) fn failed(id: Option<&str>, error: &ApiError) -> BatchResultErrorEntry {
    BatchResultErrorEntry {
        id: id.map(str::to_owned),
        sender_fault: Some(error.kind().status < 500),
        code: Some(error.kind().code()),
        message: Some(error.to_string()),
    }
}
