//! What a data shard's broker can be asked about queues.

use omnibus_model::batch::StreamBounds;
use omnibus_model::queue::{
    CursorConfig, Dying, Holding, Move, Origin, QueueCounts, QueueLimits, QueueTraffic, RecordState,
};
use omnibus_model::{DedupHash, HolderId, Offset, StreamId, Timestamp};

use super::Broker;
use crate::cursor::Cursor;

/// Questions about queues, of a data shard.
impl Broker {
    /// Returns every stream with a lease cursor, and what the cursor acts on.
    pub fn queues(&self) -> impl Iterator<Item = (StreamId, &CursorConfig)> {
        self.queues.iter().map(|(stream, cursor)| (stream, cursor.config()))
    }

    /// Returns what a queue's cursor acts on; `None` if the stream has no cursor.
    #[must_use]
    pub fn queue(&self, stream: StreamId) -> Option<&CursorConfig> {
        self.queues.get(stream).map(Cursor::config)
    }

    /// Returns how much a queue takes; `None` if the stream has no cursor.
    #[must_use]
    pub fn queue_limits(&self, stream: StreamId) -> Option<&QueueLimits> {
        self.queues.get(stream).map(Cursor::limits)
    }

    /// Returns whether a record of a queue will have been there for too long at some time.
    #[must_use]
    pub fn expires_by(&self, stream: StreamId, offset: Offset, at: Timestamp) -> bool {
        self.queues.get(stream).is_some_and(|cursor| cursor.has_expired(at, offset))
    }

    /// Returns whether a queue would have too much with one more record.
    #[must_use]
    pub fn lacks_room(&self, stream: StreamId, bytes: u32) -> bool {
        self.queues.lacks_room(stream, (1, bytes))
    }

    /// Returns the streams that a queue's bounds hold for together: this one, unless it is of a bounded queue with
    /// priorities.
    pub fn bounded_with(&self, stream: StreamId) -> impl Iterator<Item = StreamId> + use<> {
        let streams = self.queues.bounded_with(stream);
        (streams.start().0..=streams.end().0).map(StreamId)
    }

    /// Counts a queue's records by where they are.
    #[must_use]
    pub fn queue_counts(&self, stream: StreamId) -> Option<QueueCounts> {
        self.queues.get(stream).map(Cursor::counts)
    }

    /// Returns what has passed through each queue since this process has known it.
    pub fn queue_traffic(&self) -> impl Iterator<Item = (StreamId, QueueTraffic)> {
        self.queues.iter().map(|(stream, cursor)| (stream, cursor.traffic()))
    }

    /// Returns the first record of a queue that is not gone. All before it may be trimmed, unless
    /// the queue keeps its history.
    #[must_use]
    pub fn queue_floor(&self, stream: StreamId) -> Option<Offset> {
        self.queues.get(stream).map(Cursor::floor)
    }

    /// Returns whether an acquire would find something.
    #[must_use]
    pub fn has_ready(&self, stream: StreamId) -> bool {
        self.queues.get(stream).is_some_and(Cursor::has_ready)
    }

    /// Returns which record of a queue was sent with an id, while that is remembered.
    #[must_use]
    pub fn sent(&self, now: Timestamp, stream: StreamId, id: DedupHash) -> Option<Offset> {
        self.queues.get(stream)?.sent(now, id)
    }

    /// Returns what has become of one record.
    #[must_use]
    pub fn record_state(&self, stream: StreamId, offset: Offset) -> RecordState {
        self.queues.get(stream).map_or(RecordState::Absent, |cursor| cursor.state_of(offset))
    }

    /// Returns the first records of a queue from `from` on that are not gone, and where they are.
    #[must_use]
    pub fn peek(&self, stream: StreamId, from: Offset, count_max: usize) -> Vec<(Offset, RecordState)> {
        let end = Offset(u64::MAX);
        self.queues.get(stream).map_or_else(Vec::new, |cursor| cursor.peek(from, end, count_max))
    }

    /// Returns the first records that are on their way out of a queue.
    #[must_use]
    pub fn dying(&self, stream: StreamId, from: Offset, count_max: usize) -> Vec<Dying> {
        self.queues.get(stream).map_or_else(Vec::new, |cursor| cursor.dying(from, count_max))
    }

    /// Returns a queue's move tasks, oldest first: those that are under way and some that are over.
    #[must_use]
    pub fn moves(&self, stream: StreamId) -> &[Move] {
        self.queues.get(stream).map_or(&[], Cursor::moves)
    }

    /// Returns the origins that a queue would recognise.
    pub fn origins(&self, stream: StreamId) -> impl Iterator<Item = Origin> {
        self.queues.origins(stream)
    }

    /// Returns who holds leases that go when he does.
    #[must_use]
    pub fn holdings(&self, stream: StreamId) -> Vec<Holding> {
        self.queues.get(stream).map_or_else(Vec::new, Cursor::holdings)
    }

    /// Returns how many records of a queue somebody holds. It costs a look.
    #[must_use]
    pub fn held(&self, stream: StreamId, holder: HolderId) -> usize {
        self.queues.get(stream).map_or(0, |cursor| cursor.held(holder))
    }

    /// Returns the records whose envelopes the leader shall read from the log and bring with
    /// [`omnibus_model::Command::Admit`], if there are any.
    #[must_use]
    pub fn wants_admission(&self, stream: StreamId) -> Option<StreamBounds> {
        self.queues.get(stream)?.wants_admission()
    }
}
