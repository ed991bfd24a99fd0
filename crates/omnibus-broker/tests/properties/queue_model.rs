//! A queue as one would write it down: a list of records, each with its state, searched through
//! from the beginning every time.

#![expect(clippy::cast_possible_truncation, reason = "offsets of tests are small")]

use std::collections::BTreeMap;

use omnibus_model::command::{Acquire, Enqueue};
use omnibus_model::outcome::{Acquired, Appended, MoveAdvanced};
use omnibus_model::queue::{
    CursorConfig, DeadLetterCause, DeadLetters, Delivery, DeliveryOrder, Dying, Envelope, History, LateHolders, Lease,
    LeaseKey, LeaseRefusal, Move, MoveState, Origin, Overflow, QueueCounts, QueueLimits, RecordState, Settlement,
};
use omnibus_model::{
    AttemptHash, Command, DedupHash, HolderId, LeaseEpoch, Millis, MoveId, Offset, Outcome, Refusal, StreamId,
    Timestamp,
};

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) envelope: Envelope,
    pub(crate) enqueued_at: Timestamp,
    state: State,
    count: u32,
    epoch: u64,
    first_at: Timestamp,
    rank: u64,
    /// When it came, as long as that matters to the queue.
    came: Option<Timestamp>,
    /// What it counts for in a queue with so many bytes.
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Leased {
        until: Timestamp,
        holder: Option<HolderId>,
    },
    /// `maturing` by the queue's own delay.
    Delayed {
        until: Timestamp,
        maturing: bool,
    },
    Dying {
        cause: DeadLetterCause,
        since: Timestamp,
    },
    Gone,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) config: CursorConfig,
    limits: QueueLimits,
    pub(crate) records: Vec<Record>,
    start: u64,
    retained: u64,
    epoch: u64,
    counts: QueueCounts,
    sent: BTreeMap<DedupHash, (u64, Timestamp)>,
    origins: BTreeMap<Origin, u64>,
    attempts: BTreeMap<AttemptHash, (Timestamp, Vec<(LeaseKey, Timestamp)>)>,
    moves: Vec<Move>,
}

impl Model {
    pub(crate) fn new(config: CursorConfig) -> Self {
        Self { config, ..Self::default() }
    }

    pub(crate) fn apply(&mut self, now: Timestamp, command: &Command) -> Result<Outcome, Refusal> {
        let outcome = self.decide(now, command)?;
        while self.limits.overflow == Overflow::DropOldest && self.lacks_room(0, 0) {
            let Some(first) = self.turns().first().copied() else { break };
            self.die(now, first, DeadLetterCause::Overflow);
        }
        Ok(outcome)
    }

    fn decide(&mut self, now: Timestamp, command: &Command) -> Result<Outcome, Refusal> {
        Ok(match command {
            Command::LimitCursor { limits, .. } => self.limit(now, *limits),
            Command::ConfigureCursor { config, .. } => self.configure(now, *config),
            Command::Enqueue(enqueue) => self.enqueue(now, enqueue)?,
            Command::Acquire(wish) => self.acquire(now, wish)?,
            Command::Settle { settlements, .. } => {
                let dying = self.dying();
                let results = settlements.iter().map(|(key, how)| self.settle(now, *key, *how)).collect();
                Outcome::Settled { results, dying: self.dying() > dying }
            }
            Command::Extend { leases, .. } => {
                Outcome::Extended { results: leases.iter().map(|(key, span)| self.extend(now, *key, *span)).collect() }
            }
            Command::ReleaseHolder { holder, .. } => {
                Outcome::HolderReleased { count: self.release(now, |other| other == *holder) }
            }
            Command::EndSessions => Outcome::SessionsEnded { count: self.release(now, HolderId::is_session) },
            Command::Take { stream, count_max } => self.take(now, *stream, *count_max),
            Command::Bury { offset, .. } => {
                self.bury(*offset);
                Outcome::Buried
            }
            Command::ForgetOrigin { origin, .. } => {
                self.origins.remove(origin);
                Outcome::OriginForgotten
            }
            Command::StartMove { .. } => self.start_move(now, command)?,
            Command::CancelMove { task, .. } => {
                let task = self.task(*task)?;
                task.state = MoveState::Cancelled;
                Outcome::MoveCancelled { moved: task.moved }
            }
            Command::AdvanceMove { task, count_max, .. } => self.advance_move(now, *task, *count_max)?,
            Command::Purge { .. } => self.purge(),
            Command::Rewind { to, .. } => self.rewind(now, to.0)?,
            Command::ExpireBefore { before, .. } => self.expire_before(now, before.0),
            Command::Trim { before, .. } => self.trim(before.0)?,
            Command::Tick => {
                self.tick(now);
                Outcome::Ticked
            }
            other => panic!("{other:?} is not modelled"),
        })
    }

    pub(crate) fn state(&self, offset: usize) -> RecordState {
        let record = &self.records[offset];
        match record.state {
            State::Ready => RecordState::Ready { delivery_count: record.count },
            State::Leased { until, .. } => RecordState::Leased(self.lease(offset, until)),
            State::Delayed { until, maturing } => {
                let until = if maturing { record.enqueued_at.plus(self.config.delay) } else { until };
                RecordState::Delayed { until, delivery_count: record.count }
            }
            State::Dying { cause, since } => RecordState::Dying(Dying {
                offset: Offset(offset as u64),
                cause,
                delivery_count: record.count,
                first_delivered_at: (record.count > 0).then_some(record.first_at),
                died_at: since,
            }),
            State::Gone => RecordState::Absent,
        }
    }

    pub(crate) fn counts(&self) -> QueueCounts {
        let mut counts = QueueCounts { enqueued: self.records.len() as u64, ..self.counts };
        for record in &self.records {
            match record.state {
                State::Ready => counts.ready += 1,
                State::Leased { .. } => counts.leased += 1,
                State::Delayed { .. } => counts.delayed += 1,
                State::Dying { .. } => counts.dying += 1,
                State::Gone => {}
            }
        }
        counts
    }

    pub(crate) fn moves(&self) -> &[Move] {
        &self.moves
    }

    fn configure(&mut self, now: Timestamp, config: CursorConfig) -> Outcome {
        self.config = config;
        for offset in 0..self.records.len() {
            if let State::Dying { cause, .. } = self.records[offset].state
                && self.fate(cause) == DeadLetters::Dropped
            {
                self.die(now, offset, cause);
            }
        }
        Outcome::CursorConfigured
    }

    fn limit(&mut self, now: Timestamp, limits: QueueLimits) -> Outcome {
        for record in &mut self.records {
            record.came = match (self.limits.ttl, limits.ttl) {
                (_, None) => None,
                (None, Some(_)) => Some(now),
                (Some(_), Some(_)) => record.came,
            };
            record.bytes *= u64::from(limits.bytes_max.is_some());
        }
        self.limits = limits;
        Outcome::CursorConfigured
    }

    fn lacks_room(&self, count: u64, bytes: u64) -> bool {
        let unleased = |record: &&Record| matches!(record.state, State::Ready | State::Delayed { .. });
        let bytes = bytes + self.records.iter().filter(unleased).map(|record| record.bytes).sum::<u64>();
        let QueueLimits { records_max, bytes_max, .. } = self.limits;
        records_max.is_some_and(|max| self.counts().ready + count > max) || bytes_max.is_some_and(|max| bytes > max)
    }

    /// Lets those expire that came for too long ago, run by run.
    fn expire_aged(&mut self, now: Timestamp) {
        let Some(ttl) = self.limits.ttl else { return };
        while let Some(came) = self.records.iter().find_map(|record| record.came).filter(|it| it.plus(ttl) <= now) {
            let younger = self.records.iter().position(|record| record.came.is_some_and(|other| other > came));
            let before = younger.unwrap_or(self.records.len());
            self.expire_before(now, before as u64);
            self.records[..before].iter_mut().for_each(|record| record.came = None);
        }
    }

    fn purge(&mut self) -> Outcome {
        let there = |record: &&mut Record| !matches!(record.state, State::Gone | State::Dying { .. });
        let mut count = 0;
        for record in self.records.iter_mut().filter(there) {
            record.state = State::Gone;
            count += 1;
        }
        self.counts.purged += count;
        self.sent.clear();
        self.attempts.clear();
        Outcome::Purged { count }
    }

    fn expire_before(&mut self, now: Timestamp, before: u64) -> Outcome {
        let before = before.min(self.records.len() as u64);
        let dying = self.dying();
        for offset in 0..before as usize {
            if matches!(self.records[offset].state, State::Ready | State::Delayed { .. }) {
                self.die(now, offset, DeadLetterCause::Expired);
            }
        }
        self.retained = self.retained.max(before);
        Outcome::Expired { before: Offset(before), dying: self.dying() > dying }
    }

    fn trim(&mut self, before: u64) -> Result<Outcome, Refusal> {
        if before > self.records.len() as u64 {
            let (start, end) = (Offset(self.start), Offset(self.records.len() as u64));
            return Err(Refusal::OffsetOutOfRange { offset: Offset(before), start, end });
        }
        self.start = self.start.max(before);
        for record in &mut self.records[..before as usize] {
            if record.state != State::Gone {
                record.state = State::Gone;
                self.counts.purged += 1;
            }
        }
        Ok(Outcome::Trimmed { start: Offset(self.start) })
    }

    fn dying(&self) -> usize {
        self.records.iter().filter(|record| matches!(record.state, State::Dying { .. })).count()
    }

    fn enqueue(&mut self, now: Timestamp, enqueue: &Enqueue) -> Result<Outcome, Refusal> {
        let envelope = enqueue.envelope;
        let moved = enqueue.origin.and_then(|origin| self.origins.get(&origin).copied());
        let sent = envelope.dedup.and_then(|id| self.sent.get(&id).filter(|(_, until)| now < *until));
        if let Some(offset) = moved.or(sent.map(|(offset, _)| *offset)) {
            let (base, start) = (Offset(offset), Offset(self.start));
            return Ok(Outcome::Enqueued(Appended { base, start, duplicate: true }));
        }
        let bytes = enqueue.append.batch.bytes.into();
        if self.limits.overflow == Overflow::RefuseNewest && self.lacks_room(1, bytes) {
            return Err(Refusal::QueueFull { stream: enqueue.append.stream });
        }
        if self.ordered() && envelope.group.is_none() {
            return Err(Refusal::RecordGroupMissing);
        }
        let offset = self.records.len() as u64;
        if let Some(id) = envelope.dedup {
            self.sent.insert(id, (offset, now.plus(self.config.dedup_window)));
        }
        if let Some(origin) = enqueue.origin {
            self.origins.insert(origin, offset);
        }
        self.records.push(Record {
            envelope,
            enqueued_at: now,
            state: State::Gone,
            count: 0,
            epoch: 0,
            first_at: Timestamp(0),
            rank: offset,
            came: self.limits.ttl.map(|_| now),
            bytes: bytes * u64::from(self.limits.bytes_max.is_some()),
        });
        self.begin(now, offset as usize);
        Ok(Outcome::Enqueued(Appended { base: Offset(offset), start: Offset(self.start), duplicate: false }))
    }

    /// Puts a record where it is when nobody has looked at it.
    fn begin(&mut self, now: Timestamp, offset: usize) {
        let (ordered, delay) = (self.ordered(), self.config.delay);
        let maturing = |record: &Record| matches!(record.state, State::Delayed { maturing: true, .. });
        let others_mature = self.records[..offset].iter().any(maturing);
        let record = &mut self.records[offset];
        (record.count, record.epoch, record.rank) = (0, 0, offset as u64);
        record.state = match record.envelope.deliver_at {
            Some(until) if until > now => State::Delayed { until, maturing: false },
            _ if ordered && (record.enqueued_at.plus(delay) > now || others_mature) => {
                State::Delayed { until: Timestamp(0), maturing: true }
            }
            _ => State::Ready,
        };
    }

    fn tick(&mut self, now: Timestamp) {
        for offset in 0..self.records.len() {
            let record = &self.records[offset];
            match record.state {
                State::Leased { until, .. } if until <= now => self.back(now, offset),
                State::Delayed { maturing: true, .. } if record.enqueued_at.plus(self.config.delay) <= now => {
                    self.back(now, offset);
                }
                State::Delayed { until, maturing: false } if until <= now => self.back(now, offset),
                _ => {}
            }
            let record = &self.records[offset];
            if matches!(record.state, State::Ready | State::Delayed { .. }) && self.is_over(now, offset) {
                self.die(now, offset, DeadLetterCause::Expired);
            }
        }
        self.expire_aged(now);
    }

    fn is_over(&self, now: Timestamp, offset: usize) -> bool {
        let record = &self.records[offset];
        let is_aged = record.came.zip(self.limits.ttl).is_some_and(|(came, ttl)| came.plus(ttl) <= now);
        is_aged || record.envelope.expires_at.is_some_and(|at| at <= now)
    }

    fn back(&mut self, now: Timestamp, offset: usize) {
        if (offset as u64) < self.retained || self.is_over(now, offset) {
            return self.die(now, offset, DeadLetterCause::Expired);
        }
        let end = self.records.len() as u64;
        let tired = self.config.back_after.is_some_and(|after| self.records[offset].count >= after);
        let record = &mut self.records[offset];
        record.state = State::Ready;
        record.rank = if tired { end } else { offset as u64 };
    }

    fn die(&mut self, now: Timestamp, offset: usize, cause: DeadLetterCause) {
        let moved = self.fate(cause) == DeadLetters::Moved;
        self.records[offset].state = if moved { State::Dying { cause, since: now } } else { State::Gone };
        match cause {
            _ if moved => {}
            DeadLetterCause::Expired => self.counts.expired += 1,
            _ => self.counts.dropped += 1,
        }
    }

    fn fate(&self, cause: DeadLetterCause) -> DeadLetters {
        match cause {
            DeadLetterCause::Rejected | DeadLetterCause::Exhausted | DeadLetterCause::Overflow => {
                self.config.dead_letters
            }
            DeadLetterCause::Expired => self.config.expired,
            DeadLetterCause::Moved(_) => DeadLetters::Moved,
        }
    }

    fn ordered(&self) -> bool {
        self.config.order == DeliveryOrder::Ordered
    }

    /// The records that could be taken now, in order.
    fn turns(&self) -> Vec<usize> {
        let ready = |offset: &usize| self.records[*offset].state == State::Ready;
        let first = |offset: &usize| !self.ordered() || !self.overtakes(*offset);
        let mut turns: Vec<usize> = (0..self.records.len()).filter(ready).filter(first).collect();
        turns.sort_by_key(|offset| {
            let record = &self.records[*offset];
            (record.rank, record.rank == *offset as u64, record.epoch)
        });
        turns
    }

    /// Whether an earlier record of the group is there, wherever.
    fn overtakes(&self, offset: usize) -> bool {
        let group = self.records[offset].envelope.group;
        let earlier = self.records[..offset].iter().filter(|record| record.envelope.group == group);
        let there = |record: &Record| !matches!(record.state, State::Gone | State::Dying { .. });
        group.is_some() && earlier.into_iter().any(there)
    }

    fn acquire(&mut self, now: Timestamp, wish: &Acquire) -> Result<Outcome, Refusal> {
        if let Some((granted_at, leases)) = self.repeat(now, wish) {
            return Ok(Outcome::Acquired(Acquired { leases, granted_at, dying: false }));
        }
        let leased = self.counts().leased;
        let max = self.config.leases_max;
        let room = u64::from(max).saturating_sub(leased);
        if room == 0 && !self.ordered() {
            return Err(Refusal::LeasesFull { max });
        }
        let dying = self.dying();
        let count_max = room.min(u64::from(wish.count_max)) as usize;
        let mut leases = Vec::new();
        while leases.len() < count_max {
            let Some(first) = self.turns().first().copied() else { break };
            if !self.ordered() {
                self.deliver(now, wish, first, &mut leases);
                continue;
            }
            let group = self.records[first].envelope.group;
            let mine: Vec<usize> =
                (first..self.records.len()).filter(|it| self.records[*it].envelope.group == group).collect();
            for offset in mine {
                match self.records[offset].state {
                    State::Ready if leases.len() < count_max => self.deliver(now, wish, offset, &mut leases),
                    State::Gone | State::Dying { .. } => {}
                    _ => break,
                }
            }
        }
        if let (Some(attempt), false) = (wish.attempt, leases.is_empty()) {
            let told = leases.iter().map(|lease| (lease.key, lease.deadline)).collect();
            self.attempts.insert(attempt, (now.plus(Millis(300_000)), told));
        }
        Ok(Outcome::Acquired(Acquired { leases, granted_at: now, dying: self.dying() > dying }))
    }

    /// A take is an acquire without limits whose leases are accepted at once.
    fn take(&mut self, now: Timestamp, stream: StreamId, count_max: u32) -> Outcome {
        let leases_max = std::mem::replace(&mut self.config.leases_max, u32::MAX);
        let wish = Acquire { stream, count_max, lease: Millis(0), holder: None, attempt: None };
        let Ok(outcome) = self.acquire(now, &wish) else { unreachable!("there is room") };
        if let Outcome::Acquired(acquired) = &outcome {
            for lease in &acquired.leases {
                self.settle(now, lease.key, Settlement::Accept).expect("it was just leased");
            }
        }
        self.config.leases_max = leases_max;
        outcome
    }

    /// Releases what some holders hold.
    fn release(&mut self, now: Timestamp, goes: impl Fn(HolderId) -> bool) -> u64 {
        let held = |record: &Record| matches!(record.state, State::Leased { holder: Some(other), .. } if goes(other));
        let held: Vec<usize> = (0..self.records.len()).filter(|it| held(&self.records[*it])).collect();
        held.iter().for_each(|offset| self.back(now, *offset));
        held.len() as u64
    }

    fn deliver(&mut self, now: Timestamp, wish: &Acquire, offset: usize, leases: &mut Vec<Lease>) {
        if self.is_over(now, offset) {
            return self.die(now, offset, DeadLetterCause::Expired);
        }
        if self.config.deliveries_max.is_some_and(|max| self.records[offset].count >= max) {
            return self.die(now, offset, DeadLetterCause::Exhausted);
        }
        self.epoch += 1;
        let record = &mut self.records[offset];
        record.first_at = if record.count == 0 { now } else { record.first_at };
        (record.count, record.epoch) = (record.count + 1, self.epoch);
        let until = now.plus(wish.lease);
        record.state = State::Leased { until, holder: wish.holder };
        leases.push(self.lease(offset, until));
    }

    fn repeat(&mut self, now: Timestamp, wish: &Acquire) -> Option<(Timestamp, Vec<Lease>)> {
        let (until, leases) = self.attempts.get(&wish.attempt?)?.clone();
        let same = |(key, deadline): &(LeaseKey, Timestamp)| {
            let record = &self.records[key.offset.0 as usize];
            let leased = matches!(record.state, State::Leased { until, .. } if until == *deadline);
            leased && record.epoch == key.epoch.0
        };
        if now >= until || !leases.iter().all(same) {
            return None;
        }
        let deadline = now.plus(wish.lease);
        let mut told = Vec::new();
        for (key, _) in &leases {
            let offset = key.offset.0 as usize;
            if let State::Leased { until, .. } = &mut self.records[offset].state {
                *until = deadline;
            }
            told.push(self.lease(offset, deadline));
        }
        let leases = leases.iter().map(|(key, _)| (*key, deadline)).collect();
        self.attempts.insert(wish.attempt?, (until, leases));
        Some((Timestamp(until.0 - 300_000), told))
    }

    fn lease(&self, offset: usize, deadline: Timestamp) -> Lease {
        let record = &self.records[offset];
        Lease {
            key: LeaseKey { offset: Offset(offset as u64), epoch: LeaseEpoch(record.epoch) },
            delivery_count: record.count,
            first_delivered_at: record.first_at,
            deadline,
        }
    }

    fn held(&self, key: LeaseKey) -> Result<usize, LeaseRefusal> {
        let offset = key.offset.0 as usize;
        let Some(record) = self.records.get(offset) else { return Err(LeaseRefusal::Unknown) };
        let mine = record.epoch == key.epoch.0;
        match record.state {
            State::Leased { .. } if mine => Ok(offset),
            State::Leased { .. } => Err(LeaseRefusal::Lost { current: Some(LeaseEpoch(record.epoch)) }),
            State::Ready if mine && record.epoch > 0 && self.config.late == LateHolders::Heard => Ok(offset),
            _ if record.epoch == 0 && !matches!(record.state, State::Gone | State::Dying { .. }) => {
                Err(LeaseRefusal::Unknown)
            }
            State::Ready | State::Delayed { .. } => Err(LeaseRefusal::Lost { current: None }),
            State::Dying { .. } | State::Gone => Err(LeaseRefusal::AlreadySettled),
        }
    }

    fn settle(&mut self, now: Timestamp, key: LeaseKey, how: Settlement) -> Result<(), LeaseRefusal> {
        let offset = self.held(key)?;
        match how {
            Settlement::Accept => {
                self.records[offset].state = State::Gone;
                self.counts.settled += 1;
            }
            Settlement::Release { delay, delivery } => {
                let record = &mut self.records[offset];
                record.count -= u32::from(delivery == Delivery::DidNotHappen && record.count > 0);
                let over = (offset as u64) < self.retained || self.is_over(now, offset);
                let record = &mut self.records[offset];
                if delay == Millis(0) || over {
                    self.back(now, offset);
                } else {
                    record.state = State::Delayed { until: now.plus(delay), maturing: false };
                }
            }
            Settlement::Reject => self.die(now, offset, DeadLetterCause::Rejected),
        }
        Ok(())
    }

    fn extend(&mut self, now: Timestamp, key: LeaseKey, span: Millis) -> Result<Timestamp, LeaseRefusal> {
        let offset = self.held(key)?;
        if span == Millis(0) {
            self.back(now, offset);
            return Ok(now);
        }
        let holder = match self.records[offset].state {
            State::Leased { holder, .. } => holder,
            _ => None,
        };
        let until = now.plus(span);
        self.records[offset].state = State::Leased { until, holder };
        Ok(until)
    }

    fn bury(&mut self, offset: Offset) {
        let Some(record) = self.records.get_mut(offset.0 as usize) else { return };
        let State::Dying { cause, .. } = record.state else { return };
        record.state = State::Gone;
        let DeadLetterCause::Moved(task) = cause else {
            self.counts.dead_lettered += 1;
            return;
        };
        self.counts.moved += 1;
        if let Some(task) = self.moves.iter_mut().find(|known| known.id == task) {
            task.moved += 1;
            if task.state == MoveState::Finishing && task.moved == task.taken {
                task.state = MoveState::Completed;
            }
        }
    }

    fn start_move(&mut self, now: Timestamp, command: &Command) -> Result<Outcome, Refusal> {
        let Command::StartMove { target, rate_max, .. } = command else { unreachable!() };
        let runs = |task: &&Move| matches!(task.state, MoveState::Running | MoveState::Finishing);
        if let Some(task) = self.moves.iter().find(runs) {
            return Err(Refusal::MoveRunning { task: task.id });
        }
        if let Some(over) = self.moves.iter().position(|it| it.moved == it.taken).filter(|_| self.moves.len() >= 10) {
            self.moves.remove(over);
        }
        let id = MoveId(self.moves.last().map_or(1, |last| last.id.0 + 1));
        self.moves.push(Move {
            id,
            target: *target,
            rate_max: *rate_max,
            state: MoveState::Running,
            started_at: now,
            until: Offset(self.records.len() as u64),
            planned: self.counts().ready,
            taken: 0,
            moved: 0,
        });
        Ok(Outcome::MoveStarted { task: id })
    }

    fn task(&mut self, id: MoveId) -> Result<&mut Move, Refusal> {
        let runs = |task: &&mut Move| task.id == id && matches!(task.state, MoveState::Running | MoveState::Finishing);
        self.moves.iter_mut().find(runs).ok_or(Refusal::UnknownMove { task: id })
    }

    fn advance_move(&mut self, now: Timestamp, id: MoveId, count_max: u32) -> Result<Outcome, Refusal> {
        let task = *self.task(id)?;
        if task.state == MoveState::Finishing {
            return Ok(Outcome::MoveAdvanced(MoveAdvanced { taken: 0, next_at: None }));
        }
        let elapsed = now.since(task.started_at).0;
        let allowed = task.rate_max.map_or(u64::MAX, |rate| u64::from(rate) * elapsed / 1_000 + 1) - task.taken;
        let mut taken = 0;
        let mut left = true;
        while u64::from(taken) < allowed.min(count_max.into()) && left {
            match self.turns().first().copied().filter(|offset| (*offset as u64) < task.until.0) {
                Some(offset) => {
                    self.die(now, offset, DeadLetterCause::Moved(id));
                    taken += 1;
                }
                None => left = false,
            }
        }
        let task = self.task(id)?;
        task.taken += u64::from(taken);
        if !left {
            task.state = if task.taken == task.moved { MoveState::Completed } else { MoveState::Finishing };
        }
        let wait = task.rate_max.map_or(0, |rate| (task.taken * 1_000).div_ceil(rate.into()));
        let next_at = left.then(|| task.started_at.plus(Millis(wait)).max(now));
        Ok(Outcome::MoveAdvanced(MoveAdvanced { taken, next_at }))
    }

    fn rewind(&mut self, now: Timestamp, to: u64) -> Result<Outcome, Refusal> {
        if self.config.history == History::Trimmed {
            return Err(Refusal::HistoryNotKept);
        }
        let end = self.records.len() as u64;
        if to < self.start || to > end {
            let (start, end) = (Offset(self.start), Offset(end));
            return Err(Refusal::OffsetOutOfRange { offset: Offset(to), start, end });
        }
        self.retained = self.retained.min(to);
        let mut count = 0;
        for offset in to as usize..self.records.len() {
            if matches!(self.records[offset].state, State::Dying { .. }) {
                continue;
            }
            let is_gone = self.records[offset].state == State::Gone;
            count += u64::from(is_gone);
            self.records[offset].bytes *= u64::from(!is_gone);
            self.begin(now, offset);
        }
        self.counts.rewound += count;
        Ok(Outcome::Rewound { count })
    }
}
