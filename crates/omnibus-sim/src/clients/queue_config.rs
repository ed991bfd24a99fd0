//! What queues are like: every kind there is, with times that a run lives to see.

use omnibus_model::queue::{CursorConfig, DeadLetters, DeliveryOrder, History, LateHolders, QueueConfig};
use omnibus_model::{Millis, TopicName};

use crate::random::Random;

/// Where dead letters go: of queues without an order, and of ordered ones.
pub(crate) const LETTERS: [&str; 2] = ["letters", "letters-in-order"];

/// The queue that takes the dead letters of all others of its kind.
pub(crate) fn letters(order: DeliveryOrder) -> QueueConfig {
    QueueConfig { cursor: CursorConfig { order, ..CursorConfig::default() }, ..QueueConfig::default() }
}

/// Some queue.
pub(super) fn draw(random: &mut Random) -> QueueConfig {
    let order = if random.once_in(2) { DeliveryOrder::Ordered } else { DeliveryOrder::Standard };
    let moved = random.once_in(2);
    let fate = if moved { DeadLetters::Moved } else { DeadLetters::Dropped };
    let small = |random: &mut Random, range| u32::try_from(random.within(range)).expect("a few");
    let cursor = CursorConfig {
        order,
        leases_max: small(random, 6..=100),
        deliveries_max: (moved || random.once_in(4)).then(|| small(random, 1..=4)),
        back_after: random.once_in(4).then(|| small(random, 1..=2)),
        dead_letters: fate,
        expired: if random.once_in(2) { fate } else { DeadLetters::Dropped },
        late: if random.once_in(2) { LateHolders::Heard } else { LateHolders::Refused },
        delay: Millis(if random.once_in(3) && order == DeliveryOrder::Ordered { random.within(20..=200) } else { 0 }),
        dedup_window: Millis(random.within(200..=3_000)),
        grouped_max: if random.once_in(2) { small(random, 4..=30) } else { 120_000 },
        history: if random.once_in(4) { History::Kept } else { History::Trimmed },
    };
    let name = LETTERS[usize::from(order == DeliveryOrder::Ordered)];
    QueueConfig {
        cursor,
        retention: random.once_in(4).then(|| Millis(random.within(300..=3_000))),
        dead_letters_to: moved.then(|| TopicName::new(name).expect("a short name")),
        ..QueueConfig::default()
    }
}
