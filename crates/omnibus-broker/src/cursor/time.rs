//! What happens by itself when its time has come.

use omnibus_model::Timestamp;

use super::Cursor;

impl Cursor {
    /// Ends up to `items_max` leases and delays; returns how many.
    pub(crate) fn tick(&mut self, now: Timestamp, items_max: u32) -> u32 {
        let mut done = 0;
        while done < items_max {
            match self.timers.first() {
                Some((at, offset)) if *at <= now => {
                    let offset = *offset;
                    let record = self.take(offset).expect("a timer is of a record");
                    self.put_ready(offset, record);
                    done += 1;
                }
                _ => break,
            }
        }
        done
    }
}
