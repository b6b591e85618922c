//! What the kernel says of the server's process: CPU time, user and system apart, and memory.
//!
//! Contract: proc(5), `stat` and `status`. Ticks are hundredths of a second for every program on Linux.

use std::fs;
use std::io;
use std::time::Duration;

use thiserror::Error;

/// A process on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerProcess(u32);

/// CPU time since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cpu {
    pub user: Duration,
    pub system: Duration,
}

/// Why a process cannot be looked at.
#[derive(Debug, Error)]
pub(super) enum NoProcess {
    /// Its files cannot be read.
    #[error("cannot read of process {0}: {1}")]
    Unreadable(u32, io::ErrorKind),
    /// They are of another form than proc(5) says.
    #[error("cannot make out what the kernel says of process {0}")]
    Unknown(u32),
}

impl ServerProcess {
    /// The process with this id.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub(super) fn of(id: u32) -> Result<Self, NoProcess> {
        let process = ServerProcess(id);
        process.cpu()?;
        process.resident_kb()?;
        Ok(process)
    }

    /// What it has used.
    pub(super) fn cpu(self) -> Result<Cpu, NoProcess> {
        let stat = self.read("stat")?;
        // The name of the program, in parentheses, may hold anything.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_ascii_whitespace());
        let mut ticks = fields.into_iter().flatten().skip(USER_TICKS).map(str::parse::<u64>);
        match (ticks.next(), ticks.next()) {
            (Some(Ok(user)), Some(Ok(system))) => Ok(Cpu { user: of_ticks(user), system: of_ticks(system) }),
            _ => Err(NoProcess::Unknown(self.0)),
        }
    }

    /// Its resident memory, in KiB.
    pub(super) fn resident_kb(self) -> Result<u64, NoProcess> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kb = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
        kb.ok_or(NoProcess::Unknown(self.0))
    }

    fn read(self, file: &str) -> Result<String, NoProcess> {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.0));
        text.map_err(|error| NoProcess::Unreadable(self.0, error.kind()))
    }
}

impl Cpu {
    /// What was used since `earlier`.
    pub(super) fn since(self, earlier: Cpu) -> Cpu {
        Cpu {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

fn of_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(MILLISECONDS_A_TICK))
}

/// Of `utime`, counted from the state, which follows the name.
const USER_TICKS: usize = 11;
const MILLISECONDS_A_TICK: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_and_time() {
        let process = ServerProcess::of(std::process::id()).expect("it runs");
        assert!(process.resident_kb().expect("it runs") > 100);
        let before = process.cpu().expect("it runs");
        let mut work = 0_u64;
        while process.cpu().expect("it runs").since(before) == Cpu::default() {
            work = work.wrapping_add(1);
        }
        assert!(work > 0);
    }

    #[test]
    fn a_process_that_does_not_run_is_told() {
        let error = ServerProcess::of(u32::MAX).expect_err("ids are smaller").to_string();
        assert!(error.contains(&u32::MAX.to_string()), "{error}");
    }
}
