//! Writes through io_uring: several in flight, each durable when it completes.

#![expect(unsafe_code, reason = "the kernel reads buffers while we do other things; see ADR 0010")]

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use bytes::Bytes;
use io_uring::{IoUring, opcode, types};
use omnibus_io::DiskFile;

const ENTRIES: u32 = 8;

/// A queue of writes that complete in any order and are reported in the order of submission.
pub(crate) struct Ring {
    ring: IoUring,
    flights: VecDeque<Flight>,
    /// The number of the oldest flight.
    first: u64,
}

/// A write that the kernel is busy with. It owns what the kernel reads.
#[derive(Debug)]
struct Flight {
    bytes: Bytes,
    _file: Arc<dyn DiskFile>,
    result: Option<i32>,
}

impl Ring {
    /// Asks the kernel for a ring.
    ///
    /// # Errors
    /// If it refuses, as it does in many containers.
    pub(crate) fn open() -> io::Result<Self> {
        let ring = IoUring::new(ENTRIES)?;
        Ok(Self { ring, flights: VecDeque::new(), first: 0 })
    }

    /// Starts a durable write.
    pub(crate) fn submit(&mut self, file: &Arc<dyn DiskFile>, bytes: &Bytes, position: u64) -> io::Result<()> {
        let descriptor = file.descriptor().ok_or(io::ErrorKind::Unsupported)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let write = opcode::Write::new(types::Fd(descriptor.as_raw_fd()), bytes.as_ptr(), length)
            .offset(position)
            .rw_flags(libc::RWF_DSYNC)
            .build()
            .user_data(self.first + self.flights.len() as u64);
        // SAFETY: the flight below holds the buffer and the open file until the kernel has
        // completed the write (`Drop` waits for it), and `Bytes` never moves its content.
        unsafe { self.ring.submission().push(&write) }.map_err(io::Error::other)?;
        self.flights.push_back(Flight { bytes: bytes.clone(), _file: Arc::clone(file), result: None });
        self.ring.submit()?;
        Ok(())
    }

    /// Waits for the oldest write and returns how many of the oldest are done now.
    pub(crate) fn wait(&mut self) -> io::Result<usize> {
        while self.flights.front().is_some_and(|flight| flight.result.is_none()) {
            self.collect()?;
        }
        let mut done = 0;
        while let Some(result) = self.flights.front().and_then(|flight| flight.result) {
            let flight = self.flights.pop_front().expect("the front was just seen");
            self.first += 1;
            check(result, flight.bytes.len())?;
            done += 1;
        }
        Ok(done)
    }

    fn collect(&mut self) -> io::Result<()> {
        match self.ring.submit_and_wait(1) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Ok(_) | Err(_) => {}
        }
        for completion in self.ring.completion() {
            let place = usize::try_from(completion.user_data() - self.first).map_err(io::Error::other)?;
            self.flights[place].result = Some(completion.result());
        }
        Ok(())
    }
}

fn check(result: i32, bytes: usize) -> io::Result<()> {
    match usize::try_from(result) {
        Ok(written) if written == bytes => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::from_raw_os_error(-result)),
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("flights", &self.flights).finish_non_exhaustive()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        while self.flights.iter().any(|flight| flight.result.is_none()) {
            if self.collect().is_err() {
                // The kernel may still read the buffers: better to leak them.
                std::mem::forget(std::mem::take(&mut self.flights));
                return;
            }
        }
    }
}
