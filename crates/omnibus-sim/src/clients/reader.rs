//! Reads anywhere.

use super::Client;
use crate::fact::Fact;
use crate::stage::Stage;
use crate::violation::Violation;

/// A client that only reads.
#[derive(Debug)]
pub(super) struct Reader;

impl Client for Reader {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        let Some((stream, _)) = stage.any_stream() else { return Ok(()) };
        let from = stage.any_offset(stream);
        let bytes_max = usize::try_from(stage.random.below(20_000)).expect("a few thousand");
        let reading = stage.read((stream, from), bytes_max)?;
        stage.tally.reads += 1;
        stage.trace.line(format_args!("read stream {stream} from {from}: {} batches", reading.batches.len()));
        stage.seen(&Fact::Read(&reading), &reading)
    }

    fn look(&mut self, _stage: &mut Stage) -> Result<(), Violation> {
        Ok(())
    }

    fn restarted(&mut self, _stage: &mut Stage) -> Result<(), Violation> {
        Ok(())
    }
}
