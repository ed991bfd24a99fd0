use omnibus_log::{Replacement, Stretch};
use omnibus_model::batch::StreamBounds;

use super::*;

const SHARD: ShardId = ShardId(11);

/// Numbers that look like chance, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn bytes(&mut self, length_max: u64) -> Bytes {
        let length = self.below(length_max + 1);
        (0..length).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }

    fn id(&mut self) -> EntryId {
        EntryId { term: Term(self.below(9)), index: LogIndex(self.below(1_000)) }
    }

    fn vote(&mut self) -> Vote {
        Vote { term: Term(self.below(u64::MAX)), node: self.below(9), granted: self.below(2) == 0 }
    }

    fn batch(&mut self, bodies: u64) -> EntryBatch {
        let rest = if bodies > 0 && self.below(2) == 0 {
            Rest::Shared(usize::try_from(self.below(bodies)).unwrap())
        } else {
            Rest::Own(self.bytes(40))
        };
        EntryBatch {
            stream: StreamId(self.below(u64::MAX)),
            base: Offset(self.below(u64::MAX)),
            count: u32::try_from(self.below(100)).unwrap(),
            timestamp_max: Timestamp(-1),
            prefix: self.bytes(10),
            rest,
        }
    }

    fn entry(&mut self, index: LogIndex) -> Entry {
        let kind = match self.below(4) {
            0 => EntryKind::Blank,
            1 => EntryKind::Membership,
            _ => EntryKind::Commands,
        };
        let (bodies, batches) = if kind == EntryKind::Commands { (self.below(3), self.below(4)) } else { (0, 0) };
        let head = self.bytes(30);
        let batches = (0..batches).map(|_| self.batch(bodies)).collect();
        let bodies = (0..bodies).map(|_| self.bytes(50)).collect();
        let term = Term(self.below(9));
        Entry { shard: SHARD, term, index, kind, head, bodies: Arc::new(bodies), batches: Arc::new(batches) }
    }

    fn request(&mut self) -> Request {
        let candidacy = Candidacy { vote: self.vote(), last: self.id(), transfer: self.below(2) == 0 };
        match self.below(9) {
            6 => Request::Welcome { log: self.below(u64::MAX) },
            7 => Request::Fill(self.fill()),
            8 => Request::Install(self.install()),
            0 => Request::Vote(candidacy),
            1 => Request::PreVote(candidacy),
            2 => Request::Transfer(Transfer { leader: self.vote(), to: self.below(9), last: self.id() }),
            _ => {
                let (vote, previous, committed) = (self.vote(), self.id(), self.id());
                let count = self.below(4);
                let entries = (1..=count).map(|place| self.entry(LogIndex(previous.index.0 + place))).collect();
                Request::Append(Append { vote, previous, committed, settled: LogIndex(self.below(99)), entries })
            }
        }
    }

    fn session(&mut self) -> Session {
        Session { term: Term(self.below(9)), node: self.below(9), attempt: self.below(9) }
    }

    fn fill(&mut self) -> Fill {
        let batch = |chance: &mut Self| Replacement {
            base: Offset(chance.below(99)),
            count: 7,
            timestamp_max: Timestamp(-3),
            bytes: chance.bytes(40),
        };
        let stretch = |chance: &mut Self| {
            let count = chance.below(4);
            let batches = (0..count).map(|_| batch(chance)).collect();
            Stretch { stream: StreamId(chance.below(99)), from: Offset(3), to: Offset(chance.below(99)), batches }
        };
        let count = self.below(4);
        let part = match self.below(3) {
            0 => Part::State(self.bytes(60)),
            _ => Part::Records((0..count).map(|_| stretch(self)).collect()),
        };
        Fill { session: self.session(), last: self.id(), number: 3, part }
    }

    fn install(&mut self) -> Install {
        let count = self.below(4);
        let stream = |chance: &mut Self| {
            let bounds = StreamBounds { start: Offset(chance.below(9)), end: Offset(chance.below(9)) };
            (StreamId(chance.below(99)), bounds)
        };
        let streams = (0..count).map(|_| stream(self)).collect();
        let membership = (self.id(), self.bytes(30));
        Install { session: self.session(), parts: 5, vote: self.vote(), last: self.id(), membership, streams }
    }

    fn answer(&mut self) -> Answer {
        match self.below(15) {
            9 => Answer::Hollow { log: self.below(u64::MAX) },
            10 => Answer::Welcomed,
            11 => Answer::Filled { next: 12 },
            12 => Answer::NotFilled,
            13 => Answer::Filling,
            14 => Answer::Installed(self.vote()),
            0 => Answer::Appended,
            1 => Answer::AppendedUpTo(self.id()),
            2 => Answer::Conflict,
            3 => Answer::HigherVote(self.vote()),
            4 => Answer::Voted { vote: self.vote(), granted: self.below(2) == 0, last: self.id() },
            5 => Answer::TransferTaken,
            6 => Answer::VoteChanged { expected: self.vote(), actual: self.vote() },
            7 => Answer::NotFlushed { expected: self.id(), actual: self.id() },
            _ => Answer::Ended,
        }
    }
}

fn written(request: &Request) -> Bytes {
    Bytes::from(encode_request(SHARD, request).concat())
}

#[test]
fn what_is_written_is_read() {
    let mut chance = Chance(1);
    for _ in 0..2_000 {
        let request = chance.request();
        assert_eq!(decode_request(&written(&request)), Some((SHARD, request)));
        let answer = chance.answer();
        assert_eq!(decode_answer(&encode_answer(answer)), Some(answer));
    }
}

#[test]
fn what_is_shorter_or_longer_is_not_a_message() {
    let mut chance = Chance(2);
    for _ in 0..200 {
        let bytes = written(&chance.request());
        for length in 0..bytes.len() {
            assert_eq!(decode_request(&bytes.slice(..length)), None);
        }
        assert_eq!(decode_request(&Bytes::from([&bytes[..], b"!"].concat())), None);
        let bytes = encode_answer(chance.answer());
        for length in 0..bytes.len() {
            assert_eq!(decode_answer(&bytes.slice(..length)), None);
        }
    }
}

#[test]
fn whatever_comes_is_read_or_not_and_what_is_read_says_what_it_is() {
    let mut chance = Chance(3);
    for _ in 0..3_000 {
        let mut bytes = written(&chance.request()).to_vec();
        for _ in 0..=chance.below(3) {
            let place = usize::try_from(chance.below(bytes.len() as u64)).unwrap();
            bytes[place] = u8::try_from(chance.below(256)).unwrap();
        }
        crate::testing::read_and_write(&Bytes::from(bytes));
        crate::testing::read_and_write(&chance.bytes(60));
    }
}

#[test]
fn entries_with_a_gap_between_them_are_not_a_message() {
    let mut chance = Chance(4);
    let (vote, previous) = (chance.vote(), chance.id());
    let entries = vec![chance.entry(LogIndex(previous.index.0 + 2))];
    let append = Append { vote, previous, committed: previous, settled: LogIndex(0), entries };
    assert_eq!(decode_request(&written(&Request::Append(append))), None);
}
