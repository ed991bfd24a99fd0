use omnibus_log::{Log, LogError, Replacement};
use omnibus_model::*;
pub(crate) trait Later {
    fn save_checkpoint(&self, _: ShardId, _: Term, _: LogIndex, _: &[u8]) -> Result<(), LogError> { Ok(()) }
    fn maintain(&self) -> Result<(), LogError> { Ok(()) }
    fn replace(&self, _: StreamId, _: Offset, _: Offset, _: Vec<Replacement>) -> Result<(), LogError> { Ok(()) }
}
impl Later for Log {}
