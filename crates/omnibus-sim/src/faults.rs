//! What goes wrong, and how the node comes back from it.

use omnibus_io::FaultDisk;
use omnibus_io::fault::Fault;

use omnibus_io::Disk as _;

use crate::audit;
use crate::fact::Fact;
use crate::node::Node;
use crate::stage::Stage;
use crate::violation::Violation;

/// How a life of the node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// What was not synced may be lost, torn or reordered.
    PowerCut,
    /// What was written stays, synced or not.
    ProcessKill,
    /// Everything is answered and written down first.
    Clean,
}

/// Operations on the disk within which an armed fault comes.
const SOON: u64 = 8;
/// Operations that an opening may take.
const OPENING: u64 = 60;
/// Openings that may fail in a row.
const OPENINGS_MAX: u32 = 3;

impl Stage {
    /// Lets something go wrong now and then; returns how the node ends, if it does.
    pub(crate) fn misfortune(&mut self) -> Option<End> {
        let rates = self.scenario.faults;
        if self.strikes(rates.power_cut) {
            if self.random.once_in(3) {
                return Some(End::PowerCut);
            }
            self.arm(Fault::PowerCut);
        }
        if self.strikes(rates.process_kill) {
            return Some(if self.random.once_in(3) { End::Clean } else { End::ProcessKill });
        }
        if self.strikes(rates.write_error) {
            self.arm(Fault::Error);
        }
        if self.strikes(rates.read_error) {
            self.arm_read(SOON);
        }
        if self.strikes(rates.full_disk) {
            self.fill_disk();
        }
        if self.strikes(rates.clock_jump) {
            let hours = i64::try_from(self.random.below(9)).expect("a few") - 4;
            self.trace.line(format_args!("the clock jumps by {hours} h"));
            self.tally.clock_jumps += 1;
            self.time.turn(hours * 3_600_000);
        }
        None
    }

    /// True about once in `rate` times, never if it is 0.
    pub(crate) fn strikes(&mut self, rate: u64) -> bool {
        rate > 0 && self.random.once_in(rate)
    }

    pub(crate) fn power_is_off(&self) -> bool {
        self.disk.free_bytes().is_err()
    }

    /// Takes all room away, or gives it back.
    fn fill_disk(&mut self) {
        self.tally.full_disks += 1;
        let room = self.random.below(self.scenario.node.log.segment_bytes * 2);
        self.trace.line(format_args!("the disk has {room} bytes left"));
        self.disk.set_capacity(self.disk.used_bytes() + room);
    }

    pub(crate) fn give_room(&self) {
        self.disk.set_capacity(u64::MAX);
    }

    /// Lets a fault come soon: within the next operations, or in the midst of the next write.
    fn arm(&mut self, fault: Fault) {
        if self.random.once_in(2) {
            self.write_fault = Some(fault);
            return;
        }
        let operation = self.disk.operations() + self.random.within(1..=SOON);
        self.trace.line(format_args!("{fault:?} at operation {operation} of the disk"));
        self.disk.fail_at(operation, fault);
    }

    /// Lets one of the next reads fail.
    fn arm_read(&mut self, reads: u64) {
        let read = self.disk.reads() + self.random.within(1..=reads);
        self.trace.line(format_args!("read {read} of the disk fails"));
        self.disk.fail_read_at(read);
    }

    /// Lets the fault that waits for it come in the write that begins now.
    pub(crate) fn arm_write(&mut self) {
        if let Some(fault) = self.write_fault.take() {
            let operation = self.disk.operations() + self.random.within(1..=3);
            self.trace.line(format_args!("{fault:?} in the midst of a write"));
            self.disk.fail_at(operation, fault);
        }
    }

    /// Lets nothing go wrong any more.
    pub(crate) fn calm(&mut self) {
        self.write_fault = None;
        self.disk.fail_at(0, Fault::Error);
        self.disk.fail_read_at(0);
        self.give_room();
    }

    /// Ends the node and begins its next life.
    ///
    /// # Errors
    /// The rule that does not hold.
    pub(crate) fn restart(&mut self, end: End) -> Result<(), Violation> {
        self.trace.line(format_args!("{end:?}"));
        self.see(&Fact::Killed)?;
        self.oracle.lose_answers();
        match end {
            End::PowerCut => {
                self.tally.power_cuts += 1;
                self.disk.restart();
            }
            End::Clean => {
                self.tally.clean_ends += 1;
                self.disk = self.disk.fork(self.random.draw());
            }
            End::ProcessKill => {
                self.tally.process_kills += 1;
                self.disk = self.disk.fork(self.random.draw());
                if self.random.once_in(2) {
                    self.rot_unacknowledged();
                }
            }
        }
        if self.random.once_in(2) {
            self.give_room();
        }
        let repeated = self.open()?;
        self.see(&Fact::Begun { after_clean_end: end == End::Clean, repeated })?;
        audit::restarted(self)
    }

    /// Turns a bit over in a block that was written and never acknowledged, if there is one.
    fn rot_unacknowledged(&mut self) {
        let unsynced = self.disk.unsynced();
        let blocks: Vec<_> =
            unsynced.into_iter().filter(|(path, _, bytes)| path.ends_with(".seg") && *bytes > 0).collect();
        if let Some((file, position, bytes)) = self.random.pick(&blocks).cloned() {
            let bit = position * 8 + self.random.below(bytes * 8);
            self.trace.line(format_args!("bit {bit} of {file} rots, which was never acknowledged"));
            self.tally.tail_flips += u64::from(self.disk.flip_bit(&file, bit));
        }
    }

    /// Opens the node, through more power cuts and errors while it opens; returns how many
    /// entries it had to repeat.
    fn open(&mut self) -> Result<usize, Violation> {
        for _ in 0..OPENINGS_MAX {
            let fault = match self.random.below(6) {
                0 => Some(Fault::PowerCut),
                1 => Some(Fault::Error),
                _ => None,
            };
            let operation = self.disk.operations() + self.random.within(1..=OPENING);
            if let Some(fault) = fault {
                self.disk.fail_at(operation, fault);
            }
            let read_failures = self.disk.read_failures();
            if self.random.once_in(8) {
                self.arm_read(OPENING);
            }
            match Node::open(&self.disk, &self.scenario.node, self.time.moment()) {
                Ok((node, found)) => {
                    self.node = node;
                    self.tally.torn_tails += u64::from(found.report.torn_tail.is_some());
                    let (blocks, entries) = (found.report.blocks_scanned, found.entries.len());
                    self.trace
                        .line(format_args!("open in term {}: {blocks} blocks, {entries} entries", self.node.term));
                    if self.power_is_off() {
                        self.disk.restart();
                        continue;
                    }
                    self.disk.fail_at(0, Fault::Error);
                    self.disk.fail_read_at(0);
                    return audit::opened(self, &found).map(|()| entries);
                }
                Err(error) if fault.is_some() && self.disk.operations() >= operation => {
                    self.trace.line(format_args!("opening failed: {}", in_full(&error)));
                    self.revive();
                }
                Err(error) if self.disk.read_failures() > read_failures => {
                    self.trace.line(format_args!("opening could not read: {}", in_full(&error)));
                    self.revive();
                }
                Err(error) => self.see(&Fact::OpenRefused { reason: in_full(&error), rot: None })?,
            }
        }
        let opened = Node::open(&self.disk, &self.scenario.node, self.time.moment());
        let reason =
            |error| Violation::new("rot is told", format!("nothing rots, but opening says: {}", in_full(&error)));
        let (node, found) = opened.map_err(reason)?;
        self.node = node;
        audit::opened(self, &found).map(|()| found.entries.len())
    }

    /// Brings the disk back after a failed opening.
    fn revive(&mut self) {
        if self.power_is_off() {
            self.disk.restart();
        } else {
            self.disk = self.disk.fork(self.random.draw());
        }
    }

    /// Turns one bit over on a copy of the disk and looks whether the copy's node tells.
    /// Everything acknowledged must have been announced before.
    ///
    /// # Errors
    /// The rule that does not hold.
    pub(crate) fn rot(&mut self) -> Result<(), Violation> {
        let copy = self.disk.fork(self.random.draw());
        if self.random.once_in(2) {
            copy.restart();
        }
        let Some((file, bit)) = self.any_bit(&copy) else { return Ok(()) };
        copy.flip_bit(&file, bit);
        self.trace.line(format_args!("bit {bit} of {file} rots"));
        self.tally.flips += 1;
        let told = match Node::open(&copy, &self.scenario.node, self.time.moment()) {
            Ok((node, found)) => audit::rotten(self, node, &found, &file)?,
            Err(error) => {
                self.see(&Fact::OpenRefused { reason: in_full(&error), rot: Some(&file) })?;
                true
            }
        };
        self.tally.flips_told += u64::from(told);
        self.trace.line(format_args!("it is told: {told}"));
        Ok(())
    }

    /// A bit of a file, rather one that means something.
    fn any_bit(&mut self, disk: &FaultDisk) -> Option<(String, u64)> {
        let paths = disk.paths();
        let segments: Vec<_> = paths.iter().filter(|path| path.ends_with(".seg")).cloned().collect();
        let from = if self.random.once_in(3) { &paths } else { &segments };
        let file = self.random.pick(from)?.clone();
        let content = disk.content(&file).filter(|content| !content.is_empty())?;
        let mut place = 0;
        for _ in 0..20 {
            place = self.random.place(content.len());
            if content[place] != 0 {
                break;
            }
        }
        Some((file, place as u64 * 8 + self.random.below(8)))
    }
}

/// An error with all that caused it.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut full = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        full.push_str(": ");
        full.push_str(&error.to_string());
        cause = error.source();
    }
    full
}
